"""The benchmark of whole commands: what it runs for the time to a BLEU, and what it makes of several rounds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import ModuleType

import pytest
from benchmark_modules import FOLDER, benchmark_module


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    sys.path.insert(0, str(FOLDER))  # it imports its neighbours
    try:
        return benchmark_module("bench")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.mark.parametrize(
    ("config", "length"), [("benchmark", {"training.max_steps=2172"}), ("multi30k-de-en", set[str]())]
)
def test_the_time_to_a_bleu_is_of_the_given_configuration_which_keeps_its_own_length(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: str, length: set[str]
) -> None:
    ran: list[list[str]] = []
    sentence = "one two three four five"
    saved = [benchmark_module("quality").Saved(step, 60.0 * step, tmp_path / f"step-{step}") for step in (1, 2)]

    def command(arguments: list[str]) -> None:
        ran.append(arguments)
        if arguments[0] == "translate":
            right = "kept/step-2" in arguments
            (tmp_path / "quality-output.txt").write_text(f"{sentence if right else 'nothing of that kind'}\n")

    monkeypatch.setattr(bench, "_command", command)
    monkeypatch.setattr(bench, "_lines", lambda path: [sentence])
    monkeypatch.setattr(bench, "saved_by_attncli", lambda run: saved)
    found = bench.Measurements()
    options = argparse.Namespace(config=config, precision="bf16", work=tmp_path, peers=[])
    bench.measure_quality(options, found)

    train, *translations = ran
    assert train[:4] == ["train", config, "--run", str(tmp_path / f"quality-{config}-bf16")]
    assert {given for given in train if given.startswith("training.max_steps")} == length
    assert "training.precision=bf16" in train
    decoded = [(Path(arguments[2]).name, arguments[4], arguments[5]) for arguments in translations]
    assert decoded == [
        ("val.de.gz", "kept/step-1", "--beam-size=5"),
        ("val.de.gz", "kept/step-2", "--beam-size=5"),
        ("test_2016_flickr.de.gz", "kept/step-2", "--beam-size=5"),
    ]
    row = f"attncli, {config}, bf16"
    for target in (36.0, 38.5):
        columns = [found.median(f"to dev BLEU {target}", row, name) for name in ("minutes", "updates", "test_BLEU")]
        assert columns == pytest.approx([2.0, 2, 100.0])


def test_a_table_has_the_median_of_each_row_and_nothing_where_nothing_was_measured(bench: ModuleType) -> None:
    found = bench.Measurements()
    for rate in (1_000.0, 3_000.0, 1_500.0):
        found.add("training", "ours", tokens_per_second=rate)
    found.add("training", "theirs", tokens_per_second=700.0, peak_MiB=80.5)
    assert list(found.tables()) == [
        "\n| training | tokens per second | peak MiB |",
        "| --- | ---: | ---: |",
        "| ours | 1,500.0 |  |",
        "| theirs | 700.0 | 80.5 |",
    ]
