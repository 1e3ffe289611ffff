"""The training loop."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import torch

from attncli.config.training import Training
from attncli.errors import DataError, RunError, Stopped, TrainingError
from attncli.machine.device import arithmetic, autocast
from attncli.machine.processes import ALONE, LostError, Processes
from attncli.machine.progress import shows_progress, wants_progress
from attncli.runs.folder import RunFolder
from attncli.runs.weights import put_weights, weights_of
from attncli.training.checkpoints import Checkpoints
from attncli.training.console import Bar, Lines
from attncli.training.ends import reason_to_end, shares_used
from attncli.training.history import Validation, best_validations
from attncli.training.log import JsonLines, Report, Reports, TensorBoard
from attncli.training.optimizers import put_optimizer_state
from attncli.training.schedules import build_schedule
from attncli.training.signals import StopNow, StopRequest, stop_request
from attncli.training.state import (
    SavedState,
    TrainingState,
    Window,
    random_states,
    seed_update,
    set_random_states,
)
from attncli.training.task import Batches, CountedBatch, Task
from attncli.training.updates import NotFiniteError, Updater

Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome:
    """How training ended."""

    reason: str  # the key that ended it, such as "max_steps"
    step: int
    epoch: int
    seconds: float  # including the earlier parts of a resumed run
    best: Validation
    averaged_steps: tuple[int, ...]  # whose average is `best`; empty where `best` is one checkpoint


def train(
    task: Task,
    config: Training,
    run: RunFolder,
    *,
    device: torch.device,
    resume: bool = False,
    changed: Mapping[str, Any] = MappingProxyType({}),
    progress: bool = True,
    processes: Processes = ALONE,
) -> Outcome:
    """Train `task` until an end that `config` sets, saving into the created folder `run`.

    With `resume` it continues from the last checkpoint, or from the start if there is none yet, and ends with the
    weights that an uninterrupted run would have, on CUDA up to rounding. Dropout draws from PyTorch's global
    generators: seed them before the model is built. `changed` are settings that have become others since the run was
    begun, for its log. `progress` shows a bar where there are any.

    Each of several `processes` calls this, and computes its part of every batch and of the dev set; the first one alone
    writes. Their order of examples is that of one process, and so is each update but for rounding and for what is
    random in it. Raises Stopped on SIGINT and SIGTERM after saving, TrainingError where training cannot continue,
    RunError where a checkpoint cannot be read, and LostError where another process has ended.
    """
    checkpoints = Checkpoints(run)
    saved = checkpoints.read_last() if resume else None
    with arithmetic(config.precision, device):
        trainer = _Trainer(task, config, checkpoints, device=device, processes=processes)
        if saved is not None:
            trainer.restore(saved)
        processes.copy_from_first(weights_of(task.model).values())
        # Only now, since the log loses the records after the checkpoint, which must be sound.
        with (
            _reports(config, run, saved) if processes.is_first else nullcontext() as reports,
            _bar(trainer, shown=progress and processes.is_first and shows_progress()) as bar,
            stop_request(processes) as stop,
        ):
            return trainer.run(reports, stop, bar, changed)


def _reports(config: Training, run: RunFolder, saved: SavedState | None) -> Reports:
    step, log_size = (saved.training.step, saved.log_size) if saved else (0, 0)
    others: list[Report] = []
    if config.tensorboard:
        others.append(TensorBoard(run.path / "tensorboard", step=step))
    if wants_progress():
        others.append(Lines())
    return Reports(JsonLines(run.log_path, size=log_size), others)


@contextmanager
def _bar(trainer: _Trainer, *, shown: bool) -> Iterator[Bar | None]:
    if not shown:
        yield None
        return
    with closing(Bar(trainer.task.unit, step=trainer.state.step, used=trainer.used())) as bar:
        yield bar


class _Trainer:
    def __init__(
        self,
        task: Task,
        config: Training,
        checkpoints: Checkpoints,
        *,
        device: torch.device,
        processes: Processes,
    ):
        self.task, self.config, self.checkpoints, self.device = task, config, checkpoints, device
        self.processes = processes
        self.updater = Updater(task, config, device, processes)
        self.schedule = build_schedule(config)
        self.state = TrainingState()
        self.batches: Batches | None = None
        self.saved: tuple[int, int] | None = None  # step and validations of the last checkpoint
        self.started = time.perf_counter()

    def run(self, reports: Reports | None, stop: StopRequest, bar: Bar | None, changed: Mapping[str, Any]) -> Outcome:
        """Train to the end. The state alone decides what is due, so a resumed run does what an unbroken one does.

        `reports` are None in a process that does not write.
        """
        self.reports, self.stop, self.bar = reports, stop, bar
        facts: dict[str, Any] = {"changed": dict(changed)} if changed else {}
        if self.processes.count > 1:
            facts["processes"] = self.processes.count
        self.tell("start" if self.saved is None else "resume", facts)
        self.task.model.train()
        try:
            while (reason := self.reason_to_end()) is None:
                if self.due(self.config.validate_every) and not self.validated():
                    self.validate()
                elif self.save_due():
                    self.save()
                else:
                    self.update()
            return self.finish(reason)
        except StopNow:
            raise self.stopped() from None
        except LostError as error:
            raise self.lost(error) from None

    def update(self) -> None:
        """Make the next update, and report it with those before it where a record is due."""
        batches = self.next_batches()
        state = self.state
        state.learning_rate = self.config.learning_rate * self.schedule(state.step + 1, self.values())
        if self.processes.count > 1:
            seed_update(self.config.seed, state.step, self.processes.rank)
        try:
            update = self.updater.update([each for each in batches if each is not None], state.learning_rate)
        except NotFiniteError as error:
            raise self.not_finite(f"step {state.step + 1}", f"{error}; stopped before the update") from None
        state.step += 1
        state.batch += len(batches)
        state.window.add(update)
        if self.due(self.config.log_every):
            self.tell_training()
        if self.bar is not None:
            self.bar.updated(state.step, update, self.used())

    def next_batches(self) -> list[CountedBatch | None]:
        """Return this process's part of the batches of one update; the last update of an epoch may have fewer."""
        state = self.state
        if state.batch >= state.epoch_batches:
            self.open_epoch(state.epoch + 1)
        assert self.batches is not None
        last = min(state.batch + self.config.accumulate, state.epoch_batches)
        return [self.batches[index] for index in range(state.batch, last)]

    def open_epoch(self, number: int) -> None:
        self.batches = self.batches_of(number)
        if not len(self.batches):
            raise DataError("data.train: holds nothing to train on")
        self.state.epoch, self.state.batch, self.state.epoch_batches = number, 0, len(self.batches)

    def batches_of(self, epoch: int) -> Batches:
        batches = self.task.epoch(epoch)
        return batches if self.processes.count == 1 else batches.dealt(self.processes.rank, self.processes.count)

    def validate(self) -> None:
        """Measure the dev set, and keep the weights if they are among the best."""
        if self.saved is None:
            self.save()  # so that a run with other checkpoints always has the one that training continues from
        validation, before = self.measured(), self.best()
        best = before is None or validation.value(self.metric) > before.value(self.metric)
        self.state.history.append(validation)
        if self.processes.is_first:
            if validation in self.wanted():
                self.checkpoints.keep(validation, weights_of(self.task.model))
            if best:
                self.checkpoints.make_best(validation)
        self.tell("validation", {**validation.scores, "best": best})

    def measured(self) -> Validation:
        """Return the scores of the model as it is; a signal that reaches any process meanwhile stops all."""
        part, number = self.unless_stopped(self.dev_part)
        self.stop_if(self.processes.largest(number)[0])
        parts = self.processes.gathered(part)
        # A metric may be another program, of which one is enough.
        found, number = self.processes.from_first(lambda: self.unless_stopped(lambda: self.scored(parts)))
        self.stop_if(number)
        assert found is not None
        return found

    def unless_stopped(self, make: Callable[[], Value]) -> tuple[Value | None, int]:
        """Return what `make` returns, and 0; or None and the number of the signal that arrived before it did."""
        try:
            with self.stop.leaving_at_once():
                return make(), 0
        except StopNow:
            return None, self.stop.number or 0

    def stop_if(self, number: float) -> None:
        if number:
            self.stop.number = int(number)
            raise StopNow

    def dev_part(self) -> Any:
        """Return what this process finds on its part of the dev set, and leave the random states as they were."""
        if self.bar is not None:
            self.bar.show()
        # Validation may draw, too; how often it is done must not change the weights.
        random = random_states(self.device)
        self.task.model.eval()
        try:
            with torch.no_grad(), autocast(self.config.precision, self.device):
                return self.task.dev_part(self.processes.rank, self.processes.count)
        finally:
            self.task.model.train()
            set_random_states(random, self.device)

    def scored(self, parts: Sequence[Any] | None) -> Validation:
        """Return the scores of all `parts` of the dev set."""
        assert parts is not None, "the first process has all"
        scores = {name: float(score) for name, score in self.task.dev_scores(parts).items()}
        if self.metric not in scores:
            raise TrainingError(
                f"training.validation.metric: {self.metric!r} is not measured; choose {', '.join(scores)}"
            )
        for name, score in scores.items():
            if not math.isfinite(score):
                raise self.not_finite(f"step {self.state.step}", f"the {name} of the dev set is {score}")
        return Validation(self.state.step, self.state.epoch, scores)

    def save(self) -> None:
        """Save everything that training resumes from."""
        self.state.seconds, self.started = self.seconds(), time.perf_counter()
        if self.reports is not None:
            self.checkpoints.save_last(
                weights_of(self.task.model),
                self.state,
                optimizer=self.updater.optimizer,
                random=random_states(self.device),
                log_size=self.reports.log.flushed_size(),
            )
            self.checkpoints.remove_all_but(self.wanted())
        self.saved = self.place()

    def restore(self, saved: SavedState) -> None:
        """Continue from `saved` and the weights beside it."""
        run = self.checkpoints.run
        where = str(run.checkpoint("last"))
        put_weights(self.task.model, run.load_weights("last"), where=where)
        put_optimizer_state(self.updater.optimizer, saved.optimizer, where=where)
        self.state = saved.training
        self.saved = self.place()
        if any(self.metric not in validation.scores for validation in self.state.history):
            raise RunError(f"{where}: cannot be resumed: a validation without {self.metric}")
        self.batches = self.batches_of(self.state.epoch) if self.state.epoch else None
        if self.batches is not None and len(self.batches) != self.state.epoch_batches:
            raise RunError(
                f"{run.path}: cannot be resumed, its data or batch size have changed: epoch {self.state.epoch} had "
                f"{self.state.epoch_batches} batches and now has {len(self.batches)}; restore them or start a new run"
            )
        try:
            set_random_states(saved.random, self.device)
        except RuntimeError as error:
            raise RunError(f"{where}: cannot be resumed: not the state of a random generator: {error}") from None
        if (best := self.best()) and self.processes.is_first:
            self.checkpoints.restore_best(best)

    def finish(self, reason: str) -> Outcome:
        """Validate and save what was reached, and try the average of the best checkpoints."""
        if not self.validated():
            self.validate()
        self.save()
        # After saving, so that a later process with a higher limit continues in the middle of this window.
        if self.state.window.updates:
            self.tell_training()
        steps: tuple[int, ...] = ()
        best = self.best()
        assert best is not None
        if self.config.average_best:
            best, steps = self.averaged(best)
        self.tell("end", {"reason": reason, "best_step": best.step, "best_scores": best.scores})
        return Outcome(reason, self.state.step, self.state.epoch, self.seconds(), best, steps)

    def averaged(self, best: Validation) -> tuple[Validation, tuple[int, ...]]:
        """Make the average of the kept checkpoints `best` if it scores better; return the best and its steps."""
        wanted, is_kept = self.wanted(), self.checkpoints.is_kept
        kept = self.processes.from_first(lambda: [validation for validation in wanted if is_kept(validation)])
        if len(kept) < 2:
            return best, ()
        model, where = self.task.model, str(self.checkpoints.run.path)
        steps = tuple(sorted(validation.step for validation in kept))
        # The task keeps the weights of training, which `last` holds, whatever becomes of the average.
        own = {name: tensor.clone() for name, tensor in weights_of(model).items()}
        try:
            if self.processes.is_first:
                put_weights(model, self.checkpoints.average(kept), where=where)
            self.processes.copy_from_first(weights_of(model).values())
            average = self.measured()
            better = average.value(self.metric) > best.value(self.metric)
            if better and self.processes.is_first:
                self.checkpoints.make_average_best(average, weights_of(model), steps)
        finally:
            put_weights(model, own, where=where)
        self.tell("average", {"steps": list(steps), **average.scores, "best": better})
        return (average, steps) if better else (best, ())

    @property
    def metric(self) -> str:
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

    def place(self) -> tuple[int, int]:
        return self.state.step, len(self.state.history)

    def save_due(self) -> bool:
        return self.saved != self.place() and (self.validated() or self.due(self.config.checkpoint_every))

    def reason_to_end(self) -> str | None:
        """Return the key that ends training now, or None; raises StopNow where a signal has reached a process."""
        # What only one process knows, its clock and signals, must be the same for all.
        seconds, number = self.processes.largest(self.seconds(), self.stop.number or 0)
        reason = reason_to_end(self.config, self.state, values=self.values(), seconds=seconds)
        if reason is None:
            self.stop_if(number)
        return reason

    def used(self) -> dict[str, float]:
        return shares_used(self.config, self.state, seconds=self.seconds())

    def seconds(self) -> float:
        return self.state.seconds + time.perf_counter() - self.started

    def tell(self, event: str, facts: Mapping[str, Any]) -> None:
        if self.reports is None:
            return
        place = {"step": self.state.step, "epoch": self.state.epoch}
        self.reports.tell(event, {**place, **facts, "seconds": round(self.seconds(), 3)})

    def tell_training(self) -> None:
        window, self.state.window = self.state.window, Window()
        self.tell("train", {**window.means(self.task.unit), "learning_rate": self.state.learning_rate})

    def not_finite(self, when: str, what: str) -> TrainingError:
        state = self.state
        return TrainingError(
            f"{when} (epoch {state.epoch}, learning rate {state.learning_rate:.3g}): {what}, and {self.kept()}; try a "
            "lower training.learning_rate, a longer training.schedule.warmup or a lower training.clip_norm"
        )

    def kept(self) -> str:
        return "nothing was saved yet" if self.saved is None else f"the checkpoint of step {self.saved[0]} is good"

    def lost(self, error: LostError) -> LostError:
        """Return `error` with what can be done about it."""
        path = self.checkpoints.run.path
        return LostError(f"{path}: {error}; {self.kept()}; go on with: {self.command()}")

    def stopped(self) -> Stopped:
        """Save, and return the error that says how to resume."""
        assert self.stop.number is not None
        self.tell("stopped", {"signal": self.stop.name})
        self.save()
        # A launcher ends the others as soon as one has left.
        self.processes.wait()
        path = self.checkpoints.run.path
        return Stopped(
            f"{path}: stopped by {self.stop.name} after step {self.state.step} (epoch {self.state.epoch}) and saved; "
            f"go on with: {self.command()}",
            signal_number=self.stop.number,
        )

    def command(self) -> str:
        """Return the command that goes on with this run."""
        path = self.checkpoints.run.path
        together = ["--processes", str(self.processes.count)] if self.processes.count > 1 else []
        return shlex.join(["attncli", "train", str(path / "config.yaml"), "--run", str(path), "--resume", *together])
