from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from attncli.errors import TrainingError
from attncli.runs.saving import existing_folder, remove_leftovers, replace_file, replace_folder


def writer(text: str, *, name: str = "a.txt") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(text)

    return write


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a file system of our own cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "last"
    replace_folder(target, writer("old", name="b.txt"))
    replace_folder(target, writer("new"))
    assert [path.name for path in target.iterdir()] == ["a.txt"]
    assert [path.name for path in target.parent.iterdir()] == ["last"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    replace_folder(tmp_path / "last", writer("old"))

    def fail(folder: Path) -> None:
        (folder / "a.txt").write_text("half")
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(
        TrainingError, match=r"last: cannot be saved: Input/output error; what was saved before is intact"
    ):
        replace_folder(tmp_path / "last", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["last"]
    assert (tmp_path / "last/a.txt").read_text() == "old"


def test_a_mistake_in_the_program_is_not_taken_for_a_failing_disk(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match=r"^a mistake$"):
        replace_folder(tmp_path / "last", fail)
    assert list(tmp_path.iterdir()) == []


def test_the_old_folder_is_found_and_put_back_after_a_kill_between_the_renames(tmp_path: Path) -> None:
    (tmp_path / ".old-last").mkdir()
    (tmp_path / ".old-last/a.txt").write_text("old")
    assert (existing_folder(tmp_path / "last") / "a.txt").read_text() == "old"

    def divide(folder: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_folder(tmp_path / "last", divide)
    assert (existing_folder(tmp_path / "last") / "a.txt").read_text() == "old"
    remove_leftovers(tmp_path)
    assert (existing_folder(tmp_path / "last") / "a.txt").read_text() == "old"


def test_leftovers_are_removed_but_never_the_only_copy(tmp_path: Path) -> None:
    for name in (".new-last", ".old-last", ".old-best", "best"):
        (tmp_path / name).mkdir()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".old-last", "best"]


def test_files_are_on_the_disk_before_they_get_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    replace_folder(tmp_path / "last", writer("new"))
    new = tmp_path / ".new-last"
    assert flushed == [str(new / "a.txt"), str(new), str(tmp_path)]
    flushed.clear()
    replace_file(tmp_path / "facts.json", "{}")
    assert flushed == [str(tmp_path / ".new-facts.json"), str(tmp_path)]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    replace_file(tmp_path / "facts.json", "old")
    replace_file(tmp_path / "facts.json", "ü")
    assert (tmp_path / "facts.json").read_text(encoding="utf-8") == "ü"
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]


def torch_save(folder: Path) -> None:
    with (folder / "state.pt").open("wb") as file:
        torch.save({"a": torch.zeros(600, 600)}, file)


def safetensors_save(folder: Path) -> None:
    save_file({"a": torch.zeros(600, 600)}, folder / "model.safetensors")


@pytest.mark.parametrize(
    "write",
    [
        torch_save,
        safetensors_save,
        writer("long" * 500_000),
    ],
)
def test_a_full_disk_is_named_with_the_room_it_has(small_disk: Path, write: Callable[[Path], None]) -> None:
    replace_folder(small_disk / "last", writer("old"))
    full = (
        r"disk/last: cannot be saved: the disk is full \(\d\.\d MiB free\); make room and go on with --resume; what was"
    )
    with pytest.raises(TrainingError, match=full):
        replace_folder(small_disk / "last", write)
    assert [path.name for path in small_disk.iterdir()] == ["last"]
    assert (small_disk / "last/a.txt").read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_or_quota_is_told_by_its_number(tmp_path: Path, number: int) -> None:
    def fail(folder: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(TrainingError, match=r"the disk is full \(\d+\.\d MiB free\)"):
        replace_folder(tmp_path / "last", fail)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file/last: cannot be saved: Not a directory"):
        replace_folder(tmp_path / "file/last", writer("new"))
