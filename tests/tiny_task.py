"""A task small enough to be trained, killed and resumed many times a second; it copies tokens through dropout."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attncli.config.training import Training
from attncli.errors import UserError
from attncli.losses import SummedLoss, cross_entropy
from attncli.runs.folder import RunFolder
from attncli.training.trainer import Outcome, train

VOCABULARY = 13
EPOCH_BATCHES = 7
CPU = torch.device("cpu")


@dataclass(frozen=True)
class TinyBatch:
    tokens: Tensor  # [n]
    size: int
    terms: int

    def to(self, device: torch.device) -> TinyBatch:
        return TinyBatch(self.tokens.to(device), self.size, self.terms)


def tiny_batch(tokens: Tensor) -> TinyBatch:
    # As of a source of one token more than the target, so that mixing size and terms up shows.
    return TinyBatch(tokens, 2 * len(tokens) + 1, len(tokens))


class TinyBatches(list[TinyBatch]):
    def dealt(self, rank: int, count: int) -> TinyParts:
        return TinyParts(tiny_batch(batch.tokens[rank::count]) if len(batch.tokens) > rank else None for batch in self)


class TinyParts(list[TinyBatch | None]):
    def dealt(self, rank: int, count: int) -> TinyParts:
        raise NotImplementedError


class TinyModel(nn.Module):
    def __init__(self, *, dropout: float = 0.3):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(8, VOCABULARY)

    def loss(self, tokens: Tensor, *, label_smoothing: float = 0.0) -> SummedLoss:
        features = self.dropout(self.embedding(tokens))
        return cross_entropy(features, self.output, tokens, label_smoothing=label_smoothing)[0]


class TinyTask:
    """`scores` replaces what validation gives, one mapping a validation; the last one is repeated."""

    unit = "tokens"

    def __init__(
        self,
        *,
        dropout: float = 0.3,
        scores: Sequence[Mapping[str, float]] = (),
        epochs: Mapping[int, Sequence[TinyBatch]] | None = None,
        step_seconds: float = 0.0,
        validation_seconds: float = 0.0,
    ):
        torch.manual_seed(5)
        self.model = TinyModel(dropout=dropout)
        self.scores, self.epochs = scores, epochs
        self.step_seconds, self.validation_seconds = step_seconds, validation_seconds
        self.validations = 0
        self.seen: list[TinyBatch] = []

    def epoch(self, number: int) -> TinyBatches:
        if self.epochs is not None:
            return TinyBatches(self.epochs[number])
        generator = torch.Generator().manual_seed(number)
        lengths = [3 + index for index in range(EPOCH_BATCHES)]
        return TinyBatches(
            tiny_batch(torch.randint(1, VOCABULARY, (length,), generator=generator)) for length in lengths
        )

    def loss(self, batch: TinyBatch) -> SummedLoss:
        self.seen.append(batch)
        time.sleep(self.step_seconds)
        return self.model.loss(batch.tokens, label_smoothing=0.1)

    def dev_part(self, rank: int, count: int) -> tuple[float, int]:
        torch.rand(3)  # as sampling would
        time.sleep(self.validation_seconds)
        loss = self.model.loss(torch.arange(1, VOCABULARY)[rank::count])
        return float(loss.reported), loss.terms

    def dev_scores(self, parts: Sequence[tuple[float, int]]) -> Mapping[str, float]:
        self.validations += 1
        if self.scores:
            return self.scores[min(self.validations, len(self.scores)) - 1]
        losses, terms = zip(*parts, strict=True)
        return {"loss": sum(losses) / sum(terms)}


def tiny_config(**changes: Any) -> Training:
    values: dict[str, Any] = {
        "max_steps": 20,
        "learning_rate": 0.05,
        "validate_every": 4,
        "checkpoint_every": 3,
        "log_every": 5,
        "accumulate": 2,
        "validation": {"metric": "loss"},
        **changes,
    }
    return Training.model_validate_json(json.dumps(values))


def train_tiny(folder: Path, task: TinyTask | None = None, *, resume: bool = False, **changes: Any) -> Outcome:
    """Train in this process, in a new run or one to resume."""
    run = RunFolder(folder)
    if not resume:
        run.create("task: tiny\n")
    return train(task or TinyTask(), tiny_config(**changes), run, device=CPU, resume=resume, progress=False)


def child(folder: Path, changes: dict[str, Any], task: dict[str, Any], die_at: int | None = None) -> None:
    """Train in a process of its own, which leaves with a command's exit code; the message goes to `message.txt`.

    The run is resumed where it has begun. With `die_at` the process kills itself before the so manyth time that it
    touches a file.
    """
    torch.set_num_threads(1)
    os.fsync = lambda fd: None
    if die_at is not None:
        _die_before_file_event(folder, die_at)
    try:
        train_tiny(folder, TinyTask(**task), resume=(folder / "config.yaml").exists(), **changes)
    except UserError as error:
        folder.with_suffix(".message").write_text(str(error))
        sys.exit(error.exit_code)


def _die_before_file_event(folder: Path, number: int) -> None:
    left = number
    events = ("open", "os.rename", "os.mkdir", "os.link", "os.truncate", "shutil.rmtree")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        # What is removed within a folder is told by its name alone.
        if event in ("os.remove", "os.rmdir") or (event in events and str(folder) in str(arguments[0])):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
