"""Recurrent layers that run over a whole sequence in one fused call, or one step at a time, with the same weights.

N rows, T steps, I input width, H hidden width, G width of the gates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, ...]  # of one layer: (hidden,) or (hidden, cell), each [N, H]


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
    """One step of a recurrent layer, written on the weights of torch's fused layer.

    The input's share of the gates is apart from the rest, so that it can be computed for all steps at once.
    """

    network: type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]
    state_tensors: int

    @abstractmethod
    def input_gates(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """Return the gates' share [..., G] of `inputs` [..., I], which may be the first I of all columns."""

    @abstractmethod
    def advance(self, gates: Tensor, state: State, weights: LayerWeights) -> State:
        """Return the next state, given the inputs' share of the gates [N, G]."""


class PlainCell(Cell):
    """Elman 1990: h' = tanh(W x + U h + b)."""

    network = nn.RNN
    state_tensors = 1

    def input_gates(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """Return W x + b [..., H]."""
        return F.linear(inputs, weights.inputs[:, : inputs.shape[-1]], weights.input_bias + weights.hidden_bias)

    def advance(self, gates: Tensor, state: State, weights: LayerWeights) -> State:
        """Return (h',)."""
        return (torch.tanh(torch.addmm(gates, state[0], weights.hidden.t())),)


class LSTMCell(Cell):
    """Hochreiter and Schmidhuber 1997, with forget gates."""

    network = nn.LSTM
    state_tensors = 2

    def input_gates(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """Return W x + b [..., 4H], in torch's order: input, forget, candidate, output."""
        return F.linear(inputs, weights.inputs[:, : inputs.shape[-1]], weights.input_bias + weights.hidden_bias)

    def advance(self, gates: Tensor, state: State, weights: LayerWeights) -> State:
        """Return (h', c')."""
        hidden, cell = state
        write, keep, candidate, show = torch.addmm(gates, hidden, weights.hidden.t()).chunk(4, dim=-1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(write) * torch.tanh(candidate)
        return torch.sigmoid(show) * torch.tanh(cell), cell


class GRUCell(Cell):
    """Cho et al. 2014, with torch's placing of the reset gate: after the product with U."""

    network = nn.GRU
    state_tensors = 1

    def input_gates(self, inputs: Tensor, weights: LayerWeights) -> Tensor:
        """Return W x + b [..., 3H], in torch's order: reset, update, candidate."""
        return F.linear(inputs, weights.inputs[:, : inputs.shape[-1]], weights.input_bias)

    def advance(self, gates: Tensor, state: State, weights: LayerWeights) -> State:
        """Return (h',)."""
        (hidden,) = state
        reset_x, update_x, candidate_x = gates.chunk(3, dim=-1)
        reset_h, update_h, candidate_h = F.linear(hidden, weights.hidden, weights.hidden_bias).chunk(3, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        candidate = torch.tanh(candidate_x + torch.sigmoid(reset_x + reset_h) * candidate_h)
        return (candidate + update * (hidden - candidate),)


CELLS: dict[str, Cell] = {"rnn": PlainCell(), "gru": GRUCell(), "lstm": LSTMCell()}


class RecurrentLayers(nn.Module):
    """A stack of recurrent layers of one width, with dropout between them."""

    def __init__(self, cell: Cell, *, input_size: int, hidden_size: int, layers: int, dropout: float):
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size
        self.layers = nn.ModuleList(
            cell.network(input_size if number == 0 else hidden_size, hidden_size, batch_first=True)
            for number in range(layers)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, states: tuple[State, ...]) -> Tensor:
        """Return the top layer's hidden states [N, T, H] over `inputs` [N, T, I], from `states` on."""
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            if number:
                inputs = self.dropout(inputs)
            first = tuple(tensor[None].contiguous() for tensor in state)  # torch's layers want [1, N, H]
            inputs, _ = layer(inputs, first if len(first) > 1 else first[0])
        return inputs

    def first_gates(self, inputs: Tensor) -> Tensor:
        """Return the bottom layer's gates [..., G] from `inputs` [..., I], which may lack the last columns."""
        return self.cell.input_gates(inputs, weights_of(self.layers[0]))

    def fed_gates(self, gates: Tensor, fed: Tensor) -> Tensor:
        """Return `gates` [N, G] with the share of `fed` [N, F], the last F columns of the bottom layer's input."""
        return torch.addmm(gates, fed, weights_of(self.layers[0]).inputs[:, -fed.shape[-1] :].t())

    def advance(self, gates: Tensor, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return the next state of every layer, given the bottom layer's gates [N, G] from `first_gates`."""
        advanced: list[State] = []
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            if number:
                gates = self.cell.input_gates(self.dropout(advanced[-1][0]), weights_of(layer))
            advanced.append(self.cell.advance(gates, state, weights_of(layer)))
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
