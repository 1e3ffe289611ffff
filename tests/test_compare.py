"""`scripts/compare`: what it trains in which order, what it goes on with, when it stops. `attncli` is a stand-in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "compare"
# Writes down how it is called, begins the run that it is told to train, and fails where a file `broken` says so.
STAND_IN = """\
#!/bin/sh
echo "$*" >> calls
case "$*" in train*) mkdir -p "$4"; touch "$4/config.yaml" ;; esac
if [ -e broken ] && grep -qxF "$2" broken; then exit 130; fi
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with a set of three variants and a command `attncli` that writes down its calls."""
    (tmp_path / "sets" / "small").mkdir(parents=True)
    for name in ("base", "dot", "none", "additive"):
        (tmp_path / "sets" / "small" / f"{name}.yaml").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "attncli").write_text(STAND_IN)
    (tmp_path / "bin" / "attncli").chmod(0o755)
    return tmp_path


def compare(place: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    (place / "calls").unlink(missing_ok=True)
    return subprocess.run(
        [SCRIPT, *arguments],
        cwd=place,
        env={"PATH": f"{place}/bin:{os.environ['PATH']}", **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def calls(place: Path) -> list[str]:
    return (place / "calls").read_text().splitlines()


def training(run: str, variant: str, seed: int, more: str = "") -> str:
    return f"train sets/small/{variant}.yaml --run {run} --set training.seed={seed}{more}"


def test_every_variant_is_trained_and_all_are_scored_together(place: Path) -> None:
    assert compare(place, "sets/small/").returncode == 0
    runs = [f"runs/small/{name}-seed-1" for name in ("none", "additive", "dot")]
    assert calls(place) == [
        *(training(run, run.split("/")[2].removesuffix("-seed-1"), 1) for run in runs),
        f"eval {' '.join(runs)} --metric bleu --output runs/small/evaluation",
    ]


def test_seeds_variants_test_set_folder_and_options_can_be_chosen(place: Path) -> None:
    settings = {"SEEDS": "3 5", "VARIANTS": "dot none", "TEST": "news", "RUNS": "elsewhere", "METRICS": "bleu_4 cider"}
    assert compare(place, "sets/small", "--set", "training.max_steps=20", **settings).returncode == 0
    runs = [f"elsewhere/{name}-seed-{seed}" for seed in (3, 5) for name in ("dot", "none")]
    more = " --set training.max_steps=20"
    assert calls(place) == [
        *(training(run, Path(run).name[:-7], int(run[-1]), more) for run in runs),
        f"eval {' '.join(runs)} --test news --metric bleu --metric bleu_4 --metric cider --output elsewhere/evaluation",
    ]


def test_what_is_stopped_stops_the_whole_and_goes_on_where_it_was(place: Path) -> None:
    (place / "broken").write_text("sets/small/additive.yaml\n")
    assert compare(place, "sets/small").returncode == 130
    assert len(calls(place)) == 2
    (place / "broken").unlink()
    assert compare(place, "sets/small").returncode == 0
    assert [" --resume" in call for call in calls(place)] == [True, True, False, False]


def test_a_variant_that_is_not_there_is_told_before_anything_is_trained(place: Path) -> None:
    found = compare(place, "sets/small", VARIANTS="none dott")
    assert found.returncode == 2
    assert found.stderr == "compare: no sets/small/dott.yaml; choose VARIANTS from: none additive dot\n"
    assert not (place / "calls").exists()
