"""Log-probabilities and loss of whole models, and what ties and initialises their weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from combinations import READERS
from marks import needs_bf16
from tiny import SOURCE_VOCABULARY, TARGET_VOCABULARY, built, close, configured, part_of, read_whole, scored, tokens
from torch import nn

from attncli.assembly.model import build_model
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.text.tokenizer import BOS, PAD

SOURCE = tokens([4, 5, 6], [7])
TARGET = tokens([5, 4], [6, 7, 8, 9])


@pytest.mark.parametrize("reader", ["none", "current-content", "feeding-general"])
def test_the_loss_is_the_cross_entropy_of_the_real_tokens(reader: str) -> None:
    model = built(*READERS[reader])
    prefix = torch.tensor([[BOS, 5, 4, 2, 0], [BOS, 6, 7, 8, 9]])
    logits, _ = read_whole(model.decoder, prefix, model.encode(SOURCE))
    loss = model.loss(SOURCE, TARGET, label_smoothing=0.2)
    flat = (logits.flatten(0, 1), TARGET.ids.flatten())
    close(loss.reported, F.cross_entropy(*flat, ignore_index=PAD, reduction="sum"))
    close(loss.total, F.cross_entropy(*flat, ignore_index=PAD, reduction="sum", label_smoothing=0.2))
    assert loss.terms == 3 + 5
    log_probs, _ = scored(model, SOURCE, TARGET)
    close(log_probs[0, 1], logits[0, 1].log_softmax(-1)[4])
    close(log_probs.sum(), -loss.reported)


@needs_bf16
def test_log_probs_are_in_full_precision_under_autocast() -> None:
    model = built()
    with torch.autocast("cpu", torch.bfloat16):
        log_probs, weights = scored(model, SOURCE, TARGET)
    assert log_probs.dtype == torch.float32
    assert weights is not None
    assert weights.dtype == torch.float32
    close(log_probs, scored(model, SOURCE, TARGET)[0], tolerance=0.2)


def fresh(*overrides: str) -> EncoderDecoder:
    torch.manual_seed(1)
    config = configured(*overrides)
    return build_model(config, source_vocabulary=SOURCE_VOCABULARY, target_vocabulary=TARGET_VOCABULARY)


def test_embeddings_are_shared_as_far_as_was_asked_for() -> None:
    apart, target, everything = (fresh(f"model.tied_embeddings={name}") for name in ("none", "target", "all"))
    assert apart.decoder.output.classify.weight.shape == (TARGET_VOCABULARY, 8)
    assert isinstance(apart.decoder.output.project, nn.Identity)
    assert apart.encoder.embedding is not apart.decoder.embedding
    for model in (target, everything):
        project = model.decoder.output.project
        assert isinstance(project, nn.Linear)
        assert project.weight.shape == (6, 8)
        assert project.bias is None
        assert model.decoder.output.classify.weight is model.decoder.embedding.weight
    assert target.encoder.embedding is not target.decoder.embedding
    assert everything.encoder.embedding is everything.decoder.embedding


def test_a_readout_as_wide_as_an_embedding_is_not_projected() -> None:
    output = fresh("model.tied_embeddings=target", "model.embedding_size=8").decoder.output
    assert isinstance(output.project, nn.Identity)
    features = torch.randn(2, 8)
    close(output(features), features @ output.classify.weight.T + output.classify.bias)


@pytest.mark.parametrize("tied", ["none", "target", "all"])
def test_fresh_weights_are_glorot_and_embeddings_narrow(tied: str) -> None:
    model = fresh(f"model.tied_embeddings={tied}", "model.embedding_size=64", "model.decoder.hidden_size=80")
    deviation = model.decoder.embedding.weight[1:].std()
    close(deviation, torch.tensor(64**-0.5), tolerance=0.01)
    project = part_of(model, "decoder.bridge.project", nn.Linear)
    bound = (6 / sum(project.weight.shape)) ** 0.5
    assert 0.95 * bound < project.weight.abs().max() <= bound
    assert (project.bias == 0).all()


def test_a_fresh_output_layer_is_as_wide_as_its_input_asks_for() -> None:
    weight = fresh("model.decoder.hidden_size=400").decoder.output.classify.weight
    close(weight.std(), torch.tensor(400**-0.5), tolerance=0.005)


def test_the_seed_decides_fresh_weights() -> None:
    first, second = fresh().state_dict(), fresh().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(2)
    third = build_model(configured(), source_vocabulary=13, target_vocabulary=11).state_dict()
    assert not torch.equal(first["decoder.embedding.weight"], third["decoder.embedding.weight"])
