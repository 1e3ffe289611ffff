from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import torch

import attncli
from attncli.errors import RunError, TrainingError
from attncli.runs import parts
from attncli.runs.folder import RunFolder
from attncli.runs.parts import Part, begun_part

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    parts._commit.cache_clear()
    yield
    parts._commit.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def placed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put the package, for what asks where it is, into `folder`."""
    (folder / "attncli").mkdir(parents=True)
    (folder / "attncli/__init__.py").write_text("one\n")
    monkeypatch.setattr(attncli, "__file__", str(folder / "attncli/__init__.py"))


def committed(folder: Path) -> str:
    """Make a repository of `folder` with one commit, and return that."""
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "tag", "-m", "a tag", "v1")
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_checkout_has_its_commit_and_whether_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(monkeypatch, tmp_path / "clone")
    commit = committed(tmp_path / "clone")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    found = begun_part(CPU)
    assert (found.commit, found.modified) == (commit, False)
    parts._commit.cache_clear()
    (tmp_path / "clone/attncli/__init__.py").write_text("two\n")
    found = begun_part(CPU)
    assert (found.commit, found.modified) == (commit, True)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_package_in_an_environment_does_not_have_the_commit_of_what_is_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(monkeypatch, tmp_path / "project/.venv/lib/site-packages")
    committed(tmp_path / "project")
    monkeypatch.setattr(parts, "distribution", lambda name: Installed("{}"))
    assert begun_part(CPU).commit is None


class Installed:
    def __init__(self, text: str | None):
        self.text = text

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.text


@pytest.mark.parametrize(
    ("text", "commit"),
    [
        ('{"url": "https://x.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}}', "0123abc"),
        ('{"url": "file:///a.whl", "archive_info": {}}', None),
        (None, None),
        ("no JSON", None),
    ],
)
def test_what_pip_installed_from_a_repository_has_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, commit: str | None
) -> None:
    placed(monkeypatch, tmp_path)
    monkeypatch.setattr(parts, "distribution", lambda name: Installed(text))
    found = begun_part(CPU)
    assert (found.commit, found.modified) == (commit, False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "/home/ann/c.yaml", "--run", "runs/a b"], "attncli train ~/c.yaml --run 'runs/a b'"),
        (["train", "/home/ann/a b.yaml", "--set", "data.root=/home/ann"], "train '~/a b.yaml' --set data.root=~"),
        (["train", "/home/anna/c.yaml", "/mnt/home/ann"], "attncli train /home/anna/c.yaml /mnt/home/ann"),
    ],
)
def test_the_command_line_is_that_of_a_shell_without_the_name_of_the_home(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setattr(sys, "argv", ["/home/ann/.venv/bin/attncli", *arguments])
    assert begun_part(CPU).command.endswith(line)


def test_a_part_has_versions_and_its_time_in_utc() -> None:
    found = begun_part(CPU)
    assert found.versions == {
        "attncli": attncli.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    assert found.ended is None
    for text in (found.begun, found.ended_now().ended or ""):
        time = datetime.fromisoformat(text)
        assert time.utcoffset() == timedelta(0)
        assert abs(datetime.now(timezone.utc) - time) < timedelta(seconds=60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others cannot measure anew")
def test_the_peak_of_a_part_is_the_most_memory_since_it_began() -> None:
    torch.ones(1 << 26)  # 256 MiB, given back at once
    begun = begun_part(CPU)
    assert begun.peak_memory_bytes is None
    before = begun.ended_now().peak_memory_bytes
    torch.ones(1 << 25)
    after = begun.ended_now().peak_memory_bytes
    assert before is not None
    assert after is not None
    assert 120 << 20 < after - before < 140 << 20


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create("task: tiny\n")
    return folder


def saved(run: RunFolder) -> list[tuple[str, bool]]:
    """Return the commands of the parts, and whether each has an end."""
    return [(part.command, part.ended is not None) for part in run.facts().parts]


def part(command: str) -> Part:
    return begun_part(CPU).model_copy(update={"command": command})


def test_the_parts_of_a_training_are_kept_with_their_ends(run: RunFolder) -> None:
    assert run.facts().parts == []
    with run.trained(part("first")):
        assert saved(run) == [("first", False)]
        run.update_metadata({"step": 7})
    with pytest.raises(KeyError), run.trained(part("second")):
        raise KeyError
    # As a killed process leaves it.
    metadata = json.loads((run.path / "metadata.json").read_text())
    del metadata["parts"][1]["ended"]
    (run.path / "metadata.json").write_text(json.dumps(metadata))
    with run.trained(part("third")):
        assert saved(run) == [("first", True), ("second", False), ("third", False)]
    assert saved(run) == [("first", True), ("second", False), ("third", True)]
    assert run.facts().step == 7


def test_what_ended_a_training_is_told_even_if_its_end_cannot_be_noted(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, text: str) -> None:
        raise TrainingError("the disk is full")

    def train(*, fails: bool) -> None:
        with run.trained(part("x")):
            monkeypatch.setattr("attncli.runs.folder.replace_file", fail)
            if fails:
                raise RunError("the reason")

    with pytest.raises(RunError, match="the reason"):
        train(fails=True)
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="the disk is full"):
        train(fails=False)
