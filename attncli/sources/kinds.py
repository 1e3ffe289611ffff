"""The kinds of sources, by the configuration section of their encoder."""

from __future__ import annotations

from typing import Any

from attncli.config.sources.encoder import EncoderSection
from attncli.config.sources.images import CNN, EfficientNetLite0, Timm
from attncli.config.sources.text import LSTMNEncoder, RecurrentEncoder, TransformerEncoder
from attncli.sources.images.kind import Images
from attncli.sources.source import SourceKind
from attncli.sources.text.kind import Text

KINDS: dict[type[EncoderSection], SourceKind[Any]] = {
    **dict.fromkeys((RecurrentEncoder, LSTMNEncoder, TransformerEncoder), Text()),
    **dict.fromkeys((CNN, EfficientNetLite0, Timm), Images()),
}


def kind_of(section: EncoderSection) -> SourceKind[Any]:
    """Return the kind of source that the encoder of `section` reads."""
    return KINDS[type(section)]
