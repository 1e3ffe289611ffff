"""Transformers against torch's own layers with the same weights, and what their weights say.

B=3 sources, S=6 source positions, T=5 target positions, H=8 width of a state, D=7 width of another memory.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tiny import built, close, read_whole, row_of, scored, tokens
from torch import Tensor, nn

from attncli.errors import DataError
from attncli.models.multi_head import KeysAndValues, MultiHeadAttention
from attncli.models.positions import LearnedPositions, SinusoidalPositions
from attncli.models.transformer import DecoderLayer, EncoderLayer, LayerSizes
from attncli.text.tokenizer import BOS

B, S, T, H, D = 3, 6, 5, 8, 7
SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
MASK = SOURCE.mask[:, None, None]
NORMS = pytest.mark.parametrize("norm", ["pre", "post"])
ACTIVATIONS = pytest.mark.parametrize("activation", ["relu", "gelu"])


def sizes(norm: str, activation: str = "relu") -> LayerSizes:
    return LayerSizes(H, heads=2, feed_forward_size=11, activation=activation, norm=norm, dropout=0.0)


def random(module: Any) -> Any:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
    return module


def copied(attention: MultiHeadAttention, to: nn.MultiheadAttention) -> None:
    """Give torch's attention the weights of ours, which has no bias of the keys."""
    parts = (attention.query, attention.keys, attention.values)
    with torch.no_grad():
        if to.in_proj_weight is None:
            for part, weight in zip(parts, (to.q_proj_weight, to.k_proj_weight, to.v_proj_weight), strict=True):
                weight.copy_(part.weight)
        else:
            to.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        to.in_proj_bias.copy_(torch.cat([attention.query.bias, torch.zeros(H), attention.values.bias]))
    to.out_proj.load_state_dict(attention.output.state_dict())


def copied_rest(layer: EncoderLayer | DecoderLayer, to: Any, norms: list[Any]) -> None:
    inner, _, outer = layer.feed_forward.children()
    to.linear1.load_state_dict(inner.state_dict())
    to.linear2.load_state_dict(outer.state_dict())
    for number, residual in enumerate(norms, start=1):
        getattr(to, f"norm{number}").load_state_dict(residual.norm.state_dict())


@NORMS
@ACTIVATIONS
def test_an_encoder_layer_is_torchs(norm: str, activation: str) -> None:
    layer, states = random(EncoderLayer(sizes(norm, activation))), torch.randn(B, S, H)
    torchs = nn.TransformerEncoderLayer(
        H, 2, 11, dropout=0.0, activation=activation, batch_first=True, norm_first=norm == "pre"
    )
    copied(layer.attention, torchs.self_attn)
    copied_rest(layer, torchs, [layer.around_attention, layer.around_feed_forward])
    expected = torchs(states, src_key_padding_mask=~SOURCE.mask)
    close(layer(states, MASK)[SOURCE.mask], expected[SOURCE.mask])
    read = layer.around_attention.enter(states)
    _, weights = torchs.self_attn(read, read, read, key_padding_mask=~SOURCE.mask, average_attn_weights=False)
    close(layer.weights(states, MASK), weights)


@NORMS
@ACTIVATIONS
def test_a_decoder_layer_is_torchs(norm: str, activation: str) -> None:
    layer = random(DecoderLayer(sizes(norm, activation), memory_size=H))
    states, memory = torch.randn(B, T, H), torch.randn(B, S, H)
    torchs = nn.TransformerDecoderLayer(
        H, 2, 11, dropout=0.0, activation=activation, batch_first=True, norm_first=norm == "pre"
    )
    copied(layer.attention, torchs.self_attn)
    copied(layer.source_attention, torchs.multihead_attn)
    copied_rest(layer, torchs, [layer.around_attention, layer.around_source_attention, layer.around_feed_forward])
    later = torch.ones(T, T).triu(1).bool()
    expected = torchs(states, memory, tgt_mask=later, memory_key_padding_mask=~SOURCE.mask)
    source = layer.source_attention.project(memory)
    nothing = KeysAndValues(source.keys[:, :, :0], source.values[:, :, :0])
    found = layer(states, nothing, source, MASK)
    close(found.states, expected)
    read = layer.around_attention.enter(states)
    _, weights = torchs.self_attn(read, read, read, attn_mask=later, average_attn_weights=False)
    close(layer.self_weights(states), weights)
    # The same in two parts, of which the second follows what the first has written.
    first = layer(states[:, :2], nothing, source, MASK)
    second = layer(states[:, 2:], first.written, source, MASK)
    close(torch.cat([first.states, second.states], 1), expected)
    close(torch.cat([first.weights, second.weights], 2), found.weights)


