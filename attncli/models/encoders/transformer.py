"""The encoder of a Transformer.

B sources, L layers, S positions, H width of a state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from attncli.models.encoders.embedding import Embedded, Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory, mean_of_real
from attncli.models.positions import Placing
from attncli.models.transformer import EncoderLayer, LayerSizes


class TransformerEncoder(Encoder):
    """Layers in which every position looks at every other (Vaswani et al. 2017).

    It has no final state; the mean of its states stands in for one.
    """

    def __init__(
        self,
        embedding: Embedding,
        place: Placing,
        sizes: LayerSizes,
        *,
        layers: int,
    ):
        super().__init__()
        self.embedding, self.memory_size = embedding, sizes.size
        self.place = place
        self.layers: Sequence[EncoderLayer] = nn.ModuleList(  # type: ignore[assignment]
            EncoderLayer(sizes) for _ in range(layers)
        )
        self.last_norm = sizes.last_norm()

    def forward(self, source: Any) -> Memory:
        """Return the memory of `source`: the top layer's states [B, S, H] and their mean."""
        embedded = self.embedding.read(source)
        *_, top = self._states(embedded)
        states, mask = self.last_norm(top), embedded.mask
        return Memory.of(states, mask, mean_of_real(states, mask))

    def self_weights(self, source: Any) -> Tensor:
        """Return the weights [B, L, heads, S, S] of every layer and head."""
        embedded = self.embedding.read(source)
        mask = embedded.mask[:, None, None]
        read = zip(self.layers, self._states(embedded), strict=False)
        return torch.stack([layer.weights(states, mask) for layer, states in read], 1)

    def _states(self, embedded: Embedded) -> Iterator[Tensor]:
        """Yield the states [B, S, H] that each layer reads, and then those that the top layer gives."""
        states, mask = self.place(embedded.states), embedded.mask[:, None, None]
        yield states
        for layer in self.layers:
            states = layer(states, mask)
            yield states
