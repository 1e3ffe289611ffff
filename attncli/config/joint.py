"""Models with several encoders, and what goes with them."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, model_validator

from attncli.config.attention import Attention
from attncli.config.data import MaximumLength
from attncli.config.decoders import LSTMNDecoder, RecurrentDecoder, TransformerDecoder
from attncli.config.quantities import SetName, Size
from attncli.config.sources.encoder import EncoderSection
from attncli.config.sources.joint import AnyEncoder, JointEncoder
from attncli.config.tables import TableData
from attncli.config.writing import WritingConfig, WritingModel
from attncli.errors import unknown


class JointModel(WritingModel):
    """One or several encoders of sources, and a decoder of tokens."""

    encoder: AnyEncoder | None = None
    """The encoder, where there is one source."""
    encoders: dict[SetName, AnyEncoder | None] = Field(default={})
    """The encoders by the names of their sources, the columns of a table, where there are several: their memories stand
    end to end under one attention (Libovický and Helcl 2017, "flat"). `NAME: null` removes one of a `base`."""
    memory_size: Size | None = None
    """With `encoders`: width to which the memory of each is projected; by default `decoder.hidden_size`."""
    attended: tuple[SetName, ...] | None = Field(default=None, min_length=1)
    """With `encoders`: those whose positions the attention reads, such as the image and not the question about it. By
    default all."""
    summarised: tuple[SetName, ...] | None = Field(default=None, min_length=1)
    """With `encoders`: those whose summaries the decoder gets, of which a classifier makes its first question. An image
    that is summarised as well as attended to may be known without a look. By default all."""

    @model_validator(mode="after")
    def _reads_something(self) -> JointModel:
        if self.encoder is not None and self.by_source:
            raise ValueError("has encoder and encoders; give one of them")
        if self.encoder is None and not self.by_source:
            raise ValueError("has no encoder; give encoder, or encoders with one for each source")
        if self.encoder is not None and self.memory_size is not None:
            raise ValueError("memory_size belongs to encoders, but there is one encoder; remove it")
        for key, names in (("attended", self.attended), ("summarised", self.summarised)):
            if names is not None and self.encoder is not None:
                raise ValueError(f"{key} belongs to encoders, but there is one encoder; remove it")
            for name in names or ():
                if name not in self.by_source:
                    raise ValueError(f"{key}: {unknown('encoder', name, self.by_source)}")
        return self

    @property
    def by_source(self) -> dict[str, EncoderSection]:
        """Those of `encoders` that are not removed."""
        return {name: each for name, each in self.encoders.items() if each is not None}

    @property
    def source(self) -> EncoderSection:
        """What reads a source: the encoder, or several as one."""
        if self.encoder is not None:
            return self.encoder
        return JointEncoder.model_construct(
            encoders=self.by_source,
            memory_size=self.memory_size or self.decoder.hidden_size,
            attended=tuple(name for name in self.by_source if self.attended is None or name in self.attended),
            summarised=tuple(name for name in self.by_source if self.summarised is None or name in self.summarised),
        )


def joint_conflicts(config: WritingConfig) -> Iterator[str]:
    """Yield the conflicts of `config` with the number of its sources."""
    section = config.model.source
    if isinstance(config.data, TableData):
        yield from _conflicts_with_columns(section, config.data)
    if isinstance(section, JointEncoder):
        if isinstance(config.model.attention, Attention):
            yield from _conflicts_with_several(config.model.attention)
        yield from _conflicts_with_unattended(section, config.model)
        yield from _conflicts_with_unread(section, config.model)
        if config.model.tied_embeddings == "all":
            yield (
                "model.tied_embeddings: 'all' shares the embeddings of the one source, but model.encoders reads "
                "several; choose 'target'"
            )


def _conflicts_with_columns(section: EncoderSection, data: TableData) -> Iterator[str]:
    if not section.is_text and data.maximum_length != MaximumLength():
        yield f"data.maximum_length: is for one source that is text, but {section.reading}; remove it"
    if isinstance(section, JointEncoder):
        parts = {f"model.encoders.{name}": (name, each) for name, each in section.parts.items()}
    elif len(data.sources) == 1:
        parts = {"model.encoder": (data.sources[0], section)}
    else:
        parts = {}
        yield (
            f"data.columns: has the sources {', '.join(data.sources)}, but model.encoder reads one; keep one of "
            "them, or give model.encoders"
        )
    for key, (name, each) in parts.items():
        if name not in data.sources:
            yield f"model.encoders: {unknown('source', name, data.sources)}; data.columns names the column of each"
        elif each.is_text and name in data.folders:
            yield f"data.folders.{name}: is the folder of files, but {key} reads text; remove it"
        elif not each.is_text and name not in data.folders:
            yield f"data.folders: {key} reads {each.noun}s; give data.folders.{name}, where they are"


def _conflicts_with_unattended(section: JointEncoder, model: WritingModel) -> Iterator[str]:
    """Yield the conflict of encoders that are not attended to with a decoder that reads no summary."""
    left_out = [name for name in section.parts if name not in section.attended]
    decoder = model.decoder
    if left_out and (
        isinstance(decoder, TransformerDecoder)
        or (
            isinstance(decoder, (RecurrentDecoder, LSTMNDecoder))
            and decoder.bridge not in ("final", "copy")
            and decoder.context == "initial"
        )
    ):
        yield (
            f"model.attended: leaves out {', '.join(left_out)}, of which only the summary is read, but this decoder "
            "reads none; attend to all, or choose decoder.kind classifier, bridge: final or context: every_step"
        )


def _conflicts_with_unread(section: JointEncoder, model: WritingModel) -> Iterator[str]:
    """Yield the conflict of encoders of which nothing is read."""
    attended = section.attended if isinstance(model.attention, Attention) else ()
    unread = [name for name in section.parts if name not in (*section.summarised, *attended)]
    if unread:
        yield (
            f"model.summarised: leaves out {', '.join(unread)}, which no attention reads either; summarise it, attend "
            "to it, or remove its encoder"
        )


def _conflicts_with_several(attention: Attention) -> Iterator[str]:
    several = "but the positions of several memories have no common order"
    if attention.window != "global":
        yield (
            f"model.attention.window: {attention.window!r} attends around a position, {several}; choose 'global', or "
            "read one source with model.encoder"
        )
    if attention.score == "location":
        yield f"model.attention.score: 'location' scores places, {several}; choose another score"
    if attention.location_aware:
        yield (
            f"model.attention.location_aware: its filters run along a sequence, {several}; remove it, or choose "
            "coverage: true"
        )
