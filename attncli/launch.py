"""Begins, resumes and tries out the training of a configuration."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from attncli.config.dump import to_yaml
from attncli.config.load import read_config
from attncli.config.model import Attention, TransformerDecoder, TransformerEncoder
from attncli.config.training import Cosine
from attncli.config.translation import TranslationConfig
from attncli.data.translation import TranslationCorpora, prepare_translation
from attncli.device import arithmetic, autocast
from attncli.errors import ConfigError, DataError
from attncli.metrics.bleu import BLEU
from attncli.text.tokenizer import Tokenizers
from attncli.training.run_folder import RunFolder
from attncli.training.saving import replace_file
from attncli.translation import TranslationTask, new_task

Tell = Callable[[str], None]  # takes a line for the person at the terminal

# What may differ when a run is resumed, with all below it: when training ends, what it tells, and what it never reads.
MOVABLE = (
    "data.cache",
    "data.root",
    "data.test",
    "evaluation",
    "training.log_every",
    "training.max_epochs",
    "training.max_minutes",
    "training.max_steps",
)


def begin_run(
    config: TranslationConfig, run: RunFolder, device: torch.device, *, overwrite: bool, tell: Tell
) -> TranslationTask:
    """Return the task of a new run in the folder `run`, which then holds the configuration and the tokenizers."""
    run.check_free(overwrite=overwrite)
    corpora = _prepared(config, None)
    run.create(to_yaml(config), overwrite=overwrite)
    references = corpora.dev_references
    run.update_metadata({"signatures": {"bleu": BLEU.measure(references, [references]).signature}})
    corpora.tokenizers.save(run.path)
    return _introduced(new_task(config, corpora, device), tell)


def resume_run(config: TranslationConfig, run: RunFolder, device: torch.device, *, tell: Tell) -> TranslationTask:
    """Return the task of the run in the folder `run`, of which `config` may change what is in MOVABLE.

    Raises a ConfigError that names every other key that differs.
    """
    run.check()
    problems = list(_changes(read_config(run.config_path), config))
    if problems:
        raise ConfigError([f"{run.path}: {problem}" for problem in problems])
    # A run that was killed at its very beginning has no tokenizers yet.
    begun = (run.path / "tokenizer.json").exists()
    corpora = _prepared(config, Tokenizers.load(run.path) if begun else None)
    if not begun:
        corpora.tokenizers.save(run.path)
    replace_file(run.config_path, to_yaml(config))
    return _introduced(new_task(config, corpora, device), tell)


def ending(config: TranslationConfig, run: RunFolder) -> dict[str, Any] | None:
    """Return the log's record of how the run in the folder `run` ended, or None where `config` has more to do."""
    run.check()
    if read_config(run.config_path) != config or not run.has_checkpoint("best"):
        return None
    try:
        record = json.loads(run.log_path.read_text(encoding="utf-8").splitlines()[-1])
    except (OSError, ValueError, IndexError):  # no log yet, or a line that was being written when the run was killed
        return None
    return record if record.get("event") == "end" else None


def _changes(before: TranslationConfig, after: TranslationConfig) -> Iterator[str]:
    """Yield what is wrong with going on with `after` where training began with `before`."""
    for key, (found, wanted) in _differing(before.model_dump(), after.model_dump()).items():
        if not any(f"{key}.".startswith(f"{movable}.") for movable in MOVABLE):
            yield (
                f"was started with another {key}: {found!r}, now {wanted!r}; to go on, give what it was started with "
                f"(only {', '.join(MOVABLE)} may change)"
            )
    schedule, steps = before.training.schedule, before.training.max_steps
    if isinstance(schedule, Cosine) and schedule.steps is None and steps != after.training.max_steps:
        yield (
            f"training.max_steps: was {steps}, where schedule: cosine ends, so that another one would change the "
            "learning rates; give the same, or start a run with training.schedule.steps"
        )


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
    task = _introduced(new_task(config, _prepared(config, None), device), tell)
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
