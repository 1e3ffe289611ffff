"""Lines of a pipe, in the groups that they come in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from attncli.errors import DataError
from attncli.text.pipes import lines_as_they_come


class Pipe:
    """A pipe that the test writes into."""

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        self.end: BinaryIO = os.fdopen(reading, "rb")

    def write(self, content: bytes) -> None:
        os.write(self._writing, content)

    def close(self) -> None:
        os.close(self._writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    with made.end:
        yield made


def file_of(folder: Path, content: bytes) -> BinaryIO:
    (folder / "x").write_bytes(content)
    return (folder / "x").open("rb")


def read(folder: Path, content: bytes, *, at_most: int = 100) -> list[list[str]]:
    with file_of(folder, content) as stream:
        return list(lines_as_they_come(stream, at_most=at_most))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"\n\na\n", ["", "", "a"]),
        (b"a\r\nb\rc\r\n", ["a", "b\rc"]),
        ("a\u2028b\x0bc\x85d\n".encode(), ["a\u2028b\x0bc\x85d"]),
        ("\ufeffa\n\ufeffb\n".encode(), ["a", "\ufeffb"]),
        ("日本語\n".encode(), ["日本語"]),
    ],
)
def test_only_line_feeds_end_a_line(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    assert [line for group in read(tmp_path, content) for line in group] == lines


def test_what_is_there_comes_in_groups_of_up_to_so_many(tmp_path: Path) -> None:
    assert read(tmp_path, b"a\nb\nc\nd\ne\n", at_most=2) == [["a", "b"], ["c", "d"], ["e"]]
    assert read(tmp_path, b"a\nb\nc\nd\n", at_most=4) == [["a", "b", "c", "d"]]


def test_lines_longer_than_a_block_and_characters_across_blocks_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attncli.text.pipes.BLOCK", 3)
    text = "ein längerer Satz mit Ümläuten\nund noch einer 🐕\n"
    assert [line for group in read(tmp_path, text.encode()) for line in group] == text.splitlines()


def test_a_line_is_given_while_the_writer_waits_for_its_answer(pipe: Pipe) -> None:
    groups = lines_as_they_come(pipe.end, at_most=100)
    for line in ("eins", "zwei", ""):
        pipe.write(f"{line}\n".encode())
        assert next(groups) == [line]
    pipe.write(b"drei\nvier\nf")
    assert next(groups) == ["drei", "vier"]
    pipe.write("ünf".encode())
    pipe.close()
    assert list(groups) == [["fünf"]]


def test_a_line_of_which_only_half_has_come_is_waited_for(pipe: Pipe) -> None:
    def write_slowly() -> None:
        for part in (b"ei", b"ns\nzw", b"ei\n"):
            time.sleep(0.05)
            pipe.write(part)
        pipe.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert list(lines_as_they_come(pipe.end, at_most=100)) == [["eins"], ["zwei"]]
    writer.join()


def test_bytes_that_are_no_utf8_are_named_by_their_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, b"gut\nauch gut\nM\xe4nner\n")
    assert str(caught.value) == "standard input:3: not UTF-8: byte 0xe4 at position 2"
