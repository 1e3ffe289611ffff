"""Objectives of tasks that write text: the cross-entropy of given targets, or minus the reward of drawn ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from attncli.assembly.corpora import Corpora
from attncli.config.objectives import SelfCritical
from attncli.config.writing import WritingConfig
from attncli.data.batches import epoch_batches
from attncli.data.columns import Packed
from attncli.data.corpus import Array, Batch, Corpus, CorpusBatches, DrawnBatch
from attncli.decoding.strategies import Sampling
from attncli.errors import counted
from attncli.losses import SummedLoss
from attncli.metrics.rewards import REWARDS
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.sources.joint.column import JointColumn
from attncli.tasks.self_critical import SelfCritic, Targets
from attncli.text.tokenizer import Tokenizer
from attncli.training.task import Batches

_AHEAD = 4  # batches whose sources are read while one is computed


class Objective(Protocol):
    """What is minimised; every batch comes from `epoch`."""

    @property
    def unit(self) -> str:
        """What the size of a batch counts, in the plural."""

    @property
    def examples(self) -> str:
        """The number of training examples, in words."""

    def epoch(self, number: int) -> Batches:
        """Return the batches of epoch `number`, which depend on the seed and the number alone."""

    def largest_batch(self) -> tuple[Any, str]:
        """Return the batch that needs most memory, and its size in words."""

    def loss(self, model: EncoderDecoder, batch: Any) -> SummedLoss:
        """Return the loss of `batch`."""

    def dev_batches(self) -> Sequence[Any]:
        """Return the batches of the dev set."""

    def dev_loss(self, model: EncoderDecoder, batch: Any) -> SummedLoss:
        """Return the loss of a batch of the dev set; only what it reports is used."""


class CrossEntropyObjective:
    """The cross-entropy of the targets of a corpus; each token is a term."""

    unit = "tokens"

    def __init__(self, config: WritingConfig, corpora: Corpora):
        self.config, self.corpora = config, corpora

    @property
    def examples(self) -> str:
        """The number of training examples, in words."""
        return f"{len(self.corpora.train):,} training {self.config.example}s"

    def epoch(self, number: int) -> CorpusBatches:
        """Return the batches of epoch `number`, each of examples of similar length, or that share a value."""
        seed = self.config.training.seed
        return self._batches(self.corpora.train, number, variation=(seed, number), ahead=_AHEAD)

    def _batches(
        self, corpus: Corpus, epoch: int, *, variation: Sequence[int] | None = None, ahead: int = 0
    ) -> CorpusBatches:
        training = self.config.training
        groups = None
        if training.batch_by is not None:
            source = corpus.source
            assert isinstance(source, JointColumn), "the configuration is checked"
            groups = source.members[training.batch_by].value_of[corpus.source_of]
            corpus = replace(corpus, source=source.sharing(training.batch_by))
        rows = epoch_batches(
            corpus,
            batch_tokens=training.batch_tokens,
            batch_sentences=training.batch_sentences,
            seed=training.seed,
            epoch=epoch,
            groups=groups,
        )
        return CorpusBatches(corpus, rows, corpus.batch, variation=variation, ahead=ahead)

    def largest_batch(self) -> tuple[Batch, str]:
        """Return the batch with most positions, padding included, and its size in words."""
        batches, corpus = self.epoch(1), self.corpora.train
        source, target = corpus.source_lengths, corpus.target_lengths
        sizes = [len(rows) * (int(source[rows].max()) + int(target[rows].max())) for rows in batches.rows]
        largest: Batch = batches[int(np.argmax(sizes))]
        return largest, f"{counted(len(largest.target), self.config.example)}, {largest.size} tokens"

    def loss(self, model: EncoderDecoder, batch: Batch) -> SummedLoss:
        """Return the cross-entropy of `batch`, with the configured label smoothing."""
        return model.loss(batch.source, batch.target, label_smoothing=self.config.training.label_smoothing)

    def dev_batches(self) -> CorpusBatches:
        """Return the batches of the dev set."""
        return self._batches(self.corpora.dev, 0)

    def dev_loss(self, model: EncoderDecoder, batch: Batch) -> SummedLoss:
        """Return the cross-entropy of `batch`, in nats."""
        return model.loss(batch.source, batch.target, label_smoothing=0.0)


class SelfCriticalObjective:
    """Minus the reward of drawn targets; each target is a term.

    A batch holds sources, for each of which several targets are drawn, no longer than `search.max_length`. The reward
    sees the text of a target as a metric does, without the end symbol.
    """

    def __init__(self, config: WritingConfig, corpora: Corpora, tokenizer: Tokenizer, settings: SelfCritical):
        self.config, self.corpora, self.tokenizer, self.settings = config, corpora, tokenizer, settings
        self.noun = config.model.source.noun
        longest = config.search.max_length
        self.critic = SelfCritic(settings.samples, max_length=longest, greedy=settings.baseline == "greedy")
        self.reward = REWARDS[settings.reward](corpora.train.texts)

    @property
    def unit(self) -> str:
        """What the size of a batch counts: "captions" or "targets"."""
        return "captions" if self.config.example == "caption" else "targets"

    @property
    def examples(self) -> str:
        """The number of training sources, in words."""
        return f"{self.corpora.train.sources:,} training {self.noun}s"

    def epoch(self, number: int) -> CorpusBatches:
        """Return the batches of epoch `number`: all sources in random order."""
        seed = self.config.training.seed
        sources = np.random.default_rng([seed, number]).permutation(self.corpora.train.sources)
        return self._batches(self.corpora.train, sources, variation=(seed, number), ahead=_AHEAD)

    def _batches(
        self, corpus: Corpus, sources: Array, *, variation: Sequence[int] | None = None, ahead: int = 0
    ) -> CorpusBatches:
        most = self.config.training.batch_sentences
        assert most is not None, "the configuration is checked"
        # A source is identified by the first of its examples.
        examples = corpus.first_examples[sources]
        rows = [examples[start : start + most] for start in range(0, len(examples), most)]
        return CorpusBatches(corpus, rows, partial(self._batch, corpus), variation=variation, ahead=ahead)

    def _batch(self, corpus: Corpus, examples: Array, source: Packed) -> DrawnBatch:
        rows = tuple(corpus.source_of[examples].tolist())
        return DrawnBatch(source, rows, len(rows) * self.settings.samples)

    def largest_batch(self) -> tuple[DrawnBatch, str]:
        """Return the first batch, which no other exceeds in sources, and its size in words."""
        batch: DrawnBatch = self.epoch(1)[0]
        return batch, f"{counted(len(batch.rows), self.noun)}, {batch.size} {self.unit} drawn"

    def loss(self, model: EncoderDecoder, batch: DrawnBatch) -> SummedLoss:
        """Return the loss that `SelfCritic` estimates for `batch`."""
        # From PyTorch's global generator: its state is saved, so a resumed run draws the same targets.
        seed = int(torch.randint(2**62, ()))
        return self._loss(model, self.corpora.train, batch, seed)

    def dev_batches(self) -> CorpusBatches:
        """Return the dev sources in order."""
        return self._batches(self.corpora.dev, np.arange(self.corpora.dev.sources))

    def dev_loss(self, model: EncoderDecoder, batch: DrawnBatch) -> SummedLoss:
        """Return minus the rewards of targets drawn for `batch`, from the same seed at every validation."""
        return self._loss(model, self.corpora.dev, batch, self.config.training.seed)

    def _loss(self, model: EncoderDecoder, corpus: Corpus, batch: DrawnBatch, seed: int) -> SummedLoss:
        references = [corpus.texts[row] for row in batch.rows]

        def reward(drawn: Targets) -> list[list[float]]:
            texts = [[self.tokenizer.decode(ids) for ids in of_source] for of_source in drawn]
            return self.reward(texts, references)

        return self.critic.loss(model, batch.source, reward, Sampling(seed).for_rows(batch.rows))


def build_objective(config: WritingConfig, corpora: Corpora, tokenizer: Tokenizer) -> Objective:
    """Return the objective of `config`; `tokenizer` turns targets into text."""
    settings = config.training.objective
    if isinstance(settings, SelfCritical):
        return SelfCriticalObjective(config, corpora, tokenizer, settings)
    return CrossEntropyObjective(config, corpora)
