"""Generates the pages of the commands from their functions: what each does, its arguments and options, and examples.

`python -m attncli.cli.reference docs/reference/commands` writes them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import typer
from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

from attncli.cli.main import app

_MADE = "<!-- Made by `make docs` from the functions in attncli/cli/; edit it there. -->\n"

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

_EXAMPLE = re.compile(r"Examples?:\s+")
_CODE = re.compile(r"(?<![`\w-])--[a-z][a-z-]*(?: [A-Z]\b)?|\*(?=[ .,]|$)")
_DEFAULT = re.compile(r"\s*(?:\[default: (.*?)\]|; default: (.*?)(?=\.$))")  # in a help that says it itself
_WORDS = {int: "N", float: "NUMBER", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command, as a reader sees it."""

    info: ParameterInfo
    name: str
    type: Any
    is_list: bool
    default: object

    @property
    def is_required(self) -> bool:
        """Whether a command without it is refused."""
        return self.default is inspect.Parameter.empty

    @property
    def is_flag(self) -> bool:
        """Whether it has no value."""
        return self.type is bool

    @property
    def metavar(self) -> str:
        """The word for its value, or the values among which to choose."""
        if self.info.metavar:
            return self.info.metavar
        if get_origin(self.type) is Literal:
            return "|".join(get_args(self.type))
        return _WORDS[self.type] if isinstance(self.info, OptionInfo) else self.name.upper()

    @property
    def written(self) -> str:
        """How it is written on the command line."""
        if isinstance(self.info, ArgumentInfo):
            return self.metavar
        long = f"--{self.name.replace('_', '-')}"
        # In an annotation typer takes the first of the names for the default.
        given = [self.info.default, *(self.info.param_decls or ())]
        declared = [each for each in given if isinstance(each, str) and each.startswith("-")]
        # Of `--run/--no-run` a reader needs the first.
        names = ", ".join(each.split("/")[0] for each in sorted(declared or [long], key=len))
        return names if self.is_flag else f"{names} {self.metavar}"

    @property
    def explanation(self) -> str:
        """The help without what it says of the default, and with the range of a number."""
        text = _DEFAULT.sub("", self.info.help or "")
        limits = {"at least": self.info.min, "at most": self.info.max}
        said = [f"{words} {limit:g}" for words, limit in limits.items() if limit is not None]
        return f"{text} {', '.join(said).capitalize()}." if said else text

    @property
    def shown_default(self) -> str:
        """The default in words, empty where there is none to speak of."""
        if self.is_required:
            return "required"
        said = _DEFAULT.search(self.info.help or "")
        if said or isinstance(self.info.show_default, str):
            words = str(said.group(1) or said.group(2) if said else self.info.show_default)
            return words if " " in words else f"`{words}`"
        return "" if self.default in (None, False, "") else f"`{self.default}`"


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
        f"| [`attncli {name}`]({name}.md) | {_cell(_marked(_paragraphs(text)[0]))} |" for name, text in told.items()
    ]
    root = app.registered_callback.callback if app.registered_callback else None
    return _MADE + "\n" + _INDEX.format(commands="\n".join(rows), options=_table(list(_parameters(root)), "option"))


def _group(name: str, group: typer.Typer | None) -> str:
    assert group is not None
    parts = [_MADE, f"# attncli {name}\n", _prose(_help(group))]
    for info in group.registered_commands:
        # Without a name of its own a command has that of its function.
        below = info.name or getattr(info.callback, "__name__", "")
        parts += _command(f"attncli {name} {below}", info.callback, depth=2)
    return "\n".join(parts)


def _help(group: typer.Typer | None) -> str:
    return inspect.cleandoc(str(group.info.help)) if group else ""


def _command(name: str, function: Callable[..., Any] | None, *, depth: int) -> Iterator[str]:
    parameters = list(_parameters(function))
    arguments = [each for each in parameters if isinstance(each.info, ArgumentInfo)]
    options = [each for each in parameters if isinstance(each.info, OptionInfo)]
    text = inspect.getdoc(function) or ""
    title, below = "#" * depth, "#" * (depth + 1)
    usage = [_usage(each) for each in arguments]
    required = [each.written for each in options if each.is_required]
    yield f"{title} {name}\n"
    yield f"```text\n{' '.join([name, *usage, *required, '[OPTIONS]' * (len(options) > 0)]).strip()}\n```\n"
    yield _prose(text)
    examples = [_EXAMPLE.sub("", each) for each in _paragraphs(text) if _EXAMPLE.match(each)]
    if examples:
        shown = "\n".join(f"$ {each}" for each in examples)
        yield f"{below} Examples\n\n```console\n{shown}\n```\n"
    for heading, group in (("Arguments", arguments), ("Options", options)):
        if group:
            yield f"{below} {heading}\n\n{_table(group, heading[:-1].lower())}\n"


def _parameters(function: Callable[..., Any] | None) -> Iterator[Parameter]:
    """Yield what a command takes, but not what `--help` hides."""
    if function is None:
        return
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        annotated, *marks = get_args(parameter.annotation)
        info = next(mark for mark in marks if isinstance(mark, ParameterInfo))
        if not info.hidden:
            is_list = "list[" in str(annotated)
            yield Parameter(info, name, _plain(annotated), is_list, parameter.default)


def _plain(annotation: Any) -> Any:
    """Return the type of one value: that of a list's items, and without None."""
    if annotation in _WORDS or get_origin(annotation) is Literal:
        return annotation
    inner = [each for each in get_args(annotation) if each not in (NoneType, Ellipsis)]
    return _plain(inner[0]) if inner else annotation


def _usage(argument: Parameter) -> str:
    several = "..." * argument.is_list
    return argument.written.removesuffix("...") + several if argument.is_required else f"[{argument.written}{several}]"


def _table(parameters: list[Parameter], what: str) -> str:
    rows = [
        f"| `{_cell(each.written)}` | {_cell(_marked(each.explanation))} | {_cell(each.shown_default)} |"
        for each in parameters
    ]
    return "\n".join([f"| {what} | | default |", "| --- | --- | --- |", *rows])


def _prose(text: str) -> str:
    """Return what `text` says besides its examples."""
    said = (_marked(each) for each in _paragraphs(text) if not _EXAMPLE.match(each))
    return "\n\n".join(said) + "\n"


def _marked(text: str) -> str:
    """Return `text` with options, and asterisks that emphasise nothing, as code."""
    return _CODE.sub(r"`\g<0>`", text)


def _paragraphs(text: str) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in text.replace("\b", "").split("\n\n")]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for name, page in command_pages().items():
        (Path(sys.argv[1]) / name).write_text(page, encoding="utf-8")
