"""Every task and every kind of source is known wherever it is looked up."""

from __future__ import annotations

from typing import get_args

import pytest

from attncli.config.load import CONFIGS
from attncli.config.sources.encoder import EncoderSection
from attncli.config.sources.joint import JointEncoder
from attncli.config.writing import WritingConfig, WritingModel
from attncli.data.forms.forms import FORMS
from attncli.metrics.registry import ALL_METRICS
from attncli.sources.kinds import KINDS

WRITING = {name: config for name, config in CONFIGS.items() if issubclass(config, WritingConfig)}


def _sections(annotation: object) -> set[type]:
    """Return the encoder sections in the annotation of a field."""
    if isinstance(annotation, type):
        return {annotation} if issubclass(annotation, EncoderSection) else set()
    return {section for part in get_args(annotation) for section in _sections(part)}


def _encoders(config: type[WritingConfig]) -> set[type]:
    model = config.model_fields["model"].annotation
    assert isinstance(model, type)
    assert issubclass(model, WritingModel)
    found = _sections(model.model_fields["encoder"].annotation)
    if "encoders" not in model.model_fields:
        return found
    # Several encoders are read as one, whose section is in no annotation.
    assert _sections(model.model_fields["encoders"].annotation) == found
    return found | {JointEncoder}


@pytest.mark.parametrize("config", WRITING.values(), ids=WRITING)
def test_what_a_task_can_be_configured_with_is_known(config: type[WritingConfig]) -> None:
    sections = _encoders(config)
    assert sections
    assert sections <= set(KINDS)
    assert config.model_fields["data"].annotation in FORMS
    assert {*config.metrics, *config.measured} <= {
        *ALL_METRICS,
        "comet",
    }  # whose network is loaded when it is asked for
    assert set(config.measured) <= set(config.metrics)


def test_every_kind_is_of_some_task() -> None:
    assert set(KINDS) == set().union(*map(_encoders, WRITING.values()))
