"""Reports for a terminal: the numbers stand under their names."""

from __future__ import annotations

from attncli.config.evaluation import Evaluation
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.report import Speed
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.registry import ERROR_RATES
from attncli.reports.text import markdown_text, terminal_text


def test_speeds_stand_under_their_names() -> None:
    test = EvaluationSet("t", ("a b", "c", "d e f"), (("x y", "z", "x"),))
    system = System("s", ("x y", "z", "x"), speed=Speed(2.0, 3, 22), details={"beam_size": 4, "parameters": 1234})
    lines = terminal_text(evaluate(test, [system], Evaluation(bootstrap_samples=5))).splitlines()
    at = next(number for number, line in enumerate(lines) if "sentences/s" in line)
    assert lines[at].split() == [
        "run",
        "parameters",
        "training",
        "peak",
        "memory",
        "trained",
        "tokens/s",
        "beam",
        "sentences/s",
        "tokens/s",
    ]
    assert lines[at + 2].split() == ["s", "1,234", "4", "1.5", "11"]


def test_errors_are_counted_in_a_table_of_each_error_rate() -> None:
    test = EvaluationSet("t", ("a b", "c"), (("one two three", "four"),))
    systems = [System("s", ("one too three", "four five")), System("other", ("one three", ""))]
    report = evaluate(test, systems, Evaluation(bootstrap_samples=5), metrics=ERROR_RATES)
    lines = terminal_text(report).splitlines()
    at = lines.index("WER: errors, in brackets in % of the reference words")
    assert lines[at + 1].split() == ["run", "substitutions", "deletions", "insertions", "reference", "words"]
    assert lines[at + 3].split() == ["s", "1", "(25.0)", "0", "(0.0)", "1", "(25.0)", "4"]
    assert lines[at + 4].split() == ["other", "0", "(0.0)", "2", "(50.0)", "0", "(0.0)", "4"]
    [characters] = [line for line in lines if line.startswith("CER: errors")]
    assert lines[lines.index(characters) + 3].split()[-1] == "17"
    assert "## WER: errors, in brackets in % of the reference words" in markdown_text(report, "by_length.png")
