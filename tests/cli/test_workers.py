"""What several processes write is what one writes."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import Command

import attncli as package
from attncli.machine.workers import Workers

LINES = "der Hund rennt .\n\neine Kuh schläft nie .\nnie\nder der der Hund schläft .\nKuh\neine Kuh .\nrennt nie .\n"
ASKED = {
    "best": ["--n-best", "2", "--attention"],
    "drawn": ["--n-best", "3", "--sample", "--seed", "5"],
}


@pytest.fixture
def others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process answer nothing that another one could."""
    result: Any = Workers._result

    def waited_for(self: Workers[Any, Any], task: Any) -> Any:
        return task.answer.result() if self._threads else result(self, task)

    monkeypatch.setattr(Workers, "_result", waited_for)


@pytest.mark.usefixtures("others_alone")
@pytest.mark.parametrize("asked", ASKED)
def test_translations_do_not_depend_on_the_number_of_workers(
    attncli: Command, trained: Path, tmp_path: Path, asked: str
) -> None:
    (tmp_path / "in").write_text(LINES * 2, encoding="utf-8")
    options = ["--format", "jsonl", "--batch-size", "2", "--device", "cpu", *ASKED[asked]]
    found = {n: attncli("translate", trained, tmp_path / "in", *options, "--workers", n) for n in (1, 2, 3)}
    assert found[1].out.count("\n") == 16
    assert found[1] == found[2] == found[3]
    assert found[1].code == 0


@pytest.mark.usefixtures("others_alone")
def test_captions_and_scores_do_not_depend_on_the_number_of_workers(
    attncli: Command, captioners: Path, tmp_path: Path
) -> None:
    images = sorted(captioners.glob("**/*.png"))[:9]
    (tmp_path / "bad.png").write_text("no image")
    given = [*images[:4], tmp_path / "bad.png", *images[4:]]
    options = ["--batch-size", "2", "--device", "cpu", "--workers"]
    one, three = (attncli("caption", captioners / "trained", *given, *options, n) for n in (1, 3))
    assert (one.code, one.out.count("\n")) == (1, 9)
    assert one == three
    assert three.err.splitlines()[-1] == "attncli: 1 of 10 files could not be captioned"
    for name, lines in (("paths", map(str, images)), ("texts", ["a red circle"] * 9)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    files = ["--source", tmp_path / "paths", "--target", tmp_path / "texts"]
    scores = [attncli("score", captioners / "trained", *files, *options, n) for n in (1, 2)]
    assert scores[0].out.count("\n") == 9
    assert scores[0] == scores[1]


def test_an_error_in_the_middle_is_the_usual_message(attncli: Command, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("nie\n" * 50 + "der der der\n" + "nie\n" * 50, encoding="utf-8")
    options = ["--max-source-length", "2", "--batch-size", "3", "--device", "cpu", "--workers", "2"]
    found = attncli("translate", trained, tmp_path / "in", *options)
    assert (found.code, found.out.count("\n")) == (1, 50)
    assert found.err.startswith(f"attncli: {tmp_path / 'in'}: line 51: 3 tokens, but search.max_source_length is 2")


def test_evaluation_scores_what_workers_write(attncli: Command, trained: Path, tmp_path: Path) -> None:
    files = [trained.parent / f"dev.{side}" for side in ("de", "en")]
    options = ["--source", files[0], "--reference", files[1], "--device", "cpu", "--batch-size", "2"]
    for n in (1, 2):
        found = attncli("eval", trained, *options, "--output", tmp_path / str(n), "--workers", n)
        assert found.code == 0, found.err
    one, two = ((tmp_path / str(n) / "hypotheses.txt").read_text() for n in (1, 2))
    assert one == two


def test_workers_need_a_run(attncli: Command, trained: Path) -> None:
    files = ["--hypotheses", trained.parent / "dev.en", "--reference", trained.parent / "dev.en"]
    found = attncli("eval", *files, "--workers", "2")
    assert (found.code, found.err) == (2, "attncli: --workers: nothing is decoded without a RUN; leave it out\n")


def test_workers_from_python(trained: Path) -> None:
    run, lines = package.load(trained, device="cpu"), LINES.split("\n") * 3
    assert run.translate(lines, workers=2, batch_size=2) == run.translate(lines, workers=1, batch_size=2)
    with pytest.raises(package.UserError, match=r"^workers 0: must be at least 1$"):
        run.translate(lines, workers=0)


def test_ctrl_c_ends_every_process_without_a_word(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text(LINES * 3000, encoding="utf-8")
    terminal, inner = pty.openpty()
    arguments = ["translate", trained, tmp_path / "in", "--workers", "3", "--device", "cpu", "--batch-size", "2", "-q"]
    with (tmp_path / "err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "attncli", *map(str, arguments)],
            stdin=inner,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
    try:
        until = time.monotonic() + 60
        while len(children := _children(process.pid)) < 3 and time.monotonic() < until:  # and the resource tracker
            time.sleep(0.05)
        os.write(terminal, b"\x03")
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
        os.close(inner)
        os.close(terminal)
    assert (len(children), (tmp_path / "err").read_text().strip()) == (3, "")
    until = time.monotonic() + 10
    while time.monotonic() < until and any(Path(f"/proc/{child}").exists() for child in children):
        time.sleep(0.05)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def _take_terminal() -> None:
    # Whoever runs the tests may ignore interrupts, as shells do in the background.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    try:
        return [int(child) for each in tasks for child in each.read_text().split()]
    except OSError:
        return []
