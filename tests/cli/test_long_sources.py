"""Sources of a thousand tokens, as a document has, are trained on and decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command
from conftest import WORDS

RECURRENT = ["model.decoder={hidden_size: 8}"]
TRANSFORMER = [
    "model.attention={score: scaled_dot}",
    "model.encoder={kind: transformer, hidden_size: 6, heads: 2, layers: 1, feed_forward_size: 9}",
    "model.decoder={kind: transformer, hidden_size: 6, heads: 2, layers: 1, feed_forward_size: 9}",
]


@pytest.mark.parametrize("changes", [RECURRENT, TRANSFORMER], ids=["recurrent", "transformer"])
def test_a_source_of_a_thousand_tokens_is_trained_on_and_decoded(
    attncli: Command, config: Path, tmp_path: Path, changes: list[str]
) -> None:
    words = list(WORDS)
    lines = [" ".join(words[(at + step) % len(words)] for step in range(1000)) for at in range(3)]
    for name in ("train", "dev"):
        (config.parent / f"{name}.de").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (config.parent / f"{name}.en").write_text("a b\n" * 3)
    asked = [*changes, "data.maximum_length={source: null}", "training.max_steps=2", "training.validate_every=2"]
    sets = [part for change in asked for part in ("--set", change)]
    trained = attncli("train", config, "--run", tmp_path / "run", "--device", "cpu", *sets)
    assert trained.code == 0, trained.err
    assert "train: 3 pairs, 3,003 source and 9 target tokens" in trained.err
    written = attncli("translate", tmp_path / "run", config.parent / "dev.de", "--format", "jsonl", "--device", "cpu")
    assert (written.code, written.out.count("\n")) == (0, 3)
    shown = attncli(
        "score", tmp_path / "run", "--source", config.parent / "dev.de", "--target", config.parent / "dev.en"
    )
    assert (shown.code, shown.out.count("\n")) == (0, 3)
