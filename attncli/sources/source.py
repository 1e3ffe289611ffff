"""What a kind of source is: how its values are read, encoded, and drawn with where a model looked in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from attncli.config.search import Search
from attncli.config.sources.encoder import EncoderSection
from attncli.config.writing import WritingConfig, WritingModel
from attncli.data.columns import Column, ReadColumn, Reader
from attncli.decoding.written import Written
from attncli.errors import DataError
from attncli.models.build import Needs
from attncli.models.encoders.encoder import Encoder
from attncli.text.tokenizer import Tokenizer

Tell = Callable[[str], None]
AnySection = TypeVar("AnySection", bound=EncoderSection)


@dataclass(frozen=True)
class Shared:
    """What readers of one configuration have in common."""

    config: WritingConfig
    tokenizer: Tokenizer  # of the sources that are text
    search: Search | None = None  # those of the configuration unless given others
    cuts_sources: bool = False  # text over `search.max_source_length` is cut, and is an error otherwise
    sums: dict[Path, str] = field(default_factory=dict)  # of the contents of files, each computed once

    @property
    def limit(self) -> int | None:
        """The most tokens of a source."""
        return (self.search or self.config.search).max_source_length

    @property
    def workers(self) -> int:
        """Threads that read files ahead of the training."""
        return getattr(self.config.training, "workers", 0)


class Drawer(ABC):
    """Draws where a model looked in sources of one kind."""

    formats: ClassVar[tuple[str, ...]]
    """Of png, svg, html and json."""
    shows_sources: ClassVar[bool] = False
    """Whether sources are worth showing with what was written for them where there are no weights."""

    @abstractmethod
    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, title: str, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `found` into files of `folder`, and yield their paths.

        With `forced` the targets were given. `tell` takes what a person should know of the drawings.
        """


class SourceKind(ABC, Generic[AnySection]):
    """All that the package asks of a kind of source. One object a kind, known by its sections in `sources.kinds`."""

    @abstractmethod
    def reader(self, section: AnySection, shared: Shared) -> Reader[Any]:
        """Return what reads single values for the encoder of `section`."""

    @abstractmethod
    def encoder(self, section: AnySection, model: WritingModel, needs: Needs, *, vocabulary: int) -> Encoder:
        """Return the encoder of `model`, which makes no more than the decoder `needs`.

        `vocabulary` is the size of that of sources that are text.
        """

    def put_pretrained(self, section: AnySection, encoder: Encoder) -> None:
        """Put weights from elsewhere into a fresh `encoder`, where `section` names some."""

    def lengths(
        self, cells: Sequence[str], section: AnySection, shared: Shared, encoder: Encoder
    ) -> list[int | DataError]:
        """Return the positions of each of `cells`, or what is wrong with it; by default each is read."""
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
        """Return `cells` with their `lengths` as the sources of a corpus, which training may vary.

        By default each is read when it is needed.
        """
        pool = ThreadPoolExecutor(shared.workers) if shared.workers else None
        return ReadColumn(cells, np.array(lengths, np.int32), self.reader(section, shared), pool)

    @abstractmethod
    def drawer(self, section: AnySection) -> Drawer:
        """Return what draws weights over sources of this kind."""
