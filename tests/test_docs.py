"""The documentation holds what the package does: commands, configurations, links and images; and the site builds."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import attncli
from attncli.cli.main import app
from attncli.config.load import check_config
from attncli.config.outline import outline
from attncli.config.yaml_core import parse_yaml
from attncli.errors import UserError

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ROOT_PAGES = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
KEYS = {
    re.sub(r"\bNAME\b", "*", f"{place.path}.{key.name}".lstrip("."))
    for section in outline()
    for place in section.places
    for key in section.keys
}


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _commands(text: str) -> Iterator[str]:
    """Yield the command lines of `attncli` in console blocks and indented ones, without what is the shell's."""
    consoles = "\n".join(_blocks(text, "console"))
    lines = [
        *re.findall(r"^\$ ((?:.*\\\n)*.*)$", consoles, re.MULTILINE),
        *re.findall(r"^ {4} *((?:.*\\\n)*.*)$", text, re.MULTILINE),
    ]
    for line in lines:
        # Of a variable it is not known what it holds.
        words = re.sub(r"\s\$\w+(?=\s|$)", "", " ".join(line.replace("\\\n", " ").split()))
        for part in re.split(r" \| |; |&& |\bdo ", words):
            if found := re.match(r"(?:[A-Z_]+=\S+ )*attncli ([a-z-].*?)(?: [<>#].*)?$", part):
                yield found[1]


ALL_COMMANDS = {
    command: name for page, name in zip(PAGES, NAMES, strict=True) for command in _commands(page.read_text())
}


def _key_is_known(key: str) -> bool:
    parts = key.split(".")
    return any(
        len(known) == len(parts) and all(one in (other, "*") for one, other in zip(known, parts, strict=True))
        for known in (each.split(".") for each in KEYS)
    )


def test_commands_are_found_in_every_form() -> None:
    text = (
        "```console\n$ echo a | attncli translate RUN > out\nattncli not\n```\n\n"
        "    A=1 attncli train x.yaml \\\n      --resume # again\n\n"
        "    for a in b; do\n      attncli eval RUN $same\n    done\n"
    )
    assert list(_commands(text)) == ["translate RUN", "train x.yaml --resume", "eval RUN"]


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_a_command_is_one_that_attncli_takes(command: str) -> None:
    name, *arguments = shlex.split(command)
    found = typer.main.get_command(app)
    # Some releases of typer bring a click of their own, so its classes have no name to test for.
    while name in getattr(found, "commands", {}):
        found = found.commands[name]  # type: ignore[attr-defined]
        if hasattr(found, "commands"):
            name, *arguments = arguments
    if name == "COMMAND":
        return
    found.make_context(name, [argument for argument in arguments if argument != "--help"])
    own = [given for before, given in pairwise(["", *arguments]) if before != "--source" and not given.startswith("-")]
    for key, _, _ in (given.partition("=") for given in own if "=" in given):
        assert _key_is_known(key), f"{ALL_COMMANDS[command]}: {key}"


