"""What the section of every encoder says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from attncli.config.section import Section


class EncoderSection(Section):
    """The keys of an encoder. Its class decides which kind of source is read."""

    noun: ClassVar[str]
    """What one source is called, with an s in the plural: "sentence", "image"."""
    is_text: ClassVar[bool] = False
    """Whether a source is named by itself, and not by the path of a file."""
    width_key: ClassVar[str] = "hidden_size"
    """The key that sets the width of the memory."""
    axes: ClassVar[int] = 1
    """Axes of the memory's positions: 1 for a sequence, 2 for the rows and columns of an image."""

    @property
    def width(self) -> int | None:
        """Width of the memory; None where the configuration does not tell."""
        width: int | None = getattr(self, self.width_key)
        return width

    @property
    def most_positions(self) -> int | None:
        """The most positions that can be read, the end symbol counted; None for any number."""
        return None

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield what of the whole `config` does not go together with this encoder, as `key: what is wrong`."""
        yield from ()
