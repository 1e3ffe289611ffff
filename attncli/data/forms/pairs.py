"""Sentence pairs from two parallel files, a TSV file or a JSON Lines file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from attncli.config.data import Corpus, PairFile, ParallelFiles
from attncli.data.cache import fingerprint
from attncli.data.forms.example import Example
from attncli.data.forms.text import problem_of
from attncli.errors import DataError, Problems, counted, unknown
from attncli.files.reading import count_lines, not_utf8, raw_lines
from attncli.files.untrusted import parse_json, shown_json


@dataclass(frozen=True)
class _Bad:
    """A side or a line that cannot be used, and why."""

    kind: str
    where: str
    text: str


class PairReader:
    """Reads the pairs of a corpus anew at each iteration.

    With `bad_lines` "error", pairs that cannot be used (an empty side, bytes that are not UTF-8) raise one DataError
    together, after the last pair; with "skip" they are left out and counted in `skipped`. Parallel files of different
    lengths and files that are not text always raise.
    """

    def __init__(
        self, corpus: Corpus, root: Path, *, bad_lines: Literal["error", "skip"] = "error", key: str = "train"
    ):
        self._corpus, self._key = corpus, key
        self._root = root
        self._bad_lines = bad_lines
        self.skipped: Counter[str] = Counter()  # pairs left out by the last iteration, by reason

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        if isinstance(self._corpus, PairFile):
            return (self._root / self._corpus.pairs,)
        return (self._root / self._corpus.source, self._root / self._corpus.target)

    @property
    def facts(self) -> dict[str, Any] | None:
        """What decides which pairs are read, the files by their content."""
        return {
            "files": [fingerprint(path) for path in self.paths],
            "formats": [path.suffixes[-2:] for path in self.paths],
            "fields": self._corpus.model_dump(include={"source_field", "target_field"}),
            "bad_lines": self._bad_lines,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What the last iteration left out."""
        return left_out(self._key, self.skipped)

    def place(self, side: str, number: int) -> str:
        """Return `file:line` of the `source` or `target` on line `number`."""
        return f"{self.paths[-1] if side == 'target' else self.paths[0]}:{number}"

    def __iter__(self) -> Iterator[Example]:
        self.skipped = Counter()
        problems = Problems()
        for number, (source, target) in enumerate(self._rows(problems), start=self._first_line):
            bad = [side for side in (source, target) if isinstance(side, _Bad)]
            if isinstance(source, str) and isinstance(target, str):
                yield Example(number, {"source": source}, (target,))
            elif self._bad_lines == "skip":
                self.skipped[bad[0].kind] += 1
            else:
                for side in bad:
                    problems.add(f"{side.where}: {side.text}")
        problems.raise_if_any("mend these lines, or leave them out with data.bad_lines: skip (training pairs only)")

    @property
    def _first_line(self) -> int:
        return 2 if isinstance(self._corpus, PairFile) and _has_header(self._corpus, self.paths[0]) else 1

    def _rows(self, problems: Problems) -> Iterator[tuple[str | _Bad, str | _Bad]]:
        if isinstance(self._corpus, ParallelFiles):
            return _parallel(self.paths[0], self.paths[1], problems)
        name = self.paths[0].name.removesuffix(".gz")
        if name.endswith(".tsv"):
            return _tsv(self._corpus, self.paths[0])
        if name.endswith(".jsonl"):
            return _jsonl(self._corpus, self.paths[0])
        raise DataError(f"{self.paths[0]}: unknown format; a file of pairs ends with .tsv or .jsonl, or these with .gz")


def left_out(key: str, skipped: Mapping[str, int], *, noun: str = "bad pair") -> tuple[str, ...]:
    """Return a note that counts, by reason, what of the split `key` was left out, called `noun`; empty if none was."""
    if not skipped:
        return ()
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(skipped.items()))
    return (f"{key}: left out {counted(sum(skipped.values()), noun)} ({reasons})",)


