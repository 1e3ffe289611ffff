"""Reads a configuration: YAML, overrides, and all of its problems in one message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from attncli.config.bases import read_values
from attncli.config.formats import FORMAT, as_meant, in_present_places
from attncli.config.problems import as_written, explained
from attncli.config.shipped import meant_file
from attncli.config.tasks.answering import AnsweringConfig
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.tasks.classification import ClassificationConfig
from attncli.config.tasks.summarisation import SummarisationConfig
from attncli.config.tasks.transcription import TranscriptionConfig
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.writing import WritingConfig
from attncli.config.yaml_core import DEEPEST, parse_yaml
from attncli.errors import ConfigError, escaped, shortened, unknown

Config = WritingConfig | AutoencodingConfig
CONFIGS: dict[str, type[Config]] = {
    "translation": TranslationConfig,
    "summarisation": SummarisationConfig,
    "answering": AnsweringConfig,
    "captioning": CaptioningConfig,
    "classification": ClassificationConfig,
    "transcription": TranscriptionConfig,
    "autoencoding": AutoencodingConfig,
}
_MOST_PROBLEMS = 10


def read_config(path: Path, overrides: Sequence[str] = (), *, format: int = FORMAT) -> Config:
    """Return the checked configuration of the file `path` over its bases, with `overrides` (`a.b=c`) applied.

    `path` may also be the name of a shipped configuration.
    Keys that the file leaves out mean what they meant in `format`. Raises one ConfigError with every problem: one that
    the file has without the overrides begins with its name, or that of the base that sets the key; any other with
    `--set`.
    """
    found = read_values(meant_file(path))
    values = deepcopy(found.values)
    for override in overrides:
        _apply(values, override)
    checked = _checked(values)
    if checked.config is not None:
        return as_meant(checked.config, format=format)
    own = _checked(found.values).problems if overrides else checked.problems
    where = escaped(str(path))

    def placed(problem: str) -> str:
        if problem not in own:
            return f"--set {problem}"
        if checked.between_sections:
            # Each value is valid on its own, so the file that combines them is at fault, not the base that one is from.
            return f"{where}: {problem}"
        file = next(
            (file for key, file in found.inherited.items() if problem.startswith((f"{key}:", f"{key}."))), where
        )
        return f"{file}: {problem}"

    raise ConfigError([placed(problem) for problem in checked.problems], left_out=checked.left_out)


def _apply(values: dict[str, Any], override: str) -> None:
    """Put `override` into `values`."""
    key, equals, text = override.partition("=")
    *parents, last = key.split(".")
    if not equals or not all((*parents, last)) or len(parents) >= DEEPEST:
        raise ConfigError([f"--set {escaped(shortened(override))}: expected KEY=VALUE, such as training.max_steps=100"])
    at = values
    for parent in parents:
        if not isinstance(at.get(parent), dict):
            at[parent] = {}
        at = at[parent]
    at[last] = parse_yaml(text, where=f"--set {escaped(shortened(key))}")


def check_config(values: dict[str, Any], *, where: str) -> Config:
    """Return `values` as a typed configuration, or raise one ConfigError with its problems, each after `where`."""
    checked = _checked(values)
    if checked.config is None:
        raise ConfigError([f"{where}: {problem}" for problem in checked.problems], left_out=checked.left_out)
    return checked.config


@dataclass(frozen=True)
class _Checked:
    """A configuration, or the first of its problems as `key: what is wrong` and how many others there are."""

    config: Config | None = None
    problems: tuple[str, ...] = ()
    left_out: int = 0
    between_sections: bool = False


def _checked(values: dict[str, Any]) -> _Checked:
    values = in_present_places(values)
    task = values.get("task")
    if not isinstance(task, str) or task not in CONFIGS:
        what = (
            unknown("task", as_written(task), CONFIGS)
            if "task" in values
            else f"missing; choose from {', '.join(CONFIGS)}"
        )
        return _Checked(problems=(f"task: {what}",))
    section = CONFIGS[task]
    try:
        # Strict JSON mode reads lists as tuples and integers as floats, and nothing else as what it is not.
        config = section.model_validate_json(json.dumps(values))
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A value that stands for several keys, such as `dropout: 2`, has the same problem several times.
        problems = dict.fromkeys(explained(detail, section, values) for detail in details[:_MOST_PROBLEMS])
        return _Checked(problems=tuple(problems), left_out=max(0, len(details) - _MOST_PROBLEMS))
    conflicts = tuple(config.conflicts())
    return _Checked(None if conflicts else config, conflicts, between_sections=True)
