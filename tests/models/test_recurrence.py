"""Cells and stacks against torch's own networks.

N=3 rows, T=5 steps, X=4 input width, H=6 hidden width.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from tiny import close
from torch import Tensor, nn

from attncli.models.recurrence import CELLS, RecurrentLayers, RepeatedProduct, initialise_recurrent, weights_of

N, T, X, H = 3, 5, 4, 6
EVERY_CELL = pytest.mark.parametrize("name", CELLS)
DEPTHS = pytest.mark.parametrize("depth", [1, 3])


def made(name: str, depth: int) -> tuple[RecurrentLayers, nn.RNNBase, Tensor, tuple[tuple[Tensor, ...], ...]]:
    """Return a stack, torch's network with the same weights, inputs [N, T, X] and first states."""
    torch.manual_seed(1)
    cell = CELLS[name]
    stack = RecurrentLayers(cell, input_size=X, hidden_size=H, layers=depth, dropout=0.0)
    network = cell.network(X, H, num_layers=depth, batch_first=True)
    with torch.no_grad():
        for number, layer in enumerate(stack.layers):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(network, f"{kind}_l{number}").copy_(getattr(layer, f"{kind}_l0"))
    states = tuple(tuple(torch.randn(N, H) for _ in range(cell.state_tensors)) for _ in range(depth))
    return stack, network, torch.randn(N, T, X), states


def by_torch(network: nn.RNNBase, inputs: Tensor, states: tuple[tuple[Tensor, ...], ...]) -> Tensor:
    stacked = tuple(torch.stack(parts) for parts in zip(*states, strict=True))  # each [layers, N, H]
    hidden: Tensor = network(inputs, stacked if len(stacked) > 1 else stacked[0])[0]
    return hidden


@EVERY_CELL
@DEPTHS
def test_a_stack_is_torchs_network(name: str, depth: int) -> None:
    stack, network, inputs, states = made(name, depth)
    close(stack(inputs, states), by_torch(network, inputs, states))


@EVERY_CELL
@DEPTHS
def test_steps_are_torchs_network(name: str, depth: int) -> None:
    stack, network, inputs, states = made(name, depth)
    expected = by_torch(network, inputs, states)
    steps = stack.steps()
    for t in range(T):
        states = steps.advance(steps.first_gates(inputs[:, t]), states)
        close(states[-1][0], expected[:, t])


@EVERY_CELL
@DEPTHS
def test_gradients_of_steps_are_those_of_torchs_network(name: str, depth: int) -> None:
    stack, _, inputs, states = made(name, depth)
    direction = torch.randn(N, T, H)
    whole = torch.autograd.grad((stack(inputs, states) * direction).sum(), list(stack.parameters()))
    # The last two columns are fed, as an attention's context is.
    steps, at, hidden = stack.steps(fed_size=2), states, []
    for t in range(T):
        at = steps.advance(steps.fed_gates(steps.first_gates(inputs[:, t, :-2]), inputs[:, t, -2:]), at)
        hidden.append(at[-1][0])
    for product in [steps.fed, *steps.hidden, *steps.between]:
        assert isinstance(product, RepeatedProduct)
        assert product.calls == T
    found = torch.autograd.grad((torch.stack(hidden, 1) * direction).sum(), list(stack.parameters()))
    for expected, gradient in zip(whole, found, strict=True):
        close(gradient, expected)


@EVERY_CELL
def test_steps_behind_the_last_gradient_change_nothing(name: str) -> None:
    stack, _, inputs, states = made(name, 1)
    short = torch.autograd.grad(stack(inputs[:, : T - 1], states).sum(), list(stack.parameters()))
    steps, at, hidden = stack.steps(), states, []
    for t in range(T):
        at = steps.advance(steps.first_gates(inputs[:, t]), at)
        hidden.append(at[-1][0])
    found = torch.autograd.grad(torch.stack(hidden[:-1]).sum(), list(stack.parameters()))
    for expected, gradient in zip(short, found, strict=True):
        close(gradient, expected)


def test_without_gradients_steps_note_nothing() -> None:
    stack, *_ = made("lstm", 1)
    with torch.no_grad():
        steps = stack.steps(fed_size=2)
    assert not any(isinstance(product, RepeatedProduct) for product in [steps.fed, *steps.hidden])


@EVERY_CELL
@DEPTHS
def test_what_is_fed_later_joins_the_last_columns_of_the_input(name: str, depth: int) -> None:
    stack, _, inputs, _ = made(name, depth)
    whole, steps = stack.steps().first_gates(inputs), stack.steps(fed_size=X - 3)
    close(steps.fed_gates(steps.first_gates(inputs[:, 0, :3]), inputs[:, 0, 3:]), whole[:, 0])
    close(whole[:, 2], stack.steps().first_gates(inputs[:, 2]))


@EVERY_CELL
def test_dropout_is_between_layers_and_nowhere_else(name: str) -> None:
    torch.manual_seed(2)
    one = RecurrentLayers(CELLS[name], input_size=X, hidden_size=H, layers=1, dropout=0.9)
    two = RecurrentLayers(CELLS[name], input_size=X, hidden_size=H, layers=2, dropout=0.9)
    inputs = torch.randn(N, T, X)
    zero = (torch.zeros(N, H),) * CELLS[name].state_tensors
    assert torch.equal(one(inputs, (zero,)), one(inputs, (zero,)))
    assert not torch.equal(two(inputs, (zero, zero)), two(inputs, (zero, zero)))
    steps = two.steps()
    gates = steps.first_gates(inputs[:, 0])
    first, second = steps.advance(gates, (zero, zero)), steps.advance(gates, (zero, zero))
    assert torch.equal(first[0][0], second[0][0])
    assert not torch.equal(first[1][0], second[1][0])


@EVERY_CELL
def test_fresh_recurrent_weights_are_orthogonal_gate_by_gate(name: str) -> None:
    layer = CELLS[name].network(X, H)
    initialise_recurrent(layer)
    weights = weights_of(layer)
    gates = torch.split(weights.hidden, H)
    for gate in gates:
        close(gate @ gate.T, torch.eye(H))
    bound = (6 / (X + H)) ** 0.5  # Glorot and Bengio 2010, equation 16
    assert weights.inputs.abs().max() <= bound
    assert weights.inputs.abs().max() > 0.8 * bound
    assert (weights.hidden_bias == 0).all()
    expected = torch.zeros_like(weights.input_bias)
    if name == "lstm":
        expected[H : 2 * H] = 1  # the second gate of torch's four
    assert torch.equal(weights.input_bias, expected)
    assert not any(torch.equal(a, b) for a, b in pairwise(gates))
