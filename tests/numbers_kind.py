"""A made-up kind of source, in one file: lists of numbers, a list a line of a text file, whose words are to be written.

Everything that the package asks of a kind is here; nothing of the package knows of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from attncli.config.data import TranslationData
from attncli.config.sources.encoder import EncoderSection
from attncli.config.writing import WritingConfig, WritingModel, WritingTraining, WritingValidation
from attncli.data.columns import Reader
from attncli.decoding.written import Written
from attncli.errors import DataError
from attncli.models.build import Needs
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory, mean_of_real
from attncli.sources.source import Drawer, Look, Shared, SourceKind, Tell

LARGEST = 9.0


class NumbersEncoder(EncoderSection):
    """Reads lists of numbers."""

    noun = "list"

    kind: Literal["numbers"] = "numbers"
    """The kind of encoder."""
    hidden_size: int = Field(default=8, ge=1)
    """Width of a state."""


class NumbersModel(WritingModel):
    """A network over numbers."""

    encoder: NumbersEncoder = NumbersEncoder()
    """What reads the numbers."""


class NumbersValidation(WritingValidation):
    """What is measured on the dev set."""

    metric: Literal["bleu", "loss"] = "loss"
    """What chooses checkpoints."""


class NumbersTraining(WritingTraining):
    """The training loop."""

    validation: NumbersValidation = NumbersValidation()
    """What a validation measures."""


class NumbersConfig(WritingConfig):
    """Words of numbers."""

    task: Literal["numbers"]
    """What is learned."""
    data: TranslationData
    """Lines of numbers with lines of words."""
    model: NumbersModel = NumbersModel()
    """The network."""
    training: NumbersTraining
    """How it is trained."""


@dataclass(frozen=True)
class Lists:
    """Lists of numbers as one batch."""

    values: Tensor  # [B, S], 0 beyond the end of a list
    mask: Tensor  # [B, S]

    size = 0

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device) -> Lists:
        return Lists(self.values.to(device), self.mask.to(device))


class NumbersReader(Reader[list[float]]):
    """Reads a line as its numbers; in training each is shaken a little."""

    ahead = 16

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> list[float]:
        try:
            values = [float(word) / LARGEST for word in cell.split()]
        except ValueError as error:
            raise DataError(f"{cell}: {error}") from None
        if seed is None:
            return values
        generator = torch.Generator().manual_seed(hash(tuple(seed)) % 2**31)
        return [value + 0.01 * float(torch.randn((), generator=generator)) for value in values]

    def pack(self, items: Sequence[list[float]]) -> Lists:
        most = max(map(len, items))
        values = torch.tensor([[*item, *[0.0] * (most - len(item))] for item in items])
        return Lists(values, torch.tensor([[at < len(item) for at in range(most)] for item in items]))

    def length(self, item: list[float]) -> int:
        return len(item)


class NumbersNetwork(Encoder):
    """A layer over each number and its place."""

    def __init__(self, size: int):
        super().__init__()
        self.memory_size = size
        self.layer = nn.Sequential(nn.Linear(2, size), nn.Tanh(), nn.Linear(size, size))

    def forward(self, source: Lists) -> Memory:
        places = torch.arange(source.values.shape[1], device=source.values.device) / LARGEST
        states = self.layer(
            torch.stack([source.values, places.expand_as(source.values)], -1).to(next(self.parameters()))
        )
        return Memory.of(states, source.mask, mean_of_real(states, source.mask))


class NumbersDrawer(Drawer):
    """Writes weights as JSON."""

    formats = ("json",)

    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, look: Look, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        path = folder / "numbers.json"
        rows = []
        for each in found:
            assert each.best.weights is not None, "a decoder with attention"
            rows.append({"numbers": each.cell, "text": each.best.text, "weights": each.best.weights.tolist()})
        path.write_text(json.dumps({"title": look.caption, "forced": forced, "found": rows}))
        yield path


class Numbers(SourceKind[NumbersEncoder]):
    """Lists of numbers."""

    def reader(self, section: NumbersEncoder, shared: Shared) -> NumbersReader:
        return NumbersReader()

    def encoder(self, section: NumbersEncoder, model: WritingModel, needs: Needs, *, vocabulary: int) -> Encoder:
        return NumbersNetwork(section.hidden_size)

    def drawer(self, section: NumbersEncoder) -> Drawer:
        return NumbersDrawer()
