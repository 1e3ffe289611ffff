from __future__ import annotations

import errno
import json
import math
import os
import signal
import sys
import types
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from marks import needs_bf16
from tiny_task import CPU, TinyBatch, TinyTask, tiny_batch, tiny_config, train_tiny

from attncli.errors import CommandError, DataError, TrainingError
from attncli.losses import SummedLoss
from attncli.runs.folder import RunFolder
from attncli.runs.weights import Weights, weights_of
from attncli.training.trainer import train


def records(folder: Path, event: str) -> list[dict[str, Any]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["event"] == event]


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints/kept").iterdir())


def losses(*values: float) -> list[dict[str, float]]:
    return [{"loss": value} for value in values]


def trained(tmp_path: Path, name: str, batches: list[list[int]], **changes: Any) -> Weights:
    task = TinyTask(dropout=0.0, epochs={1: [tiny_batch(torch.tensor(batch)) for batch in batches]})
    train_tiny(tmp_path / name, task, max_epochs=1, clip_norm=0.5, **changes)
    return weights_of(task.model)


def test_two_accumulated_batches_make_the_update_of_one_joined_batch(tmp_path: Path) -> None:
    parts = trained(tmp_path, "parts", [[1, 2, 3, 4, 5], [6, 7]], accumulate=2)
    joined = trained(tmp_path, "joined", [[1, 2, 3, 4, 5, 6, 7]], accumulate=1)
    for name in parts:
        torch.testing.assert_close(parts[name], joined[name], msg=name)
    for key in ("loss", "gradient_norm"):
        (a,), (b,) = records(tmp_path / "parts", "train"), records(tmp_path / "joined", "train")
        assert a[key] == pytest.approx(b[key])


def test_the_last_batches_of_an_epoch_make_an_update_of_their_own(tmp_path: Path) -> None:
    parts = trained(tmp_path, "parts", [[1, 2, 3], [4, 5], [6, 7, 8, 9]], accumulate=2)
    joined = trained(tmp_path, "joined", [[1, 2, 3, 4, 5], [6, 7, 8, 9]], accumulate=1)
    for name in parts:
        torch.testing.assert_close(parts[name], joined[name], msg=name)


