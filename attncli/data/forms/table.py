"""Examples from a table: TSV, CSV or JSON Lines, whose columns are sources, targets, and the name of the split."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from attncli.config.tables import TableData, TableSplit
from attncli.data.cache import fingerprint
from attncli.data.forms.arrow_of_time import both_ways
from attncli.data.forms.example import Example
from attncli.data.forms.pairs import left_out
from attncli.data.forms.text import problem_of
from attncli.errors import DataError, Problems, counted, shortened, unknown
from attncli.files.reading import is_file, is_folder, not_utf8, raw_lines
from attncli.files.untrusted import is_inside, parse_json, shown_json

_LONGEST_CELL = 1 << 26  # characters


class Bad(NamedTuple):
    """Why a row or a cell cannot be used."""

    kind: str
    what: str


Row = dict[str, Any]
"""Cells by column; one of JSON may be any value."""
Lines = Iterator[tuple[int, str | Bad]]
"""Lines with their numbers, from 1."""


class TableForm:
    """Reads the rows of the split at `data.<key>` anew at each iteration.

    With `bad_lines` "error", rows that cannot be used raise one DataError together, after the last row; with "skip"
    they are left out and counted. A table without a column that is asked for always raises, and so does a split
    without rows.
    """

    def __init__(self, data: TableData, split: TableSplit, *, key: str, bad_lines: Literal["error", "skip"] = "error"):
        self._data, self._split, self._key, self._bad_lines = data, split, key, bad_lines
        self.path = Path(data.root) / str(split.table or data.table)
        self.paths = (self.path,)
        self._folders = {name: Path(data.root) / folder for name, folder in data.folders.items()}
        self.skipped: Counter[str] = Counter()  # rows left out by the last iteration, by reason

    @property
    def facts(self) -> dict[str, Any] | None:
        """What decides which rows are read; None where sources are files, which may be missing."""
        if self._folders:
            return None
        return {
            "files": [fingerprint(self.path)],
            "formats": [self.path.suffixes[-2:]],
            "columns": self._data.columns,
            "split": self._split.split,
            "bad_lines": self._bad_lines,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What the last iteration left out."""
        return left_out(self._key, self.skipped, noun="bad row")

    def place(self, side: str, number: int) -> str:
        """Return `file:line` of the row on line `number`."""
        return f"{self.path}:{number}"

    def __iter__(self) -> Iterator[Example]:
        self.skipped = Counter()
        problems, others, is_empty = Problems(), Counter[str](), True
        for number, row in rows_of(raw_lines(self.path), self._data.columns, where=self.path):
            found = self._of_split(row, others)
            if found is None:
                continue
            is_empty = False
            example = found if isinstance(found, Bad) else self._example(number, found)
            if isinstance(example, Example):
                yield from both_ways(example) if self._data.labels == "arrow_of_time" else (example,)
            elif self._bad_lines == "skip":
                self.skipped[example.kind] += 1
            else:
                problems.add(f"{self.path}:{number}: {example.what}")
        problems.raise_if_any("mend these rows, or leave them out with data.bad_lines: skip (training rows only)")
        if is_empty:
            raise DataError(f"{self.path}: {self._why_empty(others)}")

    def _of_split(self, row: Row | Bad, others: Counter[str]) -> Row | Bad | None:
        """Return `row` if it is of the split, or None; count the splits of `others`.

        What cannot be read may be of any split. Where such rows are skipped, it is counted once, among those of
        training.
        """
        wanted = self._split.split
        if isinstance(row, Bad):
            is_counted = wanted is None or self._key == "train" or self._data.bad_lines == "error"
            return row if is_counted else None
        if wanted is None:
            return row
        name = row.get(self._data.columns["split"])
        if not isinstance(name, str) or not name.strip():
            return self._of_split(Bad("no split", f"{_named(self._data.columns['split'])} is empty"), others)
        if name.strip() != wanted:
            others[shortened(name.strip())] += 1
            return None
        return row

    def _why_empty(self, others: Counter[str]) -> str:
        if self._split.split is None:
            return "holds no rows"
        if not others:
            return f"no row is of the split {self._split.split!r}; the table is empty"
        return f"no row is of it: {unknown('split', self._split.split, sorted(others)[:10])}"

    def _example(self, number: int, row: Row) -> Example | Bad:
        cells: dict[str, str] = {}
        for name in self._data.sources:
            cell = text_of(row, self._data.columns[name])
            if isinstance(cell, str) and name in self._folders:
                cell = _file(cell.strip(), self._folders[name])
            if isinstance(cell, Bad):
                return cell
            cells[name] = cell
        targets: tuple[str, ...] | Bad = ()
        if "target" in self._data.columns:
            targets = _texts(row, self._data.columns["target"])
        if isinstance(targets, Bad):
            return targets
        if "group" not in self._data.columns:
            return Example(number, cells, targets)
        group = text_of(row, self._data.columns["group"])
        return group if isinstance(group, Bad) else Example(number, cells, targets, group.strip())


