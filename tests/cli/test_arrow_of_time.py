"""Films that become lighter are told from the same films backwards, from training to drawings of attention."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy_films
from command_line import Command
from typer.testing import CliRunner

from attncli.cli.main import app


@pytest.fixture(scope="module")
def lighter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with films that become lighter, and a run that was trained on their two directions."""
    folder = tmp_path_factory.mktemp("lighter")
    config = toy_films.labelled_films(folder)
    lines = (folder / "films.tsv").read_text().splitlines()
    (folder / "films.tsv").write_text("\n".join([lines[0], *(line for line in lines if "\tlighter\t" in line)]) + "\n")
    text = config.read_text().replace("target: change, ", "").replace("  train:", "  labels: arrow_of_time\n  train:")
    config.write_text(text)
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(folder / "run"), "--device", "cpu"])
    assert result.exit_code == 0, (result.output, result.exception)
    return folder


def test_each_film_is_scored_both_ways(lighter: Path, attncli: Command) -> None:
    assert attncli("eval", lighter / "run", "--output", lighter / "report", "--device", "cpu").code == 0
    report = json.loads((lighter / "report" / "report.json").read_text())
    [run] = report["runs"]
    assert (report["sources"], run["accuracy"]["score"]) == (6, 100.0)
    assert {label["label"]: label["sources"] for label in run["by_label"]} == {"forwards": 3, "backwards": 3}
    assert {group["group"]: group["sources"] for group in run["by_group"]} == {"file": 2, "folder": 4}
    assert "reversed" not in run
    lines = [json.loads(line) for line in (lighter / "report" / "sentences.jsonl").read_text().splitlines()]
    assert [(line["source"], line["references"]) for line in lines[:4]] == [
        ("test-lighter-0", ["forwards"]),
        ("test-lighter-0 (backwards)", ["backwards"]),
        ("test-lighter-1.webp", ["forwards"]),
        ("test-lighter-1.webp (backwards)", ["backwards"]),
    ]


def test_reversed_all_are_taken_for_the_other(lighter: Path, attncli: Command) -> None:
    done = attncli("eval", lighter / "run", "--reversed", "--device", "cpu")
    assert done.code == 0, done.err
    folder = lighter / "run" / "evaluation" / "test-reversed"
    report = json.loads((folder / "report.json").read_text())
    assert (report["runs"][0]["accuracy"]["score"], report["runs"][0]["reversed"]) == (0.0, True)
    lines = [json.loads(line) for line in (folder / "sentences.jsonl").read_text().splitlines()]
    assert [line["source"] for line in lines[:2]] == ["test-lighter-0 (backwards)", "test-lighter-0"]


def test_workers_read_each_film_in_its_direction(lighter: Path, attncli: Command) -> None:
    command = ("eval", lighter / "run", "--device", "cpu", "--workers", "2", "--output", lighter / "by-workers")
    assert attncli(*command).code == 0
    report = json.loads((lighter / "by-workers" / "report.json").read_text())
    assert report["runs"][0]["accuracy"]["score"] == 100.0


def test_a_film_is_told_to_run_forwards_or_backwards(lighter: Path, attncli: Command, tmp_path: Path) -> None:
    toy_films.write_film(tmp_path / "a.gif", [90, 110, 131, 150, 171])
    toy_films.write_film(tmp_path / "b.gif", [171, 150, 131, 110, 90])
    done = attncli("classify", lighter / "run", tmp_path, "--device", "cpu")
    assert [line.split("\t")[1] for line in done.out.splitlines()] == ["forwards", "backwards"]