def test_attention_to_a_memory_of_another_width_is_torchs() -> None:
    attention = random(MultiHeadAttention(H, looked_at_size=D, heads=4))
    torchs = nn.MultiheadAttention(H, 4, kdim=D, vdim=D, batch_first=True)
    copied(attention, torchs)
    query, memory = torch.randn(B, T, H), torch.randn(B, S, D)
    context, weights = torchs(query, memory, memory, key_padding_mask=~SOURCE.mask, average_attn_weights=False)
    looked_at = attention.project(memory)
    close(attention(query, looked_at, MASK), context)
    close(attention.weights(query, looked_at, MASK), weights)
    for found, expected in zip(attention.read(query, looked_at, MASK), (context, weights), strict=True):
        close(found, expected)
    # Two rows after one another for each of the sources give what the sources twice over would.
    both = torch.cat([query, query + 1]).view(2, B, T, H).transpose(0, 1).flatten(0, 1)
    twice = attention.project(memory.repeat_interleave(2, 0))
    grouped = attention.read(both, looked_at, MASK)
    for found, expected in zip(grouped, attention.read(both, twice, MASK.repeat_interleave(2, 0)), strict=True):
        close(found, expected)


def test_heads_are_scaled_dot_products_of_their_own_columns() -> None:
    attention = random(MultiHeadAttention(H, looked_at_size=H, heads=2))
    states = torch.randn(1, T, H)
    weights = attention.weights(states, attention.project(states), None)
    for head in range(2):
        columns = slice(4 * head, 4 * head + 4)
        query = (states[0] @ attention.query.weight.T + attention.query.bias)[:, columns]
        keys = (states[0] @ attention.keys.weight.T)[:, columns]
        for t in range(T):
            scores = torch.stack([query[t] @ keys[s] / math.sqrt(4) for s in range(T)])
            close(weights[0, head, t], scores.exp() / scores.exp().sum())


