"""Scores of single labels, and which are confused, against loops over their definitions."""

from __future__ import annotations

import random

import pytest

from attncli.config.evaluation import Evaluation
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.labels import confusions, label_scores
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.registry import ANSWER_METRICS
from attncli.reports.text import terminal_text

DRAW = random.Random(3)
REFERENCES = [DRAW.choice("aabc") for _ in range(40)]
HYPOTHESES = [DRAW.choice("abd") for _ in range(40)]


def share(count: int, of: int) -> float | None:
    return 100 * count / of if of else None


def test_precision_recall_and_f1_are_those_of_their_definitions() -> None:
    found = label_scores(confusions(HYPOTHESES, [REFERENCES]))
    assert [each.label for each in found] == ["a", *sorted("bc", key=lambda label: -REFERENCES.count(label)), "d"]
    for each in found:
        right = sum(one == other == each.label for one, other in zip(REFERENCES, HYPOTHESES, strict=True))
        precision, recall = share(right, HYPOTHESES.count(each.label)), share(right, REFERENCES.count(each.label))
        assert (each.precision, each.recall) == (precision, recall)
        expected = 0.0 if not (precision and recall) else 2 * precision * recall / (precision + recall)
        assert each.f1 == pytest.approx(expected)
    nothing = {each.label: (each.precision, each.recall) for each in found}
    assert nothing["c"] == (None, 0)
    assert nothing["d"] == (0, None)


def test_confusions_count_every_source_once_and_of_several_references_the_one_that_was_written() -> None:
    found = confusions(["a ", "b", "c", "a"], [["a", "a", "b", "x"], ["b", "b", None, "a"]])
    assert {(each.reference, each.hypothesis): each.sources for each in found} == {
        ("a", "a"): 2,
        ("b", "b"): 1,
        ("b", "c"): 1,
    }
    assert (found[0].reference, found[0].sources) == ("a", 2)


def test_the_table_of_labels_says_for_what_each_was_taken() -> None:
    test = EvaluationSet(
        "t", ("x",) * 5, (("cat", "cat", "cat", "dog", "cow"),), groups=("in", "in", "out", "out", "out")
    )
    systems = [System("s", ("cat", "dog", "cow", "cat", "cow")), System("other", ("cat", "cat", "cat", "dog", "dog"))]
    report = evaluate(test, systems, Evaluation(bootstrap_samples=5), metrics=ANSWER_METRICS, are_labels=True)
    lines = terminal_text(report).splitlines()
    at = lines.index("s: labels, in %")
    assert lines[at + 1].split() == ["label", "sentences", "precision", "recall", "F1", "most", "often", "taken", "for"]
    assert lines[at + 3].split() == ["cat", "3", "50.0", "33.3", "40.0", "cow", "(1)"]
    assert lines[at + 4].split() == ["cow", "1", "50.0", "100.0", "66.7"]
    assert lines[at + 5].split() == ["dog", "1", "0.0", "0.0", "0.0", "cat", "(1)"]
    at = lines.index("Accuracy by group")
    assert lines[at + 1].split() == ["group", "sentences", "s", "other"]
    assert lines[at + 3].split()[:3] == ["in", "2", "50.0"]
    assert lines[at + 4].split()[:3] == ["out", "3", "33.3"]


def test_only_the_most_frequent_of_many_labels_are_shown() -> None:
    labels = tuple(f"label-{number}" for number in range(23))
    test = EvaluationSet("t", labels, (labels,))
    report = evaluate(
        test, [System("s", labels)], Evaluation(bootstrap_samples=2), metrics=ANSWER_METRICS, are_labels=True
    )
    assert "s: labels, the 20 most frequent of 23, in %" in terminal_text(report)
