"""A decoder that copies writes names that it has never seen; one that does not cannot."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from command_line import Command

CONFIG = """\
task: translation
data:
  root: {root}
  cache: {root}/cache
  train: {{source: train.s, target: train.t}}
  dev: {{source: dev.s, target: dev.t}}
tokenizer: {{kind: word, vocabulary_size: 12}}
model:
  embedding_size: 24
  encoder: {{hidden_size: 32}}
  attention: {{score: additive, location_aware: true, filters: 4, filter_width: 3}}
  decoder: {{hidden_size: 32, copying: true}}
training:
  batch_sentences: 32
  max_steps: 500
  learning_rate: 4.0e-3
  schedule: {{kind: cosine, warmup: 20, lowest: 1.0e-4}}
  validate_every: 250
search: {{beam_size: 3, max_length: 8}}
"""


def sentences(count: int, draw: random.Random) -> list[tuple[str, str]]:
    def name() -> str:
        return "".join(draw.choice("bcdfghklm") for _ in range(6))

    found = []
    for _ in range(count):
        giver, taker = name(), name()
        found.append((f"{giver} gives {taker} a book", f"{taker} has the book of {giver}"))
    return found


@pytest.mark.slow
def test_unseen_names_are_copied_to_their_places(attncli: Command, tmp_path: Path) -> None:
    draw = random.Random(1)
    for split, count in (("train", 2000), ("dev", 50), ("test", 100)):
        pairs = sentences(count, draw)
        for side, texts in zip("st", zip(*pairs, strict=True), strict=True):
            (tmp_path / f"{split}.{side}").write_text("\n".join(texts) + "\n")
    (tmp_path / "copying.yaml").write_text(CONFIG.format(root=tmp_path))
    run, test = tmp_path / "run", tmp_path / "test.s"
    attncli("train", tmp_path / "copying.yaml", "--run", run)
    written = attncli("translate", run, test).out.splitlines()
    expected = (tmp_path / "test.t").read_text().splitlines()
    right = sum(one == other for one, other in zip(written, expected, strict=True))
    assert right >= 95, written[:5]
    scored = attncli("score", run, "--source", test, "--target", tmp_path / "test.t").out.splitlines()
    assert len(scored) >= 100
    refused = attncli("train", tmp_path / "copying.yaml", "--run", tmp_path / "other", "--set", "model.attention=none")
    assert refused.code == 2
    assert "model.decoder.copying: copies by the weights, of which model.attention: none has none" in refused.err