def test_sinusoids_are_those_of_the_paper() -> None:
    # Vaswani et al. 2017, 3.5: PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos of the same.
    for size in (H, D):
        found = SinusoidalPositions()(torch.zeros(1, T, size), first=2)
        for t in range(T):
            for column in range(size):
                angle = (t + 2) / 10000 ** (2 * (column // 2) / size)
                expected = math.cos(angle) if column % 2 else math.sin(angle)
                assert float(found[t, column]) == pytest.approx(expected, abs=1e-6)


def test_learned_positions_end_somewhere_and_say_so() -> None:
    positions = random(LearnedPositions(4, H, key="model.encoder.maximum_length"))
    assert torch.equal(positions(torch.zeros(B, 2, H), first=1), positions.vectors[1:3])
    with pytest.raises(DataError) as caught:
        positions(torch.zeros(B, 2, H), first=3)
    assert str(caught.value) == (
        "a sentence has at least 5 positions, counting the end symbol, but only 4 are learned "
        "(model.encoder.maximum_length); shorten it, or train with more or with positions: sinusoidal"
    )


def both_sides(*overrides: str) -> Any:
    stack = "kind: transformer, hidden_size: 6, heads: 2, layers: 3, feed_forward_size: 9"
    attention = "model.attention={score: scaled_dot}"
    return built(f"model.encoder={{{stack}}}", f"model.decoder={{{stack}}}", attention, *overrides)


def prefix() -> Tensor:
    return torch.cat([torch.full((B, 1), BOS), TARGET.ids[:, :-1]], 1)


@NORMS
@torch.inference_mode()
def test_the_whole_is_torchs_layers_one_after_the_other(norm: str) -> None:
    model = both_sides(f"model.encoder.norm={norm}", f"model.decoder.norm={norm}")
    encoder, decoder = model.encoder, model.decoder
    positions = SinusoidalPositions()
    states = encoder.embedding(SOURCE.ids) * math.sqrt(6)
    states = states + positions(states, first=0)
    for layer in encoder.layers:
        states = layer(states, MASK)
    if norm == "pre":
        states = nn.functional.layer_norm(states, (6,), encoder.last_norm.weight, encoder.last_norm.bias)
    memory = model.encode(SOURCE)
    close(memory.states, states)
    for b, length in enumerate(SOURCE.lengths.tolist()):
        close(memory.summary[b], states[b, :length].mean(0))
    written = decoder.embedding(prefix()) * math.sqrt(6)
    written = written + positions(written, first=0)
    for layer in decoder.layers:
        source = layer.source_attention.project(states)
        nothing = KeysAndValues(source.keys[:, :, :0], source.values[:, :, :0])
        read = layer(written, nothing, source, MASK)
        written = read.states
    if norm == "pre":
        written = nn.functional.layer_norm(written, (6,), decoder.last_norm.weight, decoder.last_norm.bias)
    logits, weights = read_whole(decoder, prefix(), memory)
    assert weights is not None
    close(logits, written @ decoder.output.classify.weight.T + decoder.output.classify.bias)
    close(weights, read.weights.mean(1))


@torch.inference_mode()
def test_all_layers_and_heads_tell_where_they_look() -> None:
    model = both_sides()
    on_source = model.encoder.self_weights(SOURCE)
    prepared = model.decoder.prepare(model.encode(SOURCE))
    on_target = model.decoder.self_weights(prefix(), prepared)
    across = model.decoder.cross_weights(prefix(), prepared)
    assert (on_source.shape, on_target.shape, across.shape) == ((B, 3, 2, S, S), (B, 3, 2, T, T), (B, 3, 2, T, S))
    for weights in (on_source, on_target, across):
        close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert len({float(weights[0, layer, head, 1, 0]) for layer in range(3) for head in range(2)}) == 6
    assert (on_target.masked_select(torch.ones(T, T).triu(1).bool()) == 0).all()
    for at, length in enumerate(SOURCE.lengths.tolist()):
        assert (on_source[at, ..., length:] == 0).all()
        assert (across[at, ..., length:] == 0).all()
        close(on_source[at, :, :, :length, :length], model.encoder.self_weights(row_of(SOURCE, at))[0])
    close(across[:, -1].mean(1), model.force(SOURCE, TARGET).weights)


@torch.inference_mode()
def test_nothing_later_changes_what_is_earlier() -> None:
    model = both_sides()
    changed = prefix()
    changed[:, 3:] = 10
    memory = model.encode(SOURCE)
    one, other = (read_whole(model.decoder, each, memory)[0] for each in (prefix(), changed))
    close(one[:, :3], other[:, :3])
    assert not torch.allclose(one[:, 3:], other[:, 3:])


@torch.inference_mode()
def test_a_step_keeps_a_key_and_value_for_every_token_and_none_of_the_source() -> None:
    decoder, memory = both_sides().decoder, both_sides().encode(SOURCE)
    prepared = decoder.prepare(memory)
    state = decoder.start(prepared)
    for length in (1, 2, 3):
        state = decoder.step(torch.full((B,), 4), state, prepared).state
        assert state.length == length
        assert all(layer.keys.shape == layer.values.shape == (B, 2, length, 3) for layer in state.layers)


def test_dropout_is_on_embeddings_and_on_what_each_part_adds() -> None:
    # Vaswani et al. 2017, 5.4. With every addition dropped, what is embedded goes through unchanged.
    model = both_sides("model.dropout={layers: 0.999999}").train()
    embedded = model.encoder.place(model.encoder.embedding(SOURCE.ids))
    close(model.encode(SOURCE).states, model.encoder.last_norm(embedded))
    dropped = both_sides("model.dropout={inputs: 0.5}").train()
    placed = dropped.encoder.place(dropped.encoder.embedding(SOURCE.ids))
    assert 0.3 < (placed == 0).float().mean() < 0.7
    assert torch.equal(both_sides("model.dropout=0.5").encode(SOURCE).states, both_sides().encode(SOURCE).states)


def test_arithmetic_in_bf16_is_near() -> None:
    model = both_sides()
    exact, weights = scored(model, SOURCE, TARGET)
    with torch.autocast("cpu", torch.bfloat16):
        near, near_weights = scored(model, SOURCE, TARGET)
    assert weights is not None
    assert near_weights is not None
    assert near_weights.dtype == torch.float32
    close(near, exact, tolerance=0.3)
    close(near_weights, weights, tolerance=0.05)


@pytest.mark.parametrize(("positions", "tolerance"), [(6, 1e-5), (256, 1e-5), (257, 0.02)])
def test_training_in_bf16_reads_sentences_in_float32(positions: int, tolerance: float) -> None:
    # The backward pass of PyTorch's fused kernel in bfloat16 takes ten times as long on them.
    layer = random(MultiHeadAttention(H, looked_at_size=H, heads=1))
    layer.output = nn.Identity()
    states = torch.randn(B, positions, H)
    with torch.autocast("cpu", torch.bfloat16):
        looked_at, query = layer.project(states), layer.query(states)
        seen = layer(states, looked_at, None)
        with torch.no_grad():
            close(layer(states, looked_at, None).float(), seen.float(), tolerance=0.02)
    keys, values = looked_at.keys[:, 0].float(), looked_at.values[:, 0].float()
    close(seen.float(), (query.float() @ keys.mT / math.sqrt(H)).softmax(-1) @ values, tolerance=tolerance)
