"""What a kind of source is: how its values are read and encoded, and how the places a model looked at are drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from attncli.config.search import Search
from attncli.config.sources.encoder import EncoderSection
from attncli.config.writing import WritingConfig, WritingModel
from attncli.data.columns import Array, Column, ReadColumn, Reader
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.errors import DataError
from attncli.files.reading import find_files
from attncli.models.build import Needs
from attncli.models.encoders.encoder import Encoder
from attncli.sources.panel import Panel, Strip
from attncli.text.tokenizer import Tokenizers

Tell = Callable[[str], None]
AnySection = TypeVar("AnySection", bound=EncoderSection)


@dataclass(frozen=True)
class Shared:
    """What the readers of one configuration share."""

    config: WritingConfig
    tokenizers: Tokenizers  # that of sources is for those that are text
    search: Search | None = None  # replaces the one in the configuration
    sums: dict[Path, str] = field(default_factory=dict)  # fingerprints of files, each computed once

    @property
    def decoding(self) -> Search:
        """The settings of the search."""
        return self.search or self.config.search

    @property
    def workers(self) -> int:
        """How many threads read files ahead of training."""
        return getattr(self.config.training, "workers", 0)


@dataclass(frozen=True)
class Look:
    """How drawings of any source look."""

    caption: str
    """Whose weights they show."""
    shared_scale: bool = False
    """Whether the same weight has the same shade in all drawings together, not only within one."""
    colormap: str = "plasma"
    """Of weights over images: a colour map of matplotlib, or `brightness`."""
    gold: Mapping[str, Sequence[tuple[str, GoldPlace]]] = field(default_factory=dict)
    """By the path of a source, words with the places that are known of them."""


class Drawer(ABC):
    """Draws the places that a model looked at in sources of one kind."""

    formats: ClassVar[tuple[str, ...]]
    """Of png, svg, pdf, html and json."""
    shows_sources: ClassVar[bool] = False
    """Whether sources are shown with their outputs even if there are no weights."""

    @abstractmethod
    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, look: Look, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `found` into files of `folder`, and yield their paths.

        With `forced` the targets were given, not found by search. `tell` receives warnings about the drawings.
        """

    def panel(self, found: Written, *, width: float) -> Panel:
        """Return a panel at most `width` wide of the source of `found`; by default a strip of its positions."""
        return Strip.of(found, width=width)


class Locator(ABC):
    """Finds gold places among the positions of sources of one kind."""

    kinds: ClassVar[tuple[str, ...]]
    """The kinds of places that it finds (`GoldPlace.kind`)."""

    @abstractmethod
    def shares(self, found: Written, places: Sequence[GoldPlace]) -> Array:
        """Return for each of `places` the share [P, S] of each position of the source of `found` that lies in it.

        It is NaN where a place is in another source than the position.
        """


class SourceKind(ABC, Generic[AnySection]):
    """All that the package asks of a kind of source; `sources.kinds` maps configuration sections to kinds."""

    def found_in(self, folder: Path, section: AnySection) -> list[Path]:
        """Return the sources in `folder` and below it, sorted; by default the files with one of `section.suffixes`."""
        return find_files(folder, section.suffixes)

    @abstractmethod
    def reader(self, section: AnySection, shared: Shared) -> Reader[Any]:
        """Return the reader of values for the encoder of `section`."""

    @abstractmethod
    def encoder(self, section: AnySection, model: WritingModel, needs: Needs, *, vocabulary: int) -> Encoder:
        """Return the encoder of `model`, which computes no more than the decoder `needs`.

        `vocabulary` is the number of tokens of sources that are text.
        """

    def put_pretrained(self, section: AnySection, encoder: Encoder) -> None:
        """Load the pretrained weights that `section` names, if any, into a fresh `encoder`."""

    def lengths(
        self, cells: Sequence[str], section: AnySection, shared: Shared, encoder: Encoder
    ) -> list[int | DataError]:
        """Return the number of positions of each of `cells`, or its error; by default every cell is read."""
        reader = self.reader(section, shared)

        def length(cell: str) -> int | DataError:
            try:
                return reader.length(reader.read(cell))
            except DataError as error:
                return error

        with ThreadPoolExecutor(max(1, shared.workers)) as pool:
            return list(pool.map(length, cells))

    def column(
        self,
        cells: Sequence[str],
        lengths: Sequence[int],
        section: AnySection,
        shared: Shared,
        encoder: Encoder,
        *,
        varies: bool,
    ) -> Column:
        """Return `cells`, of the given `lengths`, as the sources of a corpus; `varies` says whether they are augmented.

        By default cells are read on demand.
        """
        pool = ThreadPoolExecutor(shared.workers) if shared.workers else None
        return ReadColumn(cells, np.array(lengths, np.int32), self.reader(section, shared), pool)

    @abstractmethod
    def drawer(self, section: AnySection) -> Drawer:
        """Return the drawer for sources of this kind."""

    def locator(self, section: AnySection) -> Locator | None:
        """Return what finds gold places in sources of this kind; None where nothing does."""
        return None
