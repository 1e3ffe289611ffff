"""BLEU by length: what is drawn, and that it can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from figures import heights, legend_names, overlapping_texts
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from attncli.config.evaluation import Evaluation
from attncli.drawing.figures import save_figure
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.report import Report
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.registry import ALL_METRICS
from attncli.reports.by_length import by_length_figure
from attncli.reports.text import terminal_text


def length_report(names: list[str], variants: list[str] | None = None, metrics: Sequence[str] = ("bleu",)) -> Report:
    sources = ["ein Hund", "ein Hund rennt über das Gras", "er"] * 2
    references = ("a dog", "a dog runs over the grass", "he") * 2
    systems = [
        System(
            name, tuple(line if i != number else "nothing at all" for i, line in enumerate(references)), variant=variant
        )
        for number, (name, variant) in enumerate(zip(names, variants or names, strict=True))
    ]
    test = EvaluationSet("$x$ park", tuple(sources), (references,))
    settings = Evaluation(length_bins=(2, 4), bootstrap_samples=20)
    return evaluate(test, systems, settings, metrics={key: ALL_METRICS[key] for key in metrics})


def whole_lines(axes: Axes) -> list[Line2D]:
    """Return the lines of all lengths of each variant, pale, which those of enough sources cover."""
    return [line for line in axes.lines if line.get_markerfacecolor() == "white"]


def strong_lines(axes: Axes) -> list[Line2D]:
    """Return the lines of what stands for enough sources."""
    return [line for line in axes.lines if line.get_gid() is not None]


def notes(axes: Axes) -> str:
    """Return what is said about how to read the lines."""
    [text] = axes.texts
    return text.get_text()


def brightness_and_hue(line: Line2D) -> np.ndarray:
    red, green, blue = to_rgb(line.get_color())
    return np.array([0.3 * red + 0.6 * green + 0.1 * blue, blue - (red + green) / 2])


def points_of(axes: Axes) -> list[np.ndarray]:
    """Return all points of the lines and bounds that are drawn."""
    bounds = [np.asarray(found.vertices) for each in axes.collections for found in each.get_paths()]
    return [point for each in (*(np.asarray(line.get_xydata()) for line in axes.lines), *bounds) for point in each]


LONG = [
    f"experiments/2026-11/multi30k-{kind}-seed-{seed}"
    for kind in ("hard_straight_through", "scaled_dot", "without_any_attention")
    for seed in (1, 2, 3, 4, 10)
]


@pytest.mark.parametrize(("runs", "bins"), [(1, (2, 4)), (7, range(1, 14)), (8, range(1, 14)), (13, (2, 4))])
def test_no_text_covers_another_and_nothing_is_cut(runs: int, bins: Sequence[int]) -> None:
    figure = by_length_figure(graded_report(LONG[:runs], tuple(bins)))
    assert not overlapping_texts(figure)
    for axes in filter(Axes.get_visible, figure.axes):
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for x, y in points_of(axes):
            assert left < x < right
            assert np.isnan(y) or low <= y <= high


def graded_report(names: list[str], bins: tuple[int, ...], variants: list[str] | None = None) -> Report:
    """Return a report on sentences of 1 to 14 words, of which the systems get more and more wrong."""
    references = tuple(" ".join(f"w{at}" for at in range(1 + number % 14)) for number in range(84))
    systems = [
        System(
            name,
            tuple(line if (at * 7) % 10 > number else line.replace("w1", "x") for at, line in enumerate(references)),
            variant=variant,
        )
        for number, (name, variant) in enumerate(zip(names, variants or names, strict=True))
    ]
    test = EvaluationSet("news", references, (references,))
    return evaluate(
        test, systems, Evaluation(length_bins=bins, bootstrap_samples=20), metrics={"bleu": ALL_METRICS["bleu"]}
    )


@pytest.mark.parametrize("copies", [1, 3])
def test_seeds_far_from_their_mean_are_not_cut(copies: int) -> None:
    names = [f"{kind}-{seed}" for kind in "abc" * copies for seed in (1, 2)]
    names = [f"{name}{number // 2}" for number, name in enumerate(names)]
    variants = [name.split("-")[0] + name[-1] for name in names]
    figure = by_length_figure(graded_report(names, (7,), variants))
    for axes in figure.axes[:3]:
        tops = [heights(line).max() for line in axes.lines if line.get_linewidth() < 1]
        assert max(tops, default=0) < axes.get_ylim()[1]
    assert not overlapping_texts(figure)


def test_lengths_of_few_sources_are_pale_and_hollow() -> None:
    # Six of each length: 30 of 1 to 5 words, 24 of 6 to 9, and 30 of 10 and more.
    figure = by_length_figure(graded_report(["a"], (5, 9)))
    axes, counts = figure.axes
    [pale], [strong] = whole_lines(axes), strong_lines(axes)
    assert np.isnan(heights(strong)).tolist() == [False, True, False]
    assert to_rgba(pale.get_color())[3] < 0.5
    assert to_rgba(strong.get_color())[3] == 1
    bars = [bar.get_facecolor() for bar in counts.patches]
    assert bars[0] == bars[2] != bars[1]
    assert [text.get_text() for text in counts.texts] == ["30", "24", "30"]
    assert notes(axes) == "shaded: 95 % bounds; pale and hollow: fewer than 30 sentences"
    assert notes(by_length_figure(graded_report(["a"], (5,))).axes[0]) == "shaded: 95 % bounds"


def test_a_long_name_is_wrapped_where_it_has_joints() -> None:
    legend = by_length_figure(length_report(["multi30k-hard_straight_through-seed-3"])).axes[0].get_legend()
    assert legend is not None
    [text] = legend.get_texts()
    assert text.get_text().split("\n") == [" multi30k-hard_straight_through-", " seed-3 (89.2\u00a0overall)"]


def test_text_of_an_svg_is_text(tmp_path: Path) -> None:
    save_figure(by_length_figure(length_report(["a$b$c"])), tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert "$x$ park: sacreBLEU" in text
    assert "a$b$c" in text


def test_lines_bounds_counts_and_names_are_drawn() -> None:
    found = length_report(["none", "_hidden$", "additive"])
    figure = by_length_figure(found)
    scores, counts = figure.axes
    lines = whole_lines(scores)
    assert len(lines) == 3
    for line, system in zip(lines, found.systems, strict=True):
        assert heights(line).tolist() == [b.score.score for b in system.by_length]
    assert legend_names(scores) == ["none", "_hidden$", "additive"]
    assert scores.get_ylim()[0] == 0
    assert [bar.get_height() for bar in counts.patches if isinstance(bar, Rectangle)] == [4, 2]
    assert [label.get_text() for label in counts.get_xticklabels()] == ["1–2", "5+"]
    assert counts.get_xlabel() == "words of the source"


def test_the_legend_hides_no_line() -> None:
    figure = by_length_figure(length_report([f"run{i}" for i in range(7)]))
    figure.canvas.draw()
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x0 > axes.get_window_extent().x1


def test_as_many_runs_as_colours_stay_apart() -> None:
    lines = whole_lines(by_length_figure(length_report([f"run{i}" for i in range(7)])).axes[0])
    assert len({line.get_marker() for line in lines}) == 7
    colours = [brightness_and_hue(line) for line in lines]
    # Of what those see who lack one kind of cones (Viénot et al. 1999), roughly: brightness, and blue against yellow.
    assert min(float(np.abs(a - b).max()) for a, b in combinations(colours, 2)) > 0.08


def test_more_runs_have_a_panel_each_before_all_others() -> None:
    found = length_report([f"run{i}$" for i in range(9)])
    panels = [axes for axes in by_length_figure(found).axes if axes.get_visible()]
    assert len(panels) == 9
    for number, (axes, system) in enumerate(zip(panels, found.systems, strict=True)):
        scores = [b.score.score for b in system.by_length]
        assert axes.get_title("left") == f"{system.name} ({system.scores['bleu'].score:.1f})"
        assert heights(whole_lines(axes)[0]).tolist() == scores
        assert [line.get_linestyle() for line in axes.lines].count("--") == (number > 0)
        assert len(axes.lines) == 9 + (number > 0) + 2
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ["1–2\n4", "5+\n2"]


def test_the_runs_of_a_variant_are_thin_lines_beside_their_mean() -> None:
    figure = by_length_figure(length_report(["a", "b", "c"], variants=["x", "x", "c"]))
    thin, other = (heights(line) for line in figure.axes[0].lines if line.get_linewidth() < 1)
    mean, _ = map(heights, whole_lines(figure.axes[0]))
    assert mean.tolist() == ((thin + other) / 2).tolist()
    assert legend_names(figure.axes[0]) == ["x", "c"]
    assert notes(figure.axes[0]) == "shaded: 95 % bounds; thin: single seeds; pale and hollow: fewer than 30 sentences"


def test_a_bin_without_any_match_is_drawn(tmp_path: Path) -> None:
    test = EvaluationSet("t", ("a", "b"), (("x", "y"),))
    found = evaluate(test, [System("s", ("q", ""))], Evaluation(bootstrap_samples=5))
    save_figure(by_length_figure(found), tmp_path / "a.png", dots_per_inch=40)
    assert found.systems[0].by_length[0].score.score == 0


def test_the_first_metric_is_drawn_on_an_axis_of_its_size() -> None:
    figure = by_length_figure(length_report(["a"], metrics=["cider", "chrf"]))
    assert figure.axes[0].get_ylabel() == "CIDEr"
    assert figure.axes[0].get_title("left") == "$x$ park: CIDEr by length"
    assert figure.axes[0].get_ylim()[1] == pytest.approx(10.8)
    many = by_length_figure(length_report([f"run{i}" for i in range(9)], metrics=["ter"]))
    assert many.axes[0].get_ylabel() == "TER (lower is better)"
    assert many.texts[1].get_text().endswith("grey: all others; dashed: run0; in brackets: TER of all lengths")


def test_what_is_counted_is_called_by_its_name() -> None:
    report = replace(length_report(["a"]), noun="image")
    assert by_length_figure(report).axes[1].get_ylabel() == "images"
    many = replace(length_report([f"run{i}" for i in range(9)]), noun="image")
    assert by_length_figure(many).get_supxlabel().endswith("below them images")
    shown = terminal_text(report)
    assert "$x$ park: 6 images, 1 reference each" in shown
    assert "words  images" in shown
    assert "sentence" not in shown
