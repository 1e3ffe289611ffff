"""The COCO metrics against loops over their definitions, and against the published evaluation's own numbers."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from cider import HYPOTHESES, REFERENCES, cider_by_definition, ngrams

from attncli.errors import UserError
from attncli.metrics import meteor
from attncli.metrics.bootstrap import bounds, resampled_scores
from attncli.metrics.caption_tokens import caption_tokens
from attncli.metrics.coco import CiderD, DocumentFrequencies
from attncli.metrics.metric import References
from attncli.metrics.registry import CAPTION_METRICS

MEASURED_WITHOUT_JAVA = [key for key in CAPTION_METRICS if key != "meteor"]


def score(key: str, hypotheses: Sequence[str] = HYPOTHESES, references: References = REFERENCES) -> float:
    return CAPTION_METRICS[key].measure(hypotheses, references).score()


def bleu_by_definition(order: int, hypotheses: list[str], references: list[list[str]]) -> float:
    """Return Papineni et al. 2002, equations 1 to 3: clipped precisions, brevity by the closest reference."""
    length, closest, matched, there = 0, 0, [0] * order, [0] * order
    for hypothesis, *others in zip(hypotheses, *references, strict=True):
        words, texts = caption_tokens(hypothesis), [caption_tokens(text) for text in others]
        length += len(words)
        closest += min((abs(len(text) - len(words)), len(text)) for text in texts)[1]
        for size in range(1, order + 1):
            own = ngrams(words, size)
            there[size - 1] += len(own)
            for ngram in set(own):
                matched[size - 1] += min(own.count(ngram), max(ngrams(text, size).count(ngram) for text in texts))
    precision = math.prod(a / b for a, b in zip(matched, there, strict=True)) ** (1 / order)
    return 100 * precision * (math.exp(1 - closest / length) if length < closest else 1)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_is_its_definition(order: int) -> None:
    assert score(f"bleu_{order}") == pytest.approx(bleu_by_definition(order, HYPOTHESES, REFERENCES))


def test_of_two_references_equally_close_the_shorter_counts() -> None:
    # Four words between references of three and five: no penalty.
    assert score("bleu_1", ["a b c d"], [["a b c d e"], ["a b c"]]) == pytest.approx(100)
    assert score("bleu_1", ["a b c d"], [["a b c d e"]]) == pytest.approx(100 * math.exp(1 - 5 / 4))


def test_bleu_without_a_match_is_0() -> None:
    assert score("bleu_4", ["a dog"], [["a dog"]]) == 0
    assert score("bleu_1", [""], [["a dog"]]) == 0


def common_subsequence(one: list[str], other: list[str]) -> int:
    """Return the length of the longest subsequence of `one` that is one of `other`, by trying all."""
    for size in range(len(one), 0, -1):
        for chosen in combinations(one, size):
            rest = iter(other)
            if all(word in rest for word in chosen):
                return size
    return 0


def test_rouge_l_is_its_definition() -> None:
    scores = []
    for hypothesis, *others in zip(HYPOTHESES, *REFERENCES, strict=True):
        words, texts = caption_tokens(hypothesis), [caption_tokens(text) for text in others]
        common = [common_subsequence(words, text) for text in texts]
        precision = max(common) / len(words)
        recall = max(shared / len(text) for shared, text in zip(common, texts, strict=True))
        both = recall + 1.44 * precision
        scores.append(2.44 * precision * recall / both if both else 0)
    assert score("rouge_l") == pytest.approx(100 * float(np.mean(scores)))


def test_cider_is_its_definition() -> None:
    expected = cider_by_definition(HYPOTHESES, REFERENCES)
    assert score("cider") == pytest.approx(float(np.mean(expected)))
    images = [[caption_tokens(text) for text in texts] for texts in zip(*REFERENCES, strict=True)]
    scorer = CiderD(images)
    assert scorer.scores([caption_tokens(text) for text in HYPOTHESES]) == pytest.approx(expected)
    assert scorer.score(caption_tokens(HYPOTHESES[2]), 2) == pytest.approx(expected[2])


def test_cider_takes_document_frequencies_of_other_images() -> None:
    documents = [["A dog sits", "The grass", "A cat", "A bench", "Dogs"], ["Dog .", "Men", "Cats sleep", "A", "A dog"]]
    tokens = [[caption_tokens(text) for text in texts] for texts in zip(*documents, strict=True)]
    images = [[caption_tokens(text) for text in texts] for texts in zip(*REFERENCES, strict=True)]
    scorer = CiderD(images, DocumentFrequencies(tokens))
    expected = cider_by_definition(HYPOTHESES, REFERENCES, documents)
    assert scorer.scores([caption_tokens(text) for text in HYPOTHESES]) == pytest.approx(expected)
    assert expected != pytest.approx(cider_by_definition(HYPOTHESES, REFERENCES))


@pytest.mark.parametrize("key", MEASURED_WITHOUT_JAVA)
def test_a_sentence_may_have_fewer_references_than_others(key: str) -> None:
    fewer: References = [REFERENCES[0], [None, *REFERENCES[1][1:]]]
    repeated = [REFERENCES[0], [REFERENCES[0][0], *REFERENCES[1][1:]]]
    assert score(key, references=fewer) == pytest.approx(score(key, references=repeated), rel=0.02)
    with pytest.raises(ValueError, match="sentence 2 has no reference"):
        score(key, references=[["a", None, "b", "c"]])


@pytest.mark.parametrize("key", ["bleu_4", "rouge_l", "cider"])
def test_bootstrap_bounds_hold_the_score(key: str) -> None:
    hypotheses, references = HYPOTHESES[:3] * 9, [stream[:3] * 9 for stream in REFERENCES]
    measured = CAPTION_METRICS[key].measure(hypotheses, references)
    found = bounds(resampled_scores([measured], samples=100, seed=1)[0])
    assert found.low < measured.score() < found.high


def test_signatures_name_references_case_and_tokens() -> None:
    signature = {key: CAPTION_METRICS[key].measure(HYPOTHESES, REFERENCES).signature for key in MEASURED_WITHOUT_JAVA}
    assert signature["bleu_4"] == "nrefs:3|case:lc|tok:coco|smooth:none|order:4"
    assert signature["rouge_l"] == "nrefs:3|case:lc|tok:coco|beta:1.2"
    assert signature["cider"] == "nrefs:3|case:lc|tok:coco|cider:d|df:test"
    fewer = CAPTION_METRICS["bleu_1"].measure(["a", "b"], [["a", "b"], [None, "c"]])
    assert fewer.signature.startswith("nrefs:var|")


def test_coco_bleu_is_another_number_than_sacrebleus() -> None:
    assert score("bleu_4") != pytest.approx(score("bleu"), abs=0.5)


def test_what_meteor_needs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="METEOR is a Java program, but 'java' was not found; install a Java runtime"):
        score("meteor")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/java")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"METEOR needs the package pycocoevalcap; install it with: pip install 'attncli"
    ):
        score("meteor")


def test_a_failing_java_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(meteor, "program_folder", lambda: tmp_path)
    answers = iter(
        [
            subprocess.CompletedProcess((), 1, "", "warming up\nUnable to access jarfile\n"),
            subprocess.CompletedProcess((), 0, "1 2 3\n" * 4, ""),
        ]
    )
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: next(answers))
    with pytest.raises(UserError, match="METEOR's Java program failed: Unable to access jarfile"):
        score("meteor")
    with pytest.raises(UserError, match="METEOR's Java program answered '1 2 3', not 23 numbers"):
        score("meteor")


def test_meteor_is_the_published_formula() -> None:
    # "the dogs are in the snow in front of a fence" against three references: the statistics and the score that
    # METEOR 1.5 itself gives (SCORE, then EVAL).
    row = meteor._row("11.0 6.0 7.0 3.0 2.0 2.0 2.0 2.0" + " 0.0" * 12 + " 2.0 4.0 4.0")
    precision, recall = (0.75 * 2 + 0.25 * 2) / (0.75 * 4 + 0.25 * 7), (0.75 * 2 + 0.25 * 2) / (0.75 * 3 + 0.25 * 3)
    mean = precision * recall / (0.85 * precision + 0.15 * recall)
    assert meteor._score(np.array(row)) == pytest.approx(100 * mean * (1 - 0.6 * (2 / 4) ** 0.2))
    perfect = meteor._row("3.0 3.0 1.0 1.0 2.0 2.0 1.0 1.0" + " 0.0" * 12 + " 1.0 3.0 3.0")
    assert meteor._score(np.array(perfect)) == pytest.approx(100)


@pytest.fixture
def published(shared_data: Path) -> dict[str, tuple[list[str], list[list[str]], dict[str, float]]]:
    """Return hypotheses, references and published scores of the four known sets."""
    folder = shared_data / "flickr8k"
    captions: dict[str, list[str]] = {}
    for line in (folder / "Flickr8k.token.txt").read_text().splitlines():
        name, caption = line.split("\t")
        captions.setdefault(name.split("#")[0], []).append(caption)
    test = [captions[name] for name in (folder / "Flickr_8k.testImages.txt").read_text().split()]
    five = [[texts[at] for texts in test] for at in range(5)]
    scores = json.loads((folder / "metric_reference" / "scores.json").read_text())["corpus"]
    sets = {
        "human_0_vs_1234": (five[0], five[1:]),
        "human_4_vs_0123": (five[4], five[:4]),
        "constant_a_dog_runs_through_the_grass_vs_5": (["A dog runs through the grass ."] * 1000, five),
        "caption0_of_next_test_image_vs_5": ([*five[0][1:], five[0][0]], five),
    }
    return {name: (*known, scores[name]) for name, known in sets.items()}


@pytest.mark.shared_data
def test_the_published_scores_come_out(
    published: dict[str, tuple[list[str], list[list[str]], dict[str, float]]],
) -> None:
    names = {f"bleu_{order}": f"BLEU-{order}" for order in (1, 2, 3, 4)} | {"rouge_l": "ROUGE_L", "cider": "CIDEr"}
    for hypotheses, references, expected in published.values():
        for key, name in names.items():
            scale = 1 if key == "cider" else 100
            assert score(key, hypotheses, references) == pytest.approx(scale * expected[name], rel=1e-6)


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_published_meteor_comes_out(
    published: dict[str, tuple[list[str], list[list[str]], dict[str, float]]],
) -> None:
    pytest.importorskip("pycocoevalcap")
    hypotheses, references, expected = published["human_0_vs_1234"]
    assert score("meteor", hypotheses, references) == pytest.approx(100 * expected["METEOR"], rel=1e-6)
