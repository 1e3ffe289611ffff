"""No target is longer than its decoder has learned positions, and that is said before anything is decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command, Result

from attncli.errors import CommandError
from attncli.runs.writing import WritingRun

LEARNED = "kind: transformer, hidden_size: 6, heads: 2, layers: 1, feed_forward_size: 9, positions: learned"
OVERRIDES = (
    f"model.decoder={{{LEARNED}, maximum_length: 9}}",
    "model.attention={score: scaled_dot}",
    "training.max_steps=1",
)


def train(attncli: Command, config: Path, run: Path, *overrides: str) -> Result:
    sets = [item for override in (*OVERRIDES, *overrides) for item in ("--set", override)]
    return attncli("train", config, "--run", run, "--device", "cpu", *sets)


def test_a_configuration_that_asks_for_longer_targets_is_refused(
    attncli: Command, config: Path, tmp_path: Path
) -> None:
    result = train(attncli, config, tmp_path / "run", "search.max_length=10")
    assert result.code == 2
    assert (
        "model.decoder.maximum_length: is 9, but search.max_length is 10, and every token of the output needs a "
        "learned position; lower search.max_length, raise model.decoder.maximum_length, or set "
        "model.decoder.positions: sinusoidal\n"
    ) in result.err
    assert not (tmp_path / "run").exists()


def test_an_option_that_asks_for_longer_targets_is_refused_before_anything_is_decoded(
    attncli: Command, config: Path, tmp_path: Path
) -> None:
    run, output = tmp_path / "run", tmp_path / "out.txt"
    assert train(attncli, config, run).code == 0
    source = config.parent / "dev.de"
    result = attncli("translate", run, source, "-o", output, "--device", "cpu", "--max-length", 10)
    assert result.code == 2
    message = (
        f"--max-length 10: the decoder of {run} has learned positions for 9 tokens (model.decoder.maximum_length); "
        "give at most 9"
    )
    assert result.err == f"attncli: {message}\n"
    assert not output.exists()
    assert attncli("translate", run, source, "-o", output, "--device", "cpu", "--max-length", 9).code == 0
    loaded = WritingRun.load(run, device="cpu")
    with pytest.raises(CommandError) as caught:
        loaded.writer(loaded.config.search.changed({"max_length": 10}))
    assert str(caught.value) == message
