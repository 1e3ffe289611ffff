"""Translators that go on from another run and learn the GLEU of what they draw, from the command on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from cider import ngrams
from self_critical_runs import (
    assert_begins_with_best_weights,
    broken_and_whole,
    critical_config,
    invoke,
    opened,
    records,
    train,
    with_set,
)

from attncli.data.corpus import Corpus
from attncli.decoding.search import search
from attncli.decoding.strategies import Sampling
from attncli.runs.folder import RunFolder
from attncli.tasks.writing import WritingTask

BASE = """\
base: small.yaml
tokenizer: {vocabulary_size: 30}
training: {max_steps: 40, validate_every: 20}
"""
CRITICAL = """\
base: base.yaml
training:
  objective: {{kind: self_critical, reward: gleu, samples: 3}}
  start_from: {root}/run
  batch_sentences: 7
  max_steps: 8
  learning_rate: 0.005
  validate_every: 4
  checkpoint_every: 3
  log_every: 2
"""


@pytest.fixture(scope="module")
def folder(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both configurations and a run of the first, whose vocabularies hold all words."""
    made = tmp_path_factory.mktemp("sentences")
    shutil.copy(trained.parent / "small.yaml", made)
    (made / "base.yaml").write_text(BASE)
    (made / "critical.yaml").write_text(CRITICAL.format(root=made))
    train(made / "base.yaml", made / "run")
    return made


def gleu_by_definition(text: str, reference: str) -> float:
    """Return the smaller of precision and recall of n-grams of 1 to 4 words, by pairing them off."""
    found, wanted = (
        [ngram for order in (1, 2, 3, 4) for ngram in ngrams(side.split(), order)] for side in (text, reference)
    )
    left = list(wanted)
    for ngram in found:
        if ngram in left:
            left.remove(ngram)
    matching = len(wanted) - len(left)
    return min(matching / len(found), matching / len(wanted)) if found else 0.0


def drawn_rewards(task: WritingTask, corpus: Corpus, rows: list[int], references: list[str], seed: int) -> list[float]:
    """Return the GLEU of three targets that are drawn for each of the sources `rows` of `corpus`."""
    found = search(
        task.model.decoder,
        task.model.encode(corpus.source.start(np.array(rows), None)()),
        strategy=Sampling(seed).for_rows(rows),
        beam_size=3,
        max_length=9,
        length_penalty=0.0,
    )
    return [
        gleu_by_definition(task.tokenizers.target.decode(hypothesis.tokens), references[row])
        for row, ranked in zip(rows, found, strict=True)
        for hypothesis in ranked
    ]


def lines(folder: Path, name: str) -> list[str]:
    root = Path(critical_config(folder).data.root)
    return (root / name).read_text(encoding="utf-8").splitlines()


def test_training_begins_with_the_best_weights_and_both_tokenizers_of_the_other_run(folder: Path) -> None:
    task = opened(folder)
    assert_begins_with_best_weights(task, folder / "run")
    assert task.tokenizers.source.encode("der Hund nie") == [
        task.tokenizers.source.encode(word)[0] for word in ("der", "Hund", "nie")
    ]
    assert task.tokenizers.target.decode(task.tokenizers.target.encode("a cow never")) == "a cow never"
    assert not task.tokenizers.shared


def test_an_epoch_is_all_sentences_once(folder: Path) -> None:
    task = opened(folder)
    epochs = [[batch.rows for batch in task.epoch(number)] for number in (1, 1, 2)]
    assert epochs[0] == epochs[1] != epochs[2]
    assert [len(sentences) for sentences in epochs[0]] == [7, 7, 7, 7, 7, 1]
    assert sorted(sum(epochs[2], ())) == list(range(36))
    batch = task.epoch(1)[3]
    assert batch.size == batch.terms == 7 * 3
    given = lines(folder, "train.de")
    assert [task.tokenizers.source.decode(row.tolist()) for row in batch.source.ids] == [given[at] for at in batch.rows]


def test_what_is_reported_is_minus_the_gleu_of_drawn_translations(folder: Path) -> None:
    task = opened(folder)
    task.model.eval()
    batch = task.epoch(1)[1]
    torch.manual_seed(5)
    seed = int(torch.randint(2**62, ()))
    torch.manual_seed(5)
    loss = task.loss(batch)
    with torch.no_grad():
        rewards = drawn_rewards(task, task.corpora.train, list(batch.rows), lines(folder, "train.en"), seed)
    assert loss.terms == len(rewards) == 21
    assert 0 < max(rewards) <= 1
    assert float(loss.reported) == pytest.approx(-sum(rewards), rel=1e-5)


def test_the_dev_loss_is_minus_the_mean_gleu_of_drawn_translations(folder: Path) -> None:
    task = opened(folder)
    task.model.eval()
    with torch.no_grad():
        rewards = drawn_rewards(task, task.corpora.dev, list(range(5)), lines(folder, "dev.en"), seed=1)
        scores = task.dev_scores([task.dev_part(0, 1)])
    assert max(rewards) > 0
    assert scores["loss"] == pytest.approx(-float(np.mean(rewards)), rel=1e-5)
    assert set(scores) == {"loss", "bleu"}


@pytest.mark.parametrize("baseline", ["others", "greedy"])
def test_a_resumed_run_draws_as_an_unbroken_one_and_needs_no_other(folder: Path, tmp_path: Path, baseline: str) -> None:
    result, losses = broken_and_whole(folder, tmp_path, f"training.objective.baseline={baseline}")
    assert "36 training sentences" in result.output
    assert "targets/s" in result.output
    begun, ended = (RunFolder(run).load_weights("best") for run in (folder / "run", tmp_path / "whole"))
    assert any(not torch.equal(begun[key], ended[key]) for key in begun)
    assert {event: list(of_event) for event, of_event in losses.items()} == {
        "train": [2, 4, 6, 8],
        "validation": [4, 8],
    }
    assert all(-1 <= loss <= 0 for of_event in losses.values() for loss in of_event.values())


def test_a_dry_run_draws_for_the_first_batch(folder: Path) -> None:
    result = invoke("train", folder / "critical.yaml", "--dry-run", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "6 batches an epoch; the largest (7 sentences, 21 targets drawn) took" in result.stdout


def test_the_curves_say_what_the_loss_counts(folder: Path, tmp_path: Path) -> None:
    train(folder / "critical.yaml", tmp_path / "run", "--set", "training.max_steps=2")
    assert invoke("visualize", tmp_path / "run", "--curves", "--format", "svg", "--output", tmp_path).exit_code == 0
    assert "loss (minus GLEU of drawn targets)" in (tmp_path / "curves.svg").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["others", "greedy"])
def test_self_critical_steps_raise_the_reward(folder: Path, tmp_path: Path, baseline: str) -> None:
    # Of the training sentences: five others would tell less.
    changes = ["data.dev={source: train.de, target: train.en}", f"training.objective.baseline={baseline}"]
    changes += ["training.batch_sentences=36", "training.max_steps=50", "training.validate_every=50"]
    train(folder / "critical.yaml", tmp_path / "run", *with_set(changes))
    before = opened(folder, *changes)
    before.model.eval()
    first = before.dev_scores([before.dev_part(0, 1)])["loss"]
    (after,) = records(tmp_path / "run", "validation")
    assert after["loss"] < 1.2 * first < 0
