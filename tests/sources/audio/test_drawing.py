"""Drawings of recordings: what is shown of one that is played backwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from attncli.data.columns import Places
from attncli.data.direction import Backwards
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.sources.audio.drawing import AudioDrawer
from attncli.sources.audio.reader import MatrixFeatures
from attncli.sources.audio.spectrogram import Listened
from attncli.sources.source import Look


def test_a_recording_backwards_is_drawn_as_it_was_read_and_named_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
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
    np.testing.assert_array_equal(shown[0].features, values)
    np.testing.assert_array_equal(shown[1].features, values[::-1])
