"""The base of the sections of encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from attncli.config.section import Section
from attncli.files.reading import SUFFIXES


class EncoderSection(Section):
    """The keys of an encoder. Its class determines the kind of source."""

    noun: ClassVar[str]
    """The name of one source, with an s in the plural: "sentence", "image"."""
    is_text: ClassVar[bool] = False
    """Whether a source is given as text, and not as the path of a file."""
    is_joint: ClassVar[bool] = False
    """Whether there are several sources, by name."""
    width_key: ClassVar[str] = "hidden_size"
    """The key that sets the width of the memory."""
    lasts: ClassVar[bool] = False
    """Whether a source goes on for some time, so that it can be played backwards."""
    axes: ClassVar[int] = 1
    """Axes of the memory's positions: 1 for a sequence, 2 for the rows and columns of an image."""

    @property
    def kind_name(self) -> str:
        """The kind of the encoder, in words."""
        return str(self.kind)  # type: ignore[attr-defined]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What a folder is searched for where sources are files; by default images."""
        return SUFFIXES

    @property
    def reading(self) -> str:
        """What is read, in words: "model.encoder.kind 'cnn' reads images"."""
        return f"model.encoder.kind {self.kind_name!r} reads {self.noun}s"

    @property
    def key_of_width(self) -> str:
        """The whole path of the key that sets the width of the memory."""
        return f"model.encoder.{self.width_key}"

    @property
    def width(self) -> int | None:
        """Width of the memory; None if the configuration does not determine it."""
        width: int | None = getattr(self, self.width_key)
        return width

    @property
    def parts(self) -> Mapping[str, EncoderSection]:
        """The encoders by the names of their sources; one alone has no name."""
        return {"": self}

    @property
    def length_unit(self) -> Literal["words", "seconds"] | None:
        """In what the length of a source is told: words if any is text, or else seconds if any lasts."""
        parts = self.parts.values()
        if any(each.is_text for each in parts):
            return "words"
        return "seconds" if any(each.lasts for each in parts) else None

    def cell_of(self, cells: Mapping[str, str]) -> Any:
        """Return what is read of an example with the sources `cells`: its only one, or several by their names."""
        [cell] = cells.values()
        return cell

    def sources_of(self, cell: Any) -> Iterator[tuple[EncoderSection, str]]:
        """Yield each encoder with the source that it reads of a `cell`."""
        yield self, cell

    def with_lasting(self, cell: Any, change: Callable[[str], str]) -> Any:
        """Return `cell` after a `change` of what it has of sources that last."""
        return change(cell) if self.lasts else cell

    @property
    def most_positions(self) -> int | None:
        """Maximum number of source positions, including the end symbol; None for no limit."""
        return None

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield each conflict of the whole `config` with this encoder as `key: what is wrong`."""
        yield from ()
