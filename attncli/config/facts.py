"""JSON files that tell facts of a folder: checked, since the folder may come from elsewhere or from a damaged disk."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from attncli.errors import RunError
from attncli.files.untrusted import json_inside

_SHOWN = 3  # problems of a file


class Facts(BaseModel):
    """Facts in a JSON file; what a later version adds is kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


AnyFacts = TypeVar("AnyFacts", bound=Facts)


def read_facts(kind: type[AnyFacts], folder: Path, name: str) -> AnyFacts:
    """Return the facts in the file `name` of `folder`, or raise a RunError that says what is wrong with them."""
    found = json_inside(folder, name)
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise RunError(f"{folder / name}: damaged: {described(error)}") from None


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
