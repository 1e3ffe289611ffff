from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attncli.models.rows import map_tensors, stack_steps, take_rows


@dataclass(frozen=True)
class Inner:
    layers: tuple[tuple[Tensor, ...], ...]
    fed: Tensor | None


@dataclass(frozen=True)
class Outer:
    tokens: Tensor
    inner: Inner


def test_every_tensor_in_a_value_is_indexed() -> None:
    tokens, hidden, cell = torch.arange(4), torch.arange(8).view(4, 2), torch.arange(12).view(4, 3)
    value = Outer(tokens, Inner(((hidden, cell), (cell,)), None))
    taken = take_rows(value, torch.tensor([2, 2, 0]))
    assert taken.tokens.tolist() == [2, 2, 0]
    assert taken.inner.layers[0][0].tolist() == [[4, 5], [4, 5], [0, 1]]
    assert taken.inner.layers[0][1].tolist() == taken.inner.layers[1][0].tolist() == [[6, 7, 8], [6, 7, 8], [0, 1, 2]]
    assert taken.inner.fed is None
    assert value.tokens.tolist() == [0, 1, 2, 3]


@dataclass(frozen=True)
class Marks:
    reach: int
    centres: Tensor  # [N, 1]
    chosen: Tensor | None  # [N]


def test_steps_are_stacked_behind_the_rows() -> None:
    steps = [Marks(3, torch.full((2, 1), float(t)), None) for t in range(4)]
    stacked = stack_steps(steps)
    assert stacked.centres.tolist() == [[[0.0], [1.0], [2.0], [3.0]]] * 2
    assert (stacked.reach, stacked.chosen) == (3, None)


def test_what_is_no_tensor_stays_as_it_is() -> None:
    generator = torch.Generator()
    value = map_tensors((generator, (2, 3), torch.ones(2), None), lambda tensor: tensor + 1)
    assert value[0] is generator
    assert value[1] == (2, 3)
    assert value[2].tolist() == [2.0, 2.0]
