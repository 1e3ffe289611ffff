"""Encoders of recordings: their features, how time is shortened, and how training examples are varied."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from attncli.config.networks import CellName
from attncli.config.quantities import Index, Length, Share, Size
from attncli.config.section import MAY_CHANGE, Section
from attncli.config.sources.sequences import RecurrentNetwork, SequenceEncoder, SequenceNetwork

SUFFIXES = (".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
"""Of files of sound."""

SampleRate = Annotated[int, Field(ge=1000, le=192_000)]
Frequency = Annotated[float, Field(ge=0, le=96_000)]
Moment = Annotated[float, Field(ge=0.001, le=1)]
Halvings = Annotated[int, Field(ge=1, le=6)]


class LogMel(Section):
    """The logarithm of the energy in bands that are evenly spaced on the mel scale, frame by frame."""

    kind: Literal["log_mel"] = "log_mel"
    """The kind of features."""
    sample_rate: SampleRate = 16_000
    """Rate to which every recording is resampled."""
    window: Moment = 0.025
    """Length of a frame, under a Hann window."""
    hop: Moment = 0.01
    """From the start of one frame to that of the next."""
    bands: Annotated[int, Field(ge=1, le=512)] = 40
    """Number of bands."""
    lowest: Frequency = 0.0
    """Lower end of the lowest band."""
    highest: Frequency | None = None
    """Upper end of the highest band; by default half of `sample_rate`."""
    pre_emphasis: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Subtract this share of the sample before from each sample, which raises high frequencies; often 0.97."""

    @property
    def size(self) -> int:
        """Numbers of a frame."""
        return self.bands

    @property
    def window_samples(self) -> int:
        """Samples of a frame."""
        return round(self.window * self.sample_rate)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.hop * self.sample_rate)

    @property
    def transform_size(self) -> int:
        """Samples that are transformed: those of a frame and zeros, up to a power of two."""
        return 1 << (self.window_samples - 1).bit_length()

    @model_validator(mode="after")
    def _is_possible(self) -> LogMel:
        nyquist = self.sample_rate / 2
        highest = nyquist if self.highest is None else self.highest
        if highest > nyquist:
            raise ValueError(
                f"highest: {highest:g} Hz is over half of sample_rate ({nyquist:g} Hz), where there is no sound; lower "
                "it, or remove it"
            )
        if self.lowest >= highest:
            raise ValueError(f"lowest: {self.lowest:g} Hz is not below highest ({highest:g} Hz); lower it")
        if self.window_samples < 2 or not self.hop_samples:
            raise ValueError(f"window and hop: shorter than two samples at sample_rate {self.sample_rate}; raise them")
        return self


class Matrices(Section):
    """Features that were computed before: a matrix in a file for each recording, a row per frame."""

    kind: Literal["matrices"] = "matrices"
    """The kind of features."""
    size: Size
    """Numbers of a frame."""
    hop: Moment = 0.01
    """From the start of one frame to that of the next, which tells times from frames."""


class Convolutions(Section):
    """Convolutions over time and bands, each of which halves both."""

    kind: Literal["convolutions"] = "convolutions"
    """The kind of subsampling."""
    layers: Halvings = 2
    """Number of convolutions; two leave a quarter of the frames."""
    channels: Size = 32
    """Channels of each convolution."""


class Pyramid(Section):
    """Recurrent layers, after each of which every two neighbouring states become one (Chan et al. 2016)."""

    kind: Literal["pyramid"] = "pyramid"
    """The kind of subsampling."""
    layers: Halvings = 2
    """Number of layers; two leave a quarter of the frames."""
    hidden_size: Size = 256
    """Width of a state, counting both directions."""
    cell: CellName = "lstm"
    """Plain tanh RNN, gated recurrent unit or long short-term memory."""

    @model_validator(mode="after")
    def _halves_are_whole(self) -> Pyramid:
        if self.hidden_size % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} is odd, but each of two directions takes half of it; make it even"
            )
        return self


def _kind_or(default: str) -> Discriminator:
    """Return what tells sections apart by their `kind`, which is `default` where it is left out."""

    def kind(value: Any) -> str | None:
        if isinstance(value, Section):
            return str(value.kind)  # type: ignore[attr-defined]
        return str(value.get("kind", default)) if isinstance(value, dict) else None

    return Discriminator(kind)


Features = Annotated[Annotated[LogMel, Tag("log_mel")] | Annotated[Matrices, Tag("matrices")], _kind_or("log_mel")]
Subsampling = Annotated[
    Annotated[Convolutions, Tag("convolutions")] | Annotated[Pyramid, Tag("pyramid")], _kind_or("convolutions")
]


class Spectrogram(SequenceEncoder):
    """A network over the frames of a recording."""

    noun = "recording"

    kind: Literal["spectrogram"] = "spectrogram"
    """The kind of encoder."""
    features: Features = LogMel()
    """What the network reads of each frame, of kind `log_mel` unless it says otherwise."""
    normalisation: Literal["recording", "none"] = "recording"
    """Subtract from each feature its mean over the recording and divide it by its deviation there, or do not."""
    differences: Annotated[int, Field(ge=0, le=2)] = 0
    """How many orders of differences over time are added to each feature: none, the first, or also the second."""
    maximum_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 60.0
    """Longest recording to read; a longer one is reported, and not read into memory."""
    subsampling: Subsampling = Convolutions()
    """How frames become fewer before the network, whose positions attention reads, of kind `convolutions` unless it
    says otherwise."""
    network: SequenceNetwork = RecurrentNetwork()
    """The network over what subsampling leaves, of kind `recurrent` unless it says otherwise."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What a folder is searched for."""
        return SUFFIXES if isinstance(self.features, LogMel) else (".npy", ".npz")

    @property
    def frames_of_position(self) -> int:
        """How many frames a position of the memory stands for."""
        return 1 << self.subsampling.layers

    @property
    def seconds_of_position(self) -> float:
        """How long a position of the memory lasts."""
        return self.frames_of_position * self.features.hop


class SpecAugment(Section):
    """Masks over training recordings, drawn anew in every epoch (Park et al. 2019)."""

    band_masks: Index = 0
    """Masks over neighbouring bands in each recording."""
    band_width: Length = 8
    """Maximum width of each, in bands; widths are drawn from 0 to this."""
    time_masks: Index = 0
    """Masks over neighbouring frames in each recording."""
    time_width: Length = 40
    """Maximum width of each, in frames."""
    time_share: Share = 0.2
    """Maximum width of each, as a share of the recording."""

    @property
    def changes_nothing(self) -> bool:
        """Whether every recording stays as it is."""
        return not self.band_masks and not self.time_masks


class AudioReading(Section):
    """How recordings are read in training."""

    spec_augment: SpecAugment = SpecAugment()
    """Random masks over training recordings."""
    workers: Annotated[int, Field(ge=0, le=256), MAY_CHANGE] = 2
    """Threads that read recordings ahead of training; 0 reads each recording when it is needed."""
