"""A folder is filled whole or not at all, and nothing in it is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attncli.data.sets.filling import filling
from attncli.data.sets.toy_captioning import ToyPictureSizes as ToyCaptioningSizes
from attncli.data.sets.toy_captioning import make_toy_captioning
from attncli.data.sets.toy_images import ToyPictureSizes, make_toy_pictures
from attncli.data.sets.toy_translation import ToySizes, make_toy_translation
from attncli.errors import DataError


def fill(folder: Path, *, exactly: bool = False, **contents: str) -> None:
    with filling(folder, exactly=exactly) as aside:
        for name, content in contents.items():
            path = aside / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)


def found(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def failure(action: Callable[[], None]) -> str:
    with pytest.raises(DataError) as caught:
        action()
    return str(caught.value)


def test_files_come_into_a_new_folder_and_beside_others(tmp_path: Path) -> None:
    to = tmp_path / "new" / "to"
    fill(to, a="1", part__b="2")
    (to / "notes").write_text("mine")
    fill(to, a="1", part__b="2", part__c="3")
    assert found(tmp_path) == {"new/to/a": "1", "new/to/part/b": "2", "new/to/part/c": "3", "new/to/notes": "mine"}


def test_a_file_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "b").write_text("mine")
    text = failure(lambda: fill(tmp_path, a="1", part__b="2"))
    assert text == (
        f"{tmp_path}/part/b: is there, but is not the data set's; remove it, or choose another folder with --to"
    )
    assert found(tmp_path) == {"part/b": "mine"}
    (tmp_path / "part" / "b").unlink()
    (tmp_path / "part" / "b").symlink_to("nowhere")
    assert "part/b: is there, but" in failure(lambda: fill(tmp_path, part__b="2"))
    (tmp_path / "part" / "b").unlink()
    (tmp_path / "part" / "b").mkdir()
    assert "part/b: is there, but" in failure(lambda: fill(tmp_path, part__b="2"))


def test_examples_of_somebody_else_are_not_mixed_in(tmp_path: Path) -> None:
    fill(tmp_path, exactly=True, train__a="1", dev__b="2")
    fill(tmp_path, exactly=True, train__a="1", dev__b="2")
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "train" / ".DS_Store").write_text("of a file manager")
    fill(tmp_path, exactly=True, train__a="1", dev__b="2")
    (tmp_path / "train" / "mine.png").write_text("mine")
    text = failure(lambda: fill(tmp_path, exactly=True, train__a="1", dev__b="2"))
    assert text.startswith(
        f"{tmp_path}/train/mine.png: is there, but is not the data set's, whose examples would be mixed"
    )


def test_an_error_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    def broken(folder: Path) -> None:
        with filling(folder) as aside:
            (aside / "a").write_text("1")
            raise DataError("no more")

    assert failure(lambda: broken(tmp_path)) == "no more"
    assert failure(lambda: broken(tmp_path / "new" / "to")) == "no more"
    assert found(tmp_path) == {"mine": "mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert failure(lambda: fill(tmp_path / "file")) == f"{tmp_path}/file: cannot be made: File exists"
    assert failure(lambda: fill(tmp_path / "file" / "x")) == f"{tmp_path}/file/x: cannot be made: Not a directory"
    assert failure(lambda: fill(tmp_path / ("x" * 300))).endswith("xxx: cannot be made: File name too long")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_two_processes_do_not_fill_one_folder(tmp_path: Path) -> None:
    with filling(tmp_path) as aside:
        (aside / "a").write_text("1")
        assert failure(lambda: fill(tmp_path, a="2")) == (
            f"{tmp_path}: another process is filling this folder; wait for it, or choose another folder with --to"
        )
    assert found(tmp_path) == {"a": "1"}


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from attncli.data.sets.filling import filling
with filling(Path(sys.argv[1])) as aside:
    (aside / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "to")], env=environment, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert "half" in {path.name for path in (tmp_path / "to").rglob("*")}
    fill(tmp_path / "to", a="1")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["a"]


MAKERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "sentences": (lambda to: make_toy_translation(to, ToySizes(3, 2, 1), seed=1), "train.source"),
    "captions": (lambda to: make_toy_captioning(to, ToyCaptioningSizes(3, 2, 1), seed=1), "captions.jsonl"),
    "images": (lambda to: make_toy_pictures(to, ToyPictureSizes(3, 2, 1), seed=1), "train/00000.png"),
}


@pytest.mark.parametrize("kind", list(MAKERS))
def test_what_is_made_replaces_nothing_and_can_be_made_again(tmp_path: Path, kind: str) -> None:
    make, name = MAKERS[kind]
    make(tmp_path / "a")
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    make(tmp_path / "a")
    assert before == {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    own = tmp_path / "b" / name
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert failure(lambda: make(tmp_path / "b")).startswith(f"{own}: is there, but is not the data set's")
    assert [path for path in (tmp_path / "b").rglob("*") if path.is_file()] == [own]
    assert own.read_text() == "mine"
