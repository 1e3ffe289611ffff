"""Trainings by the command are killed at random moments, from the first instant on, and resumed."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest
from attack import attack_random, scaled
from finished import assert_same, final

# Forked from a server that has imported everything, so that a kill often comes in the middle of training.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["attncli.cli.main", "attncli.tasks.launch", "attncli.training.trainer"])


def command(arguments: list[str]) -> None:
    from attncli.cli.main import main

    sys.argv = ["attncli", *arguments]
    main()


def train(config: Path, run: Path, *, kill_after: float | None = None) -> int | None:
    """Run `attncli train`, resuming the run where there is one; return its exit code, which is negative if killed."""
    arguments = ["train", str(config), "--run", str(run), "--device", "cpu", "--set", "training.average_best=true"]
    arguments += ["--set", "training.max_steps=40", "--set", "training.checkpoint_every=1"]
    process = processes.Process(target=command, args=([*arguments, *(["--resume"] if run.exists() else [])],))
    process.start()
    process.join(kill_after)
    process.kill()
    process.join()
    return process.exitcode


@pytest.mark.slow
@pytest.mark.attack
def test_a_training_killed_ten_times_ends_bit_for_bit_the_same(config: Path, tmp_path: Path) -> None:
    assert train(config, tmp_path / "whole") == 0
    expected, random = final(tmp_path / "whole"), attack_random()
    for number in range(max(1, scaled(1) // 5)):
        run, kills = tmp_path / f"killed-{number}", 0
        while kills < 10 and train(config, run, kill_after=random.uniform(0.02, 1.5)) != 0:
            kills += 1
        assert train(config, run) == 0
        assert kills > 0
        assert_same(final(run), expected)
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()
