"""The base of every configuration section."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, model_validator

MAY_CHANGE: Final = object()
"""Marks a key that may have another value when a run is resumed: when training ends, and what is kept and reported.

The weights are then those of a run that had this value from the start. `resuming.py` has the exceptions.
"""


class Section(BaseModel):
    """A frozen group of keys. Unknown keys are refused, and the docstring under a field is its help everywhere."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class DataSection(Section):
    """The base of every form of data: splits, and the files that they are read from."""

    def files(self, split: Any) -> tuple[Section, ...]:
        """Return the sections that name files which `split` is read from, besides itself."""
        return ()


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
