"""The kinds of sources, by the configuration section of their encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attncli.config.sources.audio import Spectrogram
from attncli.config.sources.encoder import EncoderSection
from attncli.config.sources.images import CNN, EfficientNetLite0, Timm
from attncli.config.sources.joint import JointEncoder
from attncli.config.sources.text import ConvolutionalEncoder, LSTMNEncoder, RecurrentEncoder, TransformerEncoder
from attncli.config.sources.video import Frames
from attncli.sources.source import SourceKind


# Each is imported where it is used: a translation needs no library of images.
def _text() -> SourceKind[Any]:
    from attncli.sources.text.kind import Text

    return Text()


def _images() -> SourceKind[Any]:
    from attncli.sources.images.kind import Images

    return Images()


def _audio() -> SourceKind[Any]:
    from attncli.sources.audio.kind import Audio

    return Audio()


def _video() -> SourceKind[Any]:
    from attncli.sources.video.kind import Video

    return Video()


def _joint() -> SourceKind[Any]:
    from attncli.sources.joint.kind import Joint

    return Joint(kind_of)


KINDS: dict[type[EncoderSection], Callable[[], SourceKind[Any]]] = {
    **dict.fromkeys((RecurrentEncoder, LSTMNEncoder, TransformerEncoder, ConvolutionalEncoder), _text),
    **dict.fromkeys((CNN, EfficientNetLite0, Timm), _images),
    Spectrogram: _audio,
    Frames: _video,
    JointEncoder: _joint,
}


def kind_of(section: EncoderSection) -> SourceKind[Any]:
    """Return the kind of source that the encoder of `section` reads."""
    return KINDS[type(section)]()
