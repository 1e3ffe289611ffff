"""Generates the pages of the commands from their functions: what each does, its arguments and options, and examples.

`python -m attncli.cli.reference docs/reference/commands` writes them.
"""

from __future__ import annotations

import html
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from attncli.cli.main import app
from attncli.cli.parameters import Parameter, by_heading, parameters, prose_and_examples, usage

_MADE = """\
---
search: {boost: 3} # who looks for an option means the option, not the pages that mention it
---
<!-- Made by `make docs` from the functions in attncli/cli/; edit it there. -->
"""

_INDEX = """\
# Commands

| command | what it does |
| --- | --- |
{commands}

`attncli COMMAND --help` shows what these pages say.

## Options of `attncli` itself

{options}

## Exit codes

| code | meaning |
| --- | --- |
| 0 | success |
| 1 | something failed: a missing file, bad data, a full disk |
| 2 | a mistake on the command line or in a configuration |
| 130, 143 | interrupted (Ctrl-C) or terminated |

## Environment

| variable | meaning |
| --- | --- |
| `ATTNCLI_TRACEBACK` | `1`: an internal error also shows its traceback |
| `CUDA_VISIBLE_DEVICES` | which GPUs PyTorch sees; `--device` chooses among them |
| `OMP_NUM_THREADS` | how many threads PyTorch computes with on a CPU |
"""

_CODE = re.compile(r"(?<![`\w-])--[a-z][a-z-]*(?: [A-Z]\b)?|\*(?=[ .,]|$)")


def command_pages() -> dict[str, str]:
    """Return every page as Markdown by the name of its file."""
    pages = {"index.md": _index()}
    for info in app.registered_commands:
        pages[f"{info.name}.md"] = "\n".join([_MADE, *_command(f"attncli {info.name}", info.callback, depth=1)])
    for group in app.registered_groups:
        pages[f"{group.name}.md"] = _group(str(group.name), group.typer_instance)
    return pages


def _index() -> str:
    told = {str(info.name): inspect.getdoc(info.callback) or "" for info in app.registered_commands}
    told |= {str(group.name): _help(group.typer_instance) for group in app.registered_groups}
    rows = [
        f"| [`attncli {name}`]({name}.md) | {_cell(_marked(prose_and_examples(text)[0][0]))} |"
        for name, text in told.items()
    ]
    root = app.registered_callback.callback if app.registered_callback else None
    return _MADE + "\n" + _INDEX.format(commands="\n".join(rows), options=_table(list(parameters(root)), "option"))


def _group(name: str, group: typer.Typer | None) -> str:
    assert group is not None
    parts = [_MADE, f"# attncli {name}\n", "\n\n".join(map(_marked, prose_and_examples(_help(group))[0])) + "\n"]
    for info in group.registered_commands:
        # Without a name of its own a command has that of its function.
        below = info.name or getattr(info.callback, "__name__", "")
        parts += _command(f"attncli {name} {below}", info.callback, depth=2)
    return "\n".join(parts)


def _help(group: typer.Typer | None) -> str:
    return inspect.cleandoc(str(group.info.help)) if group else ""


def _command(name: str, function: Callable[..., Any] | None, *, depth: int) -> Iterator[str]:
    taken = list(parameters(function))
    prose, examples = prose_and_examples(inspect.getdoc(function) or "")
    title, below = "#" * depth, "#" * (depth + 1)
    yield f"{title} {name}\n"
    yield f"```text\n{usage(name, taken)}\n```\n"
    yield "\n\n".join(map(_marked, prose)) + "\n"
    if examples:
        shown = "\n".join(f"$ {each}" for each in examples)
        yield f"{below} Examples\n\n```console\n{shown}\n```\n"
    for heading, group in by_heading(taken).items():
        yield f"{below} {heading}\n\n{_table(group, 'argument' if group[0].is_argument else 'option')}\n"


def _table(parameters: list[Parameter], what: str) -> str:
    rows = [
        f"| {_code(each.written)} | {_cell(_marked(each.explanation))} | {_cell(_default(each))} |"
        for each in parameters
    ]
    return "\n".join([f"| {what} | | default |", "| --- | --- | --- |", *rows])


def _default(parameter: Parameter) -> str:
    """Return the default, words as they are and values as code."""
    words = parameter.shown_default
    return words if not words or " " in words or parameter.is_required else f"`{words}`"


def _marked(text: str) -> str:
    """Return `text` with options, and asterisks that emphasise nothing, as code."""
    return _CODE.sub(r"`\g<0>`", text)


def _code(text: str) -> str:
    """Return `text` as code for a cell, where readers of Markdown differ on bars between backticks."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for name, page in command_pages().items():
        (Path(sys.argv[1]) / name).write_text(page, encoding="utf-8")
