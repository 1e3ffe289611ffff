"""What every form of data yields, however it lies on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol


class Example(NamedTuple):
    """One or several sources and their targets."""

    number: int  # its line or index, for `Form.place`
    cells: Mapping[str, str]  # the sources by their names, each a sentence or the path of a file
    targets: tuple[str, ...]  # one for each reference
    group: str | None = None  # by which scores are reported, such as the type of a question

    @property
    def cell(self) -> str:
        """The source, where there is one."""
        [cell] = self.cells.values()
        return cell


class Form(Protocol):
    """A split of a data set. It can be iterated again and again, so nobody needs to hold its examples in memory."""

    @property
    def facts(self) -> dict[str, Any] | None:
        """What decides which examples are read, files by their content; None if files alone cannot tell."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the last iteration left out and why, one line each."""

    def place(self, side: str, number: int) -> str:
        """Return where the `source` or `target` of an example is found: file and line, or the path of an image."""

    def __iter__(self) -> Iterator[Example]:
        """Yield the examples; a DataError names every one that cannot be used, unless the configuration skips them."""
