"""Several encoders as one, each of which reads a source of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from attncli.config.networks import network_kind
from attncli.config.quantities import Size
from attncli.config.sources.audio import Spectrogram
from attncli.config.sources.encoder import EncoderSection
from attncli.config.sources.images import CNN, EfficientNetLite0, Timm
from attncli.config.sources.text import ConvolutionalEncoder, LSTMNEncoder, RecurrentEncoder, TransformerEncoder
from attncli.config.sources.video import Frames

AnyEncoder = Annotated[
    Annotated[RecurrentEncoder, Tag("recurrent")]
    | Annotated[LSTMNEncoder, Tag("lstmn")]
    | Annotated[TransformerEncoder, Tag("transformer")]
    | Annotated[ConvolutionalEncoder, Tag("convolutional")]
    | Annotated[CNN, Tag("cnn")]
    | Annotated[EfficientNetLite0, Tag("efficientnet_lite0")]
    | Annotated[Timm, Tag("timm")]
    | Annotated[Frames, Tag("frames")]
    | Annotated[Spectrogram, Tag("spectrogram")],
    Discriminator(network_kind),
]
"""An encoder of any kind of source."""


class JointEncoder(EncoderSection):
    """Encoders as one, whose memories stand end to end. Made of `encoders` and `memory_size`, and in no file."""

    noun = "source"
    is_joint = True
    width_key = "memory_size"

    encoders: dict[str, Any]
    """The encoders by the names of their sources."""
    memory_size: Size
    """Width to which the memories are projected."""
    attended: tuple[str, ...]
    """The names of those whose positions are attended to."""
    summarised: tuple[str, ...]
    """The names of those whose summaries are read."""

    @property
    def kind_name(self) -> str:
        """The kinds of the encoders, in words."""
        return " and ".join(each.kind_name for each in self.parts.values())

    @property
    def reading(self) -> str:
        """What is read, in words."""
        return f"model.encoders reads several sources ({', '.join(self.encoders)})"

    @property
    def key_of_width(self) -> str:
        """The whole path of the key that sets the width of the memory."""
        return f"model.{self.width_key}"

    @property
    def parts(self) -> Mapping[str, EncoderSection]:
        """The encoders by the names of their sources."""
        return self.encoders

    def cell_of(self, cells: Mapping[str, str]) -> dict[str, str]:
        """Return the sources that are read, by their names."""
        return {name: cells[name] for name in self.parts}

    def sources_of(self, cell: Any) -> Iterator[tuple[EncoderSection, str]]:
        """Yield each encoder with the source that it reads."""
        yield from ((each, cell[name]) for name, each in self.parts.items())

    def with_lasting(self, cell: Any, change: Callable[[str], str]) -> dict[str, str]:
        """Return the sources by their names, after a `change` of those that last."""
        return {name: each.with_lasting(cell[name], change) for name, each in self.parts.items()}

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield the conflicts of each encoder, which are worded for one that is alone."""
        for name, each in self.parts.items():
            for conflict in each.conflicts(config):
                yield conflict.replace("model.encoder.", f"model.encoders.{name}.")
