"""The convolutional encoder against its definition, position by position, and how far a state can see.

B=3 sources, S=6 source positions, E=6 width of an embedding, H=10 width of a state.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tiny import built, close, tokens
from torch import Tensor

from attncli.data.tokens import Tokens

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])


def encoder(kernel: int, layers: int, *overrides: str) -> Any:
    keys = f"kind: convolutional, hidden_size: 10, kernel_size: {kernel}, layers: {layers}"
    model = built(f"model.encoder={{{', '.join((keys, *overrides))}}}")
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
    return model.encoder


def by_definition(found: Any, source: Tokens) -> list[Tensor]:
    """Return the states [length, H] of each source, one position after the other (Gehring et al. 2017, 3.2)."""
    of_sources = []
    for row, length in enumerate(source.lengths.tolist()):
        embedded = found.place(found.embedding(source.ids[row : row + 1, :length]))[0]
        states = [found.project(each) for each in embedded]
        for layer in found.layers:
            weight, bias = layer.convolve.weight, layer.convolve.bias
            half = weight.shape[2] // 2
            after = []
            for at in range(length):
                seen = bias.clone()
                for offset in range(-half, half + 1):
                    if 0 <= at + offset < length:
                        seen = seen + weight[:, :, offset + half] @ states[at + offset]
                value, gate = seen[:10], seen[10:]
                after.append((states[at] + value * torch.sigmoid(gate)) * math.sqrt(0.5))
            states = after
        of_sources.append(torch.stack(states))
    return of_sources


@pytest.mark.parametrize(("kernel", "layers"), [(1, 1), (3, 2), (5, 3)])
@torch.no_grad()
def test_states_are_those_of_the_paper(kernel: int, layers: int) -> None:
    found = encoder(kernel, layers)
    memory = found(SOURCE)
    for row, expected in enumerate(by_definition(found, SOURCE)):
        close(memory.states[row, : len(expected)], expected)
        close(memory.summary[row], expected.mean(0))


@torch.no_grad()
def test_a_state_sees_no_further_than_its_convolutions() -> None:
    found = encoder(3, 2, "positions: none")
    ids = torch.tensor([[4, 5, 6, 7, 8, 9, 10]])
    before = found(Tokens(ids, torch.tensor([7]))).states[0]
    ids[0, 6] = 4
    changed = (found(Tokens(ids, torch.tensor([7]))).states[0] - before).abs().sum(-1) > 1e-6
    assert changed.tolist() == [False, False, False, False, True, True, True]


def test_an_embedding_of_the_width_of_a_state_is_read_as_it_is() -> None:
    model = built("model.encoder={kind: convolutional, hidden_size: 6}", "model.embedding_size=6")
    encoder: Any = model.encoder
    assert encoder.project is None
    assert len(encoder.layers) == 4
