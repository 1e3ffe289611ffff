"""How many cases the attacks of the suite try: `pytest --attack 20` tries twenty times as many, each time others."""

from __future__ import annotations

import random

from hypothesis import settings

_DEFAULT_SEED = 1
_factor, _seed = 1, _DEFAULT_SEED


def scaled(count: int) -> int:
    """Return how many cases to try where the default suite tries `count`."""
    return count * _factor


def attack_settings(count: int) -> settings:
    """Return hypothesis' settings for `scaled(count)` examples; the default suite tries the same ones every time."""
    return settings(max_examples=scaled(count), deadline=None, derandomize=_factor == 1)


def attack_random() -> random.Random:
    """Return the random numbers of a fuzzer: always the same in the default suite, new ones in a larger attack."""
    return random.Random(_seed)


def set_attack(factor: int, seed: int | None) -> None:
    """Set the size and the seed of this session's attacks."""
    global _factor, _seed
    _factor, _seed = factor, _DEFAULT_SEED if seed is None else seed
