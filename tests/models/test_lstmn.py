"""Memory-networks against a loop over the paper's equations, and the plain LSTM.

N=3 rows, T=5 steps, X=4 input width, H=6 hidden width.
"""

from __future__ import annotations

import pytest
import torch
from tiny import built, close, part_of, row_of, tokens
from torch import Tensor, nn

from attncli.data.tokens import Tokens
from attncli.models.bridges import Bridge
from attncli.models.encoders.encoder import Encoder
from attncli.models.lstmn import LSTMNLayer, LSTMNLayers, square
from attncli.models.recurrence import CELLS, RecurrentLayers, State, weights_of
from attncli.models.rows import take_rows
from attncli.models.tape import ROOM
from attncli.text.tokenizer import BOS

N, T, X, H = 3, 5, 4, 6
SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
DEPTHS = pytest.mark.parametrize("depth", [1, 2])
# The longest outgrows the room that a line of memory begins with.
LENGTHS = pytest.mark.parametrize("length", [1, T, 2 * ROOM + 3])


def made(depth: int) -> LSTMNLayers:
    torch.manual_seed(1)
    layers = LSTMNLayers(input_size=X, hidden_size=H, layers=depth, dropout=0.0)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    return layers


def first_states(depth: int) -> tuple[State, ...]:
    return tuple((torch.randn(N, H, requires_grad=True), torch.randn(N, H, requires_grad=True)) for _ in range(depth))


def by_equations(layer: LSTMNLayer, inputs: Tensor, first: State) -> tuple[Tensor, Tensor]:
    """Return the hidden states [N, T, H] and weights [N, T, T] of Cheng et al. 2016, equations 5 to 9, in a loop.

    `first` stands for h~_1 and c~_1, which in the paper are 0.
    """
    cell, energy = weights_of(layer.lstm), layer.energy.weight[0]
    of_states, of_inputs, of_recalled = layer.states.weight, layer.inputs.weight, layer.recalled.weight
    hidden: list[Tensor] = []
    cells: list[Tensor] = []
    rows: list[Tensor] = []
    recalled, recalled_cell = first
    for t in range(inputs.shape[1]):
        x = inputs[:, t]
        row = torch.zeros(len(inputs), inputs.shape[1])
        if t:
            scores = []
            for h in hidden:
                scores.append(energy @ torch.tanh(of_states @ h.T + of_inputs @ x.T + of_recalled @ recalled.T))
            weights = torch.stack(scores, 1).softmax(1)  # [N, t]
            recalled = torch.stack([weights[:, i, None] * hidden[i] for i in range(t)]).sum(0)
            recalled_cell = torch.stack([weights[:, i, None] * cells[i] for i in range(t)]).sum(0)
            row = torch.cat([weights.detach(), row[:, t:]], 1)
        gates = x @ cell.inputs.T + recalled @ cell.hidden.T + cell.input_bias + cell.hidden_bias
        write, keep, candidate, show = gates.chunk(4, 1)
        cells.append(keep.sigmoid() * recalled_cell + write.sigmoid() * candidate.tanh())
        hidden.append(show.sigmoid() * cells[-1].tanh())
        rows.append(row)
    return torch.stack(hidden, 1), torch.stack(rows, 1)


def stacked_by_equations(layers: LSTMNLayers, inputs: Tensor, first: tuple[State, ...]) -> tuple[Tensor, Tensor]:
    weights = []
    for layer, state in zip(layers.layers, first, strict=True):
        assert isinstance(layer, LSTMNLayer)
        inputs, rows = by_equations(layer, inputs, state)
        weights.append(rows)
    return inputs, torch.stack(weights, 1)


@DEPTHS
@LENGTHS
def test_states_and_weights_are_those_of_the_equations(depth: int, length: int) -> None:
    layers, first, inputs = made(depth), first_states(depth), torch.randn(N, length, X)
    hidden, weights = stacked_by_equations(layers, inputs, first)
    for context in (torch.enable_grad(), torch.inference_mode()):
        with context:
            close(layers(inputs, layers.start(first)), hidden)
            trace = layers.trace(inputs, layers.start(first))
            close(square([layers.self_weights(states) for states in trace]), weights)


