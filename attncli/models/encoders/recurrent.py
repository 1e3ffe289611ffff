"""Recurrent encoders of sequences.

B sources, S positions, E embedding width, D memory width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from attncli.models.dropout import Dropout
from attncli.models.encoders.embedding import Embedded, Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.lstmn import LSTMNLayers, square
from attncli.models.memory import Memory
from attncli.models.positions import Placing
from attncli.models.recurrence import Layers, State

Run = Callable[[Layers, Tensor], Tensor]  # (one direction's layer, inputs [B, S, I]) -> states [B, S, H]


class RecurrentEncoder(Encoder):
    """Embeds and reads the source in one direction or both; layer n + 1 reads both directions of layer n.

    `layer` makes a layer of an input width and a hidden width.

    The directions run as dense sequences: the backward one reads every source reversed within its own length. That
    gives the states of a packed sequence and allows the fused kernels, which on CPUs take no packed sequences.
    """

    heads_are_directions = True

    def __init__(
        self,
        embedding: Embedding,
        place: Placing,
        layer: Callable[[int, int], Layers],
        *,
        hidden_size: int,
        layers: int,
        bidirectional: bool,
        reverses_source: bool,
        layer_dropout: float,
    ):
        super().__init__()
        self.embedding, self.place = embedding, place
        self.memory_size = hidden_size
        self.reverses_source = reverses_source
        self.layer_dropout = Dropout(layer_dropout)
        width = hidden_size // 2 if bidirectional else hidden_size

        def direction() -> nn.ModuleList:
            sizes = [embedding.size, *[hidden_size] * (layers - 1)]
            return nn.ModuleList(layer(size, width) for size in sizes)

        self.forwards = direction()
        self.backwards = direction() if bidirectional else None

    def forward(self, source: Any) -> Memory:
        """Return the memory of `source`: the top layer's states [B, S, D] and the final states of its directions."""
        return self.read(source, run_whole)

    def read(self, source: Any, run: Run) -> Memory:
        """Return the memory of `source`, each layer and direction run by `run`."""
        embedded = self.embedding.read(source)
        backward_order = reversal(embedded.lengths, embedded.states.shape[1])
        *_, (states, summary) = self._read(embedded, backward_order, run)
        if self.reverses_source:
            states = reorder(states, backward_order)
        return Memory.of(self.layer_dropout(states), embedded.mask, summary)

    def self_weights(self, source: Any) -> Tensor | None:
        """Return the weights [B, L, directions, S, S] of layers that look back; None for other layers."""
        if not isinstance(self.forwards[0], LSTMNLayers):
            return None
        embedded = self.embedding.read(source)
        order = reversal(embedded.lengths, embedded.states.shape[1])
        inputs = [self._inputs(embedded, order), *(states for states, _ in self._read(embedded, order, run_whole))]
        forwards = torch.cat([_look(*pair) for pair in zip(self.forwards, inputs, strict=False)], 1)
        directions = [forwards]
        if self.backwards is not None:
            pairs = zip(self.backwards, inputs, strict=False)
            backwards = torch.cat([_look(layers, reorder(states, order)) for layers, states in pairs], 1)
            directions.append(_reorder_both(backwards, order))
        weights = torch.stack(directions, 2)
        return _reorder_both(weights, order) if self.reverses_source else weights

    def _inputs(self, embedded: Embedded, backward_order: Tensor) -> Tensor:
        placed: Tensor = self.place(embedded.states)  # [B, S, E]
        return reorder(placed, backward_order) if self.reverses_source else placed

    def _read(self, embedded: Embedded, backward_order: Tensor, run: Run) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the states [B, S, D] of every layer, in the order of reading, and the final ones [B, D]."""
        states = self._inputs(embedded, backward_order)
        for number in range(len(self.forwards)):
            if number:
                states = self.layer_dropout(states)
            states, summary = self._layer(number, states, embedded.lengths, backward_order, run)
            yield states, summary

    def _layer(
        self, number: int, inputs: Tensor, lengths: Tensor, backward_order: Tensor, run: Run
    ) -> tuple[Tensor, Tensor]:
        last = (lengths - 1)[:, None]
        forwards = run(_layers(self.forwards[number]), inputs)
        finals = [reorder(forwards, last)[:, 0]]
        if self.backwards is None:
            return forwards, finals[0]
        backwards = run(_layers(self.backwards[number]), reorder(inputs, backward_order))
        finals.append(reorder(backwards, last)[:, 0])
        states = torch.cat([forwards, reorder(backwards, backward_order)], -1)
        return states, torch.cat(finals, -1)


def _layers(module: nn.Module) -> Layers:
    assert isinstance(module, Layers)
    return module


def first_states(layers: Layers, inputs: Tensor) -> tuple[State, ...]:
    """Return the zero state of each of `layers` from which a direction over `inputs` [B, S, I] starts."""
    zero = inputs.new_zeros(inputs.shape[0], layers.hidden_size)
    return layers.start(((zero,) * layers.state_tensors,))


def run_whole(layers: Layers, inputs: Tensor) -> Tensor:
    """Return the states [B, S, H] of one direction over `inputs` [B, S, I], in one call."""
    return layers(inputs, first_states(layers, inputs))  # type: ignore[no-any-return]


def _look(layers: nn.Module, inputs: Tensor) -> Tensor:
    """Return the weights [B, L, S, S] of `layers`, which look back, over `inputs` [B, S, I]."""
    assert isinstance(layers, LSTMNLayers)
    return square([layers.self_weights(states) for states in layers.trace(inputs, first_states(layers, inputs))])


def _reorder_both(weights: Tensor, positions: Tensor) -> Tensor:
    """Return `weights` [B, ..., S, S] with rows and columns in the order of `positions` [B, S]."""
    flat = weights.flatten(1, -3)  # [B, n, S, S]
    rows = flat.gather(2, positions[:, None, :, None].expand_as(flat))
    return rows.gather(3, positions[:, None, None, :].expand_as(flat)).view_as(weights)


def reversal(lengths: Tensor, positions: int) -> Tensor:
    """Return positions [B, S] that reverse each row within its length and leave its padding in place."""
    at = torch.arange(positions, device=lengths.device)
    reverse = lengths[:, None] - 1 - at
    return torch.where(reverse >= 0, reverse, at)


def reorder(states: Tensor, positions: Tensor) -> Tensor:
    """Return `states` [B, S, D] with row b's position p taken from `positions` [B, P]: [B, P, D]."""
    return states.gather(1, positions[:, :, None].expand(-1, -1, states.shape[-1]))