def test_a_gradient_over_the_limit_is_scaled_down_to_it(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optimizer": {"kind": "sgd"}, "learning_rate": 1.0, "max_steps": 1, "accumulate": 1}
    moved = {}
    for limit in (None, 0.25):
        task = TinyTask(dropout=0.0)
        before = {name: tensor.clone() for name, tensor in weights_of(task.model).items()}
        train_tiny(tmp_path / str(limit), task, clip_norm=limit, **settings)
        squares = [(tensor - before[name]).square().sum() for name, tensor in weights_of(task.model).items()]
        moved[limit] = math.sqrt(sum(squares))
        assert records(tmp_path / str(limit), "train")[0]["gradient_norm"] == pytest.approx(moved[None], rel=1e-4)
    assert moved[None] > 0.3
    assert moved[0.25] == pytest.approx(0.25, rel=1e-4)


def test_the_learning_rate_is_that_of_the_schedule(tmp_path: Path) -> None:
    schedule = {"kind": "constant", "warmup": 4}
    train_tiny(tmp_path / "run", schedule=schedule, learning_rate=0.2, log_every=1, max_steps=5)
    assert [record["learning_rate"] for record in records(tmp_path / "run", "train")] == pytest.approx(
        [0.05, 0.1, 0.15, 0.2, 0.2]
    )


def test_the_log_holds_every_event_with_its_numbers(tmp_path: Path) -> None:
    class Counted(TinyTask):
        """Has losses that can be foreseen: twice its tokens, with one more for each in the part that is minimised."""

        def loss(self, batch: TinyBatch) -> SummedLoss:
            loss = super().loss(batch)
            return SummedLoss(loss.total * 0 + 3 * loss.terms, torch.tensor(2.0 * loss.terms), loss.terms)

    folder = tmp_path / "run"
    outcome = train_tiny(folder, Counted(scores=losses(4.0, 5.0)), max_steps=6, log_every=2)
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [(event["event"], event["step"], event["epoch"]) for event in events] == [
        ("start", 0, 0),
        ("train", 2, 1),
        ("train", 4, 1),
        ("validation", 4, 1),
        ("train", 6, 2),
        ("validation", 6, 2),
        ("end", 6, 2),
    ]
    assert set(events[1]) == {
        "event",
        "step",
        "epoch",
        "loss",
        "learning_rate",
        "gradient_norm",
        "tokens_per_second",
        "seconds",
    }
    assert events[1]["loss"] == 2.0
    assert events[3] == {"event": "validation", "step": 4, "epoch": 1, "loss": 4.0, "best": True} | {
        "seconds": events[3]["seconds"]
    }
    assert not events[5]["best"]
    assert events[6]["reason"] == "max_steps"
    assert (events[6]["best_step"], events[6]["best_scores"]) == (4, {"loss": 4.0})
    seconds = [event["seconds"] for event in events]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(outcome.seconds, abs=0.01)


def test_tokens_of_both_sides_are_counted_for_the_speed(tmp_path: Path) -> None:
    batches = [tiny_batch(torch.tensor([1, 2, 3])), tiny_batch(torch.tensor([1, 2, 3, 4]))]
    task = TinyTask(epochs={1: batches}, step_seconds=0.05)
    train_tiny(tmp_path / "run", task, max_epochs=1)
    (record,) = records(tmp_path / "run", "train")
    # 7 target and 9 source tokens in a little more than 0.1 s.
    assert 16 / 1.0 < record["tokens_per_second"] < 16 / 0.1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_the_update(tmp_path: Path, bad: float) -> None:
    class Breaking(TinyTask):
        def loss(self, batch: TinyBatch) -> SummedLoss:
            loss = super().loss(batch)
            return SummedLoss(loss.total * bad if len(self.seen) == 14 else loss.total, loss.reported, 1)

    task = Breaking()
    with pytest.raises(TrainingError) as error:
        train_tiny(tmp_path / "run", task, checkpoint_every=7, validate_every=1000)
    assert str(error.value) == (
        f"step 8 (epoch 2, learning rate 0.05): the loss is {bad}; stopped before the update, and the checkpoint of "
        "step 7 is good; try a lower training.learning_rate, a longer training.schedule.warmup or a lower "
        "training.clip_norm"
    )
    saved = RunFolder(tmp_path / "run").load_weights("last")
    for name, tensor in weights_of(task.model).items():
        assert torch.equal(saved[name], tensor)


def test_a_gradient_that_is_no_number_stops_before_the_update(tmp_path: Path) -> None:
    class Breaking(TinyTask):
        def loss(self, batch: TinyBatch) -> SummedLoss:
            loss = super().loss(batch)
            root = (self.model.output.bias * 0).sum().sqrt()  # 0, with an infinite slope
            return SummedLoss(loss.total + root, loss.reported, loss.terms)

    with pytest.raises(
        TrainingError, match=r"^step 1 \(.*\): the norm of the gradient is nan; .* nothing was saved yet;"
    ):
        train_tiny(tmp_path / "run", Breaking())


def test_a_validation_that_is_no_number_stops(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"^step 4 \(epoch 1, .*\): the loss of the dev set is nan, and the checkpoint"
    ):
        train_tiny(tmp_path / "run", TinyTask(scores=losses(math.nan)))


def test_a_metric_that_nobody_measures_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"training.validation.metric: 'bleu' is not measured; choose loss"):
        train_tiny(tmp_path / "run", validation={"metric": "bleu"})


def test_no_batches_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.train: holds nothing to train on"):
        train_tiny(tmp_path / "run", TinyTask(epochs={1: []}))


