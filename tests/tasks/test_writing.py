"""A task that writes, as the training loop sees it: batches, loss, validation, and the largest batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sacrebleu.metrics.bleu import BLEU as SacreBLEU  # noqa: N811 - beside our own
from toy_answers import toy_answers

from attncli.config.load import read_config
from attncli.config.writing import WritingConfig
from attncli.data.corpus import CorpusBatches
from attncli.decoding.writer import Writer
from attncli.errors import DataError
from attncli.sources.text.reader import TextReader
from attncli.tasks.objectives import CrossEntropyObjective
from attncli.tasks.writing import WritingTask, open_writing

CPU = torch.device("cpu")


def configured(path: Path, *overrides: str) -> WritingConfig:
    config = read_config(path, overrides)
    assert isinstance(config, WritingConfig)
    return config


def made(config: Path, *overrides: str) -> WritingTask:
    return open_writing(configured(config, *overrides), CPU, None)


def ids_of(task: WritingTask, epoch: int) -> list[list[list[int]]]:
    return [batch.source.ids.tolist() for batch in task.epoch(epoch)]


def test_an_epoch_is_decided_by_seed_and_number(config: Path) -> None:
    task = made(config)
    assert ids_of(task, 1) == ids_of(made(config), 1)
    assert ids_of(task, 1) != ids_of(task, 2)
    assert ids_of(task, 1) != ids_of(made(config, "training.seed=2"), 1)
    batches = task.epoch(3)
    assert sum(len(batch.source.ids) for batch in batches) == 36
    assert batches[len(batches) - 1].target.ids.shape[0] > 0
    with pytest.raises(IndexError):
        batches[len(batches)]


def test_batches_keep_to_their_limits(config: Path) -> None:
    for batch in made(config, "training.batch_sentences=5").epoch(1):
        assert max(batch.source.ids.numel(), batch.target.ids.numel()) <= 60
        assert len(batch.source.ids) <= 5


def test_batches_by_image_encode_it_once_and_have_the_loss_that_they_would_have_without(tmp_path: Path) -> None:
    path = toy_answers(tmp_path, train=6, dev=2, test=1)
    task = made(path, "training.batch_by=image", "model.dropout=0")
    each = made(path, "model.dropout=0")
    each.model.load_state_dict(task.model.state_dict())
    assert isinstance(each.objective, CrossEntropyObjective)
    corpus, batches, seen = each.objective.corpora.train, task.epoch(1), 0
    assert isinstance(batches, CorpusBatches)
    for rows, batch in zip(batches.rows, batches, strict=True):
        image, question = batch.source.members
        assert len(image.values) < len(image) == len(question) == len(rows)
        alone = corpus.source.start(rows, None)()
        expected = each.model.loss(alone, batch.target, label_smoothing=0.0)
        torch.testing.assert_close(task.loss(batch).total, expected.total)
        seen += len(rows)
    assert seen == len(corpus)


def test_the_loss_has_the_smoothing_of_the_configuration(config: Path) -> None:
    batch = made(config).epoch(1)[0]
    plain, smooth = made(config), made(config, "training.label_smoothing=0.3")
    assert torch.equal(plain.loss(batch).total, plain.loss(batch).reported)
    assert smooth.loss(batch).terms == batch.terms
    assert not torch.equal(smooth.loss(batch).total, smooth.loss(batch).reported)


def test_validation_is_the_loss_a_token_and_the_bleu_of_what_is_written(config: Path) -> None:
    task = made(config, "training.label_smoothing=0.3")
    task.model.eval()
    lines = [(config.parent / f"dev.{side}").read_text().splitlines() for side in ("de", "en")]
    for beam_size, sources in ((1, None), (3, 2)):
        asked = f"training.validation={{beam_size: {beam_size}, sources: {sources or 'null'}}}"
        task.config = configured(config, "training.label_smoothing=0.3", asked)
        scores = task.dev_scores([task.dev_part(0, 1)])
        pairs = list(zip(*lines, strict=True))
        writer = Writer(task.model, TextReader(task.tokenizers.source), task.tokenizers.target, task.config.search)
        forced = list(writer.align(pairs))
        tokens = sum(len(found.best.tokens) for found in forced)
        total = sum(found.best.log_prob for found in forced)
        assert scores["loss"] == pytest.approx(-total / tokens, rel=1e-5)
        settings = task.config.search.model_copy(update={"beam_size": beam_size})
        written = [found.best.text for found in replace(writer, settings=settings).write(lines[0][:sources])]
        assert scores["bleu"] == pytest.approx(SacreBLEU().corpus_score(written, [lines[1][:sources]]).score)


@pytest.mark.parametrize(("sources", "asked"), [(5, "null"), (4, "4")])
def test_processes_validate_as_one(config: Path, sources: int, asked: str) -> None:
    task = made(config, f"training.validation={{beam_size: 2, sources: {asked}}}", "training.batch_tokens=9")
    task.model.eval()
    expected = task.dev_scores([task.dev_part(0, 1)])
    for count in (2, 3, 7):
        parts = [task.dev_part(rank, count) for rank in range(count)]
        assert [len(part.texts) for part in parts] == [len(range(rank, sources, count)) for rank in range(count)]
        assert task.dev_scores(parts) == expected


def test_the_seed_decides_the_first_weights(config: Path) -> None:
    first, same, other = (
        made(config, f"training.seed={seed}").model.decoder.embedding.weight.detach().numpy() for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_largest_batch_has_most_positions(config: Path) -> None:
    task = made(config)
    largest, what = task.largest_batch()
    sizes = [batch.source.ids.numel() + batch.target.ids.numel() for batch in task.epoch(1)]
    assert largest.source.ids.numel() + largest.target.ids.numel() == max(sizes)
    assert what == f"{len(largest.target.ids)} pairs, {largest.size} tokens"


def test_a_dev_source_over_the_limit_of_the_search_is_named(config: Path) -> None:
    task = made(config, "search.max_source_length=2")
    with pytest.raises(DataError, match=r"data\.dev: source \d: \d tokens, but search\.max_source_length is 2"):
        task.dev_scores([task.dev_part(0, 1)])
