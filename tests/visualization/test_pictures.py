"""Heat maps, pages, curves and BLEU by length: what is drawn, and that it can be read."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from attncli.config.evaluation import Evaluation
from attncli.drawing.figures import save_figure
from attncli.errors import DataError, RunError
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.report import Report
from attncli.evaluation.test_set import EvaluationSet
from attncli.files import writing_into
from attncli.models.attention import Marks
from attncli.reports.by_length import by_length_figure
from attncli.runs.log import read_log
from attncli.sources.text.alignment import Alignment, json_text
from attncli.sources.text.heat_map import heat_map, heat_map_fonts
from attncli.sources.text.output import draw_alignments, write_text
from attncli.sources.text.page import page
from attncli.visualization.curves import curves_figure


def alignment(source: list[str], target: list[str], *, forced: bool = False) -> Alignment:
    weights = np.random.default_rng(1).dirichlet(np.ones(len(source)), size=len(target)).astype(np.float32)
    return Alignment(" ".join(source), " ".join(target), tuple(source), tuple(target), weights, -1.5, forced)


def marked(marks: Marks) -> Alignment:
    """Return 3 target tokens over 5 source tokens, with `marks`."""
    return replace(alignment([f"▁s{i}" for i in range(5)], ["▁a", "▁b", "</s>"]), marks=marks)


LOCAL = marked(Marks(1, torch.tensor([[0.0], [1.25], [4.0]]), None))
HARD = marked(Marks(None, None, torch.tensor([2, 0, 4])))

SMALL = alignment(["▁ein", "▁Snow", "board", "$5$", "</s>"], ["▁a", "▁snow", "board", "</s>"])


def texts(figure: Any) -> list[str]:
    axes = figure.axes[0]
    return [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]


def test_columns_are_the_source_and_rows_the_target() -> None:
    figure = heat_map(SMALL, heat_map_fonts([SMALL]))
    assert texts(figure) == ["ein", "Snow", "·board", "$5$", "</s>", "a", "snow", "·board", "</s>"]
    mesh = figure.axes[0].collections[0]
    assert mesh.get_array().tolist() == SMALL.weights.tolist()
    assert figure.axes[0].yaxis_inverted()
    assert figure.axes[0].get_ylabel() == "output"


def test_given_target_is_said_to_be_given() -> None:
    forced = alignment(["a", "b"], ["c", "d", "e"], forced=True)
    assert heat_map(forced, heat_map_fonts([forced])).axes[0].get_ylabel() == "given target"


def test_labels_of_sixty_tokens_neither_overlap_nor_shrink_away() -> None:
    words = [f"▁Wort{number}" for number in range(60)]
    large = alignment(words, words)
    figure = heat_map(large, heat_map_fonts([large]))
    figure.canvas.draw()
    axes = figure.axes[0]
    for labels, side in ((axes.get_yticklabels(), "height"), (axes.get_xticklabels(), "width")):
        assert min(label.get_fontsize() for label in labels) >= 8
        extents = [getattr(label.get_window_extent(), side) for label in labels]
        size = axes.get_window_extent()
        assert max(extents) <= getattr(size, side) / 60


def rectangles(figure: Any) -> list[tuple[float, float, float]]:
    """Return left, top and width of every patch in the map."""
    return [(patch.get_x(), patch.get_y(), patch.get_width()) for patch in figure.axes[0].patches]


def legend(figure: Any) -> list[str]:
    found = figure.axes[0].get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def test_windows_are_framed_and_their_centres_marked() -> None:
    figure = heat_map(LOCAL, heat_map_fonts([LOCAL]))
    # Half a width of 1 around 0, 1.25 and 4: tokens 0 to 1, 1 to 2 and 3 to 4 are inside.
    outside = [(left, top, width) for left, top, width in rectangles(figure) if width]
    assert outside == [(1.5, -0.5, 3), (-0.5, 0.5, 1), (2.5, 0.5, 2), (-0.5, 1.5, 3)]
    upright = [(line.get_xdata(), line.get_ydata()) for line in figure.axes[0].lines]
    places = [float(x[0]) for x, y in upright if len(x) == 2 and x[0] == x[1] and 0 < y[1] - y[0] < 0.9]
    assert places == [0.0, 1.25, 4.0]
    assert legend(figure) == ["centre of the window", "outside of it"]


def test_the_position_that_was_read_is_framed() -> None:
    figure = heat_map(HARD, heat_map_fonts([HARD]))
    centres = [(round(left + width / 2), round(top + width / 2)) for left, top, width in rectangles(figure)]
    assert centres == [(2, 0), (0, 1), (4, 2)]
    assert legend(figure) == ["the position read"]


def test_a_map_without_marks_has_no_legend() -> None:
    assert not legend(heat_map(SMALL, heat_map_fonts([SMALL])))


def test_json_and_page_tell_windows_and_choices() -> None:
    local, chosen, plain = json.loads(json_text([LOCAL, HARD, SMALL]))
    assert (local["half_width"], local["centres"]) == (1, [0.0, 1.25, 4.0])
    assert chosen["chosen"] == [2, 0, 4]
    assert not {"half_width", "centres", "chosen"} & {*plain}
    assert "centres" not in chosen
    assert "chosen" not in local
    classes = re.findall(r'<td class="([a-z ]*)"', page([LOCAL, HARD], title="t"))
    assert classes.count("outside") == 3 + 3 + 3
    assert classes.count("centre") == classes.count("chosen") == 3
    assert "<td class" not in page([SMALL], title="t")


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (70, 12)])
def test_every_shape_can_be_drawn(tmp_path: Path, shape: tuple[int, int]) -> None:
    found = alignment([f"▁s{i}" for i in range(shape[1])], [f"▁t{i}" for i in range(shape[0])])
    save_figure(heat_map(found, heat_map_fonts([found])), tmp_path / "a.png", dots_per_inch=40)
    with Image.open(tmp_path / "a.png") as picture:
        assert min(picture.size) > 20


def test_missing_glyphs_are_reported_once_and_by_us(tmp_path: Path) -> None:
    strange = alignment(["▁\U000f0000", "▁نحن", "</s>"], ["▁我们", "▁a", "</s>", "\U000f0001"])
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        paths = draw_alignments([strange, SMALL], tmp_path, "png", warn=said.append)
    assert [path.name for path in paths] == ["alignment-1.png", "alignment-2.png"]
    assert not caught
    assert len(said) == 1
    assert "U+F0000" in said[0]
    assert "U+F0001" in said[0]


def test_svg_keeps_text_as_text_and_needs_no_fonts(tmp_path: Path) -> None:
    strange = alignment(["▁我们", "</s>"], ["▁<b>", "</s>"])
    said: list[str] = []
    [path] = draw_alignments([strange], tmp_path, "svg", warn=said.append)
    assert "我们" in path.read_text(encoding="utf-8")
    assert "&lt;b&gt;" in path.read_text(encoding="utf-8")
    assert not said


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_same_alignment_gives_the_same_file(tmp_path: Path, suffix: str) -> None:
    sums = set()
    for name in ("a", "b"):
        [path] = draw_alignments([SMALL], tmp_path / name, suffix, warn=print)
        sums.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(sums) == 1


def test_json_gives_tokens_and_weights_as_rows() -> None:
    first, second = json.loads(json_text([SMALL, alignment(["x"], ["y", "z"], forced=True)]))
    assert first["source_tokens"] == ["▁ein", "▁Snow", "board", "$5$", "</s>"]
    assert first["target_tokens"] == ["▁a", "▁snow", "board", "</s>"]
    assert np.allclose(first["weights"], SMALL.weights, atol=1e-7)
    assert (first["forced"], second["forced"]) == (False, True)
    assert (first["log_prob"], second["source"], second["target"]) == (-1.5, "x", "y z")


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "td":
            self.titles.append(named.get("title") or "")
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]


def test_page_tells_each_weight_and_needs_nothing_else() -> None:
    strange = alignment(["▁<script>", "▁&"], ['▁"quoted"', "▁b", "</s>"])
    text = page([strange], title="a<b")
    cells = _Cells()
    cells.feed(text)
    assert len(cells.titles) == 6
    assert cells.titles[0] == f'"quoted" → <script>: {strange.weights[0, 0]:.3f}'
    assert "<script>" not in text
    assert not cells.links
    assert "<title>a&lt;b</title>" in text


def test_text_forms_are_one_file_of_all(tmp_path: Path) -> None:
    assert write_text([SMALL, SMALL], tmp_path, "json", title="t").name == "alignments.json"
    assert "<h2>2</h2>" in write_text([SMALL, SMALL], tmp_path, "html", title="t").read_text(encoding="utf-8")


def test_folder_that_cannot_be_made_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match=re.escape(f"{tmp_path / 'file'}: cannot be written: ")),
        writing_into(tmp_path / "file"),
    ):
        pass


# By length


def length_report(names: list[str], variants: list[str] | None = None) -> Report:
    sources = ["ein Hund", "ein Hund rennt über das Gras", "er"] * 2
    references = ("a dog", "a dog runs over the grass", "he") * 2
    systems = [
        System(
            name, tuple(line if i != number else "nothing at all" for i, line in enumerate(references)), variant=variant
        )
        for number, (name, variant) in enumerate(zip(names, variants or names, strict=True))
    ]
    test = EvaluationSet("$x$ park", tuple(sources), (references,))
    return evaluate(test, systems, Evaluation(length_bins=(2, 4), bootstrap_samples=20))


def test_lines_bounds_counts_and_names_are_drawn() -> None:
    found = length_report(["none", "_hidden$", "additive"])
    figure = by_length_figure(found)
    scores, counts = figure.axes
    assert len(scores.lines) == 3
    for line, system in zip(scores.lines, found.systems, strict=True):
        assert line.get_ydata().tolist() == [b.bleu.score for b in system.by_length]
    names = [text.get_text().split("(")[0].strip() for text in scores.get_legend().get_texts()]
    assert names == ["none", "_hidden$", "additive"]
    assert scores.get_ylim()[0] == 0
    assert [bar.get_height() for bar in counts.patches] == [4, 2]
    assert [label.get_text() for label in counts.get_xticklabels()] == ["1–2", "5+"]
    assert counts.get_xlabel() == "words of the source"


def test_the_legend_hides_no_line() -> None:
    figure = by_length_figure(length_report([f"run{i}" for i in range(7)]))
    figure.canvas.draw()
    axes = figure.axes[0]
    assert axes.get_legend().get_window_extent().x0 > axes.get_window_extent().x1


def test_as_many_runs_as_colours_stay_apart() -> None:
    lines = by_length_figure(length_report([f"run{i}" for i in range(7)])).axes[0].lines
    assert len({line.get_color() for line in lines}) == 7


def test_more_runs_have_a_panel_each_before_all_others() -> None:
    found = length_report([f"run{i}$" for i in range(9)])
    panels = [axes for axes in by_length_figure(found).axes if axes.get_visible()]
    assert len(panels) == 9
    for number, (axes, system) in enumerate(zip(panels, found.systems, strict=True)):
        scores = [b.bleu.score for b in system.by_length]
        assert axes.get_title("left") == f"{system.name}  {system.scores['bleu'].score:.1f}"
        assert axes.lines[-1].get_ydata().tolist() == scores
        assert [line.get_linestyle() for line in axes.lines].count("--") == (number > 0)
        assert len(axes.lines) == 9 + (number > 0) + 1
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ["1–2\n4", "5+\n2"]


def test_the_runs_of_a_variant_are_thin_lines_beside_their_mean() -> None:
    figure = by_length_figure(length_report(["a", "b", "c"], variants=["x", "x", "c"]))
    lines = figure.axes[0].lines
    assert [line.get_linewidth() < 1 for line in lines] == [True, True, False, False]
    thin, other, mean, _ = (line.get_ydata() for line in lines)
    assert mean.tolist() == ((thin + other) / 2).tolist()
    names = [text.get_text().split("(")[0].strip() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["x", "c"]
    assert figure.axes[0].get_title("left").endswith("(shaded: 95 % bounds; thin: single seeds)")


def test_a_bin_without_any_match_is_drawn(tmp_path: Path) -> None:
    test = EvaluationSet("t", ("a", "b"), (("x", "y"),))
    found = evaluate(test, [System("s", ("q", ""))], Evaluation(bootstrap_samples=5))
    save_figure(by_length_figure(found), tmp_path / "a.png", dots_per_inch=40)
    assert found.systems[0].by_length[0].bleu.score == 0


# Curves


def write_log(folder: Path, records: list[dict[str, Any]], *, tail: str = "") -> Path:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "log.jsonl").write_text(lines + tail)
    return folder


def record(step: int, **values: float) -> dict[str, Any]:
    return {"event": "train", "step": step, "loss": 5.0 / step, "learning_rate": 1e-3, "gradient_norm": 1.0, **values}


def validation(step: int, **values: float) -> dict[str, Any]:
    return {"event": "validation", "step": step, "loss": 3.0 / step, "bleu": 10.0 * step, **values}


def test_curves_show_what_the_log_holds(tmp_path: Path) -> None:
    log = read_log(
        write_log(tmp_path, [{"event": "start"}, record(1), record(2), validation(2), record(3), validation(3)])
    )
    figure = curves_figure(log, title="run_$x$")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "loss (nats a token), best dev 1.000 at step 3",
        "dev BLEU, best 30.00 at step 3",
        "learning rate",
        "gradient norm",
    ]
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([5.0, 2.5, 5 / 3])
    assert figure.axes[1].lines[0].get_xdata().tolist() == [2, 3]
    save_figure(figure, tmp_path / "a.png", dots_per_inch=40)


def test_panels_without_numbers_are_left_out(tmp_path: Path) -> None:
    log = read_log(write_log(tmp_path, [{"event": "validation", "step": 4, "loss": 2.0}]))
    figure = curves_figure(log, title="x")
    assert [axes.get_visible() for axes in figure.axes] == [True, False]


def test_last_record_of_a_step_counts_and_half_a_line_is_left_out(tmp_path: Path) -> None:
    folder = write_log(tmp_path, [record(1), record(2), record(2, loss=7.0)], tail='{"event": "tr')
    curve = read_log(folder).curve("train", "loss")
    assert (curve.steps, curve.values) == ((1, 2), (5.0, 7.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{folder}: not a run with a log: missing log.jsonl"),
        ('{"event": "start"}\n', "{folder}/log.jsonl: no records of training or validation yet; draw curves after the"),
        ('{"event": "start"}\nnonsense\n', "{folder}/log.jsonl:2: damaged: expected a JSON record, found 'nonsense'"),
        ('{"event": "train"}\n', "{folder}/log.jsonl:1: damaged: a record of train without its step"),
        ('{"event": "train", "step": "x"}\n', "{folder}/log.jsonl:1: damaged: expected a JSON record, found"),
    ],
)
def test_log_that_cannot_be_read_is_a_message(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(RunError) as error:
        read_log(tmp_path)
    assert str(error.value).startswith(message.format(folder=tmp_path))
