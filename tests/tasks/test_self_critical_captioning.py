"""Captioners that go on from another run and learn the CIDEr of what they draw, from the command on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from self_critical_runs import (
    assert_begins_with_best_weights,
    broken_and_whole,
    invoke,
    opened,
    records,
    train,
    with_set,
)
from tiny_captioner import configured
from toy_captions import toy_captions

from attncli.config.load import read_config
from attncli.decoding.search import search
from attncli.decoding.strategies import Sampling
from attncli.errors import ConfigError
from attncli.metrics.caption_tokens import caption_tokens
from attncli.metrics.coco import CiderD, DocumentFrequencies
from attncli.sources.images.batch import Pixels
from attncli.sources.images.efficientnet_lite0 import EfficientNetLite0

CAPTIONER = """\
model:
  embedding_size: 6
  dropout: 0.1
  encoder: {kind: cnn, preprocessing: {size: 32}, widths: [4, 6]}
  attention: {score: additive, size: 7}
  decoder: {hidden_size: 8, query: previous_state, bridge: mean_mlp, readout: deep, doubly_stochastic: 0.5}
training:
  batch_sentences: 9
  max_steps: 12
  learning_rate: 0.02
  label_smoothing: 0.1
  validate_every: 6
  augmentation: {smallest_crop: 0.8}
