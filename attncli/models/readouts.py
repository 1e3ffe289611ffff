"""Readouts, which join state, previous token and context for the output layer, and that layer.

B sources, N rows, T steps, H hidden width, E embedding width, D memory width, R readout width, V vocabulary, U tokens
that may be written for any of the sources.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]
AnyModel = TypeVar("AnyModel", bound=nn.Module)
ACTIVATIONS: dict[str, Activation] = {"tanh": torch.tanh, "none": torch.positive}


class Readout(nn.Module, ABC):
    """Joins what a decoder knows at a step into the vector [..., R] for the output layer."""

    size: int

    @abstractmethod
    def forward(self, state: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return [..., R] from the state [..., H], the embedding [..., E] of the previous token, and the context."""


class StateReadout(Readout):
    """The state itself (Sutskever et al. 2014)."""

    def __init__(self, hidden_size: int):
        super().__init__()
        self.size = hidden_size

    def forward(self, state: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return the state [..., H]."""
        return state


class AttentionalReadout(Readout):
    """The attentional vector f(W [c; h]) (Luong, Pham and Manning 2015, equation 5; no bias, as there).

    f is tanh in the paper.
    """

    def __init__(self, hidden_size: int, context_size: int, *, activation: Activation):
        super().__init__()
        self.size, self.activation = hidden_size, activation
        self.combine = nn.Linear(context_size + hidden_size, hidden_size, bias=False)

    def forward(self, state: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return the attentional vector [..., H]."""
        assert context is not None, "the config refuses this readout without a context"
        return self.activation(self.combine(torch.cat([context, state], -1)))


class SumReadout(Readout):
    """The state plus the context, which has its width (Yang et al. 2016, section 3.3)."""

    def __init__(self, hidden_size: int):
        super().__init__()
        self.size = hidden_size

    def forward(self, state: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return the sum [..., H]."""
        assert context is not None, "the config refuses this readout without a context"
        return state + context


class MaxoutReadout(Readout):
    """A deep output layer: the larger of each pair of units of W [s; E y; c] (Bahdanau et al. 2015, A.2.2).

    There are R = H // 2 pairs, so that the layer before the maximum is as wide as the state.
    """

    def __init__(self, hidden_size: int, embedding_size: int, context_size: int):
        super().__init__()
        self.size = max(1, hidden_size // 2)
        self.combine = nn.Linear(hidden_size + embedding_size + context_size, 2 * self.size)

    def forward(self, state: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return the maxout layer [..., R]."""
        parts = [state, embedded] if context is None else [state, embedded, context]
        return self.combine(torch.cat(parts, -1)).unflatten(-1, (self.size, 2)).amax(-1)  # type: ignore[no-any-return]


class DeepReadout(Readout):
    """A deep output layer of the embedding's width: f(E y + L_h h + L_z c) (Xu et al. 2015, equation 7).

    f is the identity there, and tanh in their released code.
    """

    def __init__(self, hidden_size: int, embedding_size: int, context_size: int, *, activation: Activation):
        super().__init__()
        self.size, self.activation = embedding_size, activation
        self.state = nn.Linear(hidden_size, embedding_size)
        self.context = nn.Linear(context_size, embedding_size, bias=False) if context_size else None

    def forward(self, state: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return [..., E]."""
        total = embedded + self.state(state)
        return self.activation(total if context is None or self.context is None else total + self.context(context))


class PackedLinear:
    """A linear layer for inference on a CPU, with its weights in the blocks that oneDNN's kernels read.

    Plain ones are brought into them at every product. With few rows, as in a search, that is much of its time: with one
    thread, 512 columns to 8,000 take 3.5 ms for 5 rows, and 1.9 ms packed; for 320 rows it makes no difference.
    """

    def __init__(self, layer: nn.Linear):
        self.layer = layer
        self.weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _PACKED_FOR)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return what the layer does."""
        return torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.layer.bias, "none", [], "")  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[type[PackedLinear], tuple[nn.Linear]]:
        """Return how another process gets it: packed anew, as the blocks are known to oneDNN alone."""
        return PackedLinear, (self.layer,)


_PACKED_FOR = 64  # rows


class Columns:
    """The columns of logits that are computed. They have no row for a source, so a search must not reorder them."""

    def __init__(self, tokens: Tensor, layer: Callable[[Tensor], Tensor], vocabulary: int):
        self.tokens, self.layer, self.vocabulary = tokens, layer, vocabulary  # tokens [U]


@dataclass(frozen=True)
class NarrowedLayer:
    """The layer from readouts to logits, in which each source has -inf for all but its own candidates.

    What is computed are the columns of all sources' candidates, so that logits do not depend on what shares a batch.
    """

    limits: Tensor  # [B, U], 0 for what may be written for a source, -inf for what may not
    columns: Columns

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return logits [N, V] for `inputs` [N, R], consecutive rows for each source."""
        columns, (sources, width) = self.columns, self.limits.shape
        found = columns.layer(inputs)
        # Adding takes a tenth of the time of filling by a mask.
        found.view(sources, -1, width).add_(self.limits[:, None])
        logits = found.new_full((len(inputs), columns.vocabulary), -math.inf)
        return logits.scatter_(1, columns.tokens.expand(len(inputs), -1), found)


class OutputLayer(nn.Module):
    """Maps a readout to the vocabulary.

    Tied (Press and Wolf 2017), its weights are the embeddings, and a projection brings the readout to their width.
    """

    def __init__(self, size: int, embedding: nn.Embedding, *, tied: bool):
        super().__init__()
        vocabulary, embedding_size = embedding.weight.shape
        width = embedding_size if tied else size
        self.project = nn.Identity() if width == size else nn.Linear(size, width, bias=False)
        self.classify = nn.Linear(width, vocabulary)
        # The optimiser multiplies the learning rate of what is marked so by `training.output_rate_factor`.
        self.classify.rate_factor = "tied_output" if tied else "output"  # type: ignore[assignment]
        if tied:
            self.classify.weight = embedding.weight
        self.packed: PackedLinear | None = None

    def forward(self, readout: Tensor, narrowed: NarrowedLayer | None = None) -> Tensor:
        """Return logits [..., V] for `readout` [..., R], or [N, V] for [N, R] if they are `narrowed`."""
        return (narrowed or self.packed or self.classify)(self.project(readout))

    def narrowed(self, candidates: Tensor | None) -> NarrowedLayer | None:
        """Return the last layer for a search in which `candidates` [B, V] may be written; None if everything may."""
        if candidates is None:
            return None
        tokens = candidates.any(0).nonzero()[:, 0]
        rows = _rows_of(self.classify, tokens)
        layer = rows if self.packed is None else PackedLinear(rows)
        limits = torch.zeros(len(candidates), len(tokens), dtype=rows.weight.dtype, device=tokens.device)
        limits.masked_fill_(~candidates[:, tokens], -math.inf)
        return NarrowedLayer(limits, Columns(tokens, layer, self.classify.out_features))


def _rows_of(layer: nn.Linear, tokens: Tensor) -> nn.Linear:
    """Return `layer` for the outputs `tokens` [U] alone."""
    found = nn.Linear(layer.in_features, len(tokens), device="meta")
    found.weight = nn.Parameter(layer.weight[tokens], requires_grad=False)
    found.bias = nn.Parameter(layer.bias[tokens], requires_grad=False)
    return found


def with_packed_output(model: AnyModel) -> AnyModel:
    """Return `model` for inference, on a CPU as a copy that has the same weights, and those of output layers packed.

    Weights that change later change in it, except packed ones.
    """
    weights = list(chain(model.parameters(), model.buffers()))
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not has_onednn or any(each.device.type != "cpu" for each in weights):
        return model
    copied = copy.deepcopy(model, {id(each): each for each in weights})
    for layer in copied.modules():
        if isinstance(layer, OutputLayer) and layer.classify.weight.dtype == torch.float32:
            layer.packed = PackedLinear(layer.classify)
    return copied
