"""The training loop."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from attncli.allocator import keep_freed_memory
from attncli.config.training import Training
from attncli.device import arithmetic, autocast
from attncli.errors import RunError, Stopped, TrainingError
from attncli.losses import SummedLoss
from attncli.training.checkpoints import Checkpoints
from attncli.training.console import PlainLines, ProgressBar
from attncli.training.history import Validation, best_validations, without_improvement
from attncli.training.log import JsonLines, Report, Reports, TensorBoard
from attncli.training.optimizers import build_optimizer
from attncli.training.run_folder import STATE, RunFolder
from attncli.training.schedules import build_schedule
from attncli.training.signals import StopNow, StopRequest, stop_request
from attncli.training.state import (
    SavedState,
    TrainingState,
    Window,
    put_optimizer_state,
    random_states,
    read_state,
    set_random_states,
)
from attncli.training.weights import put_weights, weights_of

AnyBatch = TypeVar("AnyBatch", bound="CountedBatch")


class CountedBatch(Protocol):
    """A batch that knows how many tokens it has, padding left out."""

    @property
    def source_tokens(self) -> int:
        """Real source tokens, for the speed that is reported."""

    @property
    def target_tokens(self) -> int:
        """Real target tokens, which the loss is divided by."""

    def to(self: AnyBatch, device: torch.device) -> AnyBatch:
        """Return the same on `device`."""


class Task(Protocol[AnyBatch]):
    """What is trained."""

    @property
    def model(self) -> nn.Module:
        """The model, on its device."""

    def epoch(self, number: int) -> Sequence[AnyBatch]:
        """Return the batches of pass `number` (from 1), which depend on nothing else; each is made when asked for."""

    def loss(self, batch: AnyBatch) -> SummedLoss:
        """Return the loss of `batch`, in training mode."""

    def validate(self) -> Mapping[str, float]:
        """Return scores of the dev set, "loss" (mean negative log-likelihood a token, in nats) among them."""


@dataclass(frozen=True)
class Outcome:
    """How training ended."""

    reason: str  # such as "max_steps"
    step: int
    epoch: int
    seconds: float  # earlier parts of a resumed run included
    best: Validation
    averaged_steps: tuple[int, ...]  # of which `best` is the average; empty if it is one checkpoint


def train(
    task: Task[Any],
    config: Training,
    run: RunFolder,
    *,
    device: torch.device,
    resume: bool = False,
    progress: bool | None = None,
) -> Outcome:
    """Train `task` until an end that `config` sets, saving into the created folder `run`.

    With `resume` it goes on from the last checkpoint, or from the start if there is none yet, and ends with the weights
    that it would have had without the break. Dropout draws from torch's global generators: seed them before the model
    is built. `progress` asks for a bar (True) or plain lines (False); None chooses the bar on a terminal. Raises
    Stopped on SIGINT and SIGTERM after saving, TrainingError where training cannot go on, RunError where a checkpoint cannot.
    """
    keep_freed_memory()
    saved = read_state(run.checkpoint("last") / STATE) if resume and run.has_checkpoint("last") else None
    with (
        arithmetic(config.precision, device),
        stop_request() as stop,
        _reports(config, run, saved, progress) as reports,
    ):
        trainer = _Trainer(task, config, run, device=device, reports=reports, stop=stop)
        if saved is not None:
            trainer.restore(saved)
        return trainer.run()


def _reports(config: Training, run: RunFolder, saved: SavedState | None, progress: bool | None) -> Reports:
    step = saved.training.step if saved else 0
    others: list[Report] = [TensorBoard(run.path / "tensorboard", step=step)] if config.tensorboard else []
    bar = sys.stderr.isatty() if progress is None else progress
    others.append(ProgressBar() if bar else PlainLines())
    return Reports(JsonLines(run.log_path, size=saved.log_size if saved else 0), others)


class _Trainer:
    def __init__(
        self,
        task: Task[Any],
        config: Training,
        run: RunFolder,
        *,
        device: torch.device,
        reports: Reports,
        stop: StopRequest,
    ):
        self.task, self.config, self.device, self.reports, self.stop = task, config, device, reports, stop
        self.checkpoints = Checkpoints(run)
        self.optimizer = build_optimizer(config, task.model)
        self.schedule = build_schedule(config)
        self.state = TrainingState()
        self.saved_step = 0
        self.resumed = False
        self.started = time.perf_counter()
        self.batches = self.open_epoch(1)

    def run(self) -> Outcome:
        self.task.model.train()
        self.tell("resume" if self.resumed else "start", {})
        try:
            while (reason := self.reason_to_end()) is None:
                if self.stop.number is not None:
                    raise StopNow
                if self.due(self.config.validate_every) and not self.validated():
                    self.validate()
                    continue
                if self.due(self.config.checkpoint_every) and self.saved_step != self.state.step:
                    self.save()
                self.update()
                if self.due(self.config.log_every):
                    self.tell_training()
            return self.finish(reason)
        except StopNow:
            raise self.stopped() from None

    def reason_to_end(self) -> str | None:
        """Return the key of the configuration that ends training now, or None."""
        config, state = self.config, self.state
        if config.max_steps is not None and state.step >= config.max_steps:
            return "max_steps"
        if config.max_epochs is not None and state.epoch >= config.max_epochs + (state.batch < len(self.batches)):
            return "max_epochs"
        if config.max_minutes is not None and self.seconds() >= 60 * config.max_minutes:
            return "max_minutes"
        early = config.early_stopping
        if early and without_improvement(self.values(), minimum=early.minimum_improvement) >= early.patience:
            return "early_stopping"
        return None

    def update(self) -> None:
        """Make one step with the next batches, or raise a TrainingError before it if there is no number to follow."""
        started = time.perf_counter()
        batches = self.next_batches()
        state, window = self.state, self.state.window
        state.learning_rate = self.config.learning_rate * self.schedule(state.step + 1, self.values())
        total, likelihood, norm = self.gradients(batches)
        if not math.isfinite(total + norm):
            raise self.not_finite(total, norm)
        self.step(norm)
        state.step += 1
        state.batch += len(batches)
        window.negative_log_likelihood += likelihood
        window.target_tokens += sum(batch.target_tokens for batch in batches)
        window.tokens += sum(batch.source_tokens + batch.target_tokens for batch in batches)
        window.gradient_norms += norm
        window.updates += 1
        window.seconds += time.perf_counter() - started
        self.reports.advance(self.done())

    def next_batches(self) -> list[Any]:
        """Return the batches of one update; those at the end of an epoch may be fewer."""
        if self.state.batch >= len(self.batches):
            self.state.epoch += 1
            self.state.batch = 0
            self.batches = self.open_epoch(self.state.epoch)
        first = self.state.batch
        return [self.batches[index] for index in range(first, min(first + self.config.accumulate, len(self.batches)))]

    def open_epoch(self, number: int) -> Sequence[Any]:
        batches = self.task.epoch(number)
        if not len(batches):
            raise TrainingError("data.train: no sentence pair is left to train on")
        self.state.epoch_batches = len(batches)
        return batches

    def gradients(self, batches: Sequence[Any]) -> tuple[float, float, float]:
        """Fill the gradients of the mean loss a token; return its sum, that without smoothing, and their norm."""
        tokens = sum(batch.target_tokens for batch in batches)
        sums = torch.zeros(2, device=self.device)
        for batch in batches:
            with autocast(self.config.precision, self.device):
                loss = self.task.loss(batch.to(self.device))
            (loss.total / tokens).backward()
            sums += torch.stack((loss.total.detach(), loss.negative_log_likelihood))
        norm = get_total_norm(self.gradient_tensors())
        # The only wait for an accelerator in an update.
        total, likelihood, norm_value = torch.cat((sums, norm[None])).tolist()
        return total, likelihood, norm_value

    def gradient_tensors(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.task.model.parameters() if parameter.grad is not None]

    def step(self, norm: float) -> None:
        clip = self.config.clip_norm
        if clip is not None and norm > clip:
            clip_grads_with_norm_(self.task.model.parameters(), clip, torch.tensor(norm, device=self.device))
        for group in self.optimizer.param_groups:
            group["lr"] = self.state.learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def validate(self) -> None:
        """Measure the dev set, and keep the weights if they are among the best."""
        validation = self.measured()
        before = self.best()
        best = before is None or validation.value(self.metric) > before.value(self.metric)
        self.state.history.append(validation)
        if validation in self.wanted():
            self.checkpoints.keep(validation, weights_of(self.task.model))
        if best:
            self.checkpoints.make_best(validation)
        self.tell("validation", {**validation.scores, "best": best})

    def measured(self) -> Validation:
        """Return the scores of the model as it is; dropout goes on afterwards as if they had not been taken."""
        random = random_states(self.device)
        self.task.model.eval()
        try:
            with self.stop.leaving_at_once(), torch.no_grad(), autocast(self.config.precision, self.device):
                scores = {name: float(score) for name, score in self.task.validate().items()}
        finally:
            self.task.model.train()
            set_random_states(random, self.device)
        if self.metric not in scores:
            raise TrainingError(f"validation.metric: is {self.metric!r}, but validation gives only {', '.join(scores)}")
        for name, score in scores.items():
            if not math.isfinite(score):
                raise TrainingError(f"step {self.state.step}: the {name} of the dev set is {score}; {_ADVICE}")
        return Validation(self.state.step, self.state.epoch, scores)

    def save(self) -> None:
        """Save all that training goes on from."""
        self.state.seconds, self.started = self.seconds(), time.perf_counter()
        self.checkpoints.save_last(
            weights_of(self.task.model),
            self.state,
            optimizer=self.optimizer,
            random=random_states(self.device),
            log_size=self.reports.log.flushed_size(),
        )
        self.checkpoints.remove_all_but(self.wanted())
        self.saved_step = self.state.step

    def restore(self, saved: SavedState) -> None:
        """Go on from `saved` and the weights beside it."""
        run = self.checkpoints.run
        put_weights(self.task.model, run.load_weights("last"), where=str(run.checkpoint("last")))
        put_optimizer_state(self.optimizer, saved.optimizer)
        set_random_states(saved.random, self.device)
        self.state = saved.training
        found, expected = saved.training.epoch_batches, len(self.open_epoch(self.state.epoch))
        if found != expected:
            raise RunError(
                f"{run.path}: the training data or the batch size have changed: epoch {self.state.epoch} had {found} "
                f"batches and now has {expected}; restore them or start a new run"
            )
        self.batches = self.task.epoch(self.state.epoch)
        self.saved_step = self.state.step
        self.resumed = True
        best = self.best()
        if best is not None:
            self.checkpoints.restore_best(best)

    def finish(self, reason: str) -> Outcome:
        """Validate and save what was reached, and try the average of the best."""
        if not self.validated():
            self.validate()
        self.save()
        if self.state.window.updates:
            self.tell_training()
        best, steps = self.averaged() if self.config.average_best else (self.best(), ())
        assert best is not None
        self.tell("end", {"reason": reason, "best_step": best.step, **{f"best_{k}": v for k, v in best.scores.items()}})
        return Outcome(reason, self.state.step, self.state.epoch, self.seconds(), best, steps)

    def averaged(self) -> tuple[Validation | None, tuple[int, ...]]:
        """Let the average of the kept checkpoints be `best` if it does better; return what `best` is then."""
        kept, best = self.wanted(), self.best()
        if len(kept) < 2 or best is None:
            return best, ()
        own = {name: tensor.clone() for name, tensor in weights_of(self.task.model).items()}
        try:
            put_weights(self.task.model, self.checkpoints.average(kept), where=str(self.checkpoints.run.path))
            average = self.measured()
            better = average.value(self.metric) > best.value(self.metric)
            steps = tuple(sorted(validation.step for validation in kept))
            if better:
                self.checkpoints.make_average_best(average, weights_of(self.task.model), steps)
        finally:
            put_weights(self.task.model, own, where=str(self.checkpoints.run.path))
        self.tell("average", {"steps": list(steps), **average.scores, "best": better})
        return (average, steps) if better else (best, ())

    @property
    def metric(self) -> Any:
        return self.config.validation.metric

    def values(self) -> list[float]:
        return [validation.value(self.metric) for validation in self.state.history]

    def best(self) -> Validation | None:
        return next(iter(best_validations(self.state.history, self.metric, count=1)), None)

    def wanted(self) -> list[Validation]:
        """Return the validations whose weights are kept."""
        return best_validations(self.state.history, self.metric, count=self.config.keep_best)

    def validated(self) -> bool:
        return bool(self.state.history) and self.state.history[-1].step == self.state.step

    def due(self, every: int) -> bool:
        return self.state.step > 0 and self.state.step % every == 0

    def seconds(self) -> float:
        return self.state.seconds + time.perf_counter() - self.started

    def done(self) -> float:
        """Return the share of training that is done, by the end that is nearest."""
        config, state = self.config, self.state
        shares = [0.0]
        if config.max_steps:
            shares.append(state.step / config.max_steps)
        if config.max_epochs:
            shares.append((state.epoch - 1 + state.batch / len(self.batches)) / config.max_epochs)
        if config.max_minutes:
            shares.append(self.seconds() / (60 * config.max_minutes))
        return max(shares)

    def tell(self, event: str, facts: Mapping[str, Any]) -> None:
        place = {"step": self.state.step, "epoch": self.state.epoch}
        self.reports.tell(event, {**place, **facts, "seconds": round(self.seconds(), 3)})

    def tell_training(self) -> None:
        window = self.state.window
        facts = {
            "loss": window.negative_log_likelihood / window.target_tokens,
            "learning_rate": self.state.learning_rate,
            "gradient_norm": window.gradient_norms / window.updates,
            "tokens_per_second": window.tokens / window.seconds,
        }
        self.state.window = Window()
        self.tell("train", facts)

    def not_finite(self, loss: float, norm: float) -> TrainingError:
        what = f"the norm of the gradient is {norm}" if math.isfinite(loss) else f"the loss is {loss}"
        state = self.state
        kept = f"the checkpoint of step {self.saved_step} is good" if self.saved_step else "nothing was saved yet"
        return TrainingError(
            f"step {state.step + 1} (epoch {state.epoch}, learning rate {state.learning_rate:.3g}): {what}; stopped "
            f"before the update, {kept}; {_ADVICE}"
        )

    def stopped(self) -> Stopped:
        """Save, and return the error that says how to go on."""
        assert self.stop.number is not None
        self.tell("stopped", {"signal": self.stop.name})
        self.save()
        path = self.checkpoints.run.path
        return Stopped(
            f"{path}: stopped by {self.stop.name} after step {self.state.step} (epoch {self.state.epoch}) and saved; "
            f"go on with: attncli train {path / 'config.yaml'} --run {path} --resume",
            signal_number=self.stop.number,
        )


_ADVICE = "try a lower training.learning_rate, a longer training.schedule.warmup or a lower training.clip_norm"
