"""Imports go down the layers only, and what needs no torch imports none."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "attncli"
LAYERS = (
    *("errors", "files", "losses", "drawing"),
    *("config", "text", "metrics", "machine"),
    *("data", "models", "decoding", "sources", "assembly"),
    *("runs", "training", "evaluation", "tasks"),
    *("visualization", "reports", "api", "cli", "__main__"),
)
"""The lowest first: each may import those before it, and no other."""
LAYER = {name: number for number, name in enumerate(LAYERS)}
MOST_FILES_AT_THE_ROOT = 6


def _parts_imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "attncli":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("attncli."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("attncli."))


def test_every_part_has_a_layer() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__"} == set(LAYER)


def test_the_root_holds_few_files() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_FILES_AT_THE_ROOT


def test_imports_go_down_the_layers_only() -> None:
    upwards = [
        f"{path.relative_to(PACKAGE)} imports {part}"
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "__init__.py"
        for part in _parts_imported(path)
        if LAYER[part] > LAYER[path.relative_to(PACKAGE).parts[0].removesuffix(".py")]
    ]
    assert upwards == []


def test_training_knows_no_task() -> None:
    known = {part for path in (PACKAGE / "training").glob("*.py") for part in _parts_imported(path)}
    assert known <= {"training", "config", "errors", "machine", "losses", "runs"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    imports = {name: set(_modules_imported(path)) & set(paths) for name, path in paths.items()}
    settled: set[str] = set()
    while waiting := set(imports) - settled:
        free = {name for name in waiting if imports[name] <= settled}
        assert free, f"a circle among {sorted(waiting)}"
        settled |= free


def _modules_imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("attncli."):
            module = str(node.module).removeprefix("attncli.")
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["train", "--help"], ["config", "show", "toy-translation"], ["config", "new"]],
)
def test_what_needs_no_torch_imports_none(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom attncli.cli.main import app\napp(standalone_mode=False)\nsys.exit('torch' in sys.modules)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout


def test_what_draws_nothing_does_not_wait_for_matplotlib() -> None:
    code = "import sys\nimport attncli.runs.writing, attncli.tasks.launch\nsys.exit('matplotlib' in sys.modules)\n"
    finished = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr
