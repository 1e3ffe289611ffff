"""Tokens of captions are those of the Java program that the COCO evaluation runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attncli.metrics.caption_tokens import caption_tokens

# What edu.stanford.nlp.process.PTBTokenizer of Stanford CoreNLP 3.4.1 gave, less the evaluation's list of punctuation.
TABLE = [
    ("A dog runs through the grass .", "a dog runs through the grass"),
    ("A dog, running: fast; wait... what?", "a dog running fast wait what"),
    ("the dogs' ball isn't John's, they've said", "the dogs ball is n't john 's they 've said"),
    ("I'm gonna, gotta, lemme, cannot, can't", "i 'm gon na got ta lem me can not ca n't"),
    ("Mr. Smith and Dr. Who at St. Louis vs. Ohio", "mr. smith and dr. who at st. louis vs. ohio"),
    ("He lives in the U.S. at 5 a.m. or p.m.", "he lives in the u.s. at 5 a.m. or p.m."),
    ("10,000 people, 3.5 miles, 1/2 cup, 12:30, 50% of $20", "10,000 people 3.5 miles 1/2 cup 12:30 50 % of $ 20"),
    ("a red-and-white t-shirt -- no dash - but", "a red-and-white t-shirt no dash but"),
    ("a \"quoted\" 'word' and “curly” it’s", "a quoted word and curly it 's"),
    ("a man (with a hat) [here]", "a man -lrb- with a hat -rrb- -lsb- here -rsb-"),
    ("rock 'n' roll at five o'clock with d'oeuvres", "rock 'n' roll at five o'clock with d'oeuvres"),
    ("www.example.com example.org me@example.com #tag @user", "www.example.com example.org me@example.com #tag @user"),
    ("a/b and him/her", "a/b and him/her"),
    ("black&white A&M R&amp;B", "black & white a&m r&b"),
    ("a man in a no. 5 shirt says no. Really", "a man in a no. 5 shirt says no really"),
    ("he said yes.she left", "he said yes.she left"),
    ("A colourful programme in naïve Straße", "a colourful programme in naïve straße"),
    ("what?! no!!", "what ?! no !!"),
    ("the Miss. river, a miss.", "the miss. river a miss"),
    ("1990s '90s 4x4 2-1 B-52 abc123", "1990s '90s 4x4 2-1 b-52 abc123"),
    ("", ""),
    (" . ", ""),
]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_tokens_are_the_java_programs(text: str, expected: str) -> None:
    assert caption_tokens(text) == expected.split()


@pytest.mark.shared_data
def test_every_caption_of_the_reference_is_tokenised_alike(shared_data: Path) -> None:
    folder = shared_data / "flickr8k"
    captions: dict[str, list[str]] = {}
    for line in (folder / "Flickr8k.token.txt").read_text().splitlines():
        image, caption = line.split("\t")
        captions.setdefault(image.split("#")[0], []).append(caption)
    expected = json.loads((folder / "metric_reference" / "human_0_vs_1234.tokenized.json").read_text())
    assert len(expected) == 1000
    for image, texts in expected.items():
        found = [" ".join(caption_tokens(caption)) for caption in captions[image]]
        assert found == [texts["hypothesis"], *texts["references"]]
