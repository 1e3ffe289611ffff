"""The pages of the commands, held against what the commands say of themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from command_line import Command

from attncli.cli.parameters import parameters
from attncli.cli.reference import command_pages

PAGES = command_pages()
FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "commands"
HEADINGS = re.findall(r"^#+ (attncli .*)$", "\n".join(PAGES.values()), re.MULTILINE)
COMMANDS = [each for each in HEADINGS if not any(other.startswith(f"{each} ") for other in HEADINGS)]


def _part(command: str) -> str:
    """Return what the pages say of `command`."""
    page = PAGES[f"{command.split()[1]}.md"]
    below = page.split(f"# {command}\n", 1)[1]
    return re.split(r"^#+ attncli", below, maxsplit=1, flags=re.MULTILINE)[0]


def _row(command: str, start: str) -> list[str]:
    """Return the cells of the row of a table that begins with `start`."""
    [row] = [line for line in _part(command).splitlines() if line.startswith((f"| `{start}", f"| <code>{start}"))]
    return [cell.strip() for cell in re.split(r" (?<!\\)\| ", f"{row} ".removeprefix("| "))][:3]


def test_the_committed_pages_are_current() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == PAGES, "run make docs"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_the_help_is_on_the_page(attncli: Command, command: str) -> None:
    said = attncli(*command.split()[1:], "--help").out
    options = set(re.findall(r"^ +(?:-\w, )?(--[a-z][a-z-]*)", said, re.MULTILINE)) - {"--help"}
    assert set(re.findall(r"^\| (?:`|<code>)(?:-\w, )?(--[a-z-]+)", _part(command), re.MULTILINE)) == options


def test_an_option_tells_how_it_is_written_what_it_does_its_range_and_its_default() -> None:
    assert _row("attncli translate", "--n-best") == [
        "`--n-best N`",
        "Hypotheses to write for each source, best first. At least 1.",
        "`1`",
    ]
    assert _row("attncli translate", "--precision")[0] == "<code>--precision fp32&#124;bf16</code>"
    assert _row("attncli data make", "--to")[2] == "`data/NAME`"
    assert _row("attncli train", "CONFIG")[2] == "required"


def test_options_are_grouped_as_in_the_help(attncli: Command) -> None:
    said = re.findall(r"^([A-Z][a-z ]+):$", attncli("translate", "--help").out, re.MULTILINE)
    assert re.findall(r"^## (.*)", _part("attncli translate"), re.MULTILINE) == ["Examples", *said[:-1]]


def test_examples_stand_as_they_are_typed() -> None:
    assert '$ echo "Ein Hund rennt." | attncli translate runs/multi30k-de-en\n' in _part("attncli translate")


def test_the_first_page_lists_every_command(attncli: Command) -> None:
    said = attncli("--help").out.split("Commands:", 1)[1].split("Options:")[0]
    assert re.findall(r"^\| \[`attncli (\w+)`\]", PAGES["index.md"], re.MULTILINE) == re.findall(
        r"^ {2}(\w+) ", said, re.MULTILINE
    )


def test_parameters_are_written_as_on_the_command_line() -> None:
    def command(
        path: Annotated[list[Path], typer.Argument(metavar="PATH...")],
        shape: Annotated[Literal["a", "b"], typer.Option("--shape", "-s", help="A shape; default: round.")] = "a",
        rate: Annotated[float | None, typer.Option(min=0.5, max=2, help="A rate.")] = None,
        wild: Annotated[bool, typer.Option("--wild/--tame", help="All of *.")] = False,
        secret: Annotated[int, typer.Option(hidden=True)] = 3,
    ) -> None:
        pass

    # What typer reads of a signature stands in this function alone.
    names = {"Annotated": Annotated, "Literal": Literal, "Path": Path, "typer": typer}
    command.__globals__.update(names)
    found = {each.name: each for each in parameters(command)}
    assert [each.written for each in found.values()] == ["PATH...", "-s, --shape a|b", "--rate NUMBER", "--wild"]
    assert found["shape"].explanation == "A shape."
    assert found["shape"].shown_default == "round"
    assert found["rate"].explanation == "A rate. At least 0.5, at most 2."
    assert (found["path"].shown_default, found["rate"].shown_default) == ("required", "")