def rows_of(
    raw: Iterable[bytes], columns: Mapping[str, str], *, where: Path, format: str | None = None
) -> Iterator[tuple[int, Row | Bad]]:
    """Yield the rows of a table with the numbers of their lines; raises DataError if it lacks one of `columns`.

    `raw` are its lines, and messages begin with `where`, which ends with the `format` unless that is given.
    """
    suffix = format or suffix_of(where)
    if suffix not in FORMATS:
        raise DataError(f"{where}: unknown format; a table ends with {', '.join(FORMATS)}, or one of these with .gz")
    yield from FORMATS[suffix](_decoded(raw), columns, where)


def suffix_of(path: Path) -> str:
    """Return what the name of a table ends with, without `.gz`."""
    return Path(path.name.removesuffix(".gz")).suffix


def _with_header(
    lines: Lines, columns: Mapping[str, str], where: Path, split: Callable[[str], list[str] | Bad]
) -> Iterator[tuple[int, Row | Bad]]:
    """Yield rows whose columns the first line names; `split` cuts a line into cells."""
    _, first = next(lines, (1, ""))
    header = first if isinstance(first, Bad) else split(first)
    if isinstance(header, Bad):
        raise DataError(f"{where}:1: {header.what}")
    header = [name.strip() for name in header]
    for column in columns.values():
        if column not in header:
            raise DataError(f"{where}:1: {unknown('column', column, header)}")
        if header.count(column) > 1:
            raise DataError(f"{where}:1: there are {header.count(column)} columns {column!r}; rename all but one")
    for number, line in lines:
        cells = line if isinstance(line, Bad) else split(line)
        if isinstance(cells, Bad):
            yield number, cells
        elif len(cells) != len(header):
            what = f"{counted(len(cells), 'column')}, but line 1 names {len(header)}" if line else "empty line"
            yield number, Bad("wrong number of columns", what)
        else:
            yield number, dict(zip(header, cells, strict=True))


def _decoded(raw: Iterable[bytes]) -> Lines:
    for number, line in enumerate(raw, start=1):
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            yield number, Bad("not UTF-8", not_utf8(error))


def _tsv(lines: Lines, columns: Mapping[str, str], where: Path) -> Iterator[tuple[int, Row | Bad]]:
    return _with_header(lines, columns, where, lambda line: line.split("\t"))


def _csv(lines: Lines, columns: Mapping[str, str], where: Path) -> Iterator[tuple[int, Row | Bad]]:
    return _with_header(lines, columns, where, _csv_cells)


def _csv_cells(line: str) -> list[str] | Bad:
    """Return the cells of a line; one that goes on in the next line is a problem, and so costs no other row."""
    before = csv.field_size_limit(_LONGEST_CELL)  # of the whole process
    try:
        return next(csv.reader([line], strict=True), [""])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return Bad("broken quotes", "a quote is not closed on its line; cells hold no line breaks")
        return Bad("broken quotes", f"not CSV: {error}")
    finally:
        csv.field_size_limit(before)


def _jsonl(
    lines: Lines,
    columns: Mapping[str, str],
    where: Path,  # noqa: ARG001 - every line names its keys
) -> Iterator[tuple[int, Row | Bad]]:
    for number, line in lines:
        yield number, line if isinstance(line, Bad) else _record(line, columns)


def _record(line: str, columns: Mapping[str, str]) -> Row | Bad:
    try:
        record = parse_json(line)
    except ValueError as error:
        return Bad("not JSON", f"not JSON: {error}" if line.strip() else "empty line; expected a JSON object")
    if not isinstance(record, dict):
        return Bad("not an object", f"not a JSON object, but {shown_json(record)}")
    for column in columns.values():
        if column not in record:
            return Bad("missing key", unknown("key", column, record))
    return record


FORMATS: dict[str, Callable[[Lines, Mapping[str, str], Path], Iterator[tuple[int, Row | Bad]]]] = {
    ".tsv": _tsv,
    ".csv": _csv,
    ".jsonl": _jsonl,
}


def _texts(row: Row, column: str) -> tuple[str, ...] | Bad:
    """Return the target, or the targets where JSON has a list of them."""
    values = row[column] if isinstance(row[column], list) else [row[column]]
    texts = [text_of({column: value}, column) for value in values]
    bad = next((text for text in texts if isinstance(text, Bad)), None)
    if bad is not None or not texts:
        return bad or Bad("empty", f"{_named(column)} is empty")
    return tuple(text for text in texts if isinstance(text, str))


def text_of(row: Row, column: str) -> str | Bad:
    """Return the text in a cell, or why it is none."""
    value = row[column]
    if not isinstance(value, str):
        return Bad("not text", f"{_named(column)} must be text, but is {shown_json(value)}")
    if problem := problem_of(value):
        return Bad("not text", f"{_named(column)} {problem}")
    if "\n" in value or "\r" in value:
        return Bad("line break", f"{_named(column)} holds a line break; a cell is one line")
    if not value.strip():
        return Bad("empty", f"{_named(column)} is empty")
    return value


def _file(name: str, folder: Path) -> str | Bad:
    """Return the path of the file `name` in `folder`, or of the folder of a film's frames.

    The table may come from a stranger, so it must be inside.
    """
    path = folder / name
    if not is_inside(path, folder):
        return Bad("outside", f"{shortened(name)!r} leads out of {folder}; only files inside it are read")
    if not (is_file(path) or is_folder(path)):
        return Bad("missing file", f"there is no file {shortened(name)!r} in {folder}")
    return str(path)


def _named(column: str) -> str:
    return f"the column {column!r}"
