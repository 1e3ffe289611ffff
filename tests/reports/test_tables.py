"""Tables line up in every script, and say the same in Markdown and LaTeX."""

from __future__ import annotations

import re

import pytest

from attncli.reports.tables import latex_page, markdown_table, terminal_table

# The columns that each takes on a terminal: two for a wide character, none for a mark.
NAMES = {"软注意力": 8, "اِنتِباه": 6, "e\u0301te\u0301": 3, "👩\u200d🚀❤️": 4, "plain": 5, "한국어": 6}


def test_numbers_stand_below_each_other_beside_names_of_every_script() -> None:
    lines = terminal_table(["run", "分数"], [[name, "12.3"] for name in NAMES]).splitlines()
    assert lines[:2] == ["run       分数", "────────  ────"]
    assert lines[2:] == [name + " " * (8 - columns) + "  12.3" for name, columns in NAMES.items()]


def test_no_cell_is_read_as_a_number_and_rewritten() -> None:
    table = terminal_table(["run", "x"], [["007", "1e3"], ["1_0", "+0.50"]])
    assert table == "run      x\n───  ─────\n007    1e3\n1_0  +0.50"


def test_an_empty_last_cell_leaves_no_blanks() -> None:
    assert terminal_table(["run", "x"], [["a", ""]]) == "run  x\n───  ─\na"


def test_markdown_is_a_table_whatever_the_names_are() -> None:
    lines = markdown_table(["run", "BLEU"], [["a|b", "1.50"], ["软注意力", "2"]]).splitlines()
    cells = [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")] for line in lines]
    assert cells[0] == ["run", "BLEU"]
    assert (cells[1][0].strip("-"), cells[1][1].strip("-")) == (":", ":")
    assert (cells[1][0][0], cells[1][1][-1]) == (":", ":")
    assert cells[2:] == [["a¦b", "1.50"], ["软注意力", "2"]]


def test_latex_is_escaped_and_has_the_rules_of_booktabs() -> None:
    table = ["run", "TER ↓"], [[r"a_b & 50 % #1 $x$ {y}~^\z", "-1.0 [-2, +3] ± 0.5"]]
    page = latex_page("news,\n 2 sentences", [("By length", table), ("", table)], ["BLEU nrefs:1"])
    assert re.sub(" +", " ", page).split("\n\n") == [
        "% needs \\usepackage{booktabs}",
        "% news, 2 sentences",
        "% By length\n" + LATEX,
        LATEX,
        "% BLEU nrefs:1\n",
    ]


LATEX = r"""\begin{tabular}{lr}
\toprule
 run & TER $\downarrow$ \\
\midrule
 a\_b \& 50 \% \#1 \$x\$ \{y\}\textasciitilde{}\^{}\textbackslash{}z & $-$1.0 [$-$2, +3] $\pm$ 0.5 \\
\bottomrule
\end{tabular}"""


@pytest.mark.parametrize("write", [terminal_table, markdown_table])
def test_a_table_may_be_a_header_alone(write: object) -> None:
    assert "run" in write(["run", "x"], [])  # type: ignore[operator]
