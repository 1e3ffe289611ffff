"""How the help of a command looks: nothing cut, options in groups with their defaults, examples last."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

from attncli.cli.parameters import OPTIONS, Parameter, by_heading, parameters, prose_and_examples, usage

_WIDEST = 100  # longer lines are hard to read
_NARROW = 60  # where explanations stand below what they explain
_TERM = 27  # columns of the longest term that has its explanation beside it

Row = tuple[str, str]


class Command(TyperCommand):
    """A command with help as in this module."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(_help(self, ctx, groups=_groups(self, ctx)))

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how it is called, with an error too."""
        formatter.write(f"Usage: {_usage(self, ctx)}\n")


class Group(TyperGroup):
    """A command of commands with help as in this module."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        below = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [(name, _in_short(command.help or "")) for name, command in below if command]
        formatter.write(_help(self, ctx, groups={"Commands": shown, **_groups(self, ctx)}))

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write how it is called, with an error too."""
        formatter.write(f"Usage: {ctx.command_path} COMMAND [OPTIONS]\n")


def _help(command: Any, ctx: Any, *, groups: dict[str, list[Row]]) -> str:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    prose, examples = prose_and_examples(command.help or "")
    usage_line = f"{ctx.command_path} COMMAND [OPTIONS]" if "Commands" in groups else _usage(command, ctx)
    parts = [
        _wrapped(f"Usage: {usage_line}", width, later="       "),
        *(_wrapped(paragraph, width) for paragraph in prose),
        *(f"{name}:\n{_list(rows, width)}" for name, rows in groups.items()),
    ]
    if examples:
        parts.append("\n".join([f"{'Example' if len(examples) == 1 else 'Examples'}:", *_shown(examples, width)]))
    return "\n\n".join(parts) + "\n"


def _usage(command: Any, ctx: Any) -> str:
    return usage(ctx.command_path, list(parameters(_function(command))))


def _function(command: Any) -> Callable[..., Any] | None:
    function: Callable[..., Any] | None = command.callback
    return function


def _groups(command: Any, ctx: Any) -> dict[str, list[Row]]:
    """Return what `command` takes by heading: first the arguments, last what every command takes."""
    known = list(parameters(_function(command)))
    groups = {
        heading: [(each.written, _explained(each)) for each in group] for heading, group in by_heading(known).items()
    }
    # What typer and click add to every command or to the first.
    own = {each.name for each in known}
    added = [_added(each) for each in command.get_params(ctx) if each.name not in own]
    return {**groups, OPTIONS: [*groups.get(OPTIONS, []), *added]}


def _added(option: Any) -> Row:
    return ", ".join(sorted(option.opts, key=len)), option.help


def _explained(parameter: Parameter) -> str:
    default = parameter.shown_default
    said = "required" if parameter.is_required and not parameter.is_argument else f"default: {default}"
    is_told = default and not (parameter.is_required and parameter.is_argument)
    return f"{parameter.explanation} [{said}]" if is_told else parameter.explanation


def _in_short(text: str) -> str:
    """Return what the first sentence of `text` says before a colon."""
    paragraphs, _ = prose_and_examples(text)
    return re.split(r"\.(?:\s|$)|:\s", paragraphs[0])[0] + "."


def _wrapped(text: str, width: int, *, first: str = "", later: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _list(rows: Iterable[Row], width: int) -> str:
    """Return each term with its explanation beside it, or below it where it is long or the terminal narrow."""
    rows = list(rows)
    column = max((len(term) for term, _ in rows if len(term) <= _TERM), default=_TERM) + 4
    if width < _NARROW:
        column = 6
    lines = []
    for term, explanation in rows:
        beside = len(term) + 4 <= column
        if not beside:
            lines.append(f"  {term}")
        first = f"  {term:<{column - 2}}" if beside else " " * column
        lines.append(_wrapped(explanation, width, first=first, later=" " * column))
    return "\n".join(lines)


def _shown(examples: Iterable[str], width: int) -> Iterator[str]:
    """Yield the command lines; those wider than the terminal are continued as a shell reads them."""
    for example in examples:
        lines = [""]
        # An option stays with its value.
        for part in re.split(r" (?=-|\| )", example):
            # A backslash needs two columns behind what stands before it.
            if lines[-1] and len(lines[-1]) + len(part) + 3 > width - 2:
                lines.append("  ")
            lines[-1] += part if not lines[-1].strip() else f" {part}"
        yield " \\\n".join(f"  {line}" for line in lines)
