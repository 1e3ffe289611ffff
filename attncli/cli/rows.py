"""Rows of named sources, from the command line or a table of them, for a run that reads several sources."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from attncli.cli.options import as_text
from attncli.errors import CommandError, counted

if TYPE_CHECKING:
    from attncli.config.writing import WritingConfig

STANDARD_INPUT = "-"


class Row(NamedTuple):
    """A row with its place, for messages: its sources by their names, or what is wrong with it."""

    place: str
    cells: dict[str, str]
    problem: str = ""


def columns_of(config: WritingConfig) -> dict[str, str]:
    """Return the column of each source that a run reads, by its name, in the order of the encoders."""
    names = [name for name in config.model.source.parts if name] or config.data.sources
    return {name: config.data.columns[name] for name in names}


def table_of(sources: Sequence[str]) -> Path | None:
    """Return the table that `sources` name, if they do."""
    from attncli.data.forms.table import FORMATS, suffix_of

    [first, *others] = sources
    is_table = first == STANDARD_INPUT or suffix_of(Path(first)) in FORMATS
    return Path(first) if is_table and not others else None


def given_row(sources: Sequence[str], columns: Mapping[str, str]) -> Row:
    """Return the row of the command line; a CommandError says what of it is missing or empty."""
    if len(sources) != len(columns):
        raise CommandError(
            f"{counted(len(sources), 'source')} given, but RUN reads {', '.join(columns)}: give one of each, in this "
            "order, or a table (.tsv, .csv, .jsonl, or - for standard input)"
        )
    texts = [as_text("source", source) for source in sources]
    empty = next((name for name, text in zip(columns, texts, strict=True) if not text.strip()), None)
    if empty is not None:
        raise CommandError(f"{empty}: is empty; give one")
    return Row("", dict(zip(columns, texts, strict=True)))


def rows_of_table(table: Path, config: WritingConfig, root: Path) -> Iterator[Row]:
    """Yield the rows of the file `table`, or of standard input."""
    from attncli.data.forms.table import Bad, rows_of, text_of
    from attncli.files.reading import raw_lines

    columns = columns_of(config)
    lines, where, format = raw_lines(table), table, None
    if str(table) == STANDARD_INPUT:
        lines, where, format = _standard_input()
    is_text = {name: each.is_text for name, each in config.model.source.parts.items()}
    for number, row in rows_of(lines, columns, where=where, format=format):
        found = {name: row if isinstance(row, Bad) else text_of(row, column) for name, column in columns.items()}
        cells = {
            name: cell if is_text.get(name, is_text.get("")) else str(root / cell.strip())
            for name, cell in found.items()
            if not isinstance(cell, Bad)
        }
        problem = next((cell.what for cell in found.values() if isinstance(cell, Bad)), "")
        yield Row(f"{where}:{number}", cells, problem)


def _standard_input() -> tuple[Iterator[bytes], Path, str]:
    """Return the lines of standard input, its name, and the format that its first line shows."""
    from attncli.files.reading import lines_of

    if sys.stdin is None:
        raise CommandError("standard input is closed; name a table")
    name = Path("standard input")
    lines = lines_of(sys.stdin.buffer, name)
    first = next(lines, b"")
    return chain([first] if first else [], lines), name, ".jsonl" if first.lstrip().startswith(b"{") else ".tsv"


def begun(rows: Iterator[Row]) -> Iterator[Row]:
    """Return `rows`, of which the first has been read."""
    return chain(list(islice(rows, 1)), rows)
