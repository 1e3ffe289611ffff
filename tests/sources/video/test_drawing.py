"""Drawings of films: which frames, under which weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import configured, greys, write_animation
from matplotlib.figure import Figure
from PIL import Image

from attncli.config.sources.images import Preprocessing
from attncli.config.sources.video import Frames
from attncli.data.columns import Array, Places
from attncli.data.direction import Backwards
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.drawing.fonts import fonts_for
from attncli.sources.source import Look
from attncli.sources.video.drawing import FilmDrawer
from attncli.sources.video.strip import LookedAtFilm, film_figure

TOKENS = ("a", "dot", "</s>")
OVER_FRAMES = np.array([[0.5, 0.125, 0.25, 0.125], [0.125, 0.125, 0.25, 0.5], [0.25, 0.25, 0.25, 0.25]])


def best(weights: Array) -> WrittenHypothesis:
    return WrittenHypothesis("a dot", TOKENS, -1.5, -0.5, weights)


def drawn(tmp_path: Path, format: str, *, name: str = "film.gif") -> list[Path]:
    film = write_animation(tmp_path / name, greys([10, 90, 170, 250]))
    section = configured().model.encoder
    assert isinstance(section, Frames)
    found = [Written(str(film), Places(), (best(OVER_FRAMES),))]
    return list(FilmDrawer(section).draw(found, tmp_path, format, look=Look("run"), forced=False, tell=print))


def images(figure: Figure) -> list[Array]:
    """Return what the axes of `figure` show, in their order."""
    return [np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes if axes.get_images()]


def figure_of(frames: list[int], weights: Array) -> Figure:
    looked = LookedAtFilm("film", [np.full((6, 8, 3), value, np.uint8) for value in frames], best(weights))
    return film_figure(looked, Preprocessing(size=8, fit="stretch"), fonts_for(TOKENS), Look("run"))


def test_json_has_the_weights_of_each_frame(tmp_path: Path) -> None:
    [path] = drawn(tmp_path, "json")
    [film] = json.loads(path.read_text(encoding="utf-8"))
    assert film["frames"] == 4
    assert film["caption"] == "a dot"
    assert film["target_tokens"] == list(TOKENS)
    np.testing.assert_allclose(film["weights"], OVER_FRAMES)


def test_a_film_has_a_picture_of_its_own(tmp_path: Path) -> None:
    [path] = drawn(tmp_path, "png")
    assert path.name == "attention-1-film.png"
    with Image.open(path) as image:
        assert image.width > image.height > 100


def test_a_page_stands_alone_and_escapes_names(tmp_path: Path) -> None:
    [path] = drawn(tmp_path, "html", name="<b>&.gif")
    page = path.read_text(encoding="utf-8")
    assert "run: attention" in page
    assert "data:image/svg+xml;base64," in page
    assert "&lt;b&gt;&amp;.gif" in page
    assert "<b>" not in page
    assert "http" not in page


def test_frames_stand_from_left_to_right_over_the_weights_of_each_word() -> None:
    figure = figure_of([0, 51, 102, 255], OVER_FRAMES)
    frames, rows = images(figure)[:4], images(figure)[4:]
    assert [float(frame.mean()) for frame in frames] == pytest.approx([0, 0.2, 0.4, 1.0])
    # Words alone have rows, each with its largest weight as the strongest shade.
    np.testing.assert_allclose([np.ravel(row) for row in rows], [OVER_FRAMES[0] / 0.5, OVER_FRAMES[1] / 0.5])
    left = [axes.get_position().x0 for axes in figure.axes[:4]]
    assert left == sorted(left)


def test_of_many_frames_evenly_spread_ones_are_shown_over_all_weights() -> None:
    figure = figure_of(list(range(60)), np.full((3, 60), 1 / 60))
    *frames, first, second = images(figure)
    assert [round(float(frame.mean()) * 255) for frame in frames] == [(2 * part + 1) * 60 // 36 for part in range(18)]
    assert first.shape == second.shape == (1, 60)
    assert any("18 of 60 frames" in text.get_text() for text in figure.texts)


def test_weights_over_regions_shade_every_frame_of_every_word() -> None:
    weights = np.zeros((3, 2, 2, 2))
    weights[:, 1, 0, 1] = 1.0
    shown = images(figure_of([128, 128], weights))
    assert len(shown) == 2 + 2 * 2  # the frames, and both under each of two words
    unlooked, looked = shown[2], shown[3]
    assert np.ptp(unlooked.mean(-1)) < 0.01, "no weight there"
    corners = [looked[:3, :4].mean((0, 1)), looked[:3, 4:].mean((0, 1)), looked[3:, :4].mean((0, 1))]
    changed = [float(np.abs(corner - unlooked.mean((0, 1))).max()) for corner in corners]
    assert changed.index(max(changed)) == 1, "the upper right region is the one looked at"


def test_of_many_frames_with_regions_evenly_spread_ones_are_shown_and_that_is_said() -> None:
    figure = figure_of([10] * 24, np.full((3, 24, 1, 1), 1 / 24))
    assert len(images(figure)) == 12 * 3
    assert any("12 of 24 frames" in text.get_text() for text in figure.texts)


def test_a_film_backwards_is_drawn_as_it_was_read_and_named_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = Backwards(write_animation(tmp_path / "film.gif", greys([10, 90, 170, 250])))
    section = configured().model.encoder
    assert isinstance(section, Frames)
    shown: list[int] = []

    def noted(found: LookedAtFilm, *_: Any, **__: Any) -> Figure:
        shown.extend(int(frame.mean()) for frame in found.frames)
        return Figure()

    monkeypatch.setattr("attncli.sources.video.drawing.film_figure", noted)
    found = [Written(film, Places(), (best(OVER_FRAMES),))]
    drawer = FilmDrawer(section)
    [page] = drawer.draw(found, tmp_path, "html", look=Look("run"), forced=False, tell=print)
    assert shown == [250, 170, 90, 10]
    assert f"{film} (backwards)" in page.read_text(encoding="utf-8")
    [path] = drawer.draw(found, tmp_path, "json", look=Look("run"), forced=False, tell=print)
    assert json.loads(path.read_text(encoding="utf-8"))[0]["film"] == f"{film} (backwards)"
