"""Several processes that train together, against one that trains alone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from finished import assert_same, final, log
from launched import begin, end
from tiny_task import TinyBatches, TinyTask, tiny_batch, tiny_config, train_tiny
from torch import Tensor, nn

from attncli.errors import DataError, UserError
from attncli.losses import SummedLoss
from attncli.machine import processes as package
from attncli.machine.processes import ALONE, Processes, joined
from attncli.models.selections import ReinforceSelection
from attncli.runs.folder import RunFolder
from attncli.runs.weights import Weights
from attncli.training.state import seed_update
from attncli.training.trainer import train
from attncli.training.updates import Updater

CPU = torch.device("cpu")


def together(count: int, work: Callable[..., None], *arguments: Any) -> list[int | None]:
    return end(begin(count, train_together, work, *arguments))


def train_together(work: Callable[..., None], *arguments: Any) -> None:
    try:
        with joined("cpu") as (processes, _):
            work(processes, *arguments)
    except UserError as error:
        folder: Path = arguments[0]
        folder.with_suffix(f".{os.environ['RANK']}.message").write_text(str(error))
        raise SystemExit(error.exit_code) from None


@dataclass(frozen=True)
class Rows:
    values: Tensor  # [n, 4] float64

    @property
    def size(self) -> int:
        return 10 * len(self.values)

    @property
    def terms(self) -> int:
        return 3 * len(self.values)

    def to(self, device: torch.device) -> Rows:
        return self


class Regression:
    """Linear regression in float64, with a parameter that is never used and a baseline to follow."""

    unit = "rows"

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.model = nn.Module()
        self.layer = nn.Linear(4, 3).double()
        self.model.layer = self.layer
        self.model.unused = nn.Parameter(torch.ones(2))
        self.selection = ReinforceSelection(by_token=True, reward_weight=1, entropy_weight=0, expectation_rate=0)
        self.model.selection = self.selection

    def epoch(self, number: int) -> TinyBatches:
        raise NotImplementedError

    def dev_part(self, rank: int, count: int) -> Any:
        raise NotImplementedError

    def dev_scores(self, parts: Any) -> dict[str, float]:
        raise NotImplementedError

    def loss(self, batch: Rows) -> SummedLoss:
        self.selection.rewards += batch.values.sum().float()
        self.selection.sentences += len(batch.values)
        total = (self.layer(batch.values) - batch.values[:, :3].sin()).square().sum()
        return SummedLoss(total, total.detach(), batch.terms)


def regress(processes: Processes, folder: Path) -> None:
    """Make three updates, of 7 and 2, of 1 and of 5 rows, and write what was measured and learned."""
    generator = torch.Generator().manual_seed(1)
    task = Regression()
    training = tiny_config(optimizer={"kind": "adamw", "weight_decay": 0.5}, clip_norm=0.3)
    updater, measured = Updater(task, training, CPU, processes), []
    for lengths in ((7, 2), (1,), (5,)):
        batches = [torch.randn(length, 4, dtype=torch.float64, generator=generator) for length in lengths]
        parts = [Rows(batch[processes.rank :: processes.count]) for batch in batches]
        found = updater.update([part for part in parts if len(part.values)], 0.1)
        measured.append([found.loss, found.reported_loss, found.gradient_norm, found.terms, found.size])
    torch.save(
        {"weights": dict(task.model.state_dict()), "measured": measured}, folder.with_suffix(f".{processes.rank}")
    )


def test_the_update_of_several_processes_is_that_of_one_on_all_rows(tmp_path: Path) -> None:
    regress(ALONE, tmp_path / "one")
    weights, measured = torch.load(tmp_path / "one.0").values()
    assert [numbers[3:] for numbers in measured] == [[27, 90], [3, 10], [15, 50]]
    for count in (2, 3):
        assert together(count, regress, tmp_path / f"of-{count}") == [0] * count
        first = torch.load(tmp_path / f"of-{count}.0")
        for rank in range(1, count):
            assert_same(torch.load(tmp_path / f"of-{count}.{rank}"), first)
        for name, expected in weights.items():
            torch.testing.assert_close(first["weights"][name], expected, rtol=1e-6, atol=1e-9, msg=name)
        for found, numbers in zip(first["measured"], measured, strict=True):
            assert found == pytest.approx(numbers, rel=1e-6)
    # What has no gradient in any process keeps its value, though the optimiser decays weights.
    assert weights["unused"].tolist() == [1, 1]


def run_tiny(processes: Processes, folder: Path, changes: dict[str, Any], task: dict[str, Any]) -> None:
    made = TinyTask(**task)
    run = RunFolder(folder)
    resume = run.has_checkpoint("last")
    if processes.is_first and not resume:
        run.create("task: tiny\n")
    processes.wait()
    train(made, tiny_config(**changes), run, device=CPU, resume=resume, progress=False, processes=processes)
    seen = [batch.tokens.tolist() for batch in made.seen]
    with folder.with_suffix(f".{processes.rank}.seen").open("a") as file:
        file.write("".join(f"{json.dumps(tokens)}\n" for tokens in seen))


def weights_close(found: Weights, expected: Weights) -> None:
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_a_run_may_go_on_in_another_number_of_processes(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"keep_best": 2, "average_best": True}
    task = {"dropout": 0.0}
    train_tiny(tmp_path / "one", TinyTask(dropout=0.0), max_steps=13, **changes)
    for count, steps in ((2, 5), (3, 9), (2, 13)):
        assert together(count, run_tiny, tmp_path / "run", {"max_steps": steps, **changes}, task) == [0] * count
    found, expected = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "one")
    for name in ("last", "best"):
        weights_close(found.load_weights(name), expected.load_weights(name))
    records = [[each for each in log(folder.path) if each["event"] == "train"] for folder in (found, expected)]
    assert [each["step"] for each in records[0] if each["step"] % 5 == 0] == [each["step"] for each in records[1]][:2]
    for event, number in (("validation", 4), ("average", 1)):
        measured = [
            [(each["step"], each["loss"]) for each in log(folder.path) if each["event"] == event]
            for folder in (found, expected)
        ]
        assert len(measured[1]) == number
        assert measured[0][-1] == (measured[1][-1][0], pytest.approx(measured[1][-1][1], rel=1e-5))
    assert records[0][0]["loss"] == pytest.approx(records[1][0]["loss"], rel=1e-5)
    assert records[0][0]["gradient_norm"] == pytest.approx(records[1][0]["gradient_norm"], rel=1e-4)
    assert [each.get("processes") for each in log(found.path) if each["event"] in ("start", "resume")] == [2, 3, 2]


def test_stopping_changes_nothing_of_what_processes_draw(tmp_path: Path) -> None:
    assert together(2, run_tiny, tmp_path / "whole", {"max_steps": 10}, {}) == [0, 0]
    for steps in (6, 10):
        assert together(2, run_tiny, tmp_path / "parts", {"max_steps": steps}, {}) == [0, 0]
    assert_same(final(tmp_path / "parts")["last"], final(tmp_path / "whole")["last"])
    # Each row of a batch is seen by one process, in the order of one process.
    train_tiny(tmp_path / "one", whole := TinyTask(), max_steps=10)
    expected = [batch.tokens.tolist() for batch in whole.seen]
    for name in ("whole", "parts"):
        parts = [(tmp_path / f"{name}.{rank}.seen").read_text().splitlines() for rank in range(2)]
        dealt = [[json.loads(line) for line in part] for part in parts]
        assert dealt == [[tokens[rank::2] for tokens in expected] for rank in range(2)]


def test_processes_and_updates_draw_each_their_own() -> None:
    drawn = []
    for seed, step, rank in ((1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0), (1, 0, 0)):
        seed_update(seed, step, rank)
        drawn.append(float(torch.rand(())))
    assert drawn[0] == drawn[4]
    assert len(set(drawn)) == 4


def wait_for_step(folder: Path, step: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "log.jsonl").exists() and any(each["step"] >= step for each in log(folder)):
            return
        time.sleep(0.02)
    raise AssertionError(f"no step {step} within a minute")


SLOWLY = {"step_seconds": 0.02}
ENDLESS = {"max_steps": 5000, "log_every": 1}


def test_a_signal_to_one_process_saves_once_and_ends_all(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    started = begin(3, train_together, run_tiny, folder, ENDLESS, SLOWLY)
    wait_for_step(folder, 2)
    pid = started[1].pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    assert end(started) == [128 + signal.SIGTERM, 0, 0]
    (stopped,) = (record for record in log(folder) if record["event"] == "stopped")
    assert RunFolder(folder).checkpoint_facts("last").step == stopped["step"]
    assert (folder.with_suffix(".0.message")).read_text() == (
        f"{folder}: stopped by SIGTERM after step {stopped['step']} (epoch {stopped['epoch']}) and saved; go on with: "
        f"attncli train {folder / 'config.yaml'} --run {folder} --resume --processes 3"
    )


def test_a_signal_to_one_process_ends_a_validation_of_all(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    started = begin(2, train_together, run_tiny, folder, ENDLESS, {"validation_seconds": 2.0})
    wait_for_step(folder, 4)
    time.sleep(0.3)
    assert started[1].pid is not None
    os.kill(started[1].pid, signal.SIGTERM)
    assert end(started) == [128 + signal.SIGTERM, 0]
    assert [(each["event"], each["step"]) for each in log(folder)][-2:] == [("train", 4), ("stopped", 4)]


def test_a_process_that_is_killed_ends_the_others_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    started = begin(2, train_together, run_tiny, folder, {**ENDLESS, "validate_every": 3}, SLOWLY)
    wait_for_step(folder, 5)
    started[1].kill()
    killed = time.monotonic()
    assert end(started) == [1, -signal.SIGKILL]
    assert time.monotonic() - killed < 20
    step = RunFolder(folder).checkpoint_facts("last").step
    assert step >= 3
    message = folder.with_suffix(".0.message").read_text()
    assert message.startswith(f"{folder}: another of the processes has ended, or cannot be reached; ")
    assert message.endswith(
        f"; the checkpoint of step {step} is good; go on with: attncli train {folder / 'config.yaml'} --run {folder} "
        "--resume --processes 2"
    )
    steps = {"max_steps": step + 1}
    assert together(2, run_tiny, folder, steps, {}) == [0, 0]


class Unreadable(TinyTask):
    def loss(self, batch: Any) -> SummedLoss:
        if len(self.seen) == 3:
            raise DataError("image.png: cannot be read")
        return super().loss(batch)


def fail_in_one(processes: Processes, folder: Path, rank: int | None) -> None:
    package._FIRST_TELLS /= 20
    task = Unreadable() if rank in (processes.rank, None) else TinyTask()
    if processes.is_first:
        RunFolder(folder).create("task: tiny\n")
    processes.wait()
    train(task, tiny_config(), RunFolder(folder), device=CPU, progress=False, processes=processes)


@pytest.mark.parametrize(("rank", "teller"), [(0, 0), (1, 1), (None, 0)])
def test_an_error_of_one_process_or_all_is_told_once(tmp_path: Path, rank: int | None, teller: int) -> None:
    folder = tmp_path / "run"
    assert together(2, fail_in_one, folder, rank) == [int(teller == 0), int(teller == 1)]
    (message,) = tmp_path.glob("*.message")
    assert message.name == f"run.{teller}.message"
    assert message.read_text() == "image.png: cannot be read"


def test_what_a_launcher_must_say_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError) as caught, joined("cpu"):
        pass
    assert str(caught.value) == (
        "WORLD_SIZE is 2, but MASTER_ADDR, MASTER_PORT is not set; start processes with torchrun, or unset WORLD_SIZE"
    )


def test_a_batch_smaller_than_the_processes_is_dealt_to_some() -> None:
    parts = TinyBatches([tiny_batch(torch.tensor([5]))]).dealt(1, 2)
    assert list(parts) == [None]
