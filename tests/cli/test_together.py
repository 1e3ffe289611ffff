"""What processes of a launcher write together is what one writes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from command_line import Command
from launched import begin, end
from recordings import recorded_words
from toy_films import labelled_films

from attncli.cli.main import main
from attncli.errors import DataError
from attncli.machine import launched as package
from attncli.machine.workers import Workers
from attncli.runs.folder import RunFolder

LINES = "der Hund rennt .\n\neine Kuh schläft nie .\nnie\nder der der Hund schläft .\nKuh\neine Kuh .\nrennt nie .\n"


def run_command(folder: Path, arguments: Sequence[object], *, waits: bool = True) -> None:
    """Run `attncli` with what it says in files of `folder`, and note how many jobs this process answered."""
    rank = os.environ["RANK"]
    answered = vars(package)["answered"]
    jobs = 0

    def counted(*given: object) -> object:
        nonlocal jobs
        jobs += 1
        return answered(*given)

    vars(package)["answered"] = counted
    if waits:
        # The first process answers nothing that another one could.
        result = Workers._result
        Workers._result = lambda self, task: task.answer.result() if self._threads else result(self, task)  # type: ignore[method-assign]
    sys.argv = ["attncli", *map(str, arguments)]
    for name in ("stdout", "stderr"):
        setattr(sys, name, (folder / f"{rank}.{name}").open("w", encoding="utf-8", buffering=1))
    try:
        main()
    finally:
        (folder / f"{rank}.jobs").write_text(str(jobs))


def run_together(folder: Path, count: int, *arguments: object) -> tuple[list[int | None], str, str]:
    """Return the exit codes of `attncli` in `count` processes, and all that they said."""
    folder.mkdir()
    codes = end(begin(count, run_command, folder, arguments))
    said = ("".join((folder / f"{rank}.{name}").read_text() for rank in range(count)) for name in ("stdout", "stderr"))
    return codes, *said  # type: ignore[return-value]


def jobs_of(folder: Path, count: int) -> list[int]:
    return [int((folder / f"{rank}.jobs").read_text()) for rank in range(count)]


@pytest.mark.parametrize("asked", [["--n-best", "2", "--attention"], ["--n-best", "3", "--sample", "--seed", "5"]])
def test_translations_do_not_depend_on_the_number_of_processes(
    attncli: Command, trained: Path, tmp_path: Path, asked: list[str]
) -> None:
    (tmp_path / "in").write_text(LINES * 2, encoding="utf-8")
    arguments = ["translate", trained, tmp_path / "in", "--format", "jsonl", "--batch-size", 2, "--device", "cpu"]
    alone = attncli(*arguments, *asked)
    assert alone.out.count("\n") == 16
    for count in (2, 3):
        folder = tmp_path / str(count)
        assert run_together(folder, count, *arguments, *asked) == ([0] * count, alone.out, alone.err)
        jobs = jobs_of(folder, count)
        assert jobs[0] == 0
        assert all(jobs[1:])
        assert sum(jobs) == 7, "14 lines are not empty, and 2 share a batch"


def test_captions_and_their_problems_do_not_depend_on_the_number_of_processes(
    attncli: Command, captioners: Path, tmp_path: Path
) -> None:
    images = sorted(captioners.glob("**/*.png"))[:9]
    (tmp_path / "bad.png").write_text("no image")
    arguments = ["caption", captioners / "trained", *images[:4], tmp_path / "bad.png", *images[4:]]
    arguments += ["--batch-size", 2, "--device", "cpu"]
    alone = attncli(*arguments)
    assert (alone.code, alone.out.count("\n")) == (1, 9)
    assert run_together(tmp_path / "two", 2, *arguments) == ([1, 0], alone.out, alone.err)


FILMS = (labelled_films, "training.augmentation={flip: true, smallest_crop: 0.8}")
RECORDINGS = (recorded_words, "training.spec_augment={band_masks: 1, time_masks: 1, time_share: 0.5}")
Made = Callable[[Path], Path]


def train_arguments(config: Path, run: Path, *overrides: str) -> list[object]:
    # Adam would make steps of gradients that are 0 but for rounding.
    fixed = ("model.dropout=0", "training.optimizer={kind: sgd}", "training.max_steps=3", "training.batch_sentences=5")
    sets = (*fixed, *overrides)
    return ["train", config, "--run", run, "--device", "cpu", *(part for each in sets for part in ("--set", each))]


@pytest.mark.parametrize(("made", "varied"), [FILMS, RECORDINGS])
def test_films_and_recordings_train_several_processes_as_one(
    attncli: Command, tmp_path: Path, made: Made, varied: str
) -> None:
    config = made(tmp_path / "data")
    assert attncli(*train_arguments(config, tmp_path / "one", varied)).code == 0
    codes, _, told = run_together(tmp_path / "said", 2, *train_arguments(config, tmp_path / "two", varied))
    assert codes == [0, 0], told
    expected, found = (RunFolder(tmp_path / name).load_weights("last") for name in ("one", "two"))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("command", "made", "sources"), [("classify", FILMS, "films"), ("transcribe", RECORDINGS, "audio")]
)
def test_films_and_recordings_do_not_depend_on_the_number_of_processes(
    attncli: Command, tmp_path: Path, command: str, made: tuple[Made, str], sources: str
) -> None:
    config = made[0](tmp_path / "data")
    assert attncli(*train_arguments(config, tmp_path / "run")).code == 0
    bad = tmp_path / "bad.gif"
    bad.touch()
    found = sorted((tmp_path / "data" / sources).glob("*"))[:5]
    arguments = [command, tmp_path / "run", *found[:3], bad, *found[3:], "--batch-size", 2, "--device", "cpu"]
    alone = attncli(*arguments)
    assert (alone.code, alone.out.count("\n")) == (1, 5)
    assert run_together(tmp_path / "two", 2, *arguments) == ([1, 0], alone.out, alone.err)


def test_several_runs_are_scored_by_processes_as_by_one(attncli: Command, trained: Path, tmp_path: Path) -> None:
    files = [trained.parent / f"dev.{side}" for side in ("de", "en")]
    arguments = ["eval", trained, "--source", files[0], "--reference", files[1], "--device", "cpu", "--batch-size", 2]
    for name, more in (("one", []), ("two", ["--beam-size", 3])):
        alone = attncli(*arguments, *more, "--output", tmp_path / name / "alone")
        codes, _, told = run_together(tmp_path / f"{name}-together", 2, *arguments, *more, "--output", tmp_path / name)
        assert (codes, told) == ([0, 0], alone.err)
        written = [(tmp_path / name / place / "hypotheses.txt").read_text() for place in ("", "alone")]
        assert written[0] == written[1]


def test_scores_of_targets_and_their_perplexity_are_those_of_one_process(
    attncli: Command, trained: Path, tmp_path: Path
) -> None:
    files = ["--source", trained.parent / "dev.de", "--target", trained.parent / "dev.en"]
    arguments = ["score", trained, *files, "--device", "cpu", "--batch-size", 2]
    alone = attncli(*arguments)
    assert alone.out.count("\n") == 5
    assert "perplexity" in alone.err
    assert run_together(tmp_path / "two", 2, *arguments) == ([0, 0], alone.out, alone.err)


def test_what_is_wrong_is_told_once(attncli: Command, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("nie\n" * 20 + "der der der\n" + "nie\n" * 20, encoding="utf-8")
    arguments = ["translate", trained, tmp_path / "in", "--max-source-length", 2, "--batch-size", 3, "--device", "cpu"]
    alone = attncli(*arguments)
    assert alone.err.startswith(f"attncli: {tmp_path / 'in'}: line 21: 3 tokens, but search.max_source_length is 2")
    assert run_together(tmp_path / "two", 2, *arguments) == ([1, 0], alone.out, alone.err)


def test_workers_are_none_of_a_launcher(trained: Path, tmp_path: Path) -> None:
    codes, out, told = run_together(tmp_path / "two", 2, "translate", trained, "--workers", 3, "--device", "cpu")
    assert (codes, out) == ([2, 0], "")
    assert told == (
        "attncli: --workers 3: a launcher has started 2 processes, which answer together; leave --workers out\n"
    )


def die(*given: object) -> object:
    os.kill(os.getpid(), signal.SIGKILL)
    raise DataError("unreachable")


def run_beside_one_that_dies(folder: Path, arguments: Sequence[object]) -> None:
    if os.environ["RANK"] == "1":
        vars(package)["answered"] = die
    run_command(folder, arguments)


def test_a_process_that_dies_ends_the_others_with_a_message(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text(LINES * 20, encoding="utf-8")
    arguments = ["translate", trained, tmp_path / "in", "--batch-size", 2, "--device", "cpu"]
    (tmp_path / "three").mkdir()
    began = time.monotonic()
    assert end(begin(3, run_beside_one_that_dies, tmp_path / "three", arguments)) == [1, -signal.SIGKILL, 0]
    assert time.monotonic() - began < 30
    assert (tmp_path / "three/0.stderr").read_text() == (
        "attncli: process 1 of 3 has ended, or cannot be reached, so not all is written; start again, with fewer "
        "processes if memory has run out\n"
    )
    assert (tmp_path / "three/2.stderr").read_text() == ""
