"""Reports for a terminal: the numbers stand under their names."""

from __future__ import annotations

from attncli.config.evaluation import Evaluation
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.report import Speed
from attncli.evaluation.test_set import EvaluationSet
from attncli.reports.text import terminal_text


def test_speeds_stand_under_their_names() -> None:
    test = EvaluationSet("t", ("a b", "c", "d e f"), (("x y", "z", "x"),))
    system = System("s", ("x y", "z", "x"), speed=Speed(2.0, 3, 22), details={"beam_size": 4, "parameters": 1234})
    lines = terminal_text(evaluate(test, [system], Evaluation(bootstrap_samples=5))).splitlines()
    at = next(number for number, line in enumerate(lines) if "sentences/s" in line)
    assert lines[at].split() == [
        "run",
        "parameters",
        "training",
        "trained",
        "tokens/s",
        "beam",
        "sentences/s",
        "tokens/s",
    ]
    assert lines[at + 2].split() == ["s", "1,234", "4", "1.5", "11"]
