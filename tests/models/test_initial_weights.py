"""Fresh weights: what enters each layer and what leaves it is of a size from which it learns, whatever the widths.

Sizes are root mean squares over real positions. B=24 sources of S=3..12 positions.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tiny import configured, part_of
from torch import Tensor, nn

from attncli.assembly.model import build_model
from attncli.data.tokens import Tokens
from attncli.models.decoders.classifier import ClassifierDecoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.initial_weights import GATED_STATE
from attncli.models.positions import LearnedPositions, Placing
from attncli.models.recurrence import CELLS
from attncli.models.scores import SCORES
from attncli.text.tokenizer import EOS, PAD

WIDTHS = (24, 160)
VOCABULARY = 200
EVERY_WIDTH = pytest.mark.parametrize("width", WIDTHS)
ENCODERS = {
    **{cell: f"kind: recurrent, cell: {cell}" for cell in ("rnn", "gru", "lstm")},
    "placed": "kind: recurrent, positions: sinusoidal",
    "deep": "kind: recurrent, layers: 3",
    "lstmn": "kind: lstmn",
    "transformer": "kind: transformer, heads: 4, layers: 2, feed_forward_size: 64",
    "transformer_learned": "kind: transformer, heads: 4, layers: 2, positions: learned, maximum_length: 12",
    "transformer_post": "kind: transformer, heads: 4, layers: 2, norm: post",
    "convolutional": "kind: convolutional",
}
DECODERS = {
    **{cell: f"cell: {cell}" for cell in ("rnn", "gru", "lstm")},
    "feeding": "input_feeding: true",
    "tanh": "input_feeding: true, readout_activation: tanh",
    "previous": "query: previous_state",
    "deep_readout": "query: previous_state, readout: deep",
    "every_step": "context: every_step",
    "layers": "layers: 3",
    "copy": "bridge: copy",
    "lstmn": "kind: lstmn",
    "transformer": "kind: transformer, heads: 4, layers: 2",
}


def fresh(width: int, *overrides: str) -> EncoderDecoder:
    torch.manual_seed(width)
    config = configured(f"model.embedding_size={width}", *overrides)
    return build_model(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY).eval()


def sentences(seed: int) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 13, (24,), generator=generator)
    ids = torch.randint(EOS + 1, VOCABULARY, (24, 12), generator=generator)
    return Tokens(ids.masked_fill(torch.arange(12) >= lengths[:, None], PAD), lengths)


SOURCE, TARGET = sentences(1), sentences(2)


def size(values: Tensor) -> float:
    return float(values.detach().square().mean().sqrt())


def spread(scores: Tensor) -> float:
    """Return how far the scores [B, T, S] of a query deviate over real positions, for real queries."""
    rows = [
        scores[b, t, : int(SOURCE.lengths[b])].var(correction=0)
        for b in range(len(scores))
        for t in range(int(TARGET.lengths[b]))
    ]
    return float(torch.stack(rows).mean().sqrt())


@torch.no_grad()
def scores_of(model: EncoderDecoder) -> Tensor:
    """Return the scores [B, T, S] with which a target is read."""
    seen: list[Tensor] = []
    score = model.get_submodule("decoder.attention.score")
    score.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model.force(SOURCE, TARGET)
    return torch.cat(seen, 1)


@EVERY_WIDTH
@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_what_an_encoder_reads_and_gives_is_of_a_size_to_learn_from(name: str, width: int) -> None:
    model = fresh(width, f"model.encoder={{{ENCODERS[name]}, hidden_size: {width}}}")
    embedding, place = part_of(model, "encoder.embedding", nn.Embedding), part_of(model, "encoder.place", Placing)
    placed = place(embedding(SOURCE.ids))[SOURCE.mask]
    assert 0.8 < size(placed) < 1.5
    memory = model.encode(SOURCE)
    states = size(memory.states[SOURCE.mask])
    if "transformer" in name:
        assert 0.8 < states < 1.2
    elif name == "convolutional":
        assert 0.8 < states < 1.6
    elif name == "rnn":
        assert 0.4 < states < 0.9
    elif name != "deep":
        assert GATED_STATE / 2 < states < 2 * GATED_STATE
    assert 0.08 < size(memory.summary) < 1.2


@EVERY_WIDTH
@pytest.mark.parametrize("name", DECODERS)
@torch.no_grad()
def test_what_a_decoder_gives_is_of_a_size_to_learn_from(name: str, width: int) -> None:
    attention = "scaled_dot" if name == "transformer" else "additive"
    model = fresh(
        width,
        f"model.encoder.hidden_size={width}",
        f"model.decoder={{{DECODERS[name]}, hidden_size: {width}}}",
        f"model.attention={{score: {attention}}}",
    )
    most = 1.5
    features = model.force(SOURCE, TARGET).features
    assert 0.1 < size(features[TARGET.mask]) < most
    logits = model.decoder.output(features)[TARGET.mask]
    assert 0.1 < float(logits.std()) < most
    loss = model.loss(SOURCE, TARGET, label_smoothing=0.0)
    # Not far above that of a model which knows nothing.
    assert float(loss.total) / loss.terms < torch.log(torch.tensor(VOCABULARY)) + most


@EVERY_WIDTH
@pytest.mark.parametrize("name", ["gru", "lstm", "transformer"])
@torch.no_grad()
def test_what_every_hop_of_a_classifier_makes_is_of_a_size_to_learn_from(name: str, width: int) -> None:
    model = fresh(
        width,
        "tokenizer.target={kind: label}",
        f"model.encoder={{{ENCODERS[name]}, hidden_size: {width}}}",
        f"model.decoder={{kind: classifier, hidden_size: {width}, hops: 3}}",
        "model.attention={score: additive}",
    )
    assert isinstance(model.decoder, ClassifierDecoder)
    entering: list[float] = []
    for hop in model.decoder.hops:
        combine = part_of(hop.readout, "combine", nn.Linear)
        combine.register_forward_hook(lambda module, inputs, output: entering.append(size(output)))
    features = model.force(SOURCE, TARGET).features
    assert len(entering) == 3
    assert all(0.4 < each < 2.6 for each in entering)  # what is read is as small as gated states, or nearly 1
    assert 0.1 < float(model.decoder.output(features)[TARGET.mask].std()) < 1.5


@EVERY_WIDTH
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "lstmn", "transformer", "convolutional"])
@pytest.mark.parametrize("score", [score for score in SCORES if score != "dot"])
def test_scores_spread_over_the_positions_of_a_source(score: str, name: str, width: int) -> None:
    limit = ", maximum_source_length: 40" if score == "location" else ""
    cell = name if name in CELLS else "lstm"
    model = fresh(
        width,
        f"model.encoder={{{ENCODERS[name]}, hidden_size: {width}}}",
        f"model.decoder={{hidden_size: {width}, cell: {cell}}}",
        f"model.attention={{score: {score}{limit}}}",
    )
    assert 0.15 < spread(scores_of(model)) < 2.4


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_dot_product_has_no_weights_to_start_with_and_spreads_with_the_root_of_the_width(cell: str) -> None:
    found = []
    for width in (32, 288):
        sizes = f"hidden_size: {width}, cell: {cell}"
        model = fresh(width, f"model.encoder={{{sizes}}}", f"model.decoder={{{sizes}}}", "model.attention={score: dot}")
        found.append(spread(scores_of(model)))
    assert 2 < found[1] / found[0] < 4.5


def test_a_bare_scaled_product_of_gated_states_hardly_spreads() -> None:
    # Why `scaled_dot` is projected by default.
    sizes = ("model.encoder.hidden_size=160", "model.decoder.hidden_size=160")
    bare = fresh(160, *sizes, "model.attention={score: scaled_dot, projections: none}")
    projected = fresh(160, *sizes, "model.attention={score: scaled_dot}")
    assert 6 * spread(scores_of(bare)) < spread(scores_of(projected))


def test_an_unscaled_embedding_leaves_little_of_itself() -> None:
    # What was wrong before: states ten times smaller, of which scores spread ten times less.
    small = fresh(160, "model.encoder={hidden_size: 160, embedding_scale: none}", "model.decoder.embedding_scale=none")
    large = fresh(160, "model.encoder.hidden_size=160")
    states = [size(model.encode(SOURCE).states[SOURCE.mask]) for model in (small, large)]
    assert 5 * states[0] < states[1]


def uniform_parts(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        if isinstance(module, (nn.RNNBase, nn.Linear, nn.Embedding, LearnedPositions)):
            yield from module.parameters(recurse=False)


@pytest.mark.parametrize("kind", ["recurrent", "transformer"])
def test_uniform_weights_lie_evenly_within_a_tenth(kind: str) -> None:
    sizes = {
        "recurrent": ("model.encoder.hidden_size=40", "model.decoder.hidden_size=40"),
        "transformer": tuple(
            f"model.{part}={{kind: transformer, hidden_size: 40, heads: 4, layers: 2, positions: learned, "
            "maximum_length: 12}"
            for part in ("encoder", "decoder")
        ),
    }[kind]
    attention = ("model.attention={score: scaled_dot}",) if kind == "transformer" else ()
    model = fresh(40, *sizes, *attention, "model.initial_weights=uniform")
    for parameter in uniform_parts(model):
        assert parameter.abs().max() <= 0.1
        if parameter.numel() > 1000:
            # Of an even distribution the deviation is its width over √12.
            assert float(parameter.detach().std()) == pytest.approx(0.2 / 12**0.5, rel=0.1)
    assert (part_of(model, "encoder.embedding", nn.Embedding).weight[PAD] == 0).all()
    norms = [module for module in model.modules() if isinstance(module, nn.LayerNorm)]
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)