@DEPTHS
@LENGTHS
def test_gradients_are_those_of_the_equations(depth: int, length: int) -> None:
    layers, first = made(depth), first_states(depth)
    inputs = torch.randn(N, length, X, requires_grad=True)
    direction = torch.randn(N, length, H)
    wanted = [inputs, *(tensor for state in first for tensor in state), *layers.parameters()]
    found = layers(inputs, layers.start(first))
    expected, _ = stacked_by_equations(layers, inputs, first)
    # The second of two steps has one state to look back on, so in shorter sequences nothing reaches the score.
    both = [
        torch.autograd.grad((states * direction).sum(), wanted, allow_unused=True, materialize_grads=True)
        for states in (found, expected)
    ]
    for gradient, by_hand in zip(*both, strict=True):
        close(gradient, by_hand, tolerance=1e-4)


def test_a_gradient_can_be_taken_twice_and_from_any_step() -> None:
    layers, inputs = made(1), torch.randn(N, T, X)
    start = layers.start(first_states(1))
    hidden = layers(inputs, start)
    for upto in (T, T, 3):
        shorter = layers(inputs[:, :upto], start)
        for gradient, expected in zip(
            torch.autograd.grad(hidden[:, :upto].sum(), list(layers.parameters()), retain_graph=True),
            torch.autograd.grad(shorter.sum(), list(layers.parameters())),
            strict=True,
        ):
            close(gradient, expected, tolerance=1e-4)


def test_two_ways_on_from_one_state_do_not_meet() -> None:
    layers, inputs = made(1), torch.randn(N, T, X)
    steps, states = layers.steps(), layers.start(first_states(1))
    for t in range(2):
        states = steps.advance(steps.first_gates(inputs[:, t]), states)
    ways = [[states], [states]]
    for t in (2, 3):
        for way, ahead in zip(ways, (inputs[:, t], inputs[:, t] + 1), strict=True):
            way.append(steps.advance(steps.first_gates(ahead), way[-1]))
    for way, ahead in zip(ways, (inputs, torch.cat([inputs[:, :2], inputs[:, 2:] + 1], 1)), strict=True):
        whole = layers(ahead[:, :4], layers.start(((states[0][0], states[0][1]),)))
        assert whole.shape == (N, 4, H)
        again, alone = layers.steps(), way[0]
        for t in (2, 3):
            alone = again.advance(again.first_gates(ahead[:, t]), alone)
        close(way[-1][0][0], alone[0][0])
    weight = part_of(layers, "layers.0.states", nn.Linear).weight
    of_first, of_second = (torch.autograd.grad(way[-1][0][0].sum(), weight, retain_graph=True) for way in ways)
    assert not torch.equal(of_first[0], of_second[0])


@torch.no_grad()
def test_with_all_weight_on_the_state_before_it_is_the_plain_lstm() -> None:
    layers, first, inputs = made(1), first_states(1), torch.randn(N, T, X)
    lstm = part_of(layers, "layers.0.lstm", nn.LSTM)
    plain = RecurrentLayers(CELLS["lstm"], input_size=X, hidden_size=H, layers=1, dropout=0.0)
    plain.layers[0].load_state_dict(lstm.state_dict())
    assert not torch.allclose(layers(inputs, layers.start(first)), plain(inputs, first), atol=1e-2)
    # With the last entry at every place of the tape, whatever the weights are, they are all on the state before.
    states, steps = layers.start(first), layers.steps()
    expected = plain(inputs, first)
    for t in range(T):
        states = steps.advance(steps.first_gates(inputs[:, t]), states)
        close(states[0][0], expected[:, t])
        states = ((*states[0][:3], only_the_last(states[0][3]), states[0][4]),)


def only_the_last(tape: Tensor) -> Tensor:
    """Return `tape` [N, t, 3 H] with the last entry at every place, so that every mean is of that one alone."""
    return tape[:, -1:].expand_as(tape).clone()


@torch.inference_mode()
def test_nothing_later_changes_what_is_earlier() -> None:
    layers, first, inputs = made(2), first_states(2), torch.randn(N, T, X)
    changed = inputs.clone()
    changed[:, 3:] += 1
    one, other = (layers(each, layers.start(first)) for each in (inputs, changed))
    assert torch.equal(one[:, :3], other[:, :3])
    assert (one[:, 3:] != other[:, 3:]).all()


