"""Tables of text, for a terminal, in Markdown and in LaTeX, by `tabulate`.

With `wcwidth`, which it uses, columns line up in every script: wide characters, combining marks and emoji.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabulate import SEPARATING_LINE, DataRow, Line, TableFormat, tabulate

Row = Sequence[str]
Table = tuple[Row, Sequence[Row]]  # the header and what is below it

_COLUMNS = DataRow("", "  ", "")
_TERMINAL = TableFormat(
    lineabove=None,
    linebelowheader=Line("", "─", "  ", ""),
    linebetweenrows=None,
    linebelow=None,
    headerrow=_COLUMNS,
    datarow=_COLUMNS,
    padding=0,
    with_header_hide=None,
)
_MINUS = re.compile(r"(?<=[ \[])-(?=\d)")
# Signs that pdfLaTeX's fonts lack or set badly.
_SIGNS = str.maketrans({"−": "$-$", "↓": r"$\downarrow$", "±": r"$\pm$", "–": "--", "°": r"$^\circ$"})


def terminal_table(header: Row, rows: Sequence[Row]) -> str:
    """Return columns two spaces apart, the first flush left and the others right."""
    # As a header it would be set two characters wider.
    lines = _tabulated((), [header, SEPARATING_LINE, *rows], _TERMINAL).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(header: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table, the first column flush left and the others right."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    return _tabulated(escaped[0], escaped[1:], "pipe")


def latex_page(headline: str, tables: Iterable[tuple[str, Table]], notes: Sequence[str]) -> str:
    """Return each of `tables` as a tabular with the rules of booktabs, its title and all else as comments."""
    parts = ["% needs \\usepackage{booktabs}", _comment(headline)]
    for title, table in tables:
        body = _MINUS.sub("$-$", _tabulated(*table, "latex_booktabs")).translate(_SIGNS)
        parts.append("\n".join([*[_comment(title)] * bool(title), body]))
    return "\n\n".join([*parts, *["\n".join(map(_comment, notes))] * bool(notes)]) + "\n"


def _comment(text: str) -> str:
    return f"% {' '.join(text.split())}"


def _tabulated(header: Row, rows: Sequence[Row], form: str | TableFormat) -> str:
    alignment = ["left", *["right"] * (len(header or rows[0]) - 1)]
    # Otherwise tabulate reads numbers out of cells and writes them in its own way.
    return tabulate(rows, headers=header, tablefmt=form, colalign=alignment, disable_numparse=True)
