"""Examples from a table: TSV, CSV or JSON Lines, whose columns are sources, targets, and the name of the split."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from attncli.config.tables import TableData, TableSplit
from attncli.data.cache import fingerprint
from attncli.data.forms.example import Example
from attncli.data.forms.pairs import left_out
from attncli.data.forms.text import problem_of
from attncli.errors import DataError, Problems, counted, shortened, unknown
from attncli.files.reading import is_file, not_utf8, raw_lines
from attncli.files.untrusted import is_inside, parse_json, shown_json

_LONGEST_CELL = 1 << 26  # characters


class _Bad(NamedTuple):
    """Why a row or a cell cannot be used."""

    kind: str
    what: str


# By column; a cell of JSON may be any value.
_Row = dict[str, Any]


class TableForm:
    """Reads the rows of the split at `data.<key>` anew at each iteration.

    With `bad_lines` "error", rows that cannot be used raise one DataError together, after the last row; with "skip"
    they are left out and counted. A table without a column that is asked for always raises, and so does a split
    without rows.
    """

    def __init__(self, data: TableData, split: TableSplit, *, key: str, bad_lines: Literal["error", "skip"] = "error"):
        self._data, self._split, self._key, self._bad_lines = data, split, key, bad_lines
        self.path = Path(data.root) / str(split.table or data.table)
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
        for number, row in _rows(self.path, self._data.columns):
            found = self._of_split(row, others)
            if found is None:
                continue
            is_empty = False
            example = found if isinstance(found, _Bad) else self._example(number, found)
            if isinstance(example, Example):
                yield example
            elif self._bad_lines == "skip":
                self.skipped[example.kind] += 1
            else:
                problems.add(f"{self.path}:{number}: {example.what}")
        problems.raise_if_any("mend these rows, or leave them out with data.bad_lines: skip (training rows only)")
        if is_empty:
            raise DataError(f"{self.path}: {self._why_empty(others)}")

    def _of_split(self, row: _Row | _Bad, others: Counter[str]) -> _Row | _Bad | None:
        """Return `row` if it is of the split, or None; count the splits of `others`.

        What cannot be read may be of any split. Where such rows are skipped, it is counted once, among those of
        training.
        """
        wanted = self._split.split
        if isinstance(row, _Bad):
            is_counted = wanted is None or self._key == "train" or self._data.bad_lines == "error"
            return row if is_counted else None
        if wanted is None:
            return row
        name = row.get(self._data.columns["split"])
        if not isinstance(name, str) or not name.strip():
            return self._of_split(_Bad("no split", f"{_named(self._data.columns['split'])} is empty"), others)
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

    def _example(self, number: int, row: _Row) -> Example | _Bad:
        cells: dict[str, str] = {}
        for name in self._data.sources:
            cell = _text(row, self._data.columns[name])
            if isinstance(cell, str) and name in self._folders:
                cell = _file(cell.strip(), self._folders[name])
            if isinstance(cell, _Bad):
                return cell
            cells[name] = cell
        targets = _texts(row, self._data.columns["target"])
        if isinstance(targets, _Bad):
            return targets
        if "group" not in self._data.columns:
            return Example(number, cells, targets)
        group = _text(row, self._data.columns["group"])
        return group if isinstance(group, _Bad) else Example(number, cells, targets, group.strip())


def _rows(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, _Row | _Bad]]:
    """Yield the rows of a table with the numbers of their lines; raises DataError if it lacks one of `columns`."""
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in FORMATS:
        raise DataError(f"{path}: unknown format; a table ends with {', '.join(FORMATS)}, or one of these with .gz")
    yield from FORMATS[suffix](path, columns)


def _with_header(
    path: Path, columns: Mapping[str, str], split: Callable[[str], list[str] | _Bad]
) -> Iterator[tuple[int, _Row | _Bad]]:
    """Yield rows whose columns the first line names; `split` cuts a line into cells."""
    lines = _lines(path)
    _, first = next(lines, (1, ""))
    header = first if isinstance(first, _Bad) else split(first)
    if isinstance(header, _Bad):
        raise DataError(f"{path}:1: {header.what}")
    header = [name.strip() for name in header]
    for column in columns.values():
        if column not in header:
            raise DataError(f"{path}:1: {unknown('column', column, header)}")
        if header.count(column) > 1:
            raise DataError(f"{path}:1: there are {header.count(column)} columns {column!r}; rename all but one")
    for number, line in lines:
        cells = line if isinstance(line, _Bad) else split(line)
        if isinstance(cells, _Bad):
            yield number, cells
        elif len(cells) != len(header):
            what = f"{counted(len(cells), 'column')}, but line 1 names {len(header)}" if line else "empty line"
            yield number, _Bad("wrong number of columns", what)
        else:
            yield number, dict(zip(header, cells, strict=True))


def _lines(path: Path) -> Iterator[tuple[int, str | _Bad]]:
    for number, raw in enumerate(raw_lines(path), start=1):
        try:
            yield number, raw.decode()
        except UnicodeDecodeError as error:
            yield number, _Bad("not UTF-8", not_utf8(error))


def _tsv(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, _Row | _Bad]]:
    return _with_header(path, columns, lambda line: line.split("\t"))


def _csv(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, _Row | _Bad]]:
    return _with_header(path, columns, _csv_cells)


def _csv_cells(line: str) -> list[str] | _Bad:
    """Return the cells of a line; one that goes on in the next line is a problem, and so costs no other row."""
    before = csv.field_size_limit(_LONGEST_CELL)  # of the whole process
    try:
        return next(csv.reader([line], strict=True), [""])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return _Bad("broken quotes", "a quote is not closed on its line; cells hold no line breaks")
        return _Bad("broken quotes", f"not CSV: {error}")
    finally:
        csv.field_size_limit(before)


def _jsonl(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, _Row | _Bad]]:
    for number, line in _lines(path):
        yield number, line if isinstance(line, _Bad) else _record(line, columns)


def _record(line: str, columns: Mapping[str, str]) -> _Row | _Bad:
    try:
        record = parse_json(line)
    except ValueError as error:
        return _Bad("not JSON", f"not JSON: {error}" if line.strip() else "empty line; expected a JSON object")
    if not isinstance(record, dict):
        return _Bad("not an object", f"not a JSON object, but {shown_json(record)}")
    for column in columns.values():
        if column not in record:
            return _Bad("missing key", unknown("key", column, record))
    return record


FORMATS: dict[str, Callable[[Path, Mapping[str, str]], Iterator[tuple[int, _Row | _Bad]]]] = {
    ".tsv": _tsv,
    ".csv": _csv,
    ".jsonl": _jsonl,
}


def _texts(row: _Row, column: str) -> tuple[str, ...] | _Bad:
    """Return the target, or the targets where JSON has a list of them."""
    values = row[column] if isinstance(row[column], list) else [row[column]]
    texts = [_text({column: value}, column) for value in values]
    bad = next((text for text in texts if isinstance(text, _Bad)), None)
    if bad is not None or not texts:
        return bad or _Bad("empty", f"{_named(column)} is empty")
    return tuple(text for text in texts if isinstance(text, str))


def _text(row: _Row, column: str) -> str | _Bad:
    value = row[column]
    if not isinstance(value, str):
        return _Bad("not text", f"{_named(column)} must be text, but is {shown_json(value)}")
    if problem := problem_of(value):
        return _Bad("not text", f"{_named(column)} {problem}")
    if "\n" in value or "\r" in value:
        return _Bad("line break", f"{_named(column)} holds a line break; a cell is one line")
    if not value.strip():
        return _Bad("empty", f"{_named(column)} is empty")
    return value


def _file(name: str, folder: Path) -> str | _Bad:
    """Return the path of the file `name` in `folder`; the table may come from a stranger, so it must be inside."""
    path = folder / name
    if not is_inside(path, folder):
        return _Bad("outside", f"{shortened(name)!r} leads out of {folder}; only files inside it are read")
    if not is_file(path):
        return _Bad("missing file", f"there is no file {shortened(name)!r} in {folder}")
    return str(path)


def _named(column: str) -> str:
    return f"the column {column!r}"
