"""Recurrent layers that run over a whole sequence in one fused call, or one step at a time, with the same weights.

N rows, T steps, I input width, H hidden width, G width of the gates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, ...]  # of one layer: (hidden,) or (hidden, cell), each [N, H]


class Cell(ABC):
    """One step of a recurrent layer, written on the weights of torch's fused layer.

    The input's share of the gates is apart from the rest, so that it can be computed for all steps at once.
    """

    network: type[nn.RNNBase]
    state_tensors: int

    @abstractmethod
    def input_gates(self, inputs: Tensor, layer: nn.RNNBase) -> Tensor:
        """Return the gates' share [..., G] of `inputs` [..., I], which may be the first I of all columns."""

    @abstractmethod
    def advance(self, gates: Tensor, state: State, layer: nn.RNNBase) -> State:
        """Return the next state, given the inputs' share of the gates [N, G]."""


class PlainCell(Cell):
    """Elman 1990: h' = tanh(W x + U h + b)."""

    network = nn.RNN
    state_tensors = 1

    def input_gates(self, inputs: Tensor, layer: nn.RNNBase) -> Tensor:
        """Return W x + b [..., H]."""
        return F.linear(inputs, layer.weight_ih_l0[:, : inputs.shape[-1]], layer.bias_ih_l0 + layer.bias_hh_l0)

    def advance(self, gates: Tensor, state: State, layer: nn.RNNBase) -> State:
        """Return (h',)."""
        return (torch.tanh(torch.addmm(gates, state[0], layer.weight_hh_l0.t())),)


class LSTMCell(Cell):
    """Hochreiter and Schmidhuber 1997, with forget gates."""

    network = nn.LSTM
    state_tensors = 2

    def input_gates(self, inputs: Tensor, layer: nn.RNNBase) -> Tensor:
        """Return W x + b [..., 4H], in torch's order: input, forget, candidate, output."""
        return F.linear(inputs, layer.weight_ih_l0[:, : inputs.shape[-1]], layer.bias_ih_l0 + layer.bias_hh_l0)

    def advance(self, gates: Tensor, state: State, layer: nn.RNNBase) -> State:
        """Return (h', c')."""
        hidden, cell = state
        write, keep, candidate, show = torch.addmm(gates, hidden, layer.weight_hh_l0.t()).chunk(4, dim=-1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(write) * torch.tanh(candidate)
        return torch.sigmoid(show) * torch.tanh(cell), cell


class GRUCell(Cell):
    """Cho et al. 2014, with torch's placing of the reset gate: after the product with U."""

    network = nn.GRU
    state_tensors = 1

    def input_gates(self, inputs: Tensor, layer: nn.RNNBase) -> Tensor:
        """Return W x + b [..., 3H], in torch's order: reset, update, candidate."""
        return F.linear(inputs, layer.weight_ih_l0[:, : inputs.shape[-1]], layer.bias_ih_l0)

    def advance(self, gates: Tensor, state: State, layer: nn.RNNBase) -> State:
        """Return (h',)."""
        (hidden,) = state
        reset_x, update_x, candidate_x = gates.chunk(3, dim=-1)
        reset_h, update_h, candidate_h = F.linear(hidden, layer.weight_hh_l0, layer.bias_hh_l0).chunk(3, dim=-1)
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
        return self.cell.input_gates(inputs, self.layers[0])

    def fed_gates(self, gates: Tensor, fed: Tensor) -> Tensor:
        """Return `gates` [N, G] with the share of `fed` [N, F], the last F columns of the bottom layer's input."""
        return torch.addmm(gates, fed, self.layers[0].weight_ih_l0[:, -fed.shape[-1] :].t())

    def advance(self, gates: Tensor, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return the next state of every layer, given the bottom layer's gates [N, G] from `first_gates`."""
        advanced: list[State] = []
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            if number:
                gates = self.cell.input_gates(self.dropout(advanced[-1][0]), layer)
            advanced.append(self.cell.advance(gates, state, layer))
        return tuple(advanced)


def initialise_recurrent(layer: nn.RNNBase) -> None:
    """Set Glorot input weights and orthogonal recurrent weights gate by gate, and a forget bias of 1.

    Saxe et al. 2014 for orthogonal weights; Gers et al. 2000 and Jozefowicz et al. 2015 for the forget bias.
    """
    with torch.no_grad():
        for gate_in, gate_hidden in zip(
            layer.weight_ih_l0.split(layer.hidden_size), layer.weight_hh_l0.split(layer.hidden_size), strict=True
        ):
            nn.init.xavier_uniform_(gate_in)
            nn.init.orthogonal_(gate_hidden)
        layer.bias_ih_l0.zero_()
        layer.bias_hh_l0.zero_()
        if isinstance(layer, nn.LSTM):
            layer.bias_ih_l0[layer.hidden_size : 2 * layer.hidden_size] = 1.0
