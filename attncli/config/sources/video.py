"""Encoders of films: which frames are read, the network over each frame, and the network over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from attncli.config.networks import Positions
from attncli.config.quantities import Length, Pixels
from attncli.config.sources.images import CNN, ImageEncoders
from attncli.config.sources.sequences import RecurrentNetwork, SequenceEncoder, SequenceNetwork

FrameCount = Annotated[int, Field(ge=1, le=4096)]
FrameRate = Annotated[float, Field(ge=0.01, le=240)]

SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".webp", ".wmv")
"""What a folder is searched for; any file that is named is tried, whatever its suffix."""

_COUNT = 16
# What a network over images has that is decided for a whole film.
_OF_THE_FILM = {
    "memory_size": "the width is that of model.encoder.network.hidden_size",
    "positions": "those of a film have three axes; set model.encoder.positions",
}


class Frames(Positions, SequenceEncoder):
    """A network over each frame of a film, and one over time."""

    noun = "film"

    kind: Literal["frames"] = "frames"
    """The kind of encoder."""
    count: FrameCount | None = None
    """Frames to read of each film, evenly spread over it; a film of fewer frames gives all of them. By default 16,
    unless `rate` is given."""
    rate: FrameRate | None = None
    """Frames to read of each second, instead of `count`; a film with fewer a second gives all of them."""
    maximum_frames: FrameCount = 512
    """With `rate`: the maximum number of frames to read; a film with more is reported, and not read into memory."""
    frame_height: Pixels | None = None
    """For films that are images with the frames one below the other: the height of a frame. By default a file is a
    film, or a folder of frames."""
    frames_per_second: FrameRate = 25.0
    """The speed of films that do not tell it: folders of frames, and images of frames one below the other."""
    frame: ImageEncoders = CNN()
    """The network over each frame, a kind of encoder of images with its preprocessing."""
    frame_vector: Literal["pooled", "map"] = "pooled"
    """What the network over time reads of a frame: the `pooled` vector, the mean over the frame, or its whole feature
    `map`, which tells where in the frame something is."""
    normalisation: Literal["film", "none"] = "none"
    """`film`: subtract from each component of the frames' vectors, or maps, its mean over the film and divide it by its
    deviation there. What stays the same, such as a face, is then left out, and what moves stands out."""
    network: SequenceNetwork = RecurrentNetwork()
    """The network over time, of kind `recurrent` unless it says otherwise."""
    regions: bool = False
    """Let the decoder attend to the regions of every frame, each with what the network over time says of the frame,
    and not only to frames."""
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    """With `regions`: position encoding added to them: none, sines and cosines of frame, row and column (Vaswani et al.
    2017, 3.5), or a learned vector for each frame, row and column (Carion et al. 2020)."""
    maximum_length: Length | None = None
    """With learned positions: the maximum number of frames, rows or columns."""

    @model_validator(mode="after")
    def _reads_by_one_rule(self) -> Frames:
        if self.count is not None and self.rate is not None:
            raise ValueError("count and rate: both say which frames are read; remove one of them")
        if self.positions != "none" and not self.regions:
            raise ValueError(
                f"positions: {self.positions} belongs to regions: true; set network.positions for places in time"
            )
        return self

    @property
    def frames_read(self) -> int | None:
        """How many frames are read of each film; None where that depends on how long it is."""
        return self.count if self.rate is not None else self.count or _COUNT

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What a folder is searched for."""
        return SUFFIXES if self.frame_height is None else super().suffixes

    @property
    def axes(self) -> int:  # type: ignore[override]
        """Axes of the memory's positions: frames, rows and columns of regions, or frames alone."""
        return 3 if self.regions else 1

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield the conflicts of the network over frames, under its own key."""
        for problem in self.frame.conflicts(config):
            yield problem.replace("model.encoder.", "model.encoder.frame.")
        for key, why in _OF_THE_FILM.items():
            if getattr(self.frame, key) != type(self.frame).model_fields[key].default:
                yield f"model.encoder.frame.{key}: belongs to an encoder of images; {why}; remove it"
