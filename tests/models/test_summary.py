"""Sizes of a model, counted again by hand and by torch."""

from __future__ import annotations

import pytest
from combinations import READERS
from tiny import built, configured

from attncli.models.summary import count_parameters, summarise


@pytest.mark.parametrize("tied", ["none", "target", "all"])
@pytest.mark.parametrize("reader", ["none", "none-every_step", "current-dot", "feeding-additive", "previous-content"])
def test_parts_add_up_to_all_parameters_each_counted_once(reader: str, tied: str) -> None:
    model = built(*READERS[reader], f"model.tied_embeddings={tied}")
    counts = count_parameters(model)
    assert sum(counts.values()) == sum(parameter.numel() for parameter in model.parameters())


def test_every_part_is_counted() -> None:
    # V=40, E=6, encoder 2 x 5, A=7, decoder 8, all LSTM.
    found = summarise(configured()).parameters
    assert found == {
        "source embeddings": 40 * 6,
        "encoder": 2 * 4 * 5 * (6 + 5 + 2),
        "target embeddings": 40 * 6,
        "attention": 7 * 8 + 7 * 10 + 7,
        "output layer": 40 * 8 + 40,
        "decoder": 4 * 8 * (6 + 8 + 2) + (10 + 1) * 2 * 8 + (10 + 8) * 8,  # layer, bridge, readout
    }
    assert summarise(configured()).total == sum(found.values())


def test_shared_embeddings_are_counted_with_the_source() -> None:
    found = summarise(configured("model.tied_embeddings=all", "model.attention=none")).parameters
    assert (found["source embeddings"], found["target embeddings"], found["attention"]) == (240, 0, 0)
    assert found["output layer"] == 8 * 6 + 40


def test_memory_is_counted_in_bytes() -> None:
    adam = summarise(configured())
    assert adam.bytes["weights and gradients"] == 8 * adam.total
    assert adam.bytes["optimiser"] == 8 * adam.total
    plain = summarise(configured("training.optimizer={kind: sgd}"))
    assert plain.bytes["optimiser"] == 0
    momentum = summarise(configured("training.optimizer={kind: sgd, momentum: 0.9}"))
    assert momentum.bytes["optimiser"] == 4 * adam.total
    doubled = summarise(configured("training.batch_tokens=8192"))
    assert 1 < doubled.bytes["activations"] / adam.bytes["activations"] <= 2
    assert summarise(configured("model.attention=none")).bytes["activations"] < adam.bytes["activations"]
