"""Paths that no system opens: too long, below a file, or not there; every command answers with one message."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command

LONG = "x" * 300


@pytest.fixture(params=["long", "below a file"])
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a path that can neither be read nor made."""
    (tmp_path / "file").write_text("mine")
    return tmp_path / LONG if request.param == "long" else tmp_path / "file" / "x"


@pytest.mark.parametrize(
    "command",
    [
        ("translate", "RUN", "TEXT", "-o", "BAD"),
        ("translate", "RUN", "BAD"),
        ("translate", "BAD", "TEXT"),
        ("translate", "RUN", "TEXT", "--checkpoint", "BAD"),
        ("eval", "RUN", "--source", "TEXT", "--reference", "TEXT", "-o", "BAD"),
        ("eval", "RUN", "--source", "BAD", "--reference", "TEXT"),
        ("eval", "--hypotheses", "BAD", "--source", "TEXT", "--reference", "TEXT", "-o", "BAD"),
        ("eval", "BAD"),
        ("visualize", "RUN", "--text", "der Hund", "-o", "BAD"),
        ("visualize", "RUN", "--input", "BAD"),
        ("visualize", "RUN", "--curves", "-o", "BAD"),
        ("visualize", "BAD", "--curves"),
        ("config", "check", "BAD"),
        ("config", "show", "BAD"),
        ("train", "BAD"),
        ("train", "CONFIG", "--run", "BAD"),
        ("train", "CONFIG", "--run", "BAD", "--resume"),
        ("train", "CONFIG", "--run", "BAD", "--overwrite"),
        ("train", "CONFIG", "--set", "data.root=BAD", "--run", "NEW"),
        ("train", "CONFIG", "--set", "data.cache=BAD", "--run", "NEW"),
        ("data", "make", "toy-translation", "--to", "BAD", "--train", "2", "--dev", "1", "--test", "1"),
        ("data", "get", "multi30k", "--from", "BAD", "--to", "NEW"),
        ("data", "get", "multi30k", "--from", "FOLDER", "--to", "BAD"),
    ],
    ids=lambda command: " ".join(command[:5]),
)
def test_a_bad_path_is_a_message(
    attncli: Command, trained: Path, config: Path, tmp_path: Path, bad: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "text").write_text("der Hund\n")
    (tmp_path / "folder").mkdir()
    places = {
        **{"RUN": trained, "CONFIG": config, "BAD": bad, "TEXT": tmp_path / "text"},
        **{"FOLDER": tmp_path / "folder", "NEW": tmp_path / "new"},
    }
    arguments = [word.replace("BAD", str(bad)) if "=" in word else places.get(word, word) for word in command]
    result = attncli(*arguments)
    assert result.code in (1, 2), result.err
    last = result.err.splitlines()[-1]
    assert last.startswith("attncli: ")
    assert "internal error" not in last
    assert str(bad) in last
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "file").read_text() == "mine"


def test_images_that_no_system_opens_are_messages(
    attncli: Command, captioners: Path, tmp_path: Path, bad: Path
) -> None:
    for arguments in (
        ("caption", captioners / "recurrent", bad),
        ("visualize", captioners / "recurrent", "--image", bad),
    ):
        result = attncli(*arguments)
        assert result.code == 1
        assert result.err.startswith(f"attncli: {bad}: ")
    image = next((captioners / "images").iterdir())
    result = attncli("caption", captioners / "recurrent", image, "-o", bad)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"attncli: {bad}: cannot be written: ")
