"""The wheel alone is enough: what the README and the tutorial show runs in an empty folder, with no clone.

The wheel is built from the working tree and installed into a new virtual environment, which borrows the libraries of
this one. Trainings and data sets are made smaller, so that it takes a minute; all else is run as it is shown.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALLER = {
    "attncli data make toy-translation": "--train 200 --dev 8 --test 12",
    "attncli train": "--set training.max_steps=3 --set training.validate_every=3 --set search.max_length=20",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from a copy of what belongs to it: a build leaves folders behind, and takes from them."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "attncli", tree / "attncli", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    built = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", built, tree], tree)
    (found,) = built.glob("attncli-*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables with which commands are those of a virtual environment that has the wheel installed."""
    folder = tmp_path_factory.mktemp("installed")
    _run([sys.executable, "-m", "venv", "--without-pip", folder], folder)
    python = folder / "bin" / "python"
    _run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel], folder)
    # A path in a .pth file brings what lies in it, but not what its own .pth files name: an editable attncli, say.
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    variables = {
        **kept,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
    }
    where = _run(["python", "-c", "import attncli; print(attncli.__file__)"], folder, variables)
    assert Path(where.strip()).is_relative_to(own), "the installed one is used"
    return variables


def _run(command: list[object] | str, folder: Path, variables: dict[str, str] | None = None) -> str:
    """Return the output of `command` in `folder`; a failure shows what it said."""
    words = ["bash", "-c", command] if isinstance(command, str) else list(map(str, command))
    ended = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def _steps(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the commands of `page` in order, each with the output that is shown."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            yield command, shown


def _smaller(command: str) -> str:
    return next((f"{command} {more}" for start, more in SMALLER.items() if command.startswith(start)), command)


def _written(output: str) -> set[str]:
    """Return the files that `output` says were written."""
    files = set(re.findall(r"^wrote ([^\s:]+)$", output, re.MULTILINE))
    for folder, names in re.findall(r"^wrote (\S+): (.+)$", output, re.MULTILINE):
        files |= {f"{folder}/{name}" for name in names.split(", ")}
    return files


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_what_a_page_shows_runs_without_a_clone(page: str, environment: dict[str, str], tmp_path: Path) -> None:
    steps = [(command, shown) for command, shown in _steps(ROOT / page) if not command.startswith("pip install")]
    assert len(steps) >= 5
    for command, shown in steps:
        said = _run(_smaller(command), tmp_path, environment)
        assert _written(said) >= _written(shown), command
        for file in _written(shown):
            assert (tmp_path / file).stat().st_size > 0, f"{command}: {file}"
    assert (tmp_path / "runs").is_dir()


def test_every_configuration_and_page_template_travels(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = {path for path in (ROOT / "attncli").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(ROOT).as_posix() for path in tracked} <= inside
    assert not any(name.startswith(("tests", "benchmarks", "docs")) for name in inside)


def test_shipped_names_work_in_an_empty_folder(environment: dict[str, str], tmp_path: Path) -> None:
    listed = _run("attncli config new", tmp_path, environment)
    assert "compare-attention/additive" in listed
    assert "task: translation" in _run("attncli config show compare-attention/additive", tmp_path, environment)
