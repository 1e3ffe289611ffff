"""Mistakes a person can make: each error's text stands alone and says where, what was found and what would do."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

# Looked at one by one; text is mostly letters of ASCII.
_SUSPECT = re.compile(r"[^ -~]")
_LONGEST = 80  # characters of what a message quotes
_SHOWN = 10  # problems of one reading


class UserError(Exception):
    """A failure that a person can mend; commands print its text without a traceback and leave with `exit_code`.

    Its text is `lines`. Whatever a file is called stays within a line: control characters are escaped here.
    """

    exit_code = 1

    def __init__(self, *lines: str):
        super().__init__("\n".join(map(escaped, lines)))


class CommandError(UserError):
    """A wrong command line."""

    exit_code = 2


class ConfigError(CommandError):
    """A wrong configuration: its problems, one a line, and the number of those that are left out."""

    def __init__(self, problems: Sequence[str], *, left_out: int = 0):
        super().__init__(*problems, *([f"... and {left_out:,} more problems"] if left_out else []))
        self.problems = tuple(problems)


class DataError(UserError):
    """Text, images or archives that cannot be used as they are."""


class RunError(UserError):
    """A run folder or checkpoint that cannot be used as it is."""


class TrainingError(UserError):
    """Training that cannot go on, such as a loss that is not a number."""


class Stopped(UserError):  # noqa: N818 - an end that was asked for, not an error
    """Training ended by a signal after saving; `exit_code` is 128 plus the signal's number."""

    def __init__(self, message: str, *, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


def escaped(text: str, *, keep: str = "") -> str:
    r"""Return `text` with what a terminal might obey written as escapes: `\x1b`, `\u202e`, `\udcff`.

    These are control and format characters (Unicode categories Cc and Cf: a right-to-left override can disguise a
    name), line separators, and the lone surrogates by which Python holds bytes that are not UTF-8; also U+FFFE and
    U+FFFF, which XML and so SVG must not hold. Characters in `keep` stay; so does the joiner within emoji and Indic
    words.
    """

    def shown(found: re.Match[str]) -> str:
        character = found[0]
        if character in keep or not _is_obeyed(character):
            return character
        return character.encode("unicode_escape", errors="surrogatepass").decode("ascii")

    return _SUSPECT.sub(shown, text)


def escaped_json(text: str) -> str:
    r"""Return JSON `text` with the characters of `escaped` as JSON's own escapes, so that it keeps its values.

    A path with bytes that are not UTF-8 is then read back as it was, from a file that is valid UTF-8.
    """

    # A line end stands between values: json.dumps has escaped those within them.
    def shown(found: re.Match[str]) -> str:
        character = found[0]
        return json.dumps(character)[1:-1] if character != "\n" and _is_obeyed(character) else character

    return _SUSPECT.sub(shown, text)


def _is_obeyed(character: str) -> bool:
    if character in "\u200c\u200d":
        return False
    return character in "\ufffe\uffff" or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def nearest(found: str, choices: Iterable[str]) -> str | None:
    """Return the one of `choices` that was most likely meant by `found`, or None where none is close."""
    matches = difflib.get_close_matches(found, list(choices), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown(what: str, found: str, choices: Iterable[str]) -> str:
    """Say that `found` is no known `what`: quoted, with the nearest name and the whole list."""
    names = list(choices)
    near = nearest(found, names)
    hint = f"; did you mean {near!r}?" if near else ";"
    return f"unknown {what} {shortened(found)!r}{hint} choose from {', '.join(names)}"


def shortened(text: str) -> str:
    """Return `text`, or where it is too long for a message its beginning and `...`."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def counted(number: int, noun: str) -> str:
    """Return `number` with `noun`, which takes an s in the plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class Problems:
    """Problems of one reading, raised together: the first ten in words and the rest as a number."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._count = 0

    def add(self, text: str) -> None:
        """Take note of one problem."""
        self._count += 1
        if len(self._first) < _SHOWN:
            self._first.append(text)

    def raise_if_any(self, advice: str = "") -> None:
        """Raise DataError with every problem, one a line, and `advice` at the end."""
        if not self._count:
            return
        more = [f"... and {self._count - _SHOWN} more"] if self._count > _SHOWN else []
        raise DataError(*self._first, *more, *([advice] if advice else []))
