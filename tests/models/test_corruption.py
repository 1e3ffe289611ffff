from __future__ import annotations

from typing import Any

import pytest
import torch

from attncli.config.tasks.autoencoding import GaussianNoise, Masking
from attncli.models.corruption import CORRUPTIONS, build_corruption

PARTS: list[GaussianNoise | Masking] = [GaussianNoise(deviation=0.5), Masking(share=0.3)]


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_kind_is_tested() -> None:
    assert {part.kind for part in PARTS} == set(CORRUPTIONS)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.kind)
def test_the_generator_decides_what_is_done(part: Any) -> None:
    rows, corrupt = torch.rand(3, 20) + 1, build_corruption(part)
    before = rows.clone()
    assert torch.equal(corrupt(rows, generator()), corrupt(rows, generator()))
    assert not torch.equal(corrupt(rows, generator()), corrupt(rows, generator(2)))
    torch.manual_seed(4)
    first, second = corrupt(rows, None), corrupt(rows, None)
    assert not torch.equal(first, second)
    assert torch.equal(rows, before)


def test_masking_takes_its_share_of_each_row_and_leaves_the_rest() -> None:
    rows = torch.rand(7, 20) + 1
    found = build_corruption(Masking(share=0.3))(rows, generator())
    assert (found == 0).sum(1).tolist() == [6] * 7
    assert torch.equal(found[found != 0], rows[found != 0])
    assert len({tuple((row == 0).tolist()) for row in found}) == 7, "every row has its own"
    assert torch.equal(build_corruption(Masking(share=0.01))(rows, generator()), rows)


def test_masking_takes_every_component_equally_often() -> None:
    found = build_corruption(Masking(share=0.25))(torch.ones(4000, 8), generator())
    # The standard error of a share of 0.25 among 4,000 is 0.007.
    torch.testing.assert_close((found == 0).float().mean(0), torch.full((8,), 0.25), atol=0.03, rtol=0)


def test_noise_has_its_deviation_and_no_mean() -> None:
    noise = build_corruption(GaussianNoise(deviation=0.5))(torch.full((200, 100), 3.0), generator()) - 3
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 0.5) < 0.02
