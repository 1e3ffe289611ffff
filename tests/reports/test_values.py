"""The numbers of a report as CSV: all of them, with all their digits."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from attncli.config.evaluation import Evaluation
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.report import Report, Speed, TrainingCost
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.registry import ERROR_RATES, METRICS
from attncli.reports.values import report_values, sentences_text

TEST = EvaluationSet(
    "t", ("ein Hund", "zwei Männer sitzen", "sie"), (("a dog", "two men sit", "she"), (None, "x", "y"))
)
SYSTEMS = (
    System(
        "a-1", ("a dog", "men", "he"), Speed(2.0, 3, 9), {"parameters": 7}, (), TrainingCost(5.0, 60.0, 3 << 20), "a"
    ),
    System('say "x", y', ("the dog", "two men sit", "she"), details={"beam_size": 4}),
    System("a-2", ("dog", "two", "she is"), variant="a"),
)


def found_report() -> Report:
    return evaluate(TEST, SYSTEMS, Evaluation(length_bins=(1, 2), bootstrap_samples=15), metrics=METRICS)


def rows(text: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_scores_are_those_of_the_report_to_the_last_digit() -> None:
    report = found_report()
    found = rows(report_values(report)["scores.csv"])
    assert [(row["run"], row["variant"]) for row in found] == [("a-1", "a"), ('say "x", y', 'say "x", y'), ("a-2", "a")]
    for row, system in zip(found, report.systems, strict=True):
        assert float(row["length_ratio"]) == system.length_ratio
        for key, score in system.scores.items():
            assert [float(row[name]) for name in (key, f"{key}_low", f"{key}_high")] == [*score.as_json().values()]
    of_training = ("parameters", "training_seconds", "training_peak_memory_bytes", "trained_tokens_per_second")
    costs = (*of_training, "sources_per_second", "tokens_per_second")
    assert [found[0][name] for name in costs] == ["7", "60.0", "3145728", "5.0", "1.5", "4.5"]
    assert (found[1]["beam_size"], {found[1][name] for name in costs}) == ("4", {""})


def test_lengths_are_those_of_the_report() -> None:
    report = found_report()
    found = rows(report_values(report)["by_length.csv"])
    expected = [(system.name, b) for system in report.systems for b in system.by_length]
    assert len(found) == len(expected) == 9
    for row, (name, b) in zip(found, expected, strict=True):
        assert (row["run"], row["metric"], int(row["sources"])) == (name, "bleu", b.sources)
        assert (row["from"], row["to"]) == (str(b.first), "" if b.last is None else str(b.last))
        assert [float(row[key]) for key in ("score", "low", "high")] == [*b.score.as_json().values()]


def test_comparisons_are_a_line_a_pair_and_metric() -> None:
    report = found_report()
    found = rows(report_values(report)["comparisons.csv"])
    assert [(row["a"], row["b"], row["metric"]) for row in found] == [
        ("a", 'say "x", y', metric) for metric in ("bleu", "chrf", "ter")
    ]
    for row, difference in zip(found, report.comparisons[0].differences.values(), strict=True):
        numbers = [difference.value, difference.bounds.low, difference.bounds.high, difference.p_value]
        assert [float(row[key]) for key in ("difference", "low", "high", "p_value")] == numbers


def test_one_run_is_compared_with_nothing() -> None:
    report = found_report()
    alone = report_values(report.of(report.systems[0]))
    assert alone["comparisons.csv"] == "a,b,metric,difference,low,high,p_value\n"
    assert [row["run"] for row in rows(alone["scores.csv"])] == ["a-1"]


def test_lines_end_as_they_do_on_unix() -> None:
    assert not any("\r" in text for text in report_values(found_report()).values())


def test_a_missing_reference_is_left_out() -> None:
    lines = sentences_text(found_report(), TEST, SYSTEMS).splitlines()
    assert '"references": ["a dog"], ' in lines[0]
    assert '"references": ["two men sit", "x"], ' in lines[1]


@pytest.mark.parametrize("character", ["\u202e", "\u2028"])
def test_a_sentence_is_a_line_whatever_is_in_it(character: str) -> None:
    system = System("s", (f"a{character}dog", "b", "c"))
    report = evaluate(TEST, [system], Evaluation(bootstrap_samples=3))
    text = sentences_text(report, TEST, [system])
    assert len(text.splitlines()) == 3
    assert f"a\\u{ord(character):x}dog" in text


def test_errors_stand_beside_their_rates() -> None:
    report = evaluate(TEST, SYSTEMS[:1], Evaluation(bootstrap_samples=5), metrics=ERROR_RATES)
    [row] = rows(report_values(report)["scores.csv"])
    for key, counts in report.systems[0].counts.items():
        for name, count in counts.items():
            assert row[f"{key}_{name.replace(' ', '_')}"] == str(count)
    # Of "two men sit" and "x", "men" has two words too few of three; "he" is wrong for both "she" and "y".
    assert [row[f"wer_{name}"] for name in ("substitutions", "deletions", "insertions")] == ["1", "2", "0"]
