"""What a model of two sources is known to learn: to find in one of them what the other asks for.

The first says which colour each of four people likes, the second is the name of one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest
from typer.testing import CliRunner

from attncli.api import load
from attncli.cli.main import app

pytestmark = pytest.mark.slow

NAMES = ("ann", "bob", "cleo", "dan", "eve", "finn", "gil", "hal")
COLOURS = ("red", "green", "blue", "black", "white")
CONFIG = """\
task: answering
data:
  root: {root}
  table: facts.tsv
  columns: {{facts: facts, question: question, target: answer, split: split}}
  train: {{split: train}}
  dev: {{split: dev}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 40, target: {{kind: label}}}}
model:
  embedding_size: 32
  encoders:
    facts: {{kind: recurrent, hidden_size: 48}}
    question: {{kind: recurrent, hidden_size: 32}}
  attention: {{score: additive, size: 32}}
  decoder: {{kind: classifier, hidden_size: 48}}
training:
  {{batch_sentences: 32, max_steps: 1000, learning_rate: 0.005, schedule: {{kind: cosine, steps: 1000, lowest: 0.02}},
   validate_every: 1000, validation: {{sources: 200}}}}
search: {{beam_size: 1}}
"""


@dataclass(frozen=True)
class Fact:
    """Who likes what, who is asked about, and what the answer is."""

    facts: str
    question: str
    answer: str


def asked(random: Random) -> Fact:
    names = random.sample(NAMES, 4)
    colours = [random.choice(COLOURS) for _ in names]
    at = random.randrange(4)
    told = " ".join(f"{name} {colour}" for name, colour in zip(names, colours, strict=True))
    return Fact(told, names[at], colours[at])


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Fact]]:
    """Return a folder with a table of facts, and its dev set."""
    folder, random = tmp_path_factory.mktemp("facts"), Random(1)
    sets = {split: [asked(random) for _ in range(count)] for split, count in (("train", 4000), ("dev", 200))}
    lines = [f"{each.facts}\t{each.question}\t{each.answer}\t{split}\n" for split in sets for each in sets[split]]
    (folder / "facts.tsv").write_text("facts\tquestion\tanswer\tsplit\n" + "".join(lines))
    (folder / "config.yaml").write_text(CONFIG.format(root=folder))
    return folder, sets["dev"]


def trained(folder: Path, name: str, *overrides: str) -> Path:
    sets = [part for override in overrides for part in ("--set", override)]
    given = ["train", str(folder / "config.yaml"), "--run", str(folder / name), "--device", "cpu", *sets]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, (result.output, result.exception)
    return folder / name


def test_it_looks_at_what_was_asked_for_and_answers(facts: tuple[Path, list[Fact]]) -> None:
    folder, dev = facts
    run = load(trained(folder, "run"), device="cpu")
    outputs = run.answer([{"facts": each.facts, "question": each.question} for each in dev], attention=True)
    right = np.mean([output.text == each.answer for output, each in zip(outputs, dev, strict=True)])
    assert right > 0.97
    shares = []
    for output, each in zip(outputs, dev, strict=True):
        weights = output.best.attention_over["facts"].values[0]
        at = each.facts.split().index(each.question)
        shares.append(weights[at : at + 2].sum() / weights.sum())
    assert np.mean(shares) > 0.6


def test_a_blind_model_guesses(facts: tuple[Path, list[Fact]]) -> None:
    folder, dev = facts
    run = load(trained(folder, "blind", "model.encoders.facts=null", "training.max_steps=200"), device="cpu")
    outputs = run.answer([{"question": each.question} for each in dev])
    assert np.mean([output.text == each.answer for output, each in zip(outputs, dev, strict=True)]) < 0.4
