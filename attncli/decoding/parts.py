"""What is written for several sources at once, told apart by source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, pairwise

from attncli.data.columns import Value
from attncli.decoding.written import Written
from attncli.models.memory import Part
from attncli.models.network import SourceMemory


def by_part(whole: Written, sources: Mapping[str, Value], memory: SourceMemory, row: int) -> dict[str, Written]:
    """Return each of `sources` with the hypotheses of `whole`, and their weights over it if it is attended to.

    The sources are those of a `row` of `memory`, which has a part for each that is attended to.
    """
    real = [sum(mask) for mask in _split(memory.mask[row].tolist(), [part.positions for part in memory.parts])]
    bounds = pairwise(accumulate(real, initial=0))
    attended = {part.name: (part, *between) for part, between in zip(memory.parts, bounds, strict=True)}
    return {
        name: _over(whole, value, *attended[name]) if name in attended else _apart(whole, value)
        for name, value in sources.items()
    }


def _over(whole: Written, value: Value, part: Part, first: int, last: int) -> Written:
    grid = part.grid_of(value.reader.length(value.item))
    found = tuple(each.over(first, last, grid) for each in whole.hypotheses)
    return Written(value.cell, replace(value.places, grid=grid), found)


def _apart(whole: Written, value: Value) -> Written:
    found = tuple(replace(each, weights=None, marks=None) for each in whole.hypotheses)
    return Written(value.cell, value.places, found)


def _split(mask: list[bool], counts: list[int]) -> list[list[bool]]:
    return [mask[first:last] for first, last in pairwise(accumulate(counts, initial=0))]
