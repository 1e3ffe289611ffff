"""Alignments as heat maps, pages and JSON: what is drawn, and that it can be read."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from figures import overlapping_texts
from matplotlib.figure import Figure
from PIL import Image

from attncli.data.columns import Places
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.drawing.figures import save_figure
from attncli.errors import DataError
from attncli.models.attention import Marks
from attncli.sources.source import Look
from attncli.sources.text.alignment import Alignment, json_text
from attncli.sources.text.drawing import TextDrawer
from attncli.sources.text.heat_map import heat_map, heat_map_fonts
from attncli.sources.text.page import page


def alignment(source: list[str], target: list[str], *, forced: bool = False) -> Alignment:
    weights = np.random.default_rng(1).dirichlet(np.ones(len(source)), size=len(target)).astype(np.float32)
    return Alignment(" ".join(source), " ".join(target), tuple(source), tuple(target), weights, -1.5, forced)


def marked(marks: Marks) -> Alignment:
    """Return 3 target tokens over 5 source tokens, with `marks`."""
    return replace(alignment([f"▁s{i}" for i in range(5)], ["▁a", "▁b", "</s>"]), marks=marks)


LOOK = Look("run-1, step 20")
LOCAL = marked(Marks(1, torch.tensor([[0.0], [1.25], [4.0]]), None))
HARD = marked(Marks(None, None, torch.tensor([2, 0, 4])))

SMALL = alignment(["▁ein", "▁Snow", "board", "$5$", "</s>"], ["▁a", "▁snow", "board", "</s>"])


def drawn(
    found: Sequence[Alignment],
    folder: Path,
    suffix: str,
    *,
    tell: Callable[[str], None] = print,
    look: Look | None = None,
) -> list[Path]:
    """Return the files that are drawn of what would give the alignments `found`."""
    written = [
        Written(
            each.source,
            Places(each.source_tokens),
            (WrittenHypothesis(each.target, each.target_tokens, each.log_prob, -1.0, each.weights, each.marks),),
        )
        for each in found
    ]
    return list(TextDrawer().draw(written, folder, suffix, look=look or LOOK, forced=False, tell=tell))


def texts(figure: Any) -> list[str]:
    axes = figure.axes[0]
    return [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]


def test_columns_are_the_source_and_rows_the_target() -> None:
    figure = heat_map(SMALL, heat_map_fonts([SMALL]))
    assert texts(figure) == ["ein", "Snow", "·board", "$5$", "</s>", "a", "snow", "·board", "</s>"]
    values = figure.axes[0].collections[0].get_array()
    assert values is not None
    assert values.tolist() == SMALL.weights.tolist()
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
        assert min(float(label.get_fontsize()) for label in labels) >= 8
        extents = [getattr(label.get_window_extent(), side) for label in labels]
        size = axes.get_window_extent()
        assert max(extents) <= getattr(size, side) / 60


@pytest.mark.parametrize(
    ("source", "target", "marks"),
    [(1, 1, True), (2, 3, False), (24, 6, True), (6, 24, False), (150, 5, False)],
)
def test_no_text_covers_another(source: int, target: int, marks: bool) -> None:
    words = ("▁Nahrungsmittelunverträglichkeit", "dampf", "▁,", "▁我们", "▁نحن")
    found = alignment([words[at % 5] for at in range(source)], [words[at % 4] for at in range(target)])
    if marks:
        found = replace(found, marks=Marks(1, torch.zeros(target, 1), torch.zeros(target, dtype=torch.long)))
    figure = heat_map(found, heat_map_fonts([found]), caption="multi30k-hard_straight_through-seed-3, step 12,000")
    assert not overlapping_texts(figure)
    assert figure.texts[-1].get_text().replace("\n", "").replace(" ", "") == (
        "multi30k-hard_straight_through-seed-3,step12,000"
    )


def test_a_long_token_is_cut_in_labels_alone() -> None:
    found = alignment(["▁" + "x" * 41, "▁" + "y" * 40], ["▁a", "▁b", "▁c"])
    assert texts(heat_map(found, heat_map_fonts([found])))[:2] == ["x" * 39 + "…", "y" * 40]
    assert "x" * 41 in json_text([found])


def test_figures_of_a_call_have_a_scale_each_or_one_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps: list[Figure] = []
    monkeypatch.setattr("attncli.sources.text.drawing.save_figure", lambda figure, path: maps.append(figure))
    even = replace(SMALL, weights=np.full_like(SMALL.weights, 0.2))
    drawn([SMALL, even], tmp_path, "png")
    drawn([SMALL, even], tmp_path, "png", look=replace(LOOK, shared_scale=True))
    most = float(SMALL.weights.max())
    scales = [figure.axes[0].collections[0].get_clim() for figure in maps]
    assert [low for low, _ in scales] == [0, 0, 0, 0]
    assert [high for _, high in scales] == pytest.approx([most, 0.2, most, most])
    assert [figure.axes[1].get_ylim()[1] for figure in maps] == pytest.approx([most, 0.2, most, most])


def test_a_page_has_a_scale_each_or_one_for_all(tmp_path: Path) -> None:
    even = replace(SMALL, weights=np.full_like(SMALL.weights, 0.2))
    for look, shares in ((LOOK, {"1.000"}), (replace(LOOK, shared_scale=True), {f"{0.2 / SMALL.weights.max():.3f}"})):
        [path] = drawn([SMALL, even], tmp_path, "html", look=look)
        second = path.read_text(encoding="utf-8").split("<h2>2</h2>")[1]
        assert {*re.findall(r"--w:([0-9.]+)", second)} == shares


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
    upright = [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in figure.axes[0].lines]
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
    classes = re.findall(r'<td class="([a-z ]*)"', page([LOCAL, HARD], of="t"))
    assert classes.count("outside") == 3 + 3 + 3
    assert classes.count("centre") == classes.count("chosen") == 3
    assert "<td class" not in page([SMALL], of="t")


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (70, 12)])
def test_every_shape_can_be_drawn(tmp_path: Path, shape: tuple[int, int]) -> None:
    found = alignment([f"▁s{i}" for i in range(shape[1])], [f"▁t{i}" for i in range(shape[0])])
    save_figure(heat_map(found, heat_map_fonts([found])), tmp_path / "a.png", dots_per_inch=40)
    with Image.open(tmp_path / "a.png") as picture:
        assert min(picture.size) > 20


@pytest.mark.parametrize("shape", [(3, 501), (501, 3)])
def test_what_is_too_long_for_a_figure_is_refused_before_anything_is_drawn(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    long = alignment(["▁s"] * shape[1], ["▁t"] * shape[0])
    with pytest.raises(DataError) as caught:
        drawn([SMALL, long], tmp_path, "svg")
    assert str(caught.value) == (
        f"sentence 2: {shape[1]} × {shape[0]} tokens, but a figure shows at most 500 a side; draw a shorter "
        "sentence, or use --format json"
    )
    assert not list(tmp_path.iterdir())
    assert [path.name for path in drawn([SMALL, long], tmp_path, "html")] == ["alignments.html"]


def test_missing_glyphs_are_reported_once_and_by_us(tmp_path: Path) -> None:
    strange = alignment(["▁\U000f0000", "▁نحن", "</s>"], ["▁我们", "▁a", "</s>", "\U000f0001"])
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        paths = drawn([strange, SMALL], tmp_path, "png", tell=said.append)
    assert [path.name for path in paths] == ["alignment-1.png", "alignment-2.png"]
    assert not caught
    assert len(said) == 1
    assert "U+F0000" in said[0]
    assert "U+F0001" in said[0]


def test_svg_keeps_text_as_text_and_needs_no_fonts(tmp_path: Path) -> None:
    strange = alignment(["▁我们", "</s>"], ["▁<b>", "</s>"])
    said: list[str] = []
    [path] = drawn([strange], tmp_path, "svg", tell=said.append)
    assert "我们" in path.read_text(encoding="utf-8")
    assert "&lt;b&gt;" in path.read_text(encoding="utf-8")
    assert not said


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_same_alignment_gives_the_same_file(tmp_path: Path, suffix: str) -> None:
    sums = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        [path] = drawn([SMALL], tmp_path / name, suffix)
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
    text = page([strange], of="a<b")
    cells = _Cells()
    cells.feed(text)
    assert len(cells.titles) == 6
    assert cells.titles[0] == f'"quoted" → <script>: {strange.weights[0, 0]:.3f}'
    assert "<script>" not in text
    assert not cells.links
    assert "<title>a&lt;b: attention</title>" in text


def test_text_forms_are_one_file_of_all(tmp_path: Path) -> None:
    [path] = drawn([SMALL, SMALL], tmp_path, "json")
    assert path.name == "alignments.json"
    [path] = drawn([SMALL, SMALL], tmp_path, "html")
    assert path.name == "alignments.html"
    assert "<h2>2</h2>" in path.read_text(encoding="utf-8")


def test_a_centre_past_the_last_token_is_marked_there() -> None:
    assert LOCAL.marks is not None
    beyond = replace(LOCAL.marks, centres=torch.tensor([[0.0], [4.25], [4.75]]))
    assert replace(LOCAL, marks=beyond).windows() == [(0.0, 0, 1), (4.0, 4, 4), (4.0, 4, 4)]
