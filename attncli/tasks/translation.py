"""The task of translation, as the training loop sees it: batches, a loss, and a validation by loss and BLEU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attncli.config.model import Attention, TransformerDecoder, TransformerEncoder
from attncli.config.tasks.translation import TranslationConfig
from attncli.data.batch import Batch
from attncli.data.batches import epoch_batches
from attncli.data.corpus import EncodedCorpus
from attncli.data.translation import TranslationCorpora, prepare_translation
from attncli.decoding.translator import Translator
from attncli.errors import DataError
from attncli.losses import SummedLoss
from attncli.metrics.bleu import BLEU
from attncli.models.build import build_translation_model
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.text.tokenizer import Tokenizers


@dataclass(frozen=True)
class EpochBatches(Sequence[Batch]):
    """The batches of an epoch, made when asked for."""

    corpus: EncodedCorpus
    rows: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:  # type: ignore[override]
        return self.corpus.batch(self.rows[index])


class TranslationTask:
    """A model, the corpora it learns from and is validated on, and what is minimised."""

    unit = "tokens"

    def __init__(self, config: TranslationConfig, corpora: TranslationCorpora, model: EncoderDecoder):
        self.config, self.corpora, self.model = config, corpora, model

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the text."""
        return self.corpora.notes

    @property
    def examples(self) -> str:
        """How many pairs are trained on."""
        return f"{len(self.corpora.train):,} training pairs"

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The signature of the BLEU that validation measures."""
        references = self.corpora.dev_references
        return {"signatures": {"bleu": BLEU.measure(references, [references]).signature}}

    def save(self, folder: Path) -> None:
        """Put the tokenizers into `folder`, if there are none."""
        if not _has_tokenizers(folder):
            self.corpora.tokenizers.save(folder)

    def largest_batch(self) -> tuple[Batch, str]:
        """Return the batch with most positions, padding included, and its sentences and tokens in words."""
        largest = max(self.epoch(1), key=lambda batch: batch.source.ids.numel() + batch.target.ids.numel())
        return largest, f"{len(largest.source.ids)} sentences, {largest.size} tokens"

    def epoch(self, number: int) -> EpochBatches:
        """Return the batches of epoch `number`, which the seed and the number alone decide."""
        return EpochBatches(self.corpora.train, self._batches(self.corpora.train, epoch=number))

    def _batches(self, corpus: EncodedCorpus, *, epoch: int) -> list[np.ndarray]:
        training = self.config.training
        return epoch_batches(
            corpus,
            batch_tokens=training.batch_tokens,
            batch_sentences=training.batch_sentences,
            seed=training.seed,
            epoch=epoch,
        )

    def loss(self, batch: Batch) -> SummedLoss:
        """Return the loss of `batch`."""
        return self.model.loss(batch.source, batch.target, label_smoothing=self.config.training.label_smoothing)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Return the mean loss a target token, in nats, and BLEU of what the model writes for the dev sources."""
        total, tokens = 0.0, 0
        for rows in self._batches(self.corpora.dev, epoch=0):
            batch = self.corpora.dev.batch(rows).to(self.model.device)
            loss = self.model.loss(batch.source, batch.target, label_smoothing=0.0)
            total, tokens = total + float(loss.reported), tokens + loss.terms
        return {"loss": total / tokens, "bleu": self._bleu()}

    def _bleu(self) -> float:
        validation = self.config.training.validation
        sources = self.corpora.dev_sources[: validation.sentences]
        references = self.corpora.dev_references[: validation.sentences]
        precision = "bf16" if self.config.training.precision == "bf16" else "fp32"
        settings = self.config.search.model_copy(update={"beam_size": validation.beam_size, "precision": precision})
        translations = Translator(self.model, self.corpora.tokenizers).translate(sources, settings=settings)
        hypotheses = [translation.hypotheses[0].text for translation in translations]
        return BLEU.measure(hypotheses, [references]).score()


def new_task(config: TranslationConfig, corpora: TranslationCorpora, device: torch.device) -> TranslationTask:
    """Return the task with a model whose weights the configuration's seed decides."""
    torch.manual_seed(config.training.seed)
    tokenizers = corpora.tokenizers
    model = build_translation_model(
        config.model, source_vocabulary=tokenizers.source.size, target_vocabulary=tokenizers.target.size
    )
    return TranslationTask(config, corpora, model.to(device))


def open_translation(config: TranslationConfig, device: torch.device, run: Path | None) -> TranslationTask:
    """Return the task of `config`, with the tokenizers of `run` where it has some."""
    tokenizers = Tokenizers.load(run) if run is not None and _has_tokenizers(run) else None
    return new_task(config, _prepared(config, tokenizers), device)


def _has_tokenizers(folder: Path) -> bool:
    return (folder / "tokenizer.json").exists()


def _prepared(config: TranslationConfig, tokenizers: Tokenizers | None) -> TranslationCorpora:
    """Return the corpora of `config`, or raise a DataError if the model could not read all of them."""
    corpora = prepare_translation(config, tokenizers)
    for limit in _limits(config):
        for name, corpus in (("train", corpora.train), ("dev", corpora.dev)):
            lengths = corpus.source_lengths if limit.side == "source" else corpus.target_lengths
            longest = int(lengths.max(initial=0))
            if longest > limit.length:
                raise DataError(
                    f"data.{name}: a {limit.side} has {longest} positions, the end symbol counted, but {limit.what}; "
                    f"{limit.remedy}, or leave out longer training pairs with data.maximum_length.{limit.side}"
                )
    return corpora


@dataclass(frozen=True)
class _Limit:
    """The most positions of a side that a model can read."""

    side: str
    length: int
    what: str
    remedy: str


def _limits(config: TranslationConfig) -> Iterator[_Limit]:
    model = config.model
    if isinstance(model.attention, Attention) and model.attention.longer_sources != "ignore":
        length = model.attention.maximum_source_length
        if length is not None:
            remedy = "raise model.attention.maximum_source_length or set its longer_sources: ignore"
            yield _Limit("source", length, f"score 'location' sees {length}", remedy)
    for side, name, part in (("source", "encoder", model.encoder), ("target", "decoder", model.decoder)):
        if isinstance(part, (TransformerEncoder, TransformerDecoder)) and part.maximum_length is not None:
            what = f"model.{name}.maximum_length is {part.maximum_length}"
            yield _Limit(side, part.maximum_length, what, f"raise it or set model.{name}.positions: sinusoidal")
