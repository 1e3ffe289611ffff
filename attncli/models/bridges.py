"""How a memory becomes a recurrent decoder's first state.

B sources, D memory width, H hidden width.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

import torch
from torch import Tensor, nn

from attncli.models.memory import Memory
from attncli.models.recurrence import State

VECTORS: dict[str, Callable[[Memory], Tensor]] = {"final": attrgetter("summary"), "mean": Memory.mean}


class Bridge(nn.Module):
    """The first state of every layer: tanh(W v + b) of one vector v of the source (Bahdanau et al. 2015, A.2.2)."""

    def __init__(
        self, vector: Callable[[Memory], Tensor], *, memory_size: int, hidden_size: int, layers: int, state_tensors: int
    ):
        super().__init__()
        self.vector = vector
        self.layers, self.state_tensors = layers, state_tensors
        self.project = nn.Linear(memory_size, layers * state_tensors * hidden_size)

    def forward(self, memory: Memory) -> tuple[State, ...]:
        """Return the state of every layer, each of `state_tensors` tensors [B, H]."""
        parts = torch.tanh(self.project(self.vector(memory))).chunk(self.layers * self.state_tensors, dim=-1)
        return tuple(parts[at : at + self.state_tensors] for at in range(0, len(parts), self.state_tensors))


class MLPBridge(nn.Module):
    """The first state of every layer: for each of its tensors a network of two tanh layers over the mean of the memory.

    Xu et al. 2015, 3.1.2: f_init,c and f_init,h.
    """

    def __init__(self, *, memory_size: int, hidden_size: int, layers: int, state_tensors: int):
        super().__init__()
        self.state_tensors = state_tensors
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(memory_size, hidden_size), nn.Tanh(), nn.Linear(hidden_size, hidden_size), nn.Tanh()
            )
            for _ in range(layers * state_tensors)
        )

    def forward(self, memory: Memory) -> tuple[State, ...]:
        """Return the state of every layer, each of `state_tensors` tensors [B, H]."""
        mean = memory.mean()
        parts = tuple(network(mean) for network in self.networks)
        return tuple(parts[at : at + self.state_tensors] for at in range(0, len(parts), self.state_tensors))


class CopyBridge(nn.Module):
    """The encoder's final state as the first hidden state of every layer (Sutskever et al. 2014).

    The cell of an LSTM starts at 0: encoders run dense sequences and do not keep the cell at the last real position.
    """

    def __init__(self, *, layers: int, state_tensors: int):
        super().__init__()
        self.layers, self.state_tensors = layers, state_tensors

    def forward(self, memory: Memory) -> tuple[State, ...]:
        """Return the state of every layer, each of `state_tensors` tensors [B, H]."""
        zero = torch.zeros_like(memory.summary)
        return ((memory.summary, *[zero] * (self.state_tensors - 1)),) * self.layers


class ZeroBridge(nn.Module):
    """A first state of zeros, whatever the source."""

    def __init__(self, *, hidden_size: int, layers: int, state_tensors: int):
        super().__init__()
        self.hidden_size, self.layers, self.state_tensors = hidden_size, layers, state_tensors

    def forward(self, memory: Memory) -> tuple[State, ...]:
        """Return the state of every layer, each of `state_tensors` tensors [B, H]."""
        zero = memory.states.new_zeros(memory.states.shape[0], self.hidden_size)
        return ((zero,) * self.state_tensors,) * self.layers
