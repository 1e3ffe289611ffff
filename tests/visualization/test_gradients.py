"""Gradients at encoder states: which sentences, how they are lined up, and what is drawn and written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import heights, legend_names

from attncli.data.tokens import pad_tokens
from attncli.models.state_gradients import state_gradients
from attncli.runs.writing import WritingRun
from attncli.text.tokenizer import EOS
from attncli.visualization import gradients
from attncli.visualization.gradients import GradientProfile, gradient_profile, gradients_figure, gradients_json


@pytest.fixture
def run(trained: Path) -> WritingRun:
    return WritingRun.load(trained, device="cpu")


PAIRS = [("der Hund rennt", "the dog runs"), ("nie", "never"), ("eine Kuh rennt nie .", "a cow never runs .")]


def test_the_longest_sentences_are_lined_up_at_their_ends(run: WritingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "SENTENCES", 2)
    found = gradient_profile(run, PAIRS, name="x")
    # With the end symbol, the longest source has six states and the second longest four.
    assert found.total.shape == found.later.shape == (2, 4)
    for row, (source, target) in enumerate((PAIRS[2], PAIRS[0])):
        sides = (run.tokenizers.source.encode(source), run.tokenizers.target.encode(target))
        alone = state_gradients(run.model, *(pad_tokens([np.array([*ids, EOS])]) for ids in sides))
        backwards = alone.total[0].flip(0)[:4], alone.later[0].flip(0)[:4]
        np.testing.assert_allclose(found.total[row], backwards[0], rtol=1e-4)
        np.testing.assert_allclose(found.later[row], backwards[1], rtol=1e-4, atol=1e-7)
    assert (found.run, found.cell, found.attends) == ("x", "lstm", True)


def test_gradients_can_be_taken_where_they_are_switched_off(run: WritingRun) -> None:
    with torch.no_grad():
        assert (gradient_profile(run, PAIRS, name="x").total > 0).all()


def profile(name: str, *, attends: bool) -> GradientProfile:
    total = np.random.default_rng(1).lognormal(size=(9, 5))
    return GradientProfile(name, "gru", attends, total, total / 2)


def test_a_panel_without_attention_and_one_with_it() -> None:
    profiles = [profile("a", attends=False), profile("_b$", attends=True), profile("c", attends=False)]
    without, with_it = gradients_figure(profiles, sentences="some").axes
    assert [len(axes.lines) for axes in (without, with_it)] == [2, 2]
    assert heights(without.lines[0]).tolist() == np.median(profiles[0].total, axis=0).tolist()
    assert heights(with_it.lines[1]).tolist() == np.median(profiles[1].later, axis=0).tolist()
    assert without.lines[0].get_color() != without.lines[1].get_color()
    assert with_it.lines[0].get_color() == with_it.lines[1].get_color() == without.lines[0].get_color()
    assert legend_names(with_it) == ["_b$"]
    assert without.get_yscale() == "log"
    assert without.xaxis_inverted()


def test_a_gradient_that_has_vanished_altogether_can_be_drawn() -> None:
    found = replace(profile("a", attends=False), total=np.zeros((3, 4)), later=np.zeros((3, 4)))
    assert len(gradients_figure([found], sentences="some").axes) == 1


def test_json_tells_median_and_quartiles() -> None:
    found = profile("a", attends=True)
    [told] = json.loads(gradients_json([found]))
    assert (told["run"], told["cell"], told["attention"], told["sentences"]) == ("a", "gru", True, 9)
    assert told["states_after"] == [0, 1, 2, 3, 4]
    # Of nine values the quartiles are the third and the seventh.
    ordered = np.sort(found.total, axis=0)
    assert told["total"] == {
        "lower_quartile": ordered[2].tolist(),
        "median": ordered[4].tolist(),
        "upper_quartile": ordered[6].tolist(),
    }
    assert set(told["through_later_states"]) == {"lower_quartile", "median", "upper_quartile"}
