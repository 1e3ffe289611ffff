from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from attncli.data.cache import DamagedError, cache_folder, cached, fingerprint, key_of
from attncli.errors import DataError


def open_folder(folder: Path) -> str:
    try:
        text = (folder / "value").read_text()
    except OSError as error:
        raise DamagedError(str(error)) from None
    if not text.endswith("."):
        raise DamagedError("cut")
    return text


def writer(text: str) -> tuple[list[Path], Callable[[Path], None]]:
    calls: list[Path] = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "value").write_text(text)

    return calls, make


def get(cache: Path, text: str = "one.") -> tuple[str, int]:
    calls, make = writer(text)
    return cached(cache, "key", make=make, open_folder=open_folder), len(calls)


def test_a_value_is_made_once(tmp_path: Path) -> None:
    assert get(tmp_path / "a" / "cache") == ("one.", 1)
    assert get(tmp_path / "a" / "cache", "other.") == ("one.", 0)


def test_a_damaged_value_is_made_again(tmp_path: Path) -> None:
    get(tmp_path)
    (tmp_path / "key" / "value").write_text("on")
    assert get(tmp_path) == ("one.", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_failing_half_way_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "value").write_text("ha")
        raise DataError("bad text")

    with pytest.raises(DataError, match="bad text"):
        cached(tmp_path, "key", make=make, open_folder=open_folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", ["whole.", "dama"])
def test_another_process_may_finish_first(tmp_path: Path, other: str) -> None:
    def make(folder: Path) -> None:
        (folder / "value").write_text("mine.")
        (tmp_path / "key").mkdir()
        (tmp_path / "key" / "value").write_text(other)

    expected = "whole." if other == "whole." else "mine."
    assert cached(tmp_path, "key", make=make, open_folder=open_folder) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_processes_may_make_the_same_value_at_once(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from test_cache import cached, open_folder
cache = Path(sys.argv[1])
def make(folder):
    (folder / "ready").touch()
    while len(list(cache.glob(".making-*/ready"))) < 2 and not (cache / "key").exists():
        time.sleep(0.01)
    (folder / "value").write_text("one.")
print(cached(cache, "key", make=make, open_folder=open_folder))
"""
    paths = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[2])))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["one.\n"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_what_killed_processes_left_is_removed_in_time(tmp_path: Path) -> None:
    old, new = tmp_path / ".making-old", tmp_path / ".making-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "value").write_text("half")
    last_week = time.time() - 7 * 24 * 3600
    os.utime(old / "value", (last_week, last_week))
    os.utime(old, (last_week, last_week))
    get(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".making-new", "key"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: the cache cannot be written: .*; name another folder with data\.cache"):
        get(tmp_path / "file")


def test_a_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    for name, content in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(content)
    # printf x | sha256sum
    assert fingerprint(tmp_path / "a") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b") != fingerprint(tmp_path / "c")
    with pytest.raises(DataError, match="d: no such file"):
        fingerprint(tmp_path / "d")


def test_keys_differ_by_any_fact() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_the_cache_is_where_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("here") == Path("here")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder(None) == Path("/somewhere/attncli")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/x")
    of_the_system = "Library/Caches" if sys.platform == "darwin" else ".cache"
    assert cache_folder(None) == Path(f"/home/x/{of_the_system}/attncli")


@pytest.mark.parametrize("older", [False, True])
def test_a_user_without_a_home_is_asked_for_a_folder(monkeypatch: pytest.MonkeyPatch, older: bool) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)  # not in passwd
    if older:  # what platformdirs before 4.14 returned then
        monkeypatch.setattr("platformdirs.user_cache_path", lambda *name, appauthor: Path("~/.cache/attncli"))
    with pytest.raises(DataError, match=r"no folder for the cache: HOME is not set, .* name a folder with data\.cache"):
        cache_folder(None)
    assert cache_folder("here") == Path("here")
