"""What every form of data gives, however it lies on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol


class Example(NamedTuple):
    """A source with its targets."""

    number: int  # where it stands, for `Form.place`
    cell: str  # the source as the data names it: a sentence, or the path of a file
    targets: tuple[str, ...]  # one for each reference


class Form(Protocol):
    """A split of a data set. Iterated as often as it is asked, so that none need be held."""

    @property
    def facts(self) -> dict[str, Any] | None:
        """What decides which examples are read, files by their content; None where that cannot be told from files."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the last iteration left out and why, a line each."""

    def place(self, side: str, number: int) -> str:
        """Return where the `source` or `target` of an example stands."""

    def __iter__(self) -> Iterator[Example]:
        """Yield the examples; a DataError names all that cannot be used, unless the configuration skips them."""
