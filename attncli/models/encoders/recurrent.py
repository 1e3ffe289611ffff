"""A recurrent network over source tokens.

B sources, S positions, E embedding width, D memory width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attncli.data.batch import Tokens
from attncli.models.memory import Memory
from attncli.models.recurrence import Cell, RecurrentLayers, State

Run = Callable[[RecurrentLayers, Tensor], Tensor]  # (one direction's layer, inputs [B, S, I]) -> states [B, S, H]


class RecurrentEncoder(nn.Module):
    """Embeds and reads the source in one direction or both; layer n + 1 reads both directions of layer n.

    The directions run as dense sequences: the backward one reads every source reversed within its own length. That
    gives the states of a packed sequence, and lets the fused kernels run, which on CPUs take no packed ones.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        cell: Cell,
        *,
        hidden_size: int,
        layers: int,
        bidirectional: bool,
        reverses_source: bool,
        input_dropout: float,
        layer_dropout: float,
    ):
        super().__init__()
        self.embedding = embedding
        self.memory_size = hidden_size
        self.reverses_source = reverses_source
        self.input_dropout, self.layer_dropout = nn.Dropout(input_dropout), nn.Dropout(layer_dropout)
        width = hidden_size // 2 if bidirectional else hidden_size

        def direction() -> nn.ModuleList:
            sizes = [embedding.embedding_dim, *[hidden_size] * (layers - 1)]
            return nn.ModuleList(
                RecurrentLayers(cell, input_size=size, hidden_size=width, layers=1, dropout=0.0) for size in sizes
            )

        self.forwards = direction()
        self.backwards = direction() if bidirectional else None

    def forward(self, source: Tokens) -> Memory:
        """Return the memory of `source`: top-layer states [B, S, D], and the final states of both directions."""
        return self.read(source, run_fused)

    def read(self, source: Tokens, run: Run) -> Memory:
        """Return the memory of `source`, each layer and direction run by `run`."""
        backward_order = reversal(source.lengths, source.ids.shape[1])
        states = self.input_dropout(self.embedding(source.ids))  # [B, S, E]
        if self.reverses_source:
            states = reorder(states, backward_order)
        for number in range(len(self.forwards)):
            if number:
                states = self.layer_dropout(states)
            states, summary = self._layer(number, states, source.lengths, backward_order, run)
        if self.reverses_source:
            states = reorder(states, backward_order)
        return Memory(self.layer_dropout(states), source.mask, summary)

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


def _layers(module: nn.Module) -> RecurrentLayers:
    assert isinstance(module, RecurrentLayers)
    return module


def first_state(layers: RecurrentLayers, inputs: Tensor) -> State:
    """Return the zeros that a direction over `inputs` [B, S, I] starts from."""
    zero = inputs.new_zeros(inputs.shape[0], layers.hidden_size)
    return (zero,) * layers.cell.state_tensors


def run_fused(layers: RecurrentLayers, inputs: Tensor) -> Tensor:
    """Return the states [B, S, H] of one direction over `inputs` [B, S, I], from a fused call."""
    return layers(inputs, (first_state(layers, inputs),))  # type: ignore[no-any-return]


def reversal(lengths: Tensor, positions: int) -> Tensor:
    """Return positions [B, S] that reverse each row within its length and leave its padding in place."""
    at = torch.arange(positions, device=lengths.device)
    reverse = lengths[:, None] - 1 - at
    return torch.where(reverse >= 0, reverse, at)


def reorder(states: Tensor, positions: Tensor) -> Tensor:
    """Return `states` [B, S, D] with row b's position p taken from `positions` [B, P]: [B, P, D]."""
    return states.gather(1, positions[:, :, None].expand(-1, -1, states.shape[-1]))
