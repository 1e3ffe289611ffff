"""Several encoders as one.

B sources, E encoders, S positions of all their memories, D memory width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from attncli.data.columns import Packed
from attncli.data.packs import Packs, Shared
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory, Part
from attncli.models.rows import take_rows


class JointEncoder(Encoder):
    """The memories of several encoders end to end, so that one softmax runs over the positions of all.

    Libovický and Helcl 2017, "flat" combination: the states of each are projected to D. They leave out how positions of
    two memories are told apart; here the bias of the projection is a learned vector for each memory. Only the positions
    of the `attended` encoders are in the memory, and the summary is a layer over those of the `summarised` ones, by
    default of all. What no decoder reads has no layer: without `reads_states` the states have width 0, and without
    `summarises` the summary is 0.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        *,
        memory_size: int,
        reads_states: bool,
        summarises: bool,
        attended: Collection[str] | None = None,
        summarised: Collection[str] | None = None,
    ):
        super().__init__()
        self.memory_size = memory_size
        self.encoders = nn.ModuleDict(encoders)
        self.attended = tuple(name for name in encoders if attended is None or name in attended)
        self.summarised = tuple(name for name in encoders if summarised is None or name in summarised)
        sizes = {name: encoder.memory_size for name, encoder in encoders.items()}
        self.project = (
            nn.ModuleDict({name: nn.Linear(sizes[name], memory_size) for name in self.attended})
            if reads_states
            else None
        )
        size = sum(sizes[name] for name in self.summarised)
        self.summarise = nn.Linear(size, memory_size) if summarises else None

    def forward(self, source: Packs) -> Memory:
        """Return one memory of sources that are packed for each encoder, with a part for each that is attended to."""
        members = zip(self.encoders.items(), source.members, strict=True)
        read: dict[str, Memory] = {name: _read(encoder, own) for (name, encoder), own in members}
        return Memory(
            torch.cat([self._states(name, read[name]) for name in self.attended], 1),
            torch.cat([read[name].mask for name in self.attended], 1),
            self._summary([read[name].summary for name in self.summarised]),
            tuple(_named(name, read[name]) for name in self.attended),
        )

    def _states(self, name: str, memory: Memory) -> Tensor:
        if self.project is None:
            return memory.states[..., :0]
        return self.project[name](memory.states)  # type: ignore[no-any-return]

    def _summary(self, summaries: list[Tensor]) -> Tensor:
        if self.summarise is None:
            return summaries[0].new_zeros(len(summaries[0]), self.memory_size)
        return self.summarise(torch.cat(summaries, -1))  # type: ignore[no-any-return]


def _read(encoder: nn.Module, source: Packed) -> Memory:
    """Return the memory of `source`, whose rows may share values, each of which is encoded once."""
    if isinstance(source, Shared):
        return take_rows(_read(encoder, source.values), source.value_of)
    memory: Memory = encoder(source)
    return memory


def _named(name: str, memory: Memory) -> Part:
    [part] = memory.parts
    return replace(part, name=name)
