"""Several sources as one, each of its own kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attncli.config.sources.encoder import EncoderSection
from attncli.config.sources.joint import JointEncoder as Section
from attncli.config.writing import WritingModel
from attncli.data.columns import Column
from attncli.errors import DataError
from attncli.models.build import Needs
from attncli.models.encoders.encoder import Encoder
from attncli.models.encoders.joint import JointEncoder
from attncli.sources.joint.column import JointColumn, Member
from attncli.sources.joint.locator import JointLocator
from attncli.sources.joint.reader import JointReader
from attncli.sources.source import Drawer, Locator, Shared, SourceKind

KindOf = Callable[[EncoderSection], SourceKind[Any]]


@dataclass(frozen=True)
class Joint(SourceKind[Section]):
    """Sources by name; a cell is a mapping of their cells. `kind_of` gives the kind that an encoder reads."""

    kind_of: KindOf

    def reader(self, section: Section, shared: Shared) -> JointReader:
        """Return the reader of all sources."""
        return JointReader({name: self.kind_of(each).reader(each, shared) for name, each in section.parts.items()})

    def encoder(self, section: Section, model: WritingModel, needs: Needs, *, vocabulary: int) -> JointEncoder:
        """Return the encoders as one."""
        summary_alone = replace(needs, states=False)
        encoders = {
            name: self.kind_of(each).encoder(
                each, model, needs if name in section.attended else summary_alone, vocabulary=vocabulary
            )
            for name, each in section.parts.items()
        }
        return JointEncoder(
            encoders,
            memory_size=section.memory_size,
            reads_states=needs.states,
            summarises=needs.summary,
            attended=section.attended,
            summarised=section.summarised,
        )

    def put_pretrained(self, section: Section, encoder: Any) -> None:
        """Load the pretrained weights of each encoder."""
        for name, each in section.parts.items():
            self.kind_of(each).put_pretrained(each, encoder.encoders[name])

    def lengths(self, cells: Sequence[Any], section: Section, shared: Shared, encoder: Any) -> list[int | DataError]:
        """Return the number of positions of all sources of each of `cells`, or what is wrong with one of them."""
        found = [
            self._lengths([cell[name] for cell in cells], name, each, shared, encoder.encoders[name])
            for name, each in section.parts.items()
        ]
        return [_sum(of_cell) for of_cell in zip(*found, strict=True)]

    def column(
        self,
        cells: Sequence[Any],
        lengths: Sequence[int],
        section: Section,
        shared: Shared,
        encoder: Any,
        *,
        varies: bool,
    ) -> Column:
        """Return a column for each encoder, in which equal sources are read or computed once."""
        members = {
            name: self._member([cell[name] for cell in cells], each, shared, encoder.encoders[name], varies=varies)
            for name, each in section.parts.items()
        }
        return JointColumn(members, np.array(lengths, np.int32))

    def locator(self, section: Section) -> Locator | None:
        """Return what finds gold places in any of the sources."""
        found = {name: self.kind_of(each).locator(each) for name, each in section.parts.items()}
        locators = {name: locator for name, locator in found.items() if locator is not None}
        return JointLocator(locators) if locators else None

    def drawer(self, section: Section) -> Drawer:
        """Return the drawer of all sources."""
        # Importing matplotlib takes a second, which only drawing should cost.
        from attncli.sources.joint.drawing import JointDrawer

        return JointDrawer({name: self.kind_of(each).drawer(each) for name, each in section.parts.items()})

    def _lengths(
        self, cells: Sequence[str], name: str, section: EncoderSection, shared: Shared, encoder: Encoder
    ) -> list[int | DataError]:
        """Return the number of positions of the sources called `name`; equal ones are read once."""
        distinct = list(dict.fromkeys(cells))
        found = dict(zip(distinct, self.kind_of(section).lengths(distinct, section, shared, encoder), strict=True))
        return [_checked(found[cell], name, section) for cell in cells]

    def _member(
        self, cells: Sequence[str], section: EncoderSection, shared: Shared, encoder: Encoder, *, varies: bool
    ) -> Member:
        distinct = {cell: at for at, cell in enumerate(dict.fromkeys(cells))}
        # Batches are sorted by the lengths of whole examples.
        lengths = [1] * len(distinct)
        column = self.kind_of(section).column(list(distinct), lengths, section, shared, encoder, varies=varies)
        return Member(column, np.array([distinct[cell] for cell in cells]))


def _checked(length: int | DataError, name: str, section: EncoderSection) -> int | DataError:
    """Return `length` unless the encoder cannot read so many positions, an end symbol included."""
    if isinstance(length, DataError):
        return DataError(f"{name}: {length}")
    if not length:
        return DataError(f"{name}: is empty")
    most = section.most_positions
    if most is not None and length >= most:
        return DataError(
            f"{name}: {length + 1} positions, the end symbol counted, but model.encoders.{name}.maximum_length is "
            f"{most}; raise it, or choose positions: sinusoidal"
        )
    return length


def _sum(lengths: Sequence[int | DataError]) -> int | DataError:
    wrong = next((length for length in lengths if isinstance(length, DataError)), None)
    return wrong or sum(length for length in lengths if isinstance(length, int))
