from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest

from attncli.errors import DataError
from attncli.files import Problems, count_lines, open_output, read_lines, write_text, writing_into

CONTENTS = [b"", b"a", b"a\n", b"a\nb", b"a\n\nb\n", b"\n", b"a\r\nb\r\n"]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz"])
def test_lines_are_read_and_counted_alike(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    expected = content.decode().replace("\r\n", "\n").split("\n")
    if expected[-1] == "":
        expected.pop()
    assert list(read_lines(path)) == expected
    assert count_lines(path) == len(expected)


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "x"
    text = "a\u2028b\x0bc\x0cd\u0085e\rf"
    path.write_text(f"{text}\nsecond\n", encoding="utf-8", newline="")
    assert list(read_lines(path)) == [text, "second"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a\n\ufeffb\n", encoding="utf-8-sig")
    assert list(read_lines(path)) == ["a", "\ufeffb"]


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(read_lines(path))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.txt", b"good\nb\xffd\n", "x.txt:2: not UTF-8: byte 0xff at position 2"),
        ("x.txt", b"\x89PNG\r\n\x1a\n\0\0", "x.txt: a binary file, not text: byte 9 is 0x00"),
        ("x.txt", gzip.compress(b"a\n", mtime=0), "x.txt: gzip inside; its name must end with .gz"),
        ("x.txt", "ab\n".encode("utf-16"), "x.txt: UTF-16 text; save it as UTF-8"),
        ("x.gz", b"plain text\n", "x.gz: damaged or not gzip: Not a gzipped file"),
        ("x.gz", gzip.compress(b"a\n" * 999, mtime=0)[:-9], "x.gz: damaged or not gzip: Compressed file ended"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert expected in message(tmp_path / name)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert message(tmp_path / "x") == f"{tmp_path}/x: no such file"
    assert message(tmp_path) == f"{tmp_path}: is a folder, not a file"
    with pytest.raises(DataError, match="no such file"):
        count_lines(tmp_path / "x")


@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz"])
def test_output_is_read_back_and_its_bytes_depend_on_the_text_alone(tmp_path: Path, name: str) -> None:
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        with open_output(folder / name) as file:
            file.write("é\r\nsecond\n")
        assert list(read_lines(folder / name)) == ["é", "second"]
        contents.append((folder / name).read_bytes())
    assert contents[0] == contents[1]


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "x"
    with pytest.raises(DataError, match=re.escape(f"{path}: cannot be written: No such file")), open_output(path):
        pass


def test_problems_come_together_ten_in_words() -> None:
    problems = Problems()
    problems.raise_if_any()
    for number in range(13):
        problems.add(f"problem {number}")
    with pytest.raises(DataError) as caught:
        problems.raise_if_any("do this")
    assert str(caught.value).split("\n") == [f"problem {n}" for n in range(10)] + ["... and 3 more", "do this"]


def test_folder_that_cannot_be_made_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match=re.escape(f"{tmp_path / 'file'}: cannot be written: ")),
        writing_into(tmp_path / "file"),
    ):
        pass


def test_an_output_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old\n")

    def fail() -> None:
        with open_output(path) as file:
            file.write("new\n")
            file.flush()
            assert path.read_text() == "old\n"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_keeps_the_mode_and_the_link_of_what_it_replaces(tmp_path: Path) -> None:
    path, link = tmp_path / "out.txt", tmp_path / "link"
    path.write_text("old\n")
    path.chmod(0o640)
    link.symlink_to(path)
    write_text(link, "new\n")
    assert link.is_symlink()
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_two_processes_do_not_write_the_same_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with open_output(path) as file:
        file.write("first\n")
        with pytest.raises(DataError, match=r"out\.txt: another process is writing this file"), open_output(path):
            pass
    assert path.read_text() == "first\n"


def test_what_a_killed_command_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    killed = "import os, sys, pathlib; from attncli.files import open_output\n"
    killed += "with open_output(pathlib.Path(sys.argv[1])) as file: file.write('x' * 99999); file.flush(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", killed, str(path)], check=False).returncode == 9
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 1
    write_text(path, "whole\n")
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "whole\n"


def test_the_longest_name_and_a_device_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".txt")
    write_text(path, "text\n")
    assert path.read_text() == "text\n"
    with open_output(Path("/dev/null")) as file:
        file.write("gone\n")
