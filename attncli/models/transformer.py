"""The layers of a Transformer's encoder and decoder, and their parts.

N rows, T positions, S source positions, H width of a state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncli.models.dropout import Dropout
from attncli.models.multi_head import KeysAndValues, MultiHeadAttention

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class Residual(nn.Module, ABC):
    """The residual connection around a part of a layer, with layer normalisation and dropout."""

    def __init__(self, size: int, *, dropout: float):
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(size), Dropout(dropout)

    @abstractmethod
    def enter(self, states: Tensor) -> Tensor:
        """Return what the part reads for `states` [N, T, H]."""

    @abstractmethod
    def leave(self, states: Tensor, added: Tensor) -> Tensor:
        """Return `states` [N, T, H] with what the part `added`."""


class PreNorm(Residual):
    """x + f(norm(x)): nothing is on the residual path (Baevski and Auli 2019; Xiong et al. 2020)."""

    def enter(self, states: Tensor) -> Tensor:
        """Return the normalised states."""
        return self.norm(states)  # type: ignore[no-any-return]

    def leave(self, states: Tensor, added: Tensor) -> Tensor:
        """Return the sum."""
        return states + self.dropout(added)  # type: ignore[no-any-return]


class PostNorm(Residual):
    """norm(x + f(x)) (Vaswani et al. 2017, 3.1)."""

    def enter(self, states: Tensor) -> Tensor:
        """Return the states as they are."""
        return states

    def leave(self, states: Tensor, added: Tensor) -> Tensor:
        """Return the normalised sum."""
        return self.norm(states + self.dropout(added))  # type: ignore[no-any-return]


RESIDUALS: dict[str, type[Residual]] = {"pre": PreNorm, "post": PostNorm}


@dataclass(frozen=True)
class LayerSizes:
    """What all layers of a stack share."""

    size: int
    heads: int
    feed_forward_size: int
    activation: str
    norm: str
    dropout: float

    def attention(self, *, looked_at_size: int) -> MultiHeadAttention:
        """Return an attention to states of width `looked_at_size`."""
        return MultiHeadAttention(self.size, looked_at_size=looked_at_size, heads=self.heads)

    def residual(self) -> Residual:
        """Return the residual connection around a part."""
        return RESIDUALS[self.norm](self.size, dropout=self.dropout)

    def feed_forward(self) -> nn.Module:
        """Return a network with one inner layer (Vaswani et al. 2017, 3.3)."""
        return nn.Sequential(
            nn.Linear(self.size, self.feed_forward_size),
            ACTIVATIONS[self.activation](),
            nn.Linear(self.feed_forward_size, self.size),
        )

    def last_norm(self) -> nn.Module:
        """Return what follows the top layer: with norms before the parts, its sum is not normalised yet."""
        return nn.LayerNorm(self.size) if self.norm == "pre" else nn.Identity()


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network."""

    def __init__(self, sizes: LayerSizes):
        super().__init__()
        self.attention, self.feed_forward = sizes.attention(looked_at_size=sizes.size), sizes.feed_forward()
        self.around_attention, self.around_feed_forward = sizes.residual(), sizes.residual()

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the next layer's states [B, S, H]; `mask` [B, 1, 1, S] is True where a position is real."""
        read = self.around_attention.enter(states)
        seen = self.attention(read, self.attention.project(read), mask)
        return transformed(self.around_attention.leave(states, seen), self.feed_forward, self.around_feed_forward)

    def weights(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the weights [B, heads, S, S] with which `forward` reads `states` [B, S, H]."""
        read = self.around_attention.enter(states)
        return self.attention.weights(read, self.attention.project(read), mask)


@dataclass(frozen=True)
class LayerRead:
    """What a decoder layer returns for some positions."""

    states: Tensor  # [N, T, H]
    written: KeysAndValues  # of the self-attention, for all positions so far
    weights: Tensor  # [N, heads, T, S] on the source


class DecoderLayer(nn.Module):
    """Self-attention to the positions written so far, attention to the source, and a feed-forward network."""

    def __init__(self, sizes: LayerSizes, *, memory_size: int):
        super().__init__()
        self.attention, self.feed_forward = sizes.attention(looked_at_size=sizes.size), sizes.feed_forward()
        self.source_attention = sizes.attention(looked_at_size=memory_size)
        self.around_attention, self.around_source_attention = sizes.residual(), sizes.residual()
        self.around_feed_forward = sizes.residual()

    def forward(self, states: Tensor, written: KeysAndValues, source: KeysAndValues, mask: Tensor) -> LayerRead:
        """Return what the layer makes of `states` [N, T, H], which follow the positions in `written`.

        `source` has a row for each of B sources, and N is a multiple of B; `mask` [B, 1, 1, S] is True where a source
        position is real.
        """
        read = self.around_attention.enter(states)
        written = written.joined(self.attention.project(read))
        seen = self.attention(read, written, causal(states.shape[1], written.keys))
        states = self.around_attention.leave(states, seen)
        seen, weights = self.source_attention.read(self.around_source_attention.enter(states), source, mask)
        states = self.around_source_attention.leave(states, seen)
        return LayerRead(transformed(states, self.feed_forward, self.around_feed_forward), written, weights)

    def self_weights(self, states: Tensor) -> Tensor:
        """Return the weights [N, heads, T, T] with which `forward` reads `states` [N, T, H] from the start."""
        read = self.around_attention.enter(states)
        written = self.attention.project(read)
        return self.attention.weights(read, written, causal(states.shape[1], written.keys))


def transformed(states: Tensor, network: nn.Module, around: Residual) -> Tensor:
    """Return `states` [N, T, H] after a `network` that reads each position alone."""
    return around.leave(states, network(around.enter(states)))


def causal(steps: int, keys: Tensor) -> Tensor | None:
    """Return the mask [T, t + T] that hides from each of the last T positions what follows it; None for T = 1."""
    if steps == 1:
        return None
    positions = keys.shape[2]
    return torch.ones(steps, positions, dtype=torch.bool, device=keys.device).tril(positions - steps)