@torch.inference_mode()
def test_rows_of_a_state_can_be_taken_like_any_other() -> None:
    layers, first, inputs = made(2), first_states(2), torch.randn(N, T, X)
    rows = torch.tensor([2, 0, 0, 1])
    steps, states = layers.steps(), layers.start(first)
    for t in range(2):
        states = steps.advance(steps.first_gates(inputs[:, t]), states)
    states = take_rows(states, rows)
    for t in range(2, T):
        states = layers.steps().advance(steps.first_gates(inputs[rows, t]), states)
    close(states[-1][0], layers(inputs, layers.start(first))[rows, -1])


def looked(encoder: Encoder, source: Tokens) -> Tensor:
    """Return the weights of an encoder that looks back."""
    weights = encoder.self_weights(source)
    assert weights is not None
    return weights


@pytest.mark.parametrize("reverses", ["true", "false"])
@torch.inference_mode()
def test_an_encoder_tells_where_each_direction_looks(reverses: str) -> None:
    encoder = built(f"model.encoder={{kind: lstmn, hidden_size: 10, layers: 2, reverse_source: {reverses}}}").encoder
    weights = looked(encoder, SOURCE)
    assert weights.shape == (3, 2, 2, 6, 6)
    for at, length in enumerate(SOURCE.lengths.tolist()):
        alone = looked(encoder, row_of(SOURCE, at))[0]
        close(weights[at, :, :, :length, :length], alone)
        assert (weights[at, :, :, :length, length:] == 0).all()
        earlier = torch.ones(length, length).tril(-1).bool()
        both = (earlier.T, earlier) if reverses == "true" else (earlier, earlier.T)
        for direction, looked_at in enumerate(both):
            found = alone[:, direction]
            assert (found[:, ~looked_at] == 0).all()
            assert (found[:, looked_at] > 0).all()
            close(found.sum(-1), looked_at.any(1).float().expand(2, -1))
    # The bottom layer's, from the equations, on the embeddings as each direction reads them.
    order = torch.arange(6) if reverses == "false" else torch.arange(5, -1, -1)
    embedded = part_of(encoder, "embedding", nn.Embedding)(SOURCE.ids[2:])[:, order] * 6**0.5
    zero = (torch.zeros(1, 5), torch.zeros(1, 5))
    _, forwards = by_equations(part_of(encoder, "forwards.0.layers.0", LSTMNLayer), embedded, zero)
    _, backwards = by_equations(part_of(encoder, "backwards.0.layers.0", LSTMNLayer), embedded.flip(1), zero)
    close(weights[2, 0, 0], forwards[0][order][:, order])
    close(weights[2, 0, 1], backwards[0].flip(0, 1)[order][:, order])


@pytest.mark.parametrize("query", ["current_state", "previous_state"])
@torch.inference_mode()
def test_a_decoder_tells_where_it_looks_in_what_it_wrote(query: str) -> None:
    model = built(f"model.decoder={{kind: lstmn, hidden_size: 8, layers: 2, query: {query}}}")
    decoder = model.decoder
    prefix = torch.cat([torch.full((3, 1), BOS), TARGET.ids[:, :-1]], 1)
    prepared = decoder.prepare(model.encode(SOURCE))
    weights = decoder.self_weights(prefix, prepared)
    assert weights is not None
    assert weights.shape == (3, 2, 1, 5, 5)
    earlier = torch.ones(5, 5).tril(-1).bool()
    assert (weights[..., ~earlier] == 0).all()
    close(weights.sum(-1), earlier.any(1).float().expand(3, 2, 1, -1))
    if query == "current_state":
        first, layers = part_of(decoder, "bridge", Bridge)(prepared.memory), part_of(decoder, "layers", LSTMNLayers)
        _, expected = stacked_by_equations(layers, decoder.embedding(prefix) * 6**0.5, first)
        close(weights[:, :, 0], expected)


def test_arithmetic_in_bf16_is_near() -> None:
    layers, inputs = made(2), torch.randn(N, T, X)
    first = first_states(2)
    whole = layers(inputs, layers.start(first))
    with torch.autocast("cpu", torch.bfloat16):
        short = layers(inputs, layers.start(first))
    close(short.float(), whole, tolerance=0.1)
    short.float().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in layers.parameters())
