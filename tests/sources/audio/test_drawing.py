"""Drawings of recordings: words in time, and what is shown of one that is played backwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from attncli.data.columns import Places
from attncli.data.direction import Backwards
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.drawing.fonts import fonts_for
from attncli.sources.audio.drawing import AudioDrawer
from attncli.sources.audio.reader import MatrixFeatures
from attncli.sources.audio.spectrogram import Listened, spectrogram_figure
from attncli.sources.source import Look
from attncli.sources.words_in_time import SpokenWord


def test_a_recording_backwards_is_drawn_as_it_was_read_and_named_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Features of three scales, each of which is drawn by its own: -3, -1, 1 and 3 have deviation √5.
    shape = np.array([-3, -1, 1, 3], dtype=np.float32)
    values = np.stack([shape, 100 * shape + 7, -0.1 * shape], 1)
    drawn = np.stack([shape, shape, -shape], 1) / np.sqrt(5)
    np.save(tmp_path / "a.npy", values)
    shown: list[Listened] = []

    def noted(found: Listened, *_: Any, **__: Any) -> Figure:
        shown.append(found)
        return Figure()

    monkeypatch.setattr("attncli.sources.audio.drawing.spectrogram_figure", noted)
    cells = [str(tmp_path / "a.npy"), Backwards(tmp_path / "a.npy")]
    best = WrittenHypothesis("low", ("low", "</s>"), -1.0, -1.0, np.full((2, 4), 0.25))
    found = [Written(cell, Places(seconds=0.01), (best,)) for cell in cells]
    drawer = AudioDrawer(MatrixFeatures(3, 9), 0.01)
    list(drawer.draw(found, tmp_path, "png", look=Look("run"), forced=False, tell=print))
    assert [each.path for each in shown] == [cells[0], f"{cells[0]} (backwards)"]
    np.testing.assert_allclose(shown[0].features, drawn, rtol=1e-5)
    np.testing.assert_allclose(shown[1].features, drawn[::-1], rtol=1e-5)


def test_words_in_time_meet_no_others_and_stay_inside() -> None:
    words = (SpokenWord("bin", 0.0, 0.9), SpokenWord("at", 0.4, 0.42), SpokenWord("now", 1.98, 2.0))
    looked = Listened(
        "a.wav", "bin at now", ("a", "b", "c"), np.eye(3), -1.0, 0.5, np.ones((200, 4), np.float32), 0.01, words
    )
    figure = spectrogram_figure(looked, fonts_for(("bin",)))
    figure.canvas.draw()
    panel = figure.axes[1]
    shown = [text.get_window_extent() for text in panel.texts]
    bars = [line.get_window_extent() for line in panel.lines]
    assert [text.get_text() for text in panel.texts] == ["bin", "at", "now"]
    for at, text in enumerate(shown):
        assert not any(text.overlaps(other) for other in shown[at + 1 :])
    assert not bars[0].overlaps(shown[1])
    assert bars[1].y0 > bars[0].y1
    assert bars[2].y0 == bars[0].y0, "what meets nothing stands in the lowest lane"
    assert shown[2].x1 <= panel.get_window_extent().x1 + 1
