"""Fresh weights, drawn so that every layer reads and gives values of a size from which it learns soon.

Embeddings are read as numbers of size 1 (root mean square over tokens and components), and a layer's weights are drawn
so that it turns inputs of size 1 into outputs of size 1. Recurrent states are smaller: gated ones a quarter to a half,
a tanh of such gates times a sigmoid, plain ones two thirds. Scores made of them should spread over the positions of a
source by some tenths to 2, whatever the widths: with much less, the softmax stays flat for hundreds of updates.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from attncli.models.positions import LearnedGridPositions, LearnedPositions
from attncli.models.readouts import AttentionalReadout, OutputLayer
from attncli.models.recurrence import initialise_recurrent
from attncli.models.scores import ContentScore, GeneralScore, ProjectedScore
from attncli.text.tokenizer import PAD

GATED_STATE = 1 / 3
"""About the size of gated states where inputs are of size 1: 0.23 for an LSTM, 0.43 for a GRU, measured."""

PLAIN_STATE = 2 / 3
"""About the size of the states of plain recurrent layers there: 0.71, measured."""

_WIDEST = 0.1  # of `uniform`


def glorot(model: nn.Module) -> None:
    """Set weights by the width of what they read: Glorot and Bengio 2010 for linear layers, orthogonal recurrences.

    Glorot's rule also counts the width of the output, and does not fit everywhere. The output layer follows its input
    alone: by its many outputs its weights would be so small that alignments appear late. The attentional readout and
    the projections of a scaled product bring gated states to size 1, and a bilinear form gives products of size 1,
    where Glorot's would grow with the root of the width. The states of plain recurrent layers are larger than gated
    ones, and of a model that has any, all are taken for such. The sharpness of a cosine starts at the root of the width
    D, since cosines of unrelated states deviate by 1/√D.
    """
    state = PLAIN_STATE if any(isinstance(module, nn.RNN) for module in model.modules()) else GATED_STATE
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            initialise_recurrent(module)
        elif isinstance(module, LearnedPositions):
            nn.init.normal_(module.vectors, std=module.vectors.shape[1] ** -0.5)
        elif isinstance(module, LearnedGridPositions):
            for vectors in module.parameters():
                nn.init.normal_(vectors, std=vectors.shape[1] ** -0.5)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, OutputLayer):
            nn.init.normal_(module.classify.weight, std=module.classify.in_features**-0.5)
        elif isinstance(module, AttentionalReadout):
            nn.init.normal_(module.combine.weight, std=module.combine.in_features**-0.5 / state)
        elif isinstance(module, ProjectedScore):
            for projection in (module.query, module.memory):
                nn.init.normal_(projection.weight, std=projection.in_features**-0.5 / state)
        elif isinstance(module, GeneralScore):
            pairs = module.memory.in_features * module.memory.out_features
            nn.init.normal_(module.memory.weight, std=pairs**-0.5 / state**2)
        elif isinstance(module, ContentScore) and module.sharpness is not None:
            nn.init.constant_(module.sharpness.bias, module.width**0.5)
    # After the output layer: tied, it keeps the embeddings' values.
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
            nn.init.zeros_(module.weight[PAD].detach())


def uniform(model: nn.Module) -> None:
    """Draw all weights and biases evenly between -0.1 and 0.1, except those of normalisations and convolutions."""
    for module in model.modules():
        if isinstance(module, (nn.RNNBase, nn.Linear, nn.Embedding, LearnedPositions, LearnedGridPositions)):
            for parameter in module.parameters(recurse=False):
                nn.init.uniform_(parameter, -_WIDEST, _WIDEST)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            with torch.no_grad():
                module.weight[PAD] = 0.0


INITIAL_WEIGHTS: dict[str, Callable[[nn.Module], None]] = {"glorot": glorot, "uniform": uniform}
