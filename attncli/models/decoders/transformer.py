"""The decoder of a Transformer.

B sources, N rows, L layers, S source positions, T target positions, H width of a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncli.models.decoders.decoder import Decoder, Forced, Step
from attncli.models.dropout import Dropout
from attncli.models.memory import Memory
from attncli.models.multi_head import KeysAndValues
from attncli.models.positions import Placing
from attncli.models.readouts import NarrowedLayer, OutputLayer
from attncli.models.transformer import DecoderLayer, LayerRead, LayerSizes


@dataclass(frozen=True)
class PreparedMemory:
    """What the layers look at in the sources."""

    layers: tuple[KeysAndValues, ...]  # of every layer, for B sources
    mask: Tensor  # [B, 1, 1, S]
    output: NarrowedLayer | None = None  # for steps, where not everything may be written


@dataclass(frozen=True)
class TransformerState:
    """The tokens written so far, as the layers look at them."""

    layers: tuple[KeysAndValues, ...]  # of every layer, for N rows

    @property
    def length(self) -> int:
        """The number of tokens written so far."""
        return self.layers[0].keys.shape[2]


class TransformerDecoder(Decoder):
    """Layers in which every target position looks at those before it and at the source (Vaswani et al. 2017).

    A step reads one more position and looks at the keys and values of earlier ones, which the state keeps. The weights
    reported to search and alignments are the mean over the top layer's heads.
    """

    has_heads = True

    def __init__(
        self,
        embedding: nn.Embedding,
        place: Placing,
        sizes: LayerSizes,
        output: OutputLayer,
        *,
        layers: int,
        memory_size: int,
        output_dropout: float,
    ):
        super().__init__()
        self.embedding, self.output = embedding, output
        self.place = place
        self.layers: Sequence[DecoderLayer] = nn.ModuleList(  # type: ignore[assignment]
            DecoderLayer(sizes, memory_size=memory_size) for _ in range(layers)
        )
        self.last_norm = sizes.last_norm()
        self.output_dropout = Dropout(output_dropout)

    @property
    def attention(self) -> nn.ModuleList:
        """The attentions to the source."""
        return nn.ModuleList(layer.source_attention for layer in self.layers)

    def prepare(self, memory: Memory) -> PreparedMemory:
        """Return the keys and values of `memory` for every layer."""
        looked_at = tuple(layer.source_attention.project(memory.states) for layer in self.layers)
        return PreparedMemory(looked_at, memory.mask[:, None, None], self.narrowed(memory))

    def start(self, prepared: PreparedMemory) -> TransformerState:
        """Return the state before anything is written."""
        # Cut from the source's, which have the right dtype, device and heads.
        none = (KeysAndValues(source.keys[:, :, :0], source.values[:, :, :0]) for source in prepared.layers)
        return TransformerState(tuple(none))

    def step(self, tokens: Tensor, state: TransformerState, prepared: PreparedMemory) -> Step:
        """Return what follows `tokens` [N]."""
        *_, top = layers = self._read(tokens[:, None], state, prepared)
        written = TransformerState(tuple(layer.written for layer in layers))
        logits = self.output(self._features(top)[:, 0], prepared.output)
        return Step(logits, top.weights.mean(1)[:, 0], written)

    def force(self, tokens: Tensor, prepared: PreparedMemory) -> Forced:
        """Return the features after each of `tokens` [B, T], all at once."""
        *_, top = self._read(tokens, self.start(prepared), prepared)
        return Forced(self._features(top), top.weights.mean(1))

    def self_weights(self, tokens: Tensor, prepared: PreparedMemory) -> Tensor:
        """Return the weights [B, L, heads, T, T] of every layer and head on the target."""
        read = [layer.states for layer in self._read(tokens, self.start(prepared), prepared)]
        states = [self.place(self.embedding(tokens)), *read[:-1]]
        return torch.stack([layer.self_weights(at) for layer, at in zip(self.layers, states, strict=True)], 1)

    def cross_weights(self, tokens: Tensor, prepared: PreparedMemory) -> Tensor:
        """Return the weights [B, L, heads, T, S] of every layer and head on the source."""
        return torch.stack([layer.weights for layer in self._read(tokens, self.start(prepared), prepared)], 1)

    def _read(self, tokens: Tensor, state: TransformerState, prepared: PreparedMemory) -> list[LayerRead]:
        """Return what every layer returns for `tokens` [N, T], which follow those of `state`."""
        states, found = self.place(self.embedding(tokens), first=state.length), []
        for layer, written, source in zip(self.layers, state.layers, prepared.layers, strict=True):
            found.append(layer(states, written, source, prepared.mask))
            states = found[-1].states
        return found

    def _features(self, top: LayerRead) -> Tensor:
        return self.output_dropout(self.last_norm(top.states))  # type: ignore[no-any-return]
