"""What commands show on a terminal while they work, and that nothing of it stays or gets into their output."""

from __future__ import annotations

import re
from pathlib import Path

from command_line import Command
from on_terminal import on_terminal

TIMES = re.compile(r"\d+:\d\d:\d\d|[\d,]+ tokens/s")


def untimed(lines: list[str] | tuple[str, ...]) -> list[str]:
    return [TIMES.sub("…", line) for line in lines]


def test_a_training_shows_its_current_step_and_leaves_what_a_log_would_hold(
    attncli: Command, config: Path, tmp_path: Path
) -> None:
    shown = on_terminal("train", config, "--run", tmp_path / "run", "--device", "cpu")
    assert shown.code == 0, shown.drawn
    assert re.search(r"\r  0%\|[^\r]*\| step 0\b", shown.drawn)
    # The step of the bar is that which is validated below it.
    for step, share in ((6, " 50"), (12, "100")):
        bar = rf"{share}%\|[^\r]*\| step {step}  loss \d\.\d+  [\d,]+ tokens/s  0:00:\d\d left"
        assert re.search(rf"{bar}[^%]*\rdev loss: +0%\|.*?\rdev: +0%\|[^\r]*\| 0/5 \[", shown.drawn, re.DOTALL)
    plain = attncli("train", config, "--run", tmp_path / "run", "--overwrite", "--device", "cpu")
    assert "\r" not in plain.err
    assert untimed(shown.screen) == untimed((plain.err + plain.out).splitlines())


def test_the_bar_of_a_resumed_training_counts_from_where_it_was(attncli: Command, config: Path, tmp_path: Path) -> None:
    command = ("train", config, "--run", tmp_path / "run", "--device", "cpu")
    assert attncli(*command, "--set", "training.max_steps=9").code == 0
    shown = on_terminal(*command, "--resume")
    first = re.search(r"\r( *\d+)%\|[^\r]*\| (step \d+)", shown.drawn)
    assert first is not None
    assert first.groups() == (" 75", "step 9")


def test_quiet_hides_the_bar(config: Path, tmp_path: Path) -> None:
    shown = on_terminal("train", config, "--run", tmp_path / "run", "--device", "cpu", "--quiet")
    assert re.fullmatch(rf"{tmp_path}/run: ended by max_steps at step 12, .*\r\n", shown.drawn)


def test_a_file_is_translated_under_a_bar_that_leaves_no_trace(trained: Path, attncli: Command, tmp_path: Path) -> None:
    sources = tmp_path / "in.de"
    sources.write_text("der Hund rennt .\n\n" * 7)
    expected = attncli("translate", trained, sources, "--device", "cpu")
    assert (len(expected.out.splitlines()), expected.err) == (14, "")
    shown = on_terminal("translate", trained, sources, "--device", "cpu")
    assert re.search(r"\r *\d+%\|[^\r]*\| *\d+/14 \[[^\r]* sentences/s\]", shown.drawn)
    assert "\n".join(shown.screen) == expected.out.rstrip("\n")
    beside = on_terminal("translate", trained, sources, "--device", "cpu", output=tmp_path / "out.en")
    assert beside.screen == ()
    assert "/14 [" in beside.drawn
    assert (tmp_path / "out.en").read_text() == expected.out


def test_pairs_are_scored_under_a_bar(trained: Path, attncli: Command, config: Path) -> None:
    files = ("--source", config.parent / "dev.de", "--target", config.parent / "dev.en")
    expected = attncli("score", trained, *files, "--device", "cpu")
    shown = on_terminal("score", trained, *files, "--device", "cpu")
    assert "| 0/5 [" in shown.drawn
    assert list(shown.screen) == (expected.out + expected.err).splitlines()


def test_a_test_set_is_decoded_under_a_bar(trained: Path, config: Path, tmp_path: Path) -> None:
    files = ("--source", config.parent / "train.de", "--reference", config.parent / "train.en")
    shown = on_terminal("eval", trained, *files, "--output", tmp_path / "scores", "--device", "cpu")
    assert shown.code == 0, shown.drawn
    assert re.search(r"\rrun: +0%\|[^\r]*\| 0/36 \[[^\r]* sentences/s\]", shown.drawn)
    assert not [line for line in shown.screen if "%|" in line]
    assert shown.screen[0] == "run: decoding 36 sentences of train.de"


def test_sentences_are_typed_at_a_prompt(trained: Path, attncli: Command, tmp_path: Path) -> None:
    expected = attncli("translate", trained, "--device", "cpu", given=b"der Hund\neine Kuh\n").out.splitlines()
    # Of the second, a word is typed wrong and deleted.
    typed = [("> ", b"der Hund\n"), ("> ", b"eine xx\x7f\x7fKuh\n"), ("> ", b"\x04")]
    shown = on_terminal("translate", trained, "--device", "cpu", answers=typed)
    assert shown.code == 0, shown.drawn
    assert shown.screen == (
        "one sentence a line; Ctrl-D ends",
        *("> der Hund", expected[0], "> eine Kuh", expected[1], ">"),
    )
    beside = on_terminal("translate", trained, "--device", "cpu", answers=typed, output=tmp_path / "out.en")
    assert (tmp_path / "out.en").read_text().splitlines() == expected
    assert beside.screen[1] == "> der Hund"


def test_a_pipe_is_given_no_prompt(trained: Path, attncli: Command) -> None:
    result = attncli("translate", trained, "--device", "cpu", given=b"der Hund\n")
    assert (result.out.count("\n"), result.err) == (1, "")
