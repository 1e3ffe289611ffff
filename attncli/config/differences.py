"""The keys in which two configurations differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from attncli.config.dump import in_line
from attncli.errors import shortened

ABSENT: Final = object()
"""The value of a key that only the other configuration has."""


@dataclass(frozen=True)
class Difference:
    """A dotted key with the value before and the value after."""

    key: str
    before: Any
    after: Any

    @property
    def values(self) -> list[Any]:
        """Both values, None for one that is absent."""
        return [None if value is ABSENT else value for value in (self.before, self.after)]

    def said(self, before: str, after: str) -> str:
        """Return the key with both values as a file would hold them, introduced by these words."""
        return f"{self.key}: {before} {_shown(self.before)}, {after} {_shown(self.after)}"


def _shown(value: Any) -> str:
    return "absent" if value is ABSENT else shortened(in_line(value))


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Yield the difference of each key, below `path`, whose values differ between two sections dumped as JSON.

    Between sections of different kinds, keys that only one kind has go without saying.
    """
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after:
            yield Difference(path, before, after)
        return
    of_other_kind = before.get("kind") != after.get("kind")
    for key in {**before, **after}:
        if of_other_kind and not (key in before and key in after):
            continue
        yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), f"{path}.{key}" if path else str(key))
