"""The base of every configuration section."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MAY_CHANGE: Final = object()
"""Marks a key that may have another value when a run is resumed: when training ends, and what is kept and reported.

The weights are then those of a run that had this value from the start. `resuming.py` has the exceptions.
"""


class Section(BaseModel):
    """A frozen group of keys. Unknown keys are refused, and the docstring under a field is its help everywhere."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        defer_build=True,  # a command needs the sections of one task alone
    )

    # Not `use_attribute_docstrings`, which reads the source of every class at import, though few commands tell of them.
    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        keys = handler.resolve_ref_schema(schema).get("properties", {})
        texts = docstrings(cls)
        for key in keys.keys() & texts.keys():
            keys[key].setdefault("description", texts[key])
        return schema


def docstrings(section: type[Section]) -> dict[str, str]:
    """Return the docstring under each key of `section`, also under those that it inherits."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, Section) and base is not Section:
            (written,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(written, ast.ClassDef)
            found |= dict(_told_keys(written.body))
    return found


def _told_keys(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for key, text in pairwise(body):
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            yield key.target.id, inspect.cleandoc(str(text.value.value))


class DataSection(Section):
    """The base of every form of data: splits, and the files that they are read from."""

    def files(self, split: Any) -> tuple[Section, ...]:
        """Return the sections that name files which `split` is read from, besides itself."""
        return ()

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield each conflict of the whole `config` with this data as `key: what is wrong`."""
        yield from ()


def renamed(**names: str) -> Any:
    """Return a validator that reads each older key in `names` as the key that replaced it."""

    def read(_cls: type[Section], values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for old, new in names.items():
            if old in values and new in values:
                raise ValueError(f"{old} is the older name of {new}; give one of them")
        return {names.get(key, key): value for key, value in values.items()}

    return model_validator(mode="before")(classmethod(read))  # type: ignore[arg-type]
