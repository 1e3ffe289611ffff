"""The task of translation, as the training loop sees it: batches, a loss, and a validation by loss and BLEU."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from attncli.config.dump import to_yaml
from attncli.config.load import read_config
from attncli.config.translation import TranslationConfig
from attncli.data.batch import Batch
from attncli.data.batches import epoch_batches
from attncli.data.corpus import EncodedCorpus
from attncli.data.translation import TranslationCorpora, prepare_translation
from attncli.device import arithmetic, autocast
from attncli.errors import ConfigError
from attncli.losses import SummedLoss
from attncli.metrics.bleu import BLEU
from attncli.models.build import build_translation_model
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.text.tokenizer import Tokenizers
from attncli.training.run_folder import RunFolder
from attncli.training.saving import replace_file
from attncli.translator import Translator

Tell = Callable[[str], None]  # takes a line for the person at the terminal

# What may differ when a run is resumed: when it ends, and how often it reports.
MOVABLE = frozenset({"training.max_steps", "training.max_epochs", "training.max_minutes", "training.log_every"})


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

    def __init__(self, config: TranslationConfig, corpora: TranslationCorpora, model: EncoderDecoder):
        self.config, self.corpora, self.model = config, corpora, model

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
            total, tokens = total + float(loss.negative_log_likelihood), tokens + loss.tokens
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


def begin_run(
    config: TranslationConfig, run: RunFolder, device: torch.device, *, overwrite: bool, tell: Tell
) -> TranslationTask:
    """Return the task of a new run in the folder `run`, which then holds the configuration and the tokenizers."""
    run.check_free(overwrite=overwrite)
    corpora = prepare_translation(config)
    run.create(to_yaml(config), overwrite=overwrite)
    references = corpora.dev_references
    run.update_metadata({"signatures": {"bleu": BLEU.measure(references, [references]).signature}})
    corpora.tokenizers.save(run.path)
    return _introduced(new_task(config, corpora, device), tell)


def resume_run(config: TranslationConfig, run: RunFolder, device: torch.device, *, tell: Tell) -> TranslationTask:
    """Return the task of the run in the folder `run`, whose limits `config` may move but nothing else.

    Raises a ConfigError that names every key that differs.
    """
    run.check()
    before = read_config(run.config_path)
    changed = [key for key in _differing(before.model_dump(), config.model_dump()) if key not in MOVABLE]
    if changed:
        raise ConfigError(
            [
                f"{run.path}: was started with another {key}: {found!r}, now {wanted!r}; to go on, give what it was "
                f"started with (only {', '.join(sorted(MOVABLE))} may change)"
                for key, (found, wanted) in _differing(before.model_dump(), config.model_dump()).items()
                if key in changed
            ]
        )
    corpora = prepare_translation(config, Tokenizers.load(run.path))
    replace_file(run.config_path, to_yaml(config))
    return _introduced(new_task(config, corpora, device), tell)


def _differing(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = {}
        for key in {**before, **after}:
            found.update(_differing(before.get(key), after.get(key), f"{path}.{key}" if path else str(key)))
        return found
    return {} if before == after else {path: (before, after)}


def _introduced(task: TranslationTask, tell: Tell) -> TranslationTask:
    for note in task.corpora.notes:
        tell(note)
    parameters = sum(parameter.numel() for parameter in task.model.parameters())
    tell(f"{parameters:,} parameters; {len(task.corpora.train):,} training pairs")
    return task


def try_out(config: TranslationConfig, device: torch.device, *, tell: Tell) -> str:
    """Compute loss and gradients of the largest batch of the first epoch; return what that took."""
    task = _introduced(new_task(config, prepare_translation(config), device), tell)
    batches = task.epoch(1)
    largest = max(batches, key=lambda batch: batch.source.ids.numel() + batch.target.ids.numel())
    started = time.perf_counter()
    with arithmetic(config.training.precision, device):
        with autocast(config.training.precision, device):
            loss = task.loss(largest.to(device))
        (loss.total / loss.tokens).backward()  # type: ignore[no-untyped-call]
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{len(batches)} batches an epoch; the largest ({len(largest.source.ids)} sentences, "
        f"{largest.source_tokens + largest.target_tokens} tokens) took {seconds:.2f} s; loss "
        f"{float(loss.negative_log_likelihood) / loss.tokens:.2f}; peak memory {peak:,.0f} MiB"
    )
