"""Scores by group: what is drawn, and their means over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from figures import overlapping_texts

from attncli.config.evaluation import Evaluation
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.report import Report
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.registry import ANSWER_METRICS
from attncli.reports.by_group import by_group_figure
from attncli.reports.output import write_report
from attncli.reports.values import report_values

REFERENCES = ("a", "b", "a", "c", "b")
GROUPS = ("long", "$x$", "long", "$x$", "long")


def found_report(*systems: System) -> Report:
    test = EvaluationSet("t", ("q",) * 5, (REFERENCES,), groups=GROUPS)
    return evaluate(test, systems, Evaluation(bootstrap_samples=9), metrics=ANSWER_METRICS, are_labels=True)


SYSTEMS = (
    System("m-1", ("a", "b", "b", "b", "b"), variant="m"),
    System("m-2", ("a", "b", "a", "b", "a"), variant="m"),
    System("other", ("c", "b", "a", "c", "b")),
)


def test_a_variant_has_the_mean_of_its_runs() -> None:
    m, other = found_report(*SYSTEMS).variants
    assert [found.group for found in m.by_group] == ["$x$", "long"]
    assert [found.sources for found in m.by_group] == [2, 3]
    assert [found.score.score for found in m.by_group] == pytest.approx([50, 200 / 3])
    assert [found.score.score for found in other.by_group] == pytest.approx([100, 200 / 3])


def test_points_are_the_scores_and_the_first_group_stands_on_top() -> None:
    report = found_report(*SYSTEMS)
    figure = by_group_figure(report)
    [axes] = figure.axes
    for line, variant in zip(axes.lines, report.variants, strict=True):
        assert list(np.asarray(line.get_xdata())) == [found.score.score for found in variant.by_group]
        assert np.all(np.diff(np.asarray(line.get_ydata())) > 0)
    assert axes.yaxis_inverted()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["$x$ (2)", "long (3)"]
    assert not overlapping_texts(figure)


def test_csv_has_a_line_a_run_and_group() -> None:
    lines = report_values(found_report(*SYSTEMS))["by_group.csv"].splitlines()
    assert lines[0] == "run,group,sources,metric,score,low,high"
    assert lines[1].startswith("m-1,$x$,2,accuracy,50.0,")
    assert len(lines) == 1 + 3 * 2


def test_without_groups_there_is_no_file_of_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    test, system = EvaluationSet("t", ("q",), (("a b",),)), System("s", ("a b",))
    report = evaluate(test, [system], Evaluation(bootstrap_samples=2))
    names = write_report(report, tmp_path_factory.mktemp("r"), test=test, systems=[system], decoded=[system])
    assert not [name for name in names if "group" in name or "label" in name or "confusion" in name]
