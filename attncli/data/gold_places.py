"""Gold places: a file that says where in each source of a test set lies what the words of its target mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from attncli.config.facts import described
from attncli.errors import DataError, Problems, counted
from attncli.files.reading import read_lines

_Share = Annotated[float, Field(ge=0, le=1)]
_Moment = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class GoldPlace(_Strict):
    """Where in a source lies what some words of its target mean: one key besides `words`, by the kind of source."""

    words: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    """Words of the target, separated by white space and counted from 0."""
    box: tuple[_Share, _Share, _Share, _Share] | None = None
    """Left, top, right and bottom in an image, as shares of its width and height."""
    seconds: tuple[_Moment, _Moment] | None = None
    """Start and end in a recording or film."""
    source_words: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(default=None, min_length=1)
    """Words of a source that is text, separated by white space and counted from 0."""

    @property
    def kind(self) -> str:
        """The key that says where it is."""
        return next(key for key in PLACES if getattr(self, key) is not None)

    @model_validator(mode="after")
    def _is_somewhere(self) -> GoldPlace:
        if sum(getattr(self, key) is not None for key in PLACES) != 1:
            raise ValueError(f"needs one of {', '.join(PLACES)}" if len(PLACES) > 1 else f"needs {PLACES[0]}")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError("box: is empty; it should be left, top, right, bottom")
        if self.seconds is not None and not self.seconds[0] < self.seconds[1]:
            raise ValueError("seconds: is empty; it should be start, end")
        return self


PLACES = tuple(key for key in GoldPlace.model_fields if key != "words")
"""The kinds of places."""


class _Line(_Strict):
    places: tuple[GoldPlace, ...]
    source: str | None = None


def read_gold_places(
    path: Path, *, sources: Sequence[str], targets: Sequence[str], noun: str
) -> tuple[tuple[GoldPlace, ...], ...]:
    """Return the places in each of `sources`, whose `targets` have the words; line n of `path` is about source n.

    A line is a JSON object of `places`, a list of `GoldPlace`, and of the `source` if somebody should be able to see
    that it is the right one. Raises DataError that names every wrong line.
    """
    problems = Problems()
    found = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            parsed = _Line.model_validate_json(line)
        except ValidationError as error:
            is_json = error.errors(include_url=False)[0]["type"] != "json_invalid"
            problems.add(f"{path}:{number}: {described(error) if is_json else 'not JSON'}")
            continue
        found.append(parsed.places)
        if number <= len(sources):
            for problem in _problems(parsed, sources[number - 1], targets[number - 1], noun):
                problems.add(f"{path}:{number}: {problem}")
    problems.raise_if_any()
    if len(found) != len(sources):
        raise DataError(f"{path}: {counted(len(found), 'line')}, but the test set has {len(sources):,} {noun}s")
    if not any(found):
        raise DataError(f"{path}: holds no places")
    return tuple(found)


def _problems(line: _Line, source: str, target: str, noun: str) -> Sequence[str]:
    """Return what of `line` does not fit its `source` and `target`."""
    problems = []
    if line.source is not None and line.source != source:
        problems.append(f"is about {line.source!r}, but this {noun} of the test set is {source!r}")
    words = len(target.split())
    last = max((word for place in line.places for word in place.words), default=0)
    if line.places and last >= words:
        problems.append(f"word {last}, counted from 0, but the target {target!r} has {counted(words, 'word')}")
    return problems