def _whole(fragment: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """Return `start` with what `fragment` says, section by section; one of another kind replaces all."""
    merged = dict(start)
    for key, value in fragment.items():
        before = start.get(key)
        is_same = isinstance(value, dict) and isinstance(before, dict) and key not in ("train", "dev", "test")
        if is_same and before is not None and value.get("kind", before.get("kind")) == before.get("kind"):
            merged[key] = _whole(value, before)
        else:
            merged[key] = value
    return merged


STARTS = [
    parse_yaml(text, where="a test")
    for text in (
        """
    task: translation
    data: {train: {source: a, target: b}, dev: {source: c, target: d}}
    training: {max_steps: 9}
    """,
        """
    task: summarisation
    data: {train: {source: a, target: b}, dev: {source: c, target: d}}
    training: {max_steps: 9}
    """,
        """
    task: captioning
    data: {images: a, train: b, dev: c}
    training: {max_steps: 9}
    """,
        """
    task: classification
    data: {columns: {text: a, target: b}, train: {table: c}, dev: {table: d}}
    model: {encoder: {hidden_size: 8}}
    training: {max_steps: 9}
    """,
        """
    task: classification
    data: {columns: {image: a, target: b}, folders: {image: i}, train: {table: c}, dev: {table: d}}
    model: {encoder: {kind: cnn}}
    training: {max_steps: 9}
    """,
        """
    task: answering
    data: {columns: {image: a, question: q, target: b}, folders: {image: i}, train: {table: c}, dev: {table: d}}
    model: {encoders: {image: {kind: cnn}, question: {hidden_size: 8}}}
    training: {max_steps: 9}
    """,
        """
    task: transcription
    data: {columns: {source: a, target: b}, folders: {source: i}, train: {table: c}, dev: {table: d}}
    training: {max_steps: 9}
    """,
        """
    task: classification
    data: {columns: {film: a}, folders: {film: b}, labels: arrow_of_time, train: {table: c.tsv}, dev: {table: d.tsv}}
    model: {encoder: {kind: frames}}
    training: {max_steps: 9}
    """,
        """
    task: autoencoding
    data: {kind: pictures, train: {folder: a}, dev: {folder: b}}
    model: {kind: dense, bottleneck: 4}
    training: {max_steps: 9}
    """,
    )
]


def _problems(fragment: dict[str, Any]) -> list[str]:
    """Return what is wrong with `fragment` in a configuration of each task that it may be of; "" for nothing."""
    return [_problem(fragment, start) for start in STARTS if fragment.get("task", start["task"]) == start["task"]]


def _problem(fragment: dict[str, Any], start: dict[str, Any]) -> str:
    own = {key: value for key, value in fragment.items() if key != "base"}
    try:
        check_config(_whole(own, start), where="docs")
    except UserError as error:
        return str(error)
    return ""


YAML_BLOCKS = [
    (name, block) for page, name in zip(PAGES, NAMES, strict=True) for block in _blocks(page.read_text(), "yaml")
]


@pytest.mark.parametrize(("page", "block"), YAML_BLOCKS, ids=[f"{name}-{n}" for n, (name, _) in enumerate(YAML_BLOCKS)])
def test_a_configuration_or_a_part_of_one_is_valid(page: str, block: str) -> None:
    problems = _problems(parse_yaml(block, where=page))
    assert "" in problems, "\n".join(problems)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_part_in_the_text_is_valid(page: Path) -> None:
    """Such as `decoder: {kind: transformer}` in a table, wherever in a configuration it may stand."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for part in re.findall(r"`([a-z_.]+: \{[^`]*\})`", text):
        path, _, value = part.partition(": ")
        parts = [*PARENTS.get(path, []), *path.split(".")]
        fragment = parse_yaml(f"value: {value}", where=str(page))["value"]
        for key in reversed(parts):
            fragment = {key: fragment}
        assert any("unknown" not in problem for problem in _problems(fragment)), f"{page}: {part}"


PARENTS = {
    **{key: ["model"] for key in ("encoder", "encoders", "decoder", "attention")},
    **{key: ["data"] for key in ("columns", "train")},
}


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES], ids=lambda page: page.name)
def test_every_linked_file_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    generated = {f"{other.stem.lower()}.md" for other in ROOT_PAGES}
    missing = [
        link
        for link in links
        if "://" not in link and not (page.parent / link).exists() and Path(link).name not in generated
    ]
    assert missing == []


@pytest.mark.parametrize(
    "path",
    [
        *(
            "model.attention.score",
            "model.attention.window",
            "model.attention.selection",
            "model.attention.normalisation",
        ),
        *("model.attention.inference", "model.decoder.query", "model.decoder.context", "model.decoder.readout"),
        *("model.decoder.bridge", "model.encoder.positions", "model.encoder.cell"),
    ],
)
def test_every_mechanism_is_explained(path: str) -> None:
    page = (DOCS / "mechanisms.md").read_text(encoding="utf-8")
    choices = {
        choice
        for section in outline()
        for place in section.places
        for key in section.keys
        if f"{place.path}.{key.name}" == path
        for option in key.options
        for choice in option.get("enum", ())
    }
    assert choices
    assert {choice for choice in choices if f"`{choice}`" not in page and f": {choice}`" not in page} <= {"none"}


def test_every_image_is_shown_somewhere() -> None:
    texts = "".join(page.read_text() for page in [*PAGES, ROOT / "README.md"])
    assert [image.name for image in (DOCS / "images").iterdir() if image.name not in texts] == []


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == attncli.__version__


@pytest.mark.skipif(importlib.util.find_spec("material") is None, reason="needs mkdocs-material: pip install '.[docs]'")
def test_the_site_builds_without_a_warning_and_without_the_network(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=ROOT,
        env={
            **os.environ,
            "NO_MKDOCS_2_WARNING": "1",
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert {"index.html", "contributing.html", "reference/configuration/training.html"} <= set(pages)
    loaded = [
        each for page in pages.values() for each in re.findall(r'<(?:script|link|img)[^>]*"(?:https?:)?//[^"]*"', page)
    ]
    assert loaded == []
    assert "<math" in pages["mechanisms.html"]
    assert not [name for name, page in pages.items() if "arithmatex" in page]
    assert "batch_tokens" in (site / "search" / "search_index.js").read_text(encoding="utf-8")
