"""What configurations of older formats meant by the keys that they leave out.

A new key gets the best default, which need not be what was done before the key existed. So a run records the format of
its configuration, and keys that an older one leaves out are read as they were meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from attncli.config.attention import Attention
from attncli.config.decoders import ClassifierDecoder, TransformerDecoder
from attncli.config.joint import JointModel
from attncli.config.section import Section
from attncli.config.sources.images import ImageEncoder
from attncli.config.sources.text import TransformerEncoder
from attncli.config.sources.video import Frames
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.tasks.translation import TranslationConfig

FORMAT = 6
"""The current format of configurations."""

AnySection = TypeVar("AnySection", bound=Section)


def in_present_places(values: dict[str, Any]) -> dict[str, Any]:
    """Return the `values` of a configuration with `training.objective.start_from`, its older place, as that of now.

    Where both are given, the older one stays, an unknown key.
    """
    training = values.get("training")
    objective = training.get("objective") if isinstance(training, dict) else None
    if not isinstance(training, dict) or not isinstance(objective, dict):
        return values
    if "start_from" not in objective or "start_from" in training:
        return values
    rest = {key: value for key, value in objective.items() if key != "start_from"}
    return {**values, "training": {**training, "objective": rest, "start_from": objective["start_from"]}}


def as_meant(config: AnySection, *, format: int) -> AnySection:
    """Return `config`, read from a file of `format`, with every key that the file leaves out as it was meant then."""
    for number in range(format, FORMAT):
        config = _AFTER[number](config)
    return config


def _after_format_1(config: Any) -> Any:
    """Return `config` as it was before embeddings were scaled on input, and before the defaults that came with that."""
    if isinstance(config, AutoencodingConfig):
        return config
    model = config.model
    parts: dict[str, Any] = {"decoder": _decoder_of_format_1(model.decoder, attends=model.attention != "none")}
    if isinstance(config, TranslationConfig):
        parts["encoder"] = _reader_of_format_1(model.encoder)
    if isinstance(model.attention, Attention) and model.attention.score == "scaled_dot":
        # A Transformer's attention has always had its own projections.
        projections = None if isinstance(model.decoder, TransformerDecoder) else "none"
        parts["attention"] = _unsaid(model.attention, projections=projections)
    model = _unsaid(model, initial_weights="glorot").model_copy(update=parts)
    training = _unsaid(config.training, output_rate_factor=1.0)
    return config.model_copy(update={"model": model, "training": training})


def _reader_of_format_1(part: Any) -> Any:
    is_transformer = isinstance(part, (TransformerEncoder, TransformerDecoder))
    return _unsaid(part, embedding_scale="root" if is_transformer else "none")


def _decoder_of_format_1(decoder: Any, *, attends: bool) -> Any:
    if isinstance(decoder, ClassifierDecoder):
        return decoder
    if not isinstance(decoder, TransformerDecoder) and decoder.readout_name(attends=attends) == "attentional":
        decoder = _unsaid(decoder, readout_activation="tanh")
    return _reader_of_format_1(decoder)


def _after_format_2(config: Any) -> Any:
    """Return `config` as it was before the unknown token could be forbidden."""
    if isinstance(config, AutoencodingConfig):
        return config
    return config.model_copy(update={"search": _unsaid(config.search, unknown="allow")})


def _after_format_3(config: Any) -> Any:
    """Return `config` as it was before regions were normalised by default."""
    if isinstance(config, AutoencodingConfig):
        return config
    model = config.model
    parts: dict[str, Any] = {"encoder": _encoder_of_format_3(model.encoder)}
    if isinstance(model, JointModel):
        parts["encoders"] = {name: _encoder_of_format_3(each) for name, each in model.encoders.items()}
    return config.model_copy(update={"model": model.model_copy(update=parts)})


def _encoder_of_format_3(encoder: Any) -> Any:
    if isinstance(encoder, Frames):
        return encoder.model_copy(update={"frame": _encoder_of_format_3(encoder.frame)})
    return _unsaid(encoder, normalises=False) if isinstance(encoder, ImageEncoder) else encoder


def _after_format_4(config: Any) -> Any:
    """Return `config` as it was before a location-aware attention saw far, and any weights at the first step."""
    if isinstance(config, AutoencodingConfig):
        return config
    attention = config.model.attention
    if not isinstance(attention, Attention) or not attention.location_aware:
        return config
    attention = _unsaid(attention, initial_alignment="zeros")
    # A run's configuration says null for what is left to the default.
    attention = attention.model_copy(update={"filter_width": attention.filter_width or 31})
    return config.model_copy(update={"model": config.model.model_copy(update={"attention": attention})})


def _after_format_5(config: Any) -> Any:
    """Return `config` as it was before tied embeddings learned at the rate of all else by default."""
    if isinstance(config, (AutoencodingConfig, CaptioningConfig)):
        return config
    return config.model_copy(update={"training": _unsaid(config.training, output_rate_factor=3.0)})


_AFTER: dict[int, Callable[[Any], Any]] = {
    1: _after_format_1,
    2: _after_format_2,
    3: _after_format_3,
    4: _after_format_4,
    5: _after_format_5,
}
assert set(_AFTER) == set(range(1, FORMAT))


def _unsaid(section: AnySection, **values: Any) -> AnySection:
    """Return `section` with those of `values` whose keys were not given."""
    return section.model_copy(
        update={key: value for key, value in values.items() if key not in section.model_fields_set}
    )
