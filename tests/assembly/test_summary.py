"""Sizes of a model, counted again by hand and by torch."""

from __future__ import annotations

import pytest
import tiny_captioner
import torch
from combinations import READERS
from tiny import TARGET_VOCABULARY, built, configured
from torch import Tensor

from attncli.assembly.model import build_model
from attncli.assembly.summary import FLOAT_BYTES, TYPICAL_LENGTH, count_parameters, summarise
from attncli.data.tokens import Tokens
from attncli.losses import CHUNK
from attncli.sources.images.batch import Features
from attncli.text.tokenizer import EOS


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


def test_every_part_of_other_kinds_is_counted() -> None:
    # V=40, E=6, encoder 2 x 5, decoder 8: an LSTM, W_h, W_x, W_h~ and v.
    kinds = ("model.encoder={kind: lstmn, hidden_size: 10}", "model.decoder={kind: lstmn, hidden_size: 8}")
    lstmn = summarise(configured(*kinds))
    assert lstmn.parameters["decoder"] == 4 * 8 * (6 + 8 + 2) + 8 * (8 + 6 + 8 + 1) + 11 * 2 * 8 + (10 + 8) * 8
    assert lstmn.parameters["encoder"] == 2 * (4 * 5 * (6 + 5 + 2) + 5 * (5 + 6 + 5 + 1))
    # H=6, F=9: query, values and output with biases, keys without; two norms a layer in the encoder, three in the
    # decoder, one at the end of each.
    transformer = summarise(
        configured(
            "model.encoder={kind: transformer, hidden_size: 6, layers: 2, heads: 2, feed_forward_size: 9}",
            "model.decoder={kind: transformer, hidden_size: 6, layers: 3, heads: 3, feed_forward_size: 9}",
            "model.attention={score: scaled_dot}",
        )
    )
    attention, feed_forward = 4 * 6 * 6 + 3 * 6, 2 * 6 * 9 + 9 + 6
    assert transformer.parameters == {
        "source embeddings": 40 * 6,
        "encoder": 2 * (attention + feed_forward + 2 * 12) + 12,
        "target embeddings": 40 * 6,
        "attention": 3 * attention,
        "output layer": 40 * 6 + 40,
        "decoder": 3 * (attention + feed_forward + 3 * 12) + 12,
    }


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_what_is_kept_grows_with_layers_and_widths(part: str) -> None:
    stack = "kind: transformer, hidden_size: 6, heads: 2"
    attention = f"model.{'decoder' if part == 'encoder' else 'encoder'}.hidden_size=8"
    score = "model.attention={score: scaled_dot}" if part == "decoder" else attention

    def kept(more: str) -> int:
        return summarise(configured(f"model.{part}={{{stack}, {more}}}", attention, score)).bytes["activations"]

    small = kept("layers: 1, feed_forward_size: 100")
    assert kept("layers: 2, feed_forward_size: 100") > small
    assert kept("layers: 1, feed_forward_size: 200") - small == 4096 * 100 * 4
    assert kept("layers: 1, feed_forward_size: 100, activation: gelu") - small == 4096 * 100 * 4


def test_shared_embeddings_are_counted_with_the_source() -> None:
    found = summarise(configured("model.tied_embeddings=all", "model.attention=none")).parameters
    assert (found["source embeddings"], found["target embeddings"]) == (240, 0)
    assert "attention" not in found
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


@pytest.mark.parametrize(
    ("attention", "decoder"),
    [
        ("{score: general}", "{hidden_size: 96}"),
        ("{score: additive}", "{hidden_size: 96}"),
        ("none", "{hidden_size: 96, context: every_step}"),
        ("{score: general}", "{hidden_size: 128, layers: 2}"),
    ],
)
def test_what_a_captioner_keeps_is_about_what_torch_keeps(attention: str, decoder: str) -> None:
    config = tiny_captioner.configured(attention, decoder)
    wide = config.model.model_copy(update={"embedding_size": 64})
    config = config.model_copy(update={"model": wide})
    model = build_model(config, source_vocabulary=40, target_vocabulary=40).train()
    ids = torch.randint(4, 40, (64, TYPICAL_LENGTH))
    ids[:, -1] = EOS
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    features = Features(torch.randn(64, 4, 5), torch.randn(64, 5), (2, 2))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.loss(features, Tokens(ids, torch.full((64,), TYPICAL_LENGTH)), label_smoothing=0.0)
    assert loss.terms == 64 * TYPICAL_LENGTH
    measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    # The logits of a chunk are counted for the largest vocabulary there can be.
    told = summarise(config).bytes["activations"] - 2 * CHUNK * FLOAT_BYTES
    assert 0.4 < told / measured < 1


def test_the_output_layer_of_ctc_is_a_part() -> None:
    parts = count_parameters(built("model.ctc={}"))
    assert parts["CTC"] == 10 * TARGET_VOCABULARY + TARGET_VOCABULARY
    without = count_parameters(built())
    assert "CTC" not in without
    assert parts == {**without, "CTC": parts["CTC"]}
