"""Examples of the arrow of time: each film or recording forwards and backwards, and which is which."""

from __future__ import annotations

from collections.abc import Iterator

from attncli.config.tables import DIRECTIONS
from attncli.data.direction import turned
from attncli.data.forms.example import Example


def both_ways(example: Example) -> Iterator[Example]:
    """Yield `example`, of one source that lasts and without a target, as it is played in each direction.

    Both share all else, so that nothing but time tells them apart (Pickup et al. 2014; Wei et al. 2018).
    """
    forwards, backwards = DIRECTIONS
    yield example._replace(targets=(forwards,))
    cells = {name: turned(cell) for name, cell in example.cells.items()}
    yield example._replace(cells=cells, targets=(backwards,))
