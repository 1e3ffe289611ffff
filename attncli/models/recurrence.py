"""Recurrent layers that run over a whole sequence in one fused call, or one step at a time, with the same weights.

N rows, T steps, I input width, H hidden width, G width of the gates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from attncli.models.dropout import Dropout

State = tuple[Tensor, ...]  # of one layer: (hidden,) or (hidden, cell), each [N, H]


Product = Callable[[Tensor, Tensor], Tensor]  # (what to add [N, G] or [G], x [N, I]) -> it + x Wᵀ [N, G]


class RepeatedProduct:
    """x Wᵀ plus a summand, for a sequence of x, each of which depends on the one before.

    Plain operations compute the gradient of W at every step, from few rows, and add up the results. Here the steps
    only note what it is made of, and the first step, whose turn comes last in the backward pass, computes the gradient
    of all steps in one product. With one thread that saved 6 % of the processor time of an update.
    """

    def __init__(self, weight: Tensor):
        kind = weight.device.type
        self.weight = weight
        self.computed = weight.detach().to(
            torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        )
        self.calls = 0
        self.noted: list[tuple[Tensor, Tensor]] = []  # per step of the backward pass: x, and the gradient of x Wᵀ

    def __call__(self, added: Tensor, inputs: Tensor) -> Tensor:
        """Return added + x Wᵀ [N, G] for x = `inputs` [N, I]."""
        kind = self.computed.dtype
        self.calls += 1
        return _NotedProduct.apply(  # type: ignore[no-any-return, no-untyped-call]
            added.to(kind).expand(len(inputs), -1), inputs.to(kind), self.weight, self, self.calls == 1
        )

    def gradient(self) -> Tensor:
        """Return the gradient of W [G, I] over all steps."""
        inputs, slopes = (torch.cat(parts) for parts in zip(*self.noted, strict=True))
        self.noted.clear()
        return (slopes.t() @ inputs).to(self.weight.dtype)


class _NotedProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, added: Tensor, inputs: Tensor, weight: Tensor, product: RepeatedProduct, is_first: bool
    ) -> Tensor:
        context.save_for_backward(inputs)
        context.product, context.is_first = product, is_first
        with torch.autocast(inputs.device.type, enabled=False):
            return torch.addmm(added, inputs, product.computed.t())

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        product: RepeatedProduct = context.product
        product.noted.append((context.saved_tensors[0], gradient))
        of_inputs = gradient @ product.computed if context.needs_input_grad[1] else None
        return gradient, of_inputs, product.gradient() if context.is_first else None, None, None


def repeated_product(weight: Tensor) -> Product:
    """Return the product with `weight` [G, I] for many steps; without gradients, a plain one."""
    if torch.is_grad_enabled():
        return RepeatedProduct(weight)
    return lambda added, inputs: torch.addmm(added, inputs, weight.t())


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one of torch's fused layers."""

    inputs: Tensor  # [G, I]
    hidden: Tensor  # [G, H]
    input_bias: Tensor  # [G]
    hidden_bias: Tensor  # [G]


def weights_of(layer: nn.Module) -> LayerWeights:
    """Return the weights of `layer`, one of torch's with a single layer and direction."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return LayerWeights(*(getattr(layer, name) for name in names))


class Cell(ABC):
    """One step of a recurrent layer, written on the weights of torch's fused layer."""

    network: type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]
    state_tensors: int

    @abstractmethod
    def input_bias(self, weights: LayerWeights) -> Tensor:
        """Return the biases [G] that may be added to the input's share of the gates, before the step."""

    @abstractmethod
    def advance(self, gates: Tensor, state: State, hidden: Product, weights: LayerWeights) -> State:
        """Return the next state, given the input's share of the gates [N, G] and `hidden`, the product with U."""


class PlainCell(Cell):
    """Elman 1990: h' = tanh(W x + U h + b)."""

    network = nn.RNN
    state_tensors = 1

    def input_bias(self, weights: LayerWeights) -> Tensor:
        """Return both biases, which are only ever added."""
        return weights.input_bias + weights.hidden_bias

    def advance(self, gates: Tensor, state: State, hidden: Product, weights: LayerWeights) -> State:
        """Return (h',)."""
        return (torch.tanh(hidden(gates, state[0])),)


