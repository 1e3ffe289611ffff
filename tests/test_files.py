from __future__ import annotations

import errno
import gzip
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attncli.errors import DataError, Problems, RunError
from attncli.files.reading import count_lines, is_file, is_folder, read_lines, read_text
from attncli.files.untrusted import json_inside, parse_json, read_inside, shown_json
from attncli.files.writing import open_output, write_text, writing_into

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


def test_a_file_system_without_locks_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(number: int) -> Callable[[object, int], None]:
        def fail(file: object, operation: int) -> None:
            raise OSError(number, os.strerror(number))

        return fail

    for number in (errno.ENOLCK, errno.ENOSYS):
        monkeypatch.setattr("fcntl.flock", failing(number))
        write_text(tmp_path / "out.txt", "text\n")
    monkeypatch.setattr("fcntl.flock", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write_text(tmp_path / "out.txt", "text\n")


def test_what_a_killed_command_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    killed = "import os, sys, pathlib; from attncli.files.writing import open_output\n"
    killed += "with open_output(pathlib.Path(sys.argv[1])) as file: file.write('x' * 99999); file.flush(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", killed, str(path)], check=False).returncode == 9
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 1
    write_text(path, "whole\n")
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "whole\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("loop", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
        ("file/x", "Not a directory"),
        ("nowhere/x", "No such file or directory"),
        (".", "Is a directory"),
    ],
)
def test_a_path_that_cannot_be_written_is_told(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as caught, open_output(tmp_path / name) as file:
        file.write("text")
    assert str(caught.value) == f"{tmp_path / name}: cannot be written: {problem}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]
    assert (tmp_path / "loop").is_symlink()


def test_the_longest_name_and_a_device_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".txt")
    write_text(path, "text\n")
    assert path.read_text() == "text\n"
    with open_output(Path("/dev/null")) as file:
        file.write("gone\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5000, "4300 digits"),
        ("1e999", "1e999 is not a finite number"),
        ("[-Infinity]", "-Infinity is not a finite number"),
        ("NaN", "NaN is not a finite number"),
        ("", "Expecting value"),
        ("[1", "Expecting"),
    ],
)
def test_what_is_not_strict_json_is_a_value_error(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_json(text)


def test_json_keeps_its_values() -> None:
    assert parse_json('{"a": [1, 2.5, -1e3, null, true, "\\u00fc"]}') == {"a": [1, 2.5, -1000.0, None, True, "ü"]}


def test_only_regular_files_inside_a_folder_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret").write_text("1")
    (folder / "own.json").write_text('{"a": 1}')
    (folder / "inner").symlink_to("own.json")
    (folder / "out").symlink_to("../secret")
    (folder / "absolute").symlink_to(tmp_path / "secret")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    assert json_inside(folder, "own.json") == json_inside(folder, "inner") == {"a": 1}
    (tmp_path / "link").symlink_to(folder)
    assert json_inside(tmp_path / "link", "own.json") == {"a": 1}
    for name, problem in {
        "out": rf"run/out: leads out of the folder, to {tmp_path}/secret; only files inside it are read",
        "absolute": r"run/absolute: leads out of the folder",
        "../secret": r"leads out of the folder",
        "/etc/passwd": r"leads out of the folder, to /etc/passwd",
        "zero": r"run/zero: leads out of the folder, to /dev/zero",
        "loop": r"run/loop: cannot be read: Too many levels of symbolic links",
        "pipe": r"run/pipe: is a device or a pipe, not a file",
        "": r"run: is a folder, not a file",
        "nothing": r"run/nothing: no such file",
        "own.json/x": r"run/own\.json/x: cannot be read: Not a directory",
    }.items():
        with pytest.raises(RunError, match=problem):
            read_inside(folder, name)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        (b"[1, 2]", "not a JSON object, but a list"),
        (b"null", "not a JSON object, but null"),
    ],
)
def test_json_of_a_folder_is_an_object(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(RunError, match=rf"a\.json: damaged: {problem}"):
        json_inside(tmp_path, "a.json")


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match=r"a\.json: holds more than 64 MiB, so it is not a file that attncli wrote"):
        json_inside(tmp_path, "a.json")


def test_a_line_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=1) as file:
        file.write(b"a\n" + b"a" * (65 << 20))
    for read in (lambda path: list(read_lines(path)), count_lines):
        with pytest.raises(DataError, match=r"bomb\.gz:2: a line of over 64 MiB; not lines of text"):
            read(tmp_path / "bomb.gz")


def test_lines_of_a_binary_file_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\n\0")
    with pytest.raises(DataError, match="a: a binary file, not text: byte 3 is 0x00"):
        count_lines(tmp_path / "a")


def test_a_whole_text_has_no_mark_and_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\r\n\xc3\xa4")
    assert read_text(tmp_path / "a") == "a\r\nä"
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"a\nb\xff"))
    with pytest.raises(DataError, match=r"b\.gz:2: not UTF-8: byte 0xff"):
        read_text(tmp_path / "b.gz")
    monkeypatch.setattr("attncli.files.reading._LONGEST_TEXT", (1 << 20) + 5)
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"a" * (2 << 20)))
    with pytest.raises(DataError, match=r"c\.gz: over 1 MiB in one piece; put each example on a line of its own"):
        read_text(tmp_path / "c.gz")


def test_names_that_the_system_does_not_allow_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_file(tmp_path / "file")
    assert is_folder(tmp_path)
    for name in ("x" * 300, "a\0b", "file/x", ""):
        assert not is_file(tmp_path / name)
        assert not is_folder(tmp_path / name) or not name


def test_json_is_shown_in_a_few_characters() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert [shown_json(value) for value in (deep, {"a": 1}, "x" * 99, 1, None)] == [
        "a list",
        "an object",
        '"' + "x" * 59,
        "1",
        "null",
    ]
