"""What the training of a captioner minimises: the cross-entropy of given captions, or minus the CIDEr of drawn ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from attncli.config.objectives import SelfCritical
from attncli.data.batches import epoch_batches
from attncli.data.caption_sources import CaptioningSources, Split
from attncli.data.captioning import CaptionBatch, CaptionBatches, PictureBatch, Source
from attncli.files import counted
from attncli.losses import SummedLoss
from attncli.metrics.caption_tokens import caption_tokens
from attncli.metrics.coco import CiderD, DocumentFrequencies
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.tasks.self_critical import SelfCritic, Targets
from attncli.text.tokenizer import Tokenizer

Array = npt.NDArray[Any]


class Objective(Protocol):
    """What a captioning task asks of what it minimises; batches are those that `epoch` gives."""

    unit: str
    """What the size of a batch counts, in the plural."""

    @property
    def examples(self) -> str:
        """What is trained on, counted."""

    def epoch(self, number: int) -> Sequence[Any]:
        """Return the batches of epoch `number`, which the seed and the number alone decide."""

    def largest_batch(self) -> tuple[Any, str]:
        """Return the batch that takes most memory, and what it holds in words."""

    def loss(self, model: EncoderDecoder, batch: Any) -> SummedLoss:
        """Return the loss of `batch`."""

    def dev_losses(self, model: EncoderDecoder) -> Iterator[SummedLoss]:
        """Yield the losses of the batches of the dev set, of which those reported are read."""


class CrossEntropyObjective:
    """The cross-entropy of the captions of a corpus, a term a token."""

    unit = "tokens"

    def __init__(self, sources: CaptioningSources):
        self.sources, self.training = sources, sources.config.training

    @property
    def examples(self) -> str:
        """How many captions are trained on."""
        return f"{len(self.sources.corpora.train):,} training captions"

    def epoch(self, number: int) -> CaptionBatches[CaptionBatch]:
        """Return the batches of epoch `number`: captions of like lengths together."""
        return self._batches("train", number)

    def _batches(self, split: Split, epoch: int | None) -> CaptionBatches[CaptionBatch]:
        corpus, training = self.sources.corpus(split), self.training
        rows = epoch_batches(
            corpus,
            batch_tokens=training.batch_tokens,
            batch_sentences=training.batch_sentences,
            seed=training.seed,
            epoch=epoch or 0,
        )
        return self.sources.batches(rows, corpus.batch, split=split, epoch=epoch)

    def largest_batch(self) -> tuple[CaptionBatch, str]:
        """Return the batch with most positions, padding included, and what it holds in words."""
        batches = self.epoch(1)
        lengths = self.sources.corpora.train.target_lengths
        sizes = [len(rows) * int(lengths[rows].max()) for rows in batches.rows]
        largest = batches[int(np.argmax(sizes))]
        return largest, f"{counted(len(largest.target.ids), 'caption')}, {largest.size} tokens"

    def loss(self, model: EncoderDecoder, batch: CaptionBatch) -> SummedLoss:
        """Return the cross-entropy of `batch`, smoothed as the configuration says."""
        return model.loss(batch.source, batch.target, label_smoothing=self.training.label_smoothing)

    def dev_losses(self, model: EncoderDecoder) -> Iterator[SummedLoss]:
        """Yield the cross-entropy of the dev captions, in nats."""
        for batch in self._batches("dev", None):
            moved = batch.to(model.device)
            yield model.loss(moved.source, moved.target, label_smoothing=0.0)


class SelfCriticalObjective:
    """Minus the CIDEr-D of drawn captions, a term a caption; document frequencies are those of the training captions.

    A batch is of pictures, for each of which some captions are drawn, no longer than `search.max_length`. The reward
    sees the words of a caption as the metric does, with no end symbol among them.
    """

    unit = "captions"

    def __init__(self, sources: CaptioningSources, settings: SelfCritical):
        self.sources, self.training, self.settings = sources, sources.config.training, settings
        longest = sources.config.search.max_length
        self.critic = SelfCritic(settings.samples, max_length=longest, greedy=settings.baseline == "greedy")
        self.reward = CiderReward(sources)

    @property
    def examples(self) -> str:
        """How many pictures are trained on."""
        return f"{len(self.sources.corpora.train.pictures):,} training pictures"

    def epoch(self, number: int) -> CaptionBatches[PictureBatch]:
        """Return the batches of epoch `number`: all pictures in random order."""
        generator = np.random.default_rng([self.training.seed, number])
        pictures = generator.permutation(len(self.sources.corpora.train.pictures))
        return self._batches("train", pictures, number)

    def _batches(self, split: Split, pictures: Array, epoch: int | None) -> CaptionBatches[PictureBatch]:
        most = self.training.batch_sentences
        assert most is not None, "the configuration is checked"
        # Readers know a picture by its captions.
        captions = self.sources.corpus(split).first_captions[pictures]
        rows = [captions[start : start + most] for start in range(0, len(captions), most)]
        return self.sources.batches(rows, partial(self._batch, split), split=split, epoch=epoch)

    def _batch(self, split: Split, captions: Array, source: Source) -> PictureBatch:
        pictures = tuple(self.sources.corpus(split).picture_of[captions].tolist())
        return PictureBatch(source, pictures, len(pictures) * self.settings.samples)

    def largest_batch(self) -> tuple[PictureBatch, str]:
        """Return the first batch, which none exceeds, and what it holds in words."""
        batch = self.epoch(1)[0]
        return batch, f"{counted(len(batch.pictures), 'picture')}, {batch.size} captions drawn"

    def loss(self, model: EncoderDecoder, batch: PictureBatch) -> SummedLoss:
        """Return the estimate of `SelfCritic` for `batch`, and what it reports."""
        # From torch's own generator, whose state is saved, so that a resumed run draws what it would have drawn.
        seed = int(torch.randint(2**62, ()))
        return self._loss(model, "train", batch, seed)

    def dev_losses(self, model: EncoderDecoder) -> Iterator[SummedLoss]:
        """Yield minus the rewards of captions drawn for the dev pictures, at every validation from the same seed."""
        pictures = np.arange(len(self.sources.corpora.dev.pictures))
        for batch in self._batches("dev", pictures, None):
            yield self._loss(model, "dev", batch.to(model.device), self.training.seed)

    def _loss(self, model: EncoderDecoder, split: Split, batch: PictureBatch, seed: int) -> SummedLoss:
        generator = torch.Generator(model.device).manual_seed(seed)
        return self.critic.loss(model, batch.source, partial(self.reward, split, batch.pictures), generator)


class CiderReward:
    """CIDEr-D of captions against all captions of their pictures, with document frequencies of the training captions.

    References are looked at when they are needed: kept, their n-grams would take gigabytes of a large corpus.
    """

    def __init__(self, sources: CaptioningSources):
        self.sources = sources
        training = (map(caption_tokens, picture.captions) for picture in sources.corpora.train.pictures)
        self.frequencies = DocumentFrequencies(list(texts) for texts in training)

    @property
    def tokenizer(self) -> Tokenizer:
        """What makes captions of token ids."""
        return self.sources.corpora.tokenizers.target

    def __call__(self, split: Split, pictures: Sequence[int], captions: Targets) -> list[list[float]]:
        """Return the reward of each of `captions`, some for each of the `pictures` of `split`."""
        corpus = self.sources.corpus(split)
        references = [[caption_tokens(text) for text in corpus.pictures[picture].captions] for picture in pictures]
        scorer = CiderD(references, self.frequencies)
        return [
            [scorer.score(caption_tokens(self.tokenizer.decode(ids)), image) for ids in of_picture]
            for image, of_picture in enumerate(captions)
        ]


def build_objective(sources: CaptioningSources) -> Objective:
    """Return the objective of the configuration of `sources`."""
    settings = sources.config.training.objective
    if isinstance(settings, SelfCritical):
        return SelfCriticalObjective(sources, settings)
    return CrossEntropyObjective(sources)
