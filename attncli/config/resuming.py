"""Which keys may have another value when a run is resumed, and when they may not after all.

A key is marked beside its type. Every other key decides what is trained on, and how, so that another value would end
with weights that no training from the start ends with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

from attncli.config.differences import Difference
from attncli.config.objectives import SelfCritical
from attncli.config.section import MAY_CHANGE, Section
from attncli.config.training import Cosine
from attncli.config.writing import WritingConfig

_NOT_IN_VALIDATION: Final = ("beam_size", "batch_size", "precision", "shortlist")
"""Keys of `search` that validation never reads, or that change no text."""


def movable_keys(section: type[Section], path: str = "") -> list[str]:
    """Return the keys of a `section`, sorted, that may have another value on resuming, with all below them."""
    found: set[str] = set()
    for name, field in section.model_fields.items():
        if MAY_CHANGE in field.metadata:
            found.add(f"{path}{name}")
        else:
            for inner in _sections_in(field.annotation):
                found.update(movable_keys(inner, f"{path}{name}."))
    return sorted(found)


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)


def is_movable(key: str, config: Section) -> bool:
    """Tell whether `key` of `config` may have another value on resuming."""
    return any(f"{key}.".startswith(f"{movable}.") for movable in movable_keys(type(config)))


def exception(change: Difference, config: Any) -> str | None:
    """Return why a movable key of the run's `config` may not take part in this `change`; None if it may."""
    section, _, key = change.key.rpartition(".")
    training = config.training
    if change.key == "training.max_steps" and isinstance(training.schedule, Cosine) and training.schedule.steps is None:
        return (
            "schedule: cosine ends there, so that another one would change the learning rates; give the same, or start "
            "a run with training.schedule.steps"
        )
    if change.key == "training.keep_best" and training.average_best and change.after > change.before:
        return "training.average_best would miss the checkpoints that were not kept; give the same, or fewer"
    if section == "search" and _decides(key, config):
        return (
            "validation decodes with it, which decides between checkpoints; give the same, and another value to the "
            "commands that decode"
        )
    return None


def _decides(key: str, config: WritingConfig) -> bool:
    """Tell whether `key` of `search` decides between checkpoints of `config`, or what is trained on."""
    if key == "max_length" and isinstance(config.training.objective, SelfCritical):
        return True  # of the targets that are drawn
    validation = config.training.validation
    if validation.metric == "loss" or key in _NOT_IN_VALIDATION:
        return False
    return key not in ("length_penalty", "patience") or validation.beam_size > 1  # a greedy search ranks nothing
