"""Long short-term memory-networks: LSTMs that look back on all earlier states at every step.

Cheng, Dong and Lapata 2016, section 3. N rows, L layers, T steps, t states so far, I input width, H hidden width, A = H
score width, G = 4 H + A width of the gates with the query, W = 2 H + A width of an entry of the tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncli.models.dropout import Dropout
from attncli.models.recurrence import CELLS, Layers, State, Steps, repeated_product, weights_of
from attncli.models.tape import Tape

CELL = CELLS["lstm"]


class LSTMNLayer(nn.Module):
    """The weights of one layer: those of an LSTM and of its score a_i = v · tanh(W_h h_i + W_x x_t + W_h~ h~_{t-1})."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size)
        self.states = nn.Linear(hidden_size, hidden_size, bias=False)  # W_h
        self.inputs = nn.Linear(input_size, hidden_size, bias=False)  # W_x
        self.recalled = nn.Linear(hidden_size, hidden_size, bias=False)  # W_h~
        self.energy = nn.Linear(hidden_size, 1, bias=False)  # v


class LSTMNLayers(Layers):
    """A stack of memory-networks of one width, with dropout between them.

    The state of a layer is its hidden state [N, H] and cell [N, H], the share [N, A] of h~_{t-1} in the next query, the
    tape [N, t, W] and the weights [N, t - 1] of the last step. In the paper h~_1 and c~_1 are 0, since there is nothing
    to look back on yet; a first state, such as a decoder's, takes their place here.
    """

    state_tensors = 2

    def __init__(self, *, input_size: int, hidden_size: int, layers: int, dropout: float):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.layers = nn.ModuleList(
            LSTMNLayer(input_size if number == 0 else hidden_size, hidden_size) for number in range(layers)
        )
        self.dropout = Dropout(dropout)

    def start(self, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return the state of every layer before the first step: (hidden, cell) of `states`, and an empty tape."""
        return tuple((hidden, cell, *self._nothing_yet(hidden)) for hidden, cell in states)

    def _nothing_yet(self, hidden: Tensor) -> State:
        rows, size = hidden.shape
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        # An empty tape is not read, so the share in the query may be anything until the first step has computed it.
        return hidden.new_zeros(rows, size), hidden.new_empty(rows, 0, 3 * size, dtype=dtype), hidden.new_empty(rows, 0)

    def forward(self, inputs: Tensor, states: tuple[State, ...]) -> Tensor:
        """Return the top layer's hidden states [N, T, H] over `inputs` [N, T, I], from `states` of `start` on."""
        return torch.stack([states[-1][0] for states in self.trace(inputs, states)], 1)

    def trace(self, inputs: Tensor, states: tuple[State, ...]) -> Iterator[tuple[State, ...]]:
        """Yield the states after each of `inputs` [N, T, I]."""
        steps = self.steps()
        for gates in steps.first_gates(inputs.transpose(0, 1)).unbind():
            states = steps.advance(gates, states)
            yield states

    def steps(self, *, fed_size: int = 0) -> LSTMNSteps:
        """Return the layers for stepping; the last `fed_size` columns of the input come later."""
        return LSTMNSteps(self, fed_size)

    def self_weights(self, states: tuple[State, ...]) -> Tensor:
        """Return the weights [N, L, t] of each layer's last step on the t states before it."""
        return torch.stack([weights for *_, weights in states], 1)


def square(rows: Sequence[Tensor]) -> Tensor:
    """Return `rows`, number t of them [N, L, t] for t from 0 to T - 1, as one tensor [N, L, T, T] filled up with 0."""
    return torch.stack([F.pad(row, (0, len(rows) - row.shape[-1])) for row in rows], -2)


class LSTMNSteps(Steps):
    """Memory-networks, one step at a time."""

    def __init__(self, layers: LSTMNLayers, fed_size: int):
        self.dropout = layers.dropout
        self.layers = [_LayerSteps(layer) for layer in layers.layers]
        bottom = self.layers[0].inputs  # [G, I]
        first_size = bottom.shape[1] - fed_size
        self.first = bottom[:, :first_size]
        self.fed = repeated_product(bottom[:, first_size:]) if fed_size else None
        self.between = [repeated_product(layer.inputs) for layer in self.layers[1:]]

    def first_gates(self, inputs: Tensor) -> Tensor:
        """Return the bottom layer's gates and query [..., G] from `inputs` [..., I - F]."""
        return F.linear(inputs, self.first, self.layers[0].bias)

    def fed_gates(self, gates: Tensor, fed: Tensor) -> Tensor:
        """Return `gates` [N, G] plus the share of `fed` [N, F]."""
        assert self.fed is not None, "made without fed columns"
        return self.fed(gates, fed)

    def advance(self, gates: Tensor, states: tuple[State, ...]) -> tuple[State, ...]:
        """Return the next state of every layer, given the complete gates and query [N, G] of the bottom layer."""
        advanced: list[State] = []
        for number, (state, layer) in enumerate(zip(states, self.layers, strict=True)):
            if number:
                gates = self.between[number - 1](layer.bias, self.dropout(advanced[-1][0]))
            advanced.append(layer.advance(gates, state))
        return tuple(advanced)


class _LayerSteps:
    """One layer, one step at a time.

    Gates and query are one product: their weights are stacked, since one large product is faster than two.
    """

    def __init__(self, layer: nn.Module):
        assert isinstance(layer, LSTMNLayer)
        self.weights = weights_of(layer.lstm)
        self.query_size = layer.energy.in_features
        self.inputs = torch.cat([self.weights.inputs, layer.inputs.weight])  # [G, I]
        bias = CELL.input_bias(self.weights)
        self.no_bias = bias.new_zeros(self.query_size)
        self.bias = torch.cat([bias, self.no_bias])
        self.hidden = repeated_product(self.weights.hidden)
        self.recalled, self.keys = repeated_product(layer.recalled.weight), repeated_product(layer.states.weight)
        self.tape = Tape(layer.energy.weight[0])

    def advance(self, gates: Tensor, state: State) -> State:
        """Return the next state, given the inputs' share [N, G] of gates and query."""
        hidden, cell, share, tape, weights = state
        tape = self.tape.adopt(tape)
        gates, query = gates[..., : -self.query_size], gates[..., -self.query_size :]
        if tape.shape[1]:
            recalled, weights = self.tape.read(query + share, tape)
            hidden, cell = recalled.chunk(2, dim=-1)  # h~_t and c~_t
        share = self.recalled(self.no_bias, hidden)
        hidden, cell = CELL.advance(gates, (hidden, cell), self.hidden, self.weights)
        return hidden, cell, share, self.tape.write(tape, hidden, cell, self.keys(self.no_bias, hidden)), weights
