"""BLEU by length: what is drawn, and that it can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from figures import heights, legend_names
from matplotlib.patches import Rectangle

from attncli.config.evaluation import Evaluation
from attncli.drawing.figures import save_figure
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.report import Report
from attncli.evaluation.test_set import EvaluationSet
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
    return evaluate(test, systems, Evaluation(length_bins=(2, 4), bootstrap_samples=20), metrics=metrics)


def test_lines_bounds_counts_and_names_are_drawn() -> None:
    found = length_report(["none", "_hidden$", "additive"])
    figure = by_length_figure(found)
    scores, counts = figure.axes
    assert len(scores.lines) == 3
    for line, system in zip(scores.lines, found.systems, strict=True):
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
    lines = by_length_figure(length_report([f"run{i}" for i in range(7)])).axes[0].lines
    assert len({line.get_color() for line in lines}) == 7


def test_more_runs_have_a_panel_each_before_all_others() -> None:
    found = length_report([f"run{i}$" for i in range(9)])
    panels = [axes for axes in by_length_figure(found).axes if axes.get_visible()]
    assert len(panels) == 9
    for number, (axes, system) in enumerate(zip(panels, found.systems, strict=True)):
        scores = [b.score.score for b in system.by_length]
        assert axes.get_title("left") == f"{system.name}  {system.scores['bleu'].score:.1f}"
        assert heights(axes.lines[-1]).tolist() == scores
        assert [line.get_linestyle() for line in axes.lines].count("--") == (number > 0)
        assert len(axes.lines) == 9 + (number > 0) + 1
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ["1–2\n4", "5+\n2"]


def test_the_runs_of_a_variant_are_thin_lines_beside_their_mean() -> None:
    figure = by_length_figure(length_report(["a", "b", "c"], variants=["x", "x", "c"]))
    lines = figure.axes[0].lines
    assert [line.get_linewidth() < 1 for line in lines] == [True, True, False, False]
    thin, other, mean, _ = map(heights, lines)
    assert mean.tolist() == ((thin + other) / 2).tolist()
    assert legend_names(figure.axes[0]) == ["x", "c"]
    assert figure.axes[0].get_title("left").endswith("(shaded: 95 % bounds; thin: single seeds)")


def test_a_bin_without_any_match_is_drawn(tmp_path: Path) -> None:
    test = EvaluationSet("t", ("a", "b"), (("x", "y"),))
    found = evaluate(test, [System("s", ("q", ""))], Evaluation(bootstrap_samples=5))
    save_figure(by_length_figure(found), tmp_path / "a.png", dots_per_inch=40)
    assert found.systems[0].by_length[0].score.score == 0


def test_the_first_metric_is_drawn_on_an_axis_of_its_size() -> None:
    figure = by_length_figure(length_report(["a"], metrics=["cider", "chrf"]))
    assert figure.axes[0].get_ylabel() == "CIDEr"
    assert figure.axes[0].get_title("left") == "$x$ park: CIDEr by length (shaded: 95 % bounds)"
    many = by_length_figure(length_report([f"run{i}" for i in range(9)], metrics=["ter"]))
    assert many.axes[0].get_ylabel() == "TER"
    assert many.get_suptitle().endswith("beside a name: TER overall")


def test_what_is_counted_is_called_by_its_name() -> None:
    report = replace(length_report(["a"]), noun="image")
    assert by_length_figure(report).axes[1].get_ylabel() == "images"
    many = replace(length_report([f"run{i}" for i in range(9)]), noun="image")
    assert by_length_figure(many).get_supxlabel().endswith("below them images")
    shown = terminal_text(report)
    assert "$x$ park: 6 images, 1 reference each" in shown
    assert "words  images" in shown
    assert "sentence" not in shown
