"""`search.patience`: what ends searches early, what it leaves alone, and how it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import Command

LINES = ["der Hund rennt .", "eine Kuh schläft nie .", "", "Hund", "nie nie nie ."]
# Long hypotheses are worth much, so that an exact search goes on for long.
ASKED = ("--format", "jsonl", "--beam-size", 2, "--n-best", 2, "--length-penalty", 9, "--device", "cpu")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "x.de").write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return tmp_path / "x.de"


def found(attncli: Command, run: Path, source: Path, *options: object) -> list[Any]:
    result = attncli("translate", run, source, *ASKED, *options)
    assert result.code == 0, result.err
    return [json.loads(line)["hypotheses"] for line in result.out.splitlines()]


def length(hypotheses: list[Any]) -> int:
    return sum(len(each["tokens"]) for each in hypotheses)


@pytest.fixture
def hasty(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of a run whose configuration has a patience of 1."""
    copy = Path(shutil.copytree(trained, tmp_path / "hasty"))
    text = (copy / "config.yaml").read_text()
    assert text.count("patience: null") == 1
    (copy / "config.yaml").write_text(text.replace("patience: null", "patience: 1.0"))
    return copy


def test_searches_end_with_the_first_hypotheses(attncli: Command, trained: Path, source: Path) -> None:
    exact, first = found(attncli, trained, source), found(attncli, trained, source, "--patience", 1)
    for better, earlier in zip(exact, first, strict=True):
        assert [each["score"] for each in better] >= [each["score"] for each in earlier]
    assert sum(map(length, first)) < sum(map(length, exact))
    assert found(attncli, trained, source, "--patience", 1000) == exact


def test_the_configuration_says_it_too(attncli: Command, trained: Path, hasty: Path, source: Path) -> None:
    assert found(attncli, hasty, source) == found(attncli, trained, source, "--patience", 1)


def test_draws_go_on_to_their_own_end(attncli: Command, trained: Path, hasty: Path, source: Path) -> None:
    asked = ("--format", "jsonl", "--sample", "--temperature", 3, "--n-best", 3, "--device", "cpu")
    drawn = attncli("translate", trained, source, *asked).out
    assert len(drawn.splitlines()) == len(LINES)
    assert attncli("translate", hasty, source, *asked).out == drawn


def test_reports_say_it(attncli: Command, trained: Path, source: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.en"
    reference.write_bytes(source.read_bytes())
    sides = ("--source", source, "--reference", reference, "--device", "cpu", "--output", tmp_path / "out")
    result = attncli("eval", trained, *sides, "--patience", 1.5)
    assert result.code == 0, result.err
    [run] = json.loads((tmp_path / "out/report.json").read_text())["runs"]
    assert run["patience"] == 1.5
    assert "ended searches before nothing better could come (search.patience: 1.5)" in result.err + result.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--patience", 0.5), "Invalid value for '--patience': Input should be greater than or equal to 1"),
        (("--patience", 1001), "--patience: should be at most 1,000, but is 1001"),
        (("--sample", "--patience", 1), "--sample draws each hypothesis on its own, without a beam; remove --patience"),
    ],
)
def test_it_is_refused(
    attncli: Command, trained: Path, source: Path, options: tuple[object, ...], message: str
) -> None:
    result = attncli("translate", trained, source, *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
