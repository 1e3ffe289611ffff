"""What a command takes and what it says of itself, read from its function, for its help and its page alike."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

from attncli.cli.options import HEADINGS

ARGUMENTS, OPTIONS = "Arguments", "Options"
"""The headings of what has none of its own."""

_DEFAULT = re.compile(r"\s*(?:\[default: (.*?)\]|; default: (.*?)(?=\.$))")  # in a help that says it itself
_EXAMPLE = re.compile(r"Examples?:\s+")
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
    def is_argument(self) -> bool:
        """Whether its place on the command line says what it is."""
        return isinstance(self.info, ArgumentInfo)

    @property
    def is_required(self) -> bool:
        """Whether a command without it is refused."""
        return self.default is inspect.Parameter.empty

    @property
    def is_flag(self) -> bool:
        """Whether it has no value."""
        return self.type is bool

    @property
    def panel(self) -> str:
        """The heading under which the help has it."""
        return self.info.rich_help_panel or (ARGUMENTS if self.is_argument else OPTIONS)

    @property
    def metavar(self) -> str:
        """The word for its value, or the values among which to choose."""
        if self.info.metavar:
            return self.info.metavar
        if get_origin(self.type) is Literal:
            return "|".join(get_args(self.type))
        return self.name.upper() if self.is_argument else _WORDS[self.type]

    @property
    def written(self) -> str:
        """How it is written on the command line."""
        if self.is_argument:
            return self.metavar
        long = f"--{self.name.replace('_', '-')}"
        # In an annotation typer takes the first of the names for the default.
        given = [getattr(self.info, "default", None), *(getattr(self.info, "param_decls", None) or ())]
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
        if said:
            return str(said[1] or said[2])
        if isinstance(self.info.show_default, str):
            return self.info.show_default
        return "" if self.default in (None, False, "") else str(self.default)


def parameters(function: Callable[..., Any] | None) -> Iterator[Parameter]:
    """Yield what a command takes, but not what it hides."""
    if function is None:
        return
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        annotated, *marks = get_args(parameter.annotation)
        info = next(mark for mark in marks if isinstance(mark, (ArgumentInfo, OptionInfo)))
        if not info.hidden:
            is_list = "list[" in str(annotated)
            yield Parameter(info, name, _plain(annotated), is_list, parameter.default)


def by_heading(taken: Iterable[Parameter]) -> dict[str, list[Parameter]]:
    """Return what a command takes by heading: first the arguments, last what has no heading of its own."""
    groups: dict[str, list[Parameter]] = {}
    for each in taken:
        groups.setdefault(each.panel, []).append(each)
    order = [ARGUMENTS, *HEADINGS, OPTIONS]
    return {heading: groups[heading] for heading in sorted(groups, key=order.index)}


def _plain(annotation: Any) -> Any:
    """Return the type of one value: that of a list's items, and without None."""
    if annotation in _WORDS or get_origin(annotation) is Literal:
        return annotation
    inner = [each for each in get_args(annotation) if each not in (NoneType, Ellipsis)]
    return _plain(inner[0]) if inner else annotation


def usage(name: str, taken: list[Parameter]) -> str:
    """Return how the command `name` is called with what it takes."""
    arguments = [_usage(each) for each in taken if each.is_argument]
    options = [each for each in taken if not each.is_argument]
    required = [each.written for each in options if each.is_required]
    return " ".join([name, *arguments, *required, *["[OPTIONS]"] * (len(options) > len(required))])


def _usage(argument: Parameter) -> str:
    several = "..." * argument.is_list
    return argument.written.removesuffix("...") + several if argument.is_required else f"[{argument.written}{several}]"


def prose_and_examples(text: str) -> tuple[list[str], list[str]]:
    """Return the paragraphs of a docstring, each on one line, and the command lines of its examples."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.replace("\b", "").strip().split("\n\n")]
    examples = [_EXAMPLE.sub("", each) for each in paragraphs if _EXAMPLE.match(each)]
    return [each for each in paragraphs if not _EXAMPLE.match(each)], examples
