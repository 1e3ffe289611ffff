"""Tokens of captions are those of the Java program that the COCO evaluation runs."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from attncli.metrics.caption_tokens import caption_tokens

PUNCTUATION = ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"]  # what the evaluation leaves out
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
    ("AT&T and AT&amp;T, the AT&T's B&Bs, C+D, C++, At&T", "at&t and at&t the at&t 's b&b s c+d c++ at & t"),
    (
        "rock'n'roll, Rock'N'Roll, rock'n roll, fish 'n' chips, 'n",
        "rock 'n' roll rock 'n' roll rock 'n roll fish 'n' chips 'n",
    ),
    ("rock’n’roll rock`n`roll 'n-word Guns N' Roses, N'Roses", "rock ’n’ roll rock n`roll n-word guns n roses n'roses"),
    ("don`t, isn`t, it`s, don’t, don‘t, DON'T", "do n`t is n`t it s do n't do n`t do n't"),
    ("'tis the season, 'Twas night, it'tis, ''tis", "'t is the season 't was night it 't is tis"),
    ("’tis ‘tis ('tis) 'tisn't 'twasn't 'tis-like", "tis tis -lrb- 't is -rrb- 't is n't 't was n't 't is-like"),
    ("'cause 'til 'till 'em ’em '70s '00s '15", "'cause 'til 'till 'em ’em '70s 00s '15"),
    (
        "ma'am, y'all, you'all, c'mon, Hawai'i, O'Brien, l'amour, j'aime",
        "ma'am y' all you'all c'mon hawai'i o'brien l'amour j' aime",
    ),
    (
        "ol' man, somethin' else, nothin', Dunkin' Donuts, o`clock, o’clock",
        "ol' man somethin' else nothin dunkin' donuts o`clock o’clock",
    ),
    ("cannot've, gonna', gimme's, the dogs’ ‘toys’", "cannot 've gon na gimme 's the dogs toys"),
    ("", ""),
    (" . ", ""),
]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_tokens_are_the_java_programs(text: str, expected: str) -> None:
    assert caption_tokens(text) == expected.split()


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java")
def test_the_table_is_what_the_java_program_gives(tmp_path: Path) -> None:
    jar = Path(pytest.importorskip("pycocoevalcap").__path__[0]) / "tokenizer" / "stanford-corenlp-3.4.1.jar"
    (tmp_path / "texts").write_text("\n".join(html.unescape(text) for text, _ in TABLE), encoding="utf-8")
    command = [
        "java",
        "-cp",
        str(jar),
        "edu.stanford.nlp.process.PTBTokenizer",
        "-preserveLines",
        "-lowerCase",
        "texts",
    ]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, encoding="utf-8")
    rows = [[token for token in line.split() if token not in PUNCTUATION] for line in finished.stdout.split("\n")]
    assert rows[: len(TABLE)] == [expected.split() for _, expected in TABLE]


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