search: {beam_size: 3, max_length: 12, batch_size: 4}
"""
CRITICAL = """\
base: base.yaml
model: {{dropout: 0, decoder: {{doubly_stochastic: 0}}}}
training:
  objective: {{kind: self_critical, samples: 3}}
  start_from: {root}/run
  batch_sentences: 7
  max_steps: 8
  learning_rate: 0.005
  label_smoothing: 0
  validate_every: 4
  checkpoint_every: 3
  log_every: 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of toy pictures with both configurations and a run of the first."""
    made = tmp_path_factory.mktemp("captions")
    (made / "base.yaml").write_text(toy_captions(made, train=20, dev=4, test=3) + CAPTIONER)
    (made / "critical.yaml").write_text(CRITICAL.format(root=made))
    train(made / "base.yaml", made / "run")
    return made


def test_training_begins_with_the_best_weights_and_the_tokenizer_of_the_other_run(folder: Path) -> None:
    task = opened(folder)
    assert_begins_with_best_weights(task, folder / "run")
    assert task.tokenizers.target.content == (folder / "run" / "tokenizer.model").read_bytes()


def test_an_epoch_is_all_pictures_once(folder: Path) -> None:
    task = opened(folder)
    epochs = [[batch.rows for batch in task.epoch(number)] for number in (1, 1, 2)]
    assert epochs[0] == epochs[1] != epochs[2]
    assert [len(pictures) for pictures in epochs[0]] == [7, 7, 6]
    assert sorted(sum(epochs[2], ())) == list(range(20))
    batch = task.epoch(1)[2]
    assert len(batch.source) == 6
    assert batch.size == batch.terms == 6 * 3
    # The features of a picture are those of its own captions, in a batch as alone.
    plain = opened(folder, "training.augmentation={}").epoch(1)[2]
    alone = task.corpora.train.source.start(np.array([plain.rows[4]]), None)()
    assert isinstance(alone, Pixels)
    assert torch.equal(plain.source.pixels[4], alone.pixels[0])


def test_the_dev_loss_is_minus_the_cider_of_drawn_captions(folder: Path) -> None:
    task = opened(folder)
    task.model.eval()
    corpora, tokenizer = task.corpora, task.tokenizers.target
    training, dev = (
        [[caption_tokens(text) for text in texts] for texts in corpus.texts] for corpus in (corpora.train, corpora.dev)
    )
    scorer, rewards = CiderD(dev, DocumentFrequencies(training)), []
    with torch.no_grad():
        source = corpora.dev.source.start(np.arange(corpora.dev.sources), None)()
        found = search(
            task.model.decoder,
            task.model.encode(source),
            strategy=Sampling(1),
            beam_size=3,
            max_length=12,
            length_penalty=0.0,
        )
        for image, captions in enumerate(found):
            texts = [tokenizer.decode(hypothesis.tokens) for hypothesis in captions]
            rewards += [scorer.score(caption_tokens(text), image) for text in texts]
        scores = task.dev_scores([task.dev_part(0, 1)])
    assert len(rewards) == 4 * 3
    assert max(rewards) > 0
    assert scores["loss"] == pytest.approx(-float(np.mean(rewards)))
    assert {"bleu", "bleu_4", "cider"} <= set(scores)


def test_a_resumed_run_draws_as_an_unbroken_one_and_needs_no_other(folder: Path, tmp_path: Path) -> None:
    result, losses = broken_and_whole(folder, tmp_path, "training.objective.baseline=greedy")
    assert "20 training images" in result.output
    assert "captions/s" in result.output
    assert all(-10 <= loss <= 0 for of_event in losses.values() for loss in of_event.values())


def test_features_of_a_fixed_encoder_are_those_of_the_other_run(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    torch.manual_seed(1)
    torch.save(EfficientNetLite0(layer="head", fine_tune_from=None, rate_factor=1.0, pools=True).state_dict(), weights)
    encoder = "model.encoder={kind: efficientnet_lite0, memory_size: 9, preprocessing: {size: 32}, weights: %s}"
    fixed = ["training.augmentation={}", f"data.cache={tmp_path}/cache", "training.max_steps=2"]
    sets = with_set(fixed)
    train(folder / "base.yaml", tmp_path / "start", *sets, "--set", encoder % weights)
    (store,) = (tmp_path / "cache" / "features").iterdir()
    before = (store / "pictures").read_bytes()
    weights.unlink()
    begun = ("--set", encoder % "null", "--set", f"training.start_from={tmp_path}/start")
    train(folder / "critical.yaml", tmp_path / "run", *sets, *begun)
    assert list((tmp_path / "cache" / "features").iterdir()) == [store]
    assert (store / "pictures").read_bytes() == before
    result = invoke("eval", tmp_path / "run", "--output", tmp_path / "out", "--device", "cpu")
    assert result.exit_code == 0, result.output


def test_the_curves_say_what_the_loss_counts(folder: Path, tmp_path: Path) -> None:
    train(folder / "critical.yaml", tmp_path / "run", "--set", "training.max_steps=2")
    for run, what in ((tmp_path / "run", "minus CIDEr of drawn targets"), (folder / "run", "nats a token")):
        assert invoke("visualize", run, "--curves", "--format", "svg", "--output", tmp_path).exit_code == 0
        assert f"loss ({what})" in (tmp_path / "curves.svg").read_text()


def test_a_dry_run_draws_for_the_first_batch(folder: Path) -> None:
    result = invoke("train", folder / "critical.yaml", "--dry-run", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "3 batches an epoch; the largest (7 images, 21 captions drawn) took" in result.stdout


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["training.start_from={root}/runn"], "{root}/runn: no such folder; did you mean {root}/run?"),
        (
            ["training.start_from={root}/images"],
            "{root}/images: not a run: missing metadata.json, config.yaml; found dev-00001.png, dev-00002.png, "
            "dev-00003.png, dev-00004.png, test-00001.png, test-00002.png and 21 more",
        ),
        (
            ["model.attention.size=5", "model.decoder.hidden_size=9"],
            "{root}/run has another tokenizer or model, so its weights do not fit:\n"
            "  model.attention.size: there 7, here 5\n"
            "  model.decoder.hidden_size: there 8, here 9\n"
            "give what it was trained with; only model.attention.coverage_loss, model.ctc.weight, "
            "model.decoder.doubly_stochastic, model.dropout, model.encoder.fine_tune_from, "
            "model.encoder.learning_rate_factor, model.encoder.weights, model.initial_weights may differ",
        ),
        (
            ["tokenizer={kind: char}", "model.embedding_size=5", "model.decoder.bridge=zero"],
            "{root}/run has another tokenizer or model, so its weights do not fit:\n"
            "  tokenizer.kind: there word, here char\n"
            "  tokenizer.vocabulary_size: there 60, here 8000\n"
            "  model.embedding_size: there 6, here 5\n"
            "  model.decoder.bridge: there mean_mlp, here zero\n"
            "give what it was trained with; only model.attention.coverage_loss, model.ctc.weight, "
            "model.decoder.doubly_stochastic, model.dropout, model.encoder.fine_tune_from, "
            "model.encoder.learning_rate_factor, model.encoder.weights, model.initial_weights may differ",
        ),
    ],
)
def test_what_cannot_be_started_from_is_said(folder: Path, overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(folder, *(override.replace("{root}", str(folder)) for override in overrides))
    assert str(caught.value) == "training.start_from: " + problem.format(root=folder)


def test_a_run_of_another_task_or_without_weights_is_no_start(folder: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(folder, f"training.start_from={trained}")
    assert str(caught.value) == (
        f"training.start_from: {trained} is a run of task translation; name one of task captioning"
    )
    shutil.copytree(folder / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(ConfigError) as caught:
        opened(folder, f"training.start_from={tmp_path}/run")
    assert str(caught.value).startswith(
        f"training.start_from: {tmp_path}/run: not a checkpoint: missing checkpoints/best/model.safetensors"
    )


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "model.dropout={outputs: 0.1}",
            "model.dropout: would score a sampled target with another network than the one that sampled it; set it to "
            "0 for training.objective.kind 'self_critical'",
        ),
        (
            "model.attention={selection: hard}",
            "model.attention.selection: 'hard' samples positions, and would score a sampled target with others than "
            "those it was sampled with; choose 'soft' for training.objective.kind 'self_critical'",
        ),
        (
            "model.decoder.doubly_stochastic=1",
            "model.decoder.doubly_stochastic: is a term beside cross-entropy; set it to 0 for "
            "training.objective.kind 'self_critical'",
        ),
        (
            "training.label_smoothing=0.1",
            "training.label_smoothing: smooths cross-entropy; set it to 0 for training.objective.kind 'self_critical'",
        ),
        (
            "training.batch_sentences=null",
            "training.batch_sentences: is required with training.objective.kind 'self_critical', where it is the "
            "number of sources in a batch",
        ),
        (
            "training.objective.samples=1",
            "training.objective: baseline: others is the mean of a source's other samples, so samples must be 2 or "
            "more",
        ),
        (
            "training.start_from=null",
            "training.start_from: is required with training.objective.kind 'self_critical'; name a run that was "
            "trained with cross_entropy",
        ),
    ],
)
def test_what_does_not_go_with_drawn_captions_is_refused(folder: Path, override: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(folder / "critical.yaml", [override])
    assert len(caught.value.problems) == 1
    assert str(caught.value).endswith(problem)


def test_cross_entropy_is_the_default() -> None:
    assert configured("{score: general}", "{hidden_size: 8}").training.objective.kind == "cross_entropy"


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["others", "greedy"])
def test_self_critical_steps_raise_the_reward(tmp_path: Path, baseline: str) -> None:
    (tmp_path / "base.yaml").write_text(toy_captions(tmp_path, train=120, dev=40, test=1) + CAPTIONER)
    (tmp_path / "critical.yaml").write_text(CRITICAL.format(root=tmp_path))
    sizes = ["model.embedding_size=24", "model.decoder.hidden_size=32", "training.augmentation={}"]
    sizes += ["training.batch_sentences=30", "search.max_length=16"]
    rarely = "training.validate_every=1000"
    train(tmp_path / "base.yaml", tmp_path / "run", *with_set([*sizes, rarely, "training.max_steps=120"]))
    asked = [f"training.objective.baseline={baseline}", "training.max_steps=60", "training.learning_rate=0.01"]
    train(tmp_path / "critical.yaml", tmp_path / "critical", *with_set([*sizes, rarely, *asked]))
    before = opened(tmp_path, *sizes)
    before.model.eval()
    first = before.dev_scores([before.dev_part(0, 1)])
    (after,) = records(tmp_path / "critical", "validation")
    assert after["loss"] < 1.15 * first["loss"] < 0
