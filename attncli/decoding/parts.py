"""What is written for several sources at once, told apart by source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, pairwise

from attncli.data.columns import Value
from attncli.decoding.written import Written
from attncli.models.network import SourceMemory


def by_part(whole: Written, sources: Mapping[str, Value], memory: SourceMemory, row: int) -> dict[str, Written]:
    """Return each of `sources` with the hypotheses of `whole` and their weights over it.

    The sources are those of a `row` of `memory`, which has a part for each, in their order.
    """
    real = [sum(mask) for mask in _split(memory.mask[row].tolist(), [part.positions for part in memory.parts])]
    bounds = pairwise(accumulate(real, initial=0))
    return {
        name: Written(
            value.cell,
            replace(value.places, grid=part.grid),
            tuple(found.over(first, last, part.grid) for found in whole.hypotheses),
        )
        for (name, value), part, (first, last) in zip(sources.items(), memory.parts, bounds, strict=True)
    }


def _split(mask: list[bool], counts: list[int]) -> list[list[bool]]:
    return [mask[first:last] for first, last in pairwise(accumulate(counts, initial=0))]