def test_the_best_checkpoints_are_kept(tmp_path: Path) -> None:
    task = TinyTask(scores=losses(5.0, 3.0, 4.0, 3.5, 6.0))
    outcome = train_tiny(tmp_path / "run", task, keep_best=3)
    assert kept(tmp_path / "run") == ["step-00000008", "step-00000012", "step-00000016"]
    assert outcome.best.step == 8
    run = RunFolder(tmp_path / "run")
    facts = run.checkpoint_facts("best")
    assert (facts.step, facts.epoch, facts.scores, facts.average_of_steps) == (8, 2, {"loss": 3.0}, [])
    assert (run.facts().step, run.facts().scores) == (8, {"loss": 3.0})
    assert [record["best"] for record in records(tmp_path / "run", "validation")] == [True, True, False, False, False]
    for name, tensor in run.load_weights("best").items():
        assert torch.equal(tensor, run.load_weights("kept/step-00000008")[name])


def test_a_higher_bleu_is_better(tmp_path: Path) -> None:
    scores = [{"loss": 3.0, "bleu": 10.0}, {"loss": 2.0, "bleu": 9.0}, {"loss": 4.0, "bleu": 11.0}]
    outcome = train_tiny(tmp_path / "run", TinyTask(scores=scores), max_steps=12, validation={"metric": "bleu"})
    assert (outcome.best.step, outcome.best.scores) == (12, {"loss": 4.0, "bleu": 11.0})


@pytest.mark.parametrize(("average_loss", "better"), [(2.5, True), (3.0, False)])
def test_the_average_of_the_kept_is_best_only_if_it_does_better(
    tmp_path: Path, average_loss: float, better: bool
) -> None:
    task = TinyTask(scores=losses(5.0, 3.0, 4.0, average_loss))
    outcome = train_tiny(tmp_path / "run", task, max_steps=12, keep_best=2, average_best=True)
    run = RunFolder(tmp_path / "run")
    means = {
        name: (tensor + run.load_weights("kept/step-00000012")[name]) / 2
        for name, tensor in run.load_weights("kept/step-00000008").items()
    }
    expected = means if better else run.load_weights("kept/step-00000008")
    for name, tensor in run.load_weights("best").items():
        torch.testing.assert_close(tensor, expected[name])
    (record,) = records(tmp_path / "run", "average")
    assert (record["steps"], record["loss"], record["best"]) == ([8, 12], average_loss, better)
    assert outcome.averaged_steps == ((8, 12) if better else ())
    assert outcome.best.scores == {"loss": min(average_loss, 3.0)}
    assert run.checkpoint_facts("best").average_of_steps == ([8, 12] if better else [])
    for name, tensor in run.load_weights("last").items():
        assert torch.equal(tensor, weights_of(task.model)[name])


def test_one_kept_checkpoint_is_not_averaged(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", average_best=True)
    assert records(tmp_path / "run", "average") == []


def test_training_stops_early_after_validations_without_a_new_best(tmp_path: Path) -> None:
    task = TinyTask(scores=losses(5.0, 3.0, 4.0, 3.0, 1.0))
    outcome = train_tiny(tmp_path / "run", task, max_steps=100, early_stopping={"patience": 2})
    assert (outcome.reason, outcome.step, outcome.best.step) == ("early_stopping", 16, 8)


def test_training_ends_after_epochs(tmp_path: Path) -> None:
    outcome = train_tiny(tmp_path / "run", max_steps=None, max_epochs=3)
    # 7 batches are 3 updates of two and one of one.
    assert (outcome.reason, outcome.step, outcome.epoch) == ("max_epochs", 12, 3)


def test_training_ends_after_minutes(tmp_path: Path) -> None:
    outcome = train_tiny(tmp_path / "run", TinyTask(step_seconds=0.02), max_steps=None, max_minutes=0.005)
    assert outcome.reason == "max_minutes"
    assert 0.3 <= outcome.seconds < 3


def test_there_is_always_a_validation_at_the_end(tmp_path: Path) -> None:
    outcome = train_tiny(tmp_path / "run", max_steps=7, validate_every=1000)
    assert [record["step"] for record in records(tmp_path / "run", "validation")] == [7]
    assert outcome.best.step == 7


def test_validation_leaves_dropout_as_it_was(tmp_path: Path) -> None:
    weights = []
    for every in (1, 1000):
        task = TinyTask()
        train_tiny(tmp_path / str(every), task, validate_every=every)
        weights.append(weights_of(task.model))
        assert task.model.training
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name])