class LSTMCell(Cell):
    """Hochreiter and Schmidhuber 1997, with forget gates; torch's order: input, forget, candidate, output."""

    network = nn.LSTM
    state_tensors = 2

    def input_bias(self, weights: LayerWeights) -> Tensor:
        """Return both biases, which are only ever added."""
        return weights.input_bias + weights.hidden_bias

    def advance(self, gates: Tensor, state: State, hidden: Product, weights: LayerWeights) -> State:
        """Return (h', c')."""
        write, keep, candidate, show = hidden(gates, state[0]).chunk(4, dim=-1)
        cell = torch.sigmoid(keep) * state[1] + torch.sigmoid(write) * torch.tanh(candidate)
        return torch.sigmoid(show) * torch.tanh(cell), cell


class GRUCell(Cell):
    """Cho et al. 2014, with the reset gate after the product with U, as in torch; order: reset, update, candidate."""

    network = nn.GRU
    state_tensors = 1

    def input_bias(self, weights: LayerWeights) -> Tensor:
        """Return the input's bias alone: the reset gate multiplies the other one."""
        return weights.input_bias

    def advance(self, gates: Tensor, state: State, hidden: Product, weights: LayerWeights) -> State:
        """Return (h',)."""
        reset_x, update_x, candidate_x = gates.chunk(3, dim=-1)
        reset_h, update_h, candidate_h = hidden(weights.hidden_bias, state[0]).chunk(3, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        candidate = torch.tanh(candidate_x + torch.sigmoid(reset_x + reset_h) * candidate_h)
        return (candidate + update * (state[0] - candidate),)


CELLS: dict[str, Cell] = {"rnn": PlainCell(), "gru": GRUCell(), "lstm": LSTMCell()}


class Layers(nn.Module, ABC):
    """A stack of layers that read a sequence in one call, or one step at a time, with the same weights."""

    input_size: int
    hidden_size: int
    layers: nn.ModuleList
    state_tensors: int  # of a layer's first state: (hidden,) or (hidden, cell)

    @abstractmethod
    def start(self, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return the state of every layer before the first step, made of `states`, each `state_tensors` tensors [N, H].

        The first tensor of a layer's state is always its hidden state [N, H].
        """

    @abstractmethod
    def forward(self, inputs: Tensor, states: tuple[State, ...]) -> Tensor:
        """Return the top layer's hidden states [N, T, H] over `inputs` [N, T, I], from `states` of `start` on."""

    @abstractmethod
    def steps(self, *, fed_size: int = 0) -> Steps:
        """Return the layers as a loop over steps uses them; the last `fed_size` columns of the input come later."""

    def self_weights(self, states: tuple[State, ...]) -> Tensor | None:
        """Return the weights [N, L, t] of each layer's last step on all earlier ones; None where no layer looks back.

        `states` are those after t + 1 steps.
        """
        return None


class Steps(ABC):
    """A stack of layers, one step at a time; weights are cut and cast once for all steps."""

    @abstractmethod
    def first_gates(self, inputs: Tensor) -> Tensor:
        """Return the bottom layer's gates [..., G] from `inputs` [..., I - F], of one step or of all steps at once."""

    @abstractmethod
    def fed_gates(self, gates: Tensor, fed: Tensor) -> Tensor:
        """Return `gates` [N, G] with the share of `fed` [N, F]."""

    @abstractmethod
    def advance(self, gates: Tensor, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return the next state of every layer, given the bottom layer's whole gates [N, G]."""


class RecurrentLayers(Layers):
    """A stack of recurrent layers of one width, with dropout between them."""

    def __init__(self, cell: Cell, *, input_size: int, hidden_size: int, layers: int, dropout: float):
        super().__init__()
        self.cell, self.state_tensors = cell, cell.state_tensors
        self.input_size, self.hidden_size = input_size, hidden_size
        self.layers = nn.ModuleList(
            cell.network(input_size if number == 0 else hidden_size, hidden_size, batch_first=True)
            for number in range(layers)
        )
        self.dropout = Dropout(dropout)

    def start(self, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return `states`."""
        return states

    def forward(self, inputs: Tensor, states: tuple[State, ...]) -> Tensor:
        """Return the top layer's hidden states [N, T, H] over `inputs` [N, T, I], from `states` on."""
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            if number:
                inputs = self.dropout(inputs)
            inputs = _run_fused(layer, inputs, state)
        return inputs

    def steps(self, *, fed_size: int = 0) -> RecurrentSteps:
        """Return the layers as a loop over steps uses them; the last `fed_size` columns of the input come later."""
        return RecurrentSteps(self, fed_size)


def _run_fused(layer: nn.Module, inputs: Tensor, state: State) -> Tensor:
    """Return the hidden states [N, T, H] of one of torch's layers over `inputs` [N, T, I], from `state` on."""
    casting: AbstractContextManager[object] = nullcontext()
    if inputs.device.type == "cuda":
        # Under autocast cuDNN computes in float16, whatever type autocast is told, where gradients vanish that nobody
        # scales. Here it computes in the type of the weights; `arithmetic` lets it use TensorFloat-32 in bf16.
        kind = weights_of(layer).hidden.dtype
        inputs, state = inputs.to(kind), tuple(tensor.to(kind) for tensor in state)
        casting = torch.autocast("cuda", enabled=False)
    first = tuple(tensor[None].contiguous() for tensor in state)  # torch's layers want [1, N, H]
    with casting:
        states: Tensor = layer(inputs, first if len(first) > 1 else first[0])[0]
    return states


class RecurrentSteps(Steps):
    """Recurrent layers, one step at a time; each weight's gradient is one product at the end of the backward pass."""

    def __init__(self, layers: RecurrentLayers, fed_size: int):
        self.cell, self.dropout = layers.cell, layers.dropout
        self.weights = [weights_of(layer) for layer in layers.layers]
        bottom = self.weights[0].inputs
        first_size = bottom.shape[1] - fed_size
        self.first = bottom[:, :first_size]
        self.fed = repeated_product(bottom[:, first_size:]) if fed_size else None
        self.hidden = [repeated_product(weights.hidden) for weights in self.weights]
        self.between = [repeated_product(weights.inputs) for weights in self.weights[1:]]
        self.biases = [self.cell.input_bias(weights) for weights in self.weights]

    def first_gates(self, inputs: Tensor) -> Tensor:
        """Return the bottom layer's gates [..., G] from `inputs` [..., I - F]."""
        return F.linear(inputs, self.first, self.biases[0])

    def fed_gates(self, gates: Tensor, fed: Tensor) -> Tensor:
        """Return `gates` [N, G] with the share of `fed` [N, F]."""
        assert self.fed is not None, "made without fed columns"
        return self.fed(gates, fed)

    def advance(self, gates: Tensor, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return the next state of every layer, given the bottom layer's whole gates [N, G]."""
        advanced: list[State] = []
        for number, (state, weights) in enumerate(zip(states, self.weights, strict=True)):
            if number:
                gates = self.between[number - 1](self.biases[number], self.dropout(advanced[-1][0]))
            advanced.append(self.cell.advance(gates, state, self.hidden[number], weights))
        return tuple(advanced)


def initialise_recurrent(layer: nn.RNNBase) -> None:
    """Set Glorot input weights and orthogonal recurrent weights gate by gate, and a forget bias of 1.

    Saxe et al. 2014 for orthogonal weights; Gers et al. 2000 and Jozefowicz et al. 2015 for the forget bias.
    """
    weights, size = weights_of(layer), layer.hidden_size
    with torch.no_grad():
        for from_input, from_hidden in zip(
            torch.split(weights.inputs, size), torch.split(weights.hidden, size), strict=True
        ):
            nn.init.xavier_uniform_(from_input)
            nn.init.orthogonal_(from_hidden)
        weights.input_bias.zero_()
        weights.hidden_bias.zero_()
        if isinstance(layer, nn.LSTM):
            weights.input_bias[size : 2 * size] = 1.0
