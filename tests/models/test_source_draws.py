"""Random numbers of a source, a step and a position: as random as others, and the same in every batch.

B=3 sources, T=4 steps, S=6 positions.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from tiny import row_of, tokens
from torch import Tensor

from attncli.data.tokens import Tokens, pad_tokens
from attncli.models.source_draws import exponentials, fingerprints
from attncli.sources.images.batch import Features, Pixels

B, T, S = 3, 4, 6
STEPS = torch.arange(T).expand(B, T)
KEYS = torch.tensor([5, -(2**63), 2**63 - 1])


def splitmix64(state: int) -> int:
    """Return what SplitMix64 makes of a state (Steele, Lea and Flood 2014), as a signed number."""
    state %= 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    state ^= state >> 31
    return state - 2**64 if state >= 2**63 else state


def test_numbers_are_those_of_the_definition() -> None:
    increment, found = 0x9E3779B97F4A7C15, exponentials(KEYS, STEPS, S, seed=7)
    assert found.dtype == torch.float32
    for b in range(B):
        for t in range(T):
            state = splitmix64(splitmix64(int(KEYS[b]) ^ splitmix64(7)) + (t + 1) * increment)
            for s in range(S):
                bits = splitmix64(state + (s + 1) * increment) % 2**64 >> 1
                assert float(found[b, t, s]) == pytest.approx(-math.log1p(-(bits + 0.5) / 2**63), rel=1e-5)


def test_the_least_likely_number_is_neither_0_nor_infinite(monkeypatch: pytest.MonkeyPatch) -> None:
    # All bits 0, and all bits 1; float32 cannot tell the latter from 1.
    for bits, low, high in ((0, 0.0, 1e-18), (-1, 16.0, 17.0)):
        planted = partial(torch.full_like, fill_value=bits)
        monkeypatch.setattr("attncli.models.source_draws._mixed", planted)
        found = exponentials(KEYS, STEPS, S, seed=7)
        assert ((found > low) & (found < high)).all()


def test_numbers_are_distributed_exponentially_and_depend_on_nothing_else() -> None:
    keys = torch.arange(500)
    steps = torch.arange(20).expand(500, 20)
    found = exponentials(keys, steps, 30, seed=1).double()
    count = found.numel()
    assert (found > 0).all()
    assert found.isfinite().all()
    for quantile in (0.01, 0.25, 0.5, 0.9, 0.999):
        share = float((found < -math.log(1 - quantile)).double().mean())
        assert abs(share - quantile) < 5 * math.sqrt(quantile * (1 - quantile) / count)
    uniform = 1 - (-found).exp() - 0.5

    def correlation(one: Tensor, other: Tensor) -> float:
        return float((one * other).mean() * 12)

    assert abs(correlation(uniform[1:], uniform[:-1])) < 5 / math.sqrt(count)
    assert abs(correlation(uniform[:, 1:], uniform[:, :-1])) < 5 / math.sqrt(count)
    assert abs(correlation(uniform[..., 1:], uniform[..., :-1])) < 5 / math.sqrt(count)
    other = 1 - (-exponentials(keys, steps, 30, seed=2).double()).exp() - 0.5
    assert abs(correlation(uniform, other)) < 5 / math.sqrt(count)


def test_numbers_of_a_source_do_not_depend_on_its_batch() -> None:
    whole = exponentials(KEYS, STEPS, S, seed=1)
    assert torch.equal(exponentials(KEYS[1:2], STEPS[:1, 2:3], S + 5, seed=1)[0, 0, :S], whole[1, 2])


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_every_seed_has_numbers_of_its_own(seed: int) -> None:
    assert not torch.equal(exponentials(KEYS, STEPS, S, seed=seed), exponentials(KEYS, STEPS, S, seed=1))


def test_a_sentence_is_known_by_its_tokens_whatever_the_padding() -> None:
    batch = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5], [6, 5, 4], [4, 5], [4, 5, 6])
    found = fingerprints(batch)
    assert found[0] == found[5]
    assert len(set(found.tolist())) == 5
    for at in range(6):
        assert fingerprints(row_of(batch, at)) == found[at]
    wider = Tokens(torch.nn.functional.pad(batch.ids, (0, 3)), batch.lengths)
    assert torch.equal(fingerprints(wider), found)


def test_many_sentences_are_all_told_apart() -> None:
    draw = np.random.default_rng(1)
    rows = {tuple(draw.integers(4, 12, size=draw.integers(1, 9)).tolist()) for _ in range(20_000)}
    found = fingerprints(pad_tokens([np.array([*row, 2]) for row in rows]))
    assert len(set(found.tolist())) == len(rows) > 10_000


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_an_image_is_known_by_its_pixels_or_features(kind: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    regions = torch.randn(B, 6, 5, generator=generator).to(kind)
    features = Features(regions.transpose(1, 2).contiguous().transpose(1, 2), torch.randn(B, 5).to(kind), (2, 3))
    pixels = Pixels(torch.randint(0, 256, (B, 3, 4, 4), dtype=torch.uint8, generator=generator))
    for images in (features, pixels):
        found = fingerprints(images)
        assert len(set(found.tolist())) == B
    assert fingerprints(Pixels(pixels.pixels[1:2])) == fingerprints(pixels)[1]
    assert fingerprints(Features(regions[1:2], features.pooled[1:2], (2, 3))) == fingerprints(features)[1]