def _parallel(source: Path, target: Path, problems: Problems) -> Iterator[tuple[str | _Bad, str | _Bad]]:
    for number, (one, other) in enumerate(zip_longest(raw_lines(source), raw_lines(target)), start=1):
        if one is None or other is None:
            misaligned = (
                f"{source} has {counted(count_lines(source), 'line')}, but {target} has {count_lines(target)}; "
                "line n of one must be the translation of line n of the other"
            )
            # Bad lines first: one of them is often why the counts differ.
            problems.raise_if_any(misaligned)
            raise DataError(misaligned)
        yield _decoded(one, f"{source}:{number}", "source"), _decoded(other, f"{target}:{number}", "target")


def _decoded(raw: bytes, where: str, side: str) -> str | _Bad:
    try:
        return _sentence(raw.decode(), where, side)
    except UnicodeDecodeError as error:
        return _Bad("not UTF-8", where, not_utf8(error))


def _sentence(text: str, where: str, side: str) -> str | _Bad:
    if problem := problem_of(text):
        return _Bad("not text", where, f"the {side} {problem}")
    if not text.strip():
        what = "nothing but white space" if text else "empty line"
        return _Bad("empty", where, f"{what}; the {side} of a pair must have at least one token")
    return text


def _has_header(corpus: PairFile, path: Path) -> bool:
    fields = (corpus.source_field, corpus.target_field)
    return ".tsv" in path.suffixes and any(isinstance(field, str) for field in fields)


def _tsv(corpus: PairFile, path: Path) -> Iterator[tuple[str | _Bad, str | _Bad]]:
    lines = enumerate(raw_lines(path), start=1)
    header: list[str] | None = None
    if _has_header(corpus, path):
        _, first = next(lines, (1, b""))
        header = first.decode(errors="replace").split("\t")
    columns = (_column(corpus.source_field, 1, header, path), _column(corpus.target_field, 2, header, path))
    for number, raw in lines:
        where = f"{path}:{number}"
        cells = raw.split(b"\t")
        if len(cells) <= max(columns):
            bad = _Bad(
                "too few columns", where, f"{counted(len(cells), 'column')}, but column {max(columns) + 1} is needed"
            )
            yield bad, bad.text
        else:
            yield _decoded(cells[columns[0]], where, "source"), _decoded(cells[columns[1]], where, "target")


def _column(field: str | int | None, default: int, header: list[str] | None, path: Path) -> int:
    """Return the index, from 0, of a column that is given by its number, from 1, or its name."""
    if not isinstance(field, str):
        number = default if field is None else field
        if number < 1:
            raise DataError(f"{path}: there is no column {number}; the first is 1")
        return number - 1
    if header is None or field not in header:
        raise DataError(f"{path}:1: {unknown('column', field, header or [])}")
    return header.index(field)


def _jsonl(corpus: PairFile, path: Path) -> Iterator[tuple[str | _Bad, str | _Bad]]:
    keys = (str(corpus.source_field or "source"), str(corpus.target_field or "target"))
    for number, raw in enumerate(raw_lines(path), start=1):
        where = f"{path}:{number}"
        record = _record(raw, where)
        if isinstance(record, _Bad):
            yield record, record.text
        else:
            yield _value(record, keys[0], where, "source"), _value(record, keys[1], where, "target")


def _record(raw: bytes, where: str) -> dict[str, object] | _Bad:
    try:
        record = parse_json(raw.decode())
    except UnicodeDecodeError as error:
        return _Bad("not UTF-8", where, not_utf8(error))
    except ValueError as error:
        return _Bad("not JSON", where, f"not JSON: {error}" if raw.strip() else "empty line; expected a JSON object")
    if not isinstance(record, dict):
        return _Bad("not an object", where, 'not a JSON object such as {"source": "...", "target": "..."}')
    return record


def _value(record: dict[str, object], key: str, where: str, side: str) -> str | _Bad:
    if key not in record:
        return _Bad("missing key", where, f"the {side} is missing: {unknown('key', key, record)}")
    text = record[key]
    if not isinstance(text, str):
        return _Bad("not text", where, f"{key!r} must be text, but is {shown_json(text)}")
    if "\n" in text or "\r" in text:
        return _Bad("line break", where, f"{key!r} holds a line break; a sentence is one line")
    return _sentence(text, where, side)