def test_a_full_disk_leaves_the_last_checkpoint_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, calls = torch.save, []

    def full(values: object, file: IO[bytes]) -> None:
        calls.append(file)
        if len(calls) == 3:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(values, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError) as error:
        train_tiny(tmp_path / "run", validate_every=1000)
    assert f"{tmp_path}/run/checkpoints/last: cannot be saved: the disk is full (" in str(error.value)
    assert RunFolder(tmp_path / "run").checkpoint_facts("last").step == 6
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["last"]
    whole, resumed = TinyTask(), TinyTask()
    train_tiny(tmp_path / "whole", whole, validate_every=1000)
    train_tiny(tmp_path / "run", resumed, resume=True, validate_every=1000)
    for name, tensor in weights_of(whole.model).items():
        assert torch.equal(tensor, weights_of(resumed.model)[name])


def test_tensorboard_that_is_missing_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(
        CommandError, match=r"training.tensorboard: needs .*; install it with pip install 'attncli\[tens"
    ):
        train_tiny(tmp_path / "run", tensorboard=True)


def test_tensorboard_gets_the_numbers_as_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves: list[tuple[str, float, int] | str] = []
    opened: list[tuple[str, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str, *, purge_step: int):
            opened.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            curves.append((name, value, step))

        def close(self) -> None:
            curves.append("closed")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    train_tiny(tmp_path / "run", TinyTask(scores=losses(4.0)), tensorboard=True, max_steps=4, log_every=4)
    train_tiny(tmp_path / "run", TinyTask(scores=losses(4.0)), tensorboard=True, max_steps=4, log_every=4, resume=True)
    assert opened == [(str(tmp_path / "run/tensorboard"), 1), (str(tmp_path / "run/tensorboard"), 5)]
    (training,) = records(tmp_path / "run", "train")
    names = ["loss", "gradient_norm", "tokens_per_second", "learning_rate"]
    expected = [(f"train/{name}", training[name], 4) for name in names]
    assert [curve for curve in curves if curve[0] != "train/epoch" and curve[0] != "validation/epoch"] == [
        *expected,
        ("validation/loss", 4.0, 4),
        "closed",
        "closed",
    ]


@needs_bf16
def test_bfloat16_training_keeps_float32_weights(tmp_path: Path) -> None:
    task = TinyTask()
    outcome = train_tiny(tmp_path / "run", task, precision="bf16", max_steps=40)
    assert all(tensor.dtype == torch.float32 for tensor in RunFolder(tmp_path / "run").load_weights("best").values())
    assert outcome.best.scores["loss"] < 0.5


def test_tf32_on_the_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"training.precision: 'tf32'"):
        train_tiny(tmp_path / "run", precision="tf32")


def test_signal_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train_tiny(tmp_path / "run", max_steps=2)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_run_trained_on_cuda_loads_and_goes_on_on_the_cpu(tmp_path: Path, precision: str) -> None:
    class Falling(TinyTask):
        """Has a dev loss without a model, whose tokens would have to be on the device."""

        def validate(self) -> dict[str, float]:
            self.validations += 1
            return {"loss": 1.0 / self.validations}

    device = torch.device("cuda", 0)
    run = RunFolder(tmp_path / "run")
    run.create("task: tiny\n")
    task = Falling()
    task.model.to(device)
    train(task, tiny_config(precision=precision, max_steps=5), run, device=device, progress=False)
    assert {tensor.device for tensor in run.load_weights("best").values()} == {CPU}
    resumed = TinyTask()
    train(resumed, tiny_config(max_steps=9), run, device=CPU, resume=True, progress=False)
    back = Falling()
    back.model.to(device)
    outcome = train(back, tiny_config(max_steps=12), run, device=device, resume=True, progress=False)
    assert outcome.step == 12
