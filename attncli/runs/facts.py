"""What a run says of itself and of its checkpoints, in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, FiniteFloat

from attncli.config.facts import Facts
from attncli.data.cache import fingerprint
from attncli.runs.parts import Part

Number = Annotated[int, Field(ge=0)]


class Metadata(Facts):
    """metadata.json."""

    format: Annotated[int, Field(ge=1)]
    """Of the run, and so of its configuration."""
    begun_in_format: Annotated[int, Field(ge=1)] | None = None
    """The format of a run that an older version began, where it is not `format`."""
    versions: dict[str, str] = Field(default={})
    step: Number = 0
    """Of the best checkpoint, with its scores."""
    scores: dict[str, FiniteFloat] = Field(default={})
    data: dict[str, str] = Field(default={})
    """Fingerprints of the data it is trained on; empty for runs that did not take any."""
    parts: list[Part] = Field(default=[])
    """Of the training, one for each start and resume; runs of earlier versions have none."""


class CheckpointFacts(Facts):
    """checkpoint.json."""

    step: Number
    epoch: Number = 0
    scores: dict[str, FiniteFloat] = Field(default={})
    average_of_steps: list[Number] = Field(default=[])
    sha256: dict[str, str] = Field(default={})
    """Sums of the other files of the checkpoint; empty where a version saved it that took none."""


def write_checkpoint_facts(facts: Mapping[str, Any], path: Path) -> None:
    """Write `facts` of a checkpoint and the sums of its other files, which lie beside `path` already."""
    sums = {file.name: fingerprint(file) for file in sorted(path.parent.iterdir())}
    path.write_text(json.dumps({**facts, "sha256": sums}, indent=2) + "\n", encoding="utf-8")
