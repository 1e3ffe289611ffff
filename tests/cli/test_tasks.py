"""Which task a command line is about, and what it says where an option or a run does not belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from attncli.cli.tasks import TaskCommand, one_task, task_of
from attncli.errors import CommandError

TASKS = {"translation": 1, "singing": 2}


@dataclass(frozen=True)
class Options:
    output: str | None = "out"
    beam_size: int | None = None
    loud: tuple[str, ...] = ()


def run(folder: Path, task: str) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(f"task: {task}\nmodel: {{}}\n")
    return folder


def test_the_task_is_that_of_the_run(tmp_path: Path) -> None:
    assert task_of(run(tmp_path / "a", "singing"), TASKS) == "singing"
    assert one_task([tmp_path / "a", run(tmp_path / "b", "singing")], TASKS) == "singing"


def test_a_folder_that_is_no_run_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("[")
    assert task_of(tmp_path, TASKS) == one_task([tmp_path, tmp_path / "none"], TASKS) == "translation"


def test_runs_of_several_tasks_are_refused(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", "translation"), run(tmp_path / "b", "singing")]
    with pytest.raises(CommandError) as error:
        one_task(folders, TASKS)
    assert str(error.value) == (
        f"{tmp_path}/b: is a run of task singing, but {tmp_path}/a of task translation; give runs of one task"
    )


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"config.yaml: unknown task 'sining'; did you mean 'singing'\? choose from"):
        task_of(run(tmp_path / "a", "sining"), TASKS)


def test_an_option_of_another_task_is_refused() -> None:
    seen: list[Options] = []
    command = TaskCommand[str, Options](frozenset({"loud"}), lambda place, options: seen.append(options))
    command("here", Options(loud=("very",)), task="singing")
    assert seen == [Options(loud=("very",))]
    with pytest.raises(CommandError) as error:
        command("here", Options(beam_size=0), task="singing")
    assert str(error.value) == "--beam-size: means nothing for runs of task singing; leave it out"
