"""Configurations to start from: shipped ones as files that need no other file."""

from __future__ import annotations

import re
from pathlib import Path

from attncli.config.bases import BASE, read_values
from attncli.config.dump import values_to_yaml
from attncli.config.shipped import SCHEMA


def starting_text(source: Path, name: str, *, file: Path) -> str:
    """Return the text of the shipped configuration `name`, in `source`, with `file` in the commands of its comments.

    What it takes from a base stands in it, too, and the schema by which editors check it is the installed one.
    """
    text = source.read_text(encoding="utf-8")
    if re.search(rf"^{BASE}:", text, re.MULTILINE):
        text = _header(source, name) + values_to_yaml(read_values(source).values)
    # The name may be the beginning of another one.
    text = re.sub(rf"\battncli train {re.escape(name)}(?![\w/-])", lambda _: f"attncli train {file}", text)
    text = re.sub(r"(?<=\$schema=)\S+", lambda _: SCHEMA.as_uri(), text)
    return re.sub(rf"\bruns/{re.escape(name)}(?![\w/-])", lambda _: f"runs/{file.stem}", text)


def _header(source: Path, name: str) -> str:
    """Return the comment at the start of `source`; a variant's gets the commands that stand in the base of its set."""
    own = _comment(source)
    if "attncli train" in own:
        return own
    gets_data = re.findall(r"^#   attncli data .+\n", _comment(source.with_name("base.yaml")), re.MULTILINE)
    return f"{own}#\n{''.join(gets_data)}#   attncli train {name}\n"


def _comment(path: Path) -> str:
    found = re.match(r"(#.*\n)*", path.read_text(encoding="utf-8"))
    assert found is not None
    return found[0]
