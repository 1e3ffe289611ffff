"""What a run says of itself in JSON: checked, since a run may come from elsewhere or from a damaged disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from attncli.data.cache import fingerprint
from attncli.errors import RunError
from attncli.files import json_inside

Number = Annotated[int, Field(ge=0)]
_SHOWN = 3  # problems of a file


class Facts(BaseModel):
    """Facts in a JSON file; what a later version adds is kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class Metadata(Facts):
    """metadata.json."""

    format: Annotated[int, Field(ge=1)]
    """Of the run, and so of its configuration."""
    begun_in_format: Annotated[int, Field(ge=1)] | None = None
    """The format of a run that an older version began, where it is not `format`."""
    versions: dict[str, str] = {}
    step: Number = 0
    """Of the best checkpoint, with its scores."""
    scores: dict[str, FiniteFloat] = {}
    data: dict[str, str] = {}
    """Fingerprints of the data it is trained on; empty for runs that did not take any."""


class CheckpointFacts(Facts):
    """checkpoint.json."""

    step: Number
    epoch: Number = 0
    scores: dict[str, FiniteFloat] = {}
    average_of_steps: list[Number] = []
    sha256: dict[str, str] = {}
    """Sums of the other files of the checkpoint; empty where a version saved it that took none."""


AnyFacts = TypeVar("AnyFacts", bound=Facts)


def read_facts(kind: type[AnyFacts], folder: Path, name: str) -> AnyFacts:
    """Return the facts in the file `name` of `folder`, or raise a RunError that says what is wrong with them."""
    found = json_inside(folder, name)
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise RunError(f"{folder / name}: damaged: {described(error)}") from None


def write_checkpoint_facts(facts: Mapping[str, Any], path: Path) -> None:
    """Write `facts` of a checkpoint and the sums of its other files, which lie beside `path` already."""
    sums = {file.name: fingerprint(file) for file in sorted(path.parent.iterdir())}
    path.write_text(json.dumps({**facts, "sha256": sums}, indent=2) + "\n", encoding="utf-8")


def described(error: ValidationError) -> str:
    """Return what is wrong with values, the first few problems in words."""
    details = error.errors(include_url=False, include_input=False)
    problems = []
    for detail in details[:_SHOWN]:
        place = ".".join(map(str, detail["loc"]))[:60]
        text = detail["msg"].removeprefix("Value error, ")
        problems.append(f"{place}: {text[:1].lower()}{text[1:]}" if place else text)
    more = f", and {len(details) - _SHOWN} more" if len(details) > _SHOWN else ""
    return "; ".join(problems) + more
