from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import random
import signal
import time
import zipfile
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from finished import assert_same, final, log
from tiny_task import EPOCH_BATCHES, TinyTask, child, tiny_batch, train_tiny

from attncli.errors import RunError, Stopped
from attncli.runs.folder import RunFolder
from attncli.runs.saving import remove

Changes = dict[str, Any]  # of a configuration or of a TinyTask's arguments

# The children are forked from a server that has imported torch already, so that each starts in milliseconds.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["attncli.training.trainer", "torch._dynamo"])


def start(
    folder: Path, changes: Changes | None = None, task: Changes | None = None, die_at: int | None = None
) -> ForkServerProcess:
    process = processes.Process(target=child, args=(folder, changes or {}, task or {}, die_at))
    process.start()
    return process


def run_child(
    folder: Path, changes: Changes | None = None, task: Changes | None = None, die_at: int | None = None
) -> int | None:
    """Return the exit code of a child."""
    process = start(folder, changes, task, die_at)
    process.join(timeout=60)
    return process.exitcode


def test_a_run_killed_at_random_moments_ends_bit_identical(tmp_path: Path) -> None:
    changes = {"max_steps": 40, "keep_best": 2, "average_best": True}
    task = {"step_seconds": 0.002}
    assert run_child(tmp_path / "whole", changes, task) == 0
    moments, kills = random.Random(3), 0
    while kills < 12:
        process = start(tmp_path / "killed", changes, task)
        process.join(timeout=moments.uniform(0.05, 0.3))
        if process.exitcode == 0:
            break
        process.kill()
        process.join()
        kills += 1
    assert kills >= 2
    assert run_child(tmp_path / "killed", changes, task) == 0
    assert_same(final(tmp_path / "killed"), final(tmp_path / "whole"))


def test_a_run_killed_at_any_touch_of_a_file_ends_bit_identical(tmp_path: Path) -> None:
    changes = {"max_steps": 9, "keep_best": 2, "average_best": True}
    assert run_child(tmp_path / "whole", changes) == 0
    expected = final(tmp_path / "whole")
    finished = False
    for die_at in range(1, 1000, 7):
        folder = tmp_path / f"killed-{die_at}"
        finished = run_child(folder, changes, die_at=die_at) == 0
        if finished:
            break
        assert run_child(folder, changes) == 0
        assert_same(final(folder), expected, f"killed before file event {die_at}: ")
    assert finished


def test_resuming_in_the_middle_of_an_epoch_repeats_and_skips_nothing(tmp_path: Path) -> None:
    whole = TinyTask()
    train_tiny(tmp_path / "whole", whole, max_steps=9)
    parts = [TinyTask() for _ in range(2)]
    train_tiny(tmp_path / "parts", parts[0], max_steps=6)
    train_tiny(tmp_path / "parts", parts[1], max_steps=9, resume=True)
    seen = [batch.tokens.tolist() for part in parts for batch in part.seen]
    assert 6 * 2 % EPOCH_BATCHES
    assert seen == [batch.tokens.tolist() for batch in whole.seen]


def test_a_higher_limit_goes_on_as_if_it_had_been_there_from_the_start(tmp_path: Path) -> None:
    train_tiny(tmp_path / "whole", max_steps=16)
    train_tiny(tmp_path / "parts", max_steps=8)
    train_tiny(tmp_path / "parts", max_steps=16, resume=True)
    assert_same(final(tmp_path / "parts"), final(tmp_path / "whole"))


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = train_tiny(tmp_path / "run", max_steps=9, keep_best=3, average_best=True)
    before = final(tmp_path / "run")
    second = train_tiny(tmp_path / "run", max_steps=9, keep_best=3, average_best=True, resume=True)
    assert_same(final(tmp_path / "run"), before)
    assert (second.reason, second.step, second.best) == (first.reason, first.step, first.best)


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    train_tiny(tmp_path / "whole")
    RunFolder(tmp_path / "run").create("task: tiny\n")
    (tmp_path / "run/log.jsonl").write_text('{"event": "start", "st')
    train_tiny(tmp_path / "run", resume=True)
    assert_same(final(tmp_path / "run"), final(tmp_path / "whole"))
    assert log(tmp_path / "run")[0]["event"] == "start"


def test_the_log_of_a_lost_process_is_cut_off(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=8)
    kept = (tmp_path / "run/log.jsonl").read_text()
    with (tmp_path / "run/log.jsonl").open("a") as file:
        file.write('{"event": "validation", "step": 12, "loss": 9.9}\n{"event": "tra')
    train_tiny(tmp_path / "run", max_steps=12, resume=True)
    records = log(tmp_path / "run")
    assert [record["step"] for record in records if record["event"] == "validation"] == [4, 8, 12]
    assert [record["step"] for record in records if record["event"] == "resume"] == [8]
    assert kept.startswith((tmp_path / "run/log.jsonl").read_text().split('{"event": "resume"')[0])


def test_best_goes_back_when_a_lost_process_went_further(tmp_path: Path) -> None:
    scores = [{"loss": 3.0}, {"loss": 2.0}]
    train_tiny(tmp_path / "run", TinyTask(scores=scores[:1]), max_steps=4)
    before = RunFolder(tmp_path / "run").load_weights("best")
    (tmp_path / "saved").mkdir()
    (tmp_path / "run/checkpoints/last").rename(tmp_path / "saved/last")
    (tmp_path / "run/checkpoints/kept").rename(tmp_path / "saved/kept")
    train_tiny(tmp_path / "other", TinyTask(scores=scores), max_steps=8)
    (tmp_path / "run/checkpoints/best").rename(tmp_path / "saved/best")
    (tmp_path / "other/checkpoints/best").rename(tmp_path / "run/checkpoints/best")
    for name in ("last", "kept"):
        (tmp_path / "saved" / name).rename(tmp_path / "run/checkpoints" / name)
    train_tiny(tmp_path / "run", max_steps=4, resume=True)
    assert RunFolder(tmp_path / "run").checkpoint_facts("best").step == 4
    assert_same(RunFolder(tmp_path / "run").load_weights("best"), before)


def without_sums(folder: Path) -> Path:
    """Return the last checkpoint of a run, as versions before sums were kept saved it, or a stranger would."""
    last = folder / "checkpoints/last"
    facts = json.loads((last / "checkpoint.json").read_text())
    del facts["sha256"]
    (last / "checkpoint.json").write_text(json.dumps(facts))
    return last


@pytest.mark.parametrize("name", ["model.safetensors", "training_state.pt"])
def test_a_checkpoint_cut_in_half_is_named(tmp_path: Path, name: str) -> None:
    train_tiny(tmp_path / "run", max_steps=3)
    path = tmp_path / "run/checkpoints/last" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunError, match=rf"checkpoints/last/{name}: damaged: its SHA-256 is not the one in checkpoint"):
        train_tiny(tmp_path / "run", resume=True)
    without_sums(tmp_path / "run")
    with pytest.raises(RunError, match=rf"checkpoints/last/{name}: damaged or cut short"):
        train_tiny(tmp_path / "run", resume=True)


@pytest.mark.parametrize("name", ["model.safetensors", "training_state.pt"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, name: str) -> None:
    train_tiny(tmp_path / "run", max_steps=3)
    path = tmp_path / "run/checkpoints/last" / name
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)
    before = (tmp_path / "run/log.jsonl").read_bytes()
    with pytest.raises(RunError, match=rf"last/{name}: damaged: its SHA-256 is not the one in checkpoint.json"):
        train_tiny(tmp_path / "run", resume=True)
    assert (tmp_path / "run/log.jsonl").read_bytes() == before


def test_a_run_without_training_state_cannot_be_resumed(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=3)
    (tmp_path / "run/checkpoints/last/training_state.pt").unlink()
    with pytest.raises(RunError, match=r"checkpoints/last/training_state.pt: no such file"):
        train_tiny(tmp_path / "run", resume=True)


def test_pickled_code_in_a_training_state_is_refused(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=3)
    last = without_sums(tmp_path / "run")
    torch.save({"training": TinyTask()}, last / "training_state.pt")
    with pytest.raises(RunError, match=r"training_state.pt: damaged or cut short"):
        train_tiny(tmp_path / "run", resume=True)
    (last / "training_state.pt").write_bytes(pickle.dumps({"training": 1}))
    with pytest.raises(RunError, match=r"training_state.pt: damaged or cut short.*: File is not a zip file; train ag"):
        train_tiny(tmp_path / "run", resume=True)


def test_a_training_state_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=3)
    path = without_sums(tmp_path / "run") / "training_state.pt"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/999", b"\0" * 1_000_000)
    with pytest.raises(RunError, match=r"cannot be resumed: a file of [\d,]+ bytes that unpacks to 1,[\d,]+; train"):
        train_tiny(tmp_path / "run", resume=True)


State = dict[str, Any]
MOMENTS = {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3)}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"training": [1]}, r"training: input should be a dictionary"),
        ({"training.step": "x"}, r"training\.step: input should be a valid integer"),
        ({"training.step": -5}, r"training\.step: input should be greater than or equal to 0"),
        (
            {"training.step": 10**6},
            r"the training state is of step 1000000, the weights are of step 4; restore",
        ),
        ({"training.batch": 10**6}, r"batch 1000000 of 7 in epoch 1"),
        ({"training.epoch_batches": 0}, r"batch 7 of 0 in epoch 1"),
        ({"training.epoch_batches": 9}, r"its data or batch size have changed: epoch 1 had 9 batches and now has 7"),
        ({"training.history": [1]}, r"training\.history\.0: input should be a dictionary"),
        (
            {"training.history": [{"step": 4, "epoch": 1, "scores": {}}]},
            r"resumed: a validation without loss",
        ),
        (
            {"training.history": [{"step": 5, "epoch": 1, "scores": {}}]},
            r"validations at steps \[5\], but training is",
        ),
        (
            {"training.history": [{"step": 4, "epoch": 1, "scores": {"loss": "x"}}]},
            r"history\.0\.scores\.loss: input",
        ),
        ({"training.seconds": float("nan")}, r"training\.seconds: input should be a finite number"),
        ({"training.window": {"updates": 3}}, r"training\.window: 3 updates without terms or seconds"),
        ({"training.other": 1}, r"training\.other: unexpected"),
        ({"optimizer": {0: "x"}}, r"optimizer\.0: input should be a valid dictionary"),
        (
            {"optimizer": {0: MOMENTS}},
            r"state of parameter 0 holds exp_avg as torch.float32 of size \[3\]",
        ),
        ({"optimizer": {9: MOMENTS}}, r"the optimiser's state is of another model: it has a parameter 9"),
        ({"optimizer": {2: {}}}, r"of parameter 2 holds nothing instead of exp_avg, exp_avg_sq, step"),
        ({"optimizer.2.exp_avg_sq": -torch.ones(13)}, r"of parameter 2 holds a number that exp_avg_sq cannot have"),
        ({"optimizer.2.exp_avg": torch.full((13,), torch.nan)}, r"of parameter 2 holds a number that exp_avg cannot"),
        ({"optimizer.2.exp_avg": torch.ones(13).double()}, r"holds exp_avg as torch.float64 of size \[13\] instead of"),
        ({"optimizer.2.exp_avg": torch.ones(13).to_sparse()}, r"of parameter 2 holds exp_avg as"),
        ({"random": {}}, r"random: the state of the CPU's generator is missing"),
        ({"random": {"cpu": torch.zeros(5)}}, r"random\.cpu: not the state of a generator"),
        (
            {"random": {"cpu": torch.zeros(5, dtype=torch.uint8)}},
            r"resumed: not the state of a random generator",
        ),
        ({"random": {"cpu": torch.full((5056,), 255, dtype=torch.uint8)}}, r"not the state of a random generator"),
        ({"log_size": "x"}, r"log_size: input should be a valid integer"),
        ({"log_size": -5}, r"log_size: input should be greater than or equal to 0"),
    ],
)
def test_a_training_state_that_training_never_has_is_refused(tmp_path: Path, changes: State, problem: str) -> None:
    train_tiny(tmp_path / "run", max_steps=4)
    path = without_sums(tmp_path / "run") / "training_state.pt"
    state = torch.load(path, weights_only=True)
    for place, value in changes.items():
        *parents, last = [int(key) if key.isdigit() else key for key in place.split(".")]
        at = state
        for key in parents:
            at = at[key]
        at[last] = value
    torch.save(state, path)
    before = (tmp_path / "run/log.jsonl").read_bytes()
    with pytest.raises(RunError, match=problem):
        train_tiny(tmp_path / "run", resume=True)
    assert (tmp_path / "run/log.jsonl").read_bytes() == before


@pytest.mark.parametrize("optimizer", [{"kind": "adamw"}, {"kind": "sgd"}, {"kind": "sgd", "momentum": 0.9}])
def test_every_optimizer_is_resumed(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    train_tiny(tmp_path / "whole", max_steps=8, optimizer=optimizer)
    train_tiny(tmp_path / "parts", max_steps=4, optimizer=optimizer)
    train_tiny(tmp_path / "parts", max_steps=8, optimizer=optimizer, resume=True)
    assert_same(final(tmp_path / "parts"), final(tmp_path / "whole"))


def test_the_state_of_another_optimizer_is_refused(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=4)
    with pytest.raises(RunError, match=r"parameter 0 holds exp_avg, exp_avg_sq, step instead of momentum_buffer"):
        train_tiny(tmp_path / "run", resume=True, optimizer={"kind": "sgd", "momentum": 0.9})


def test_weights_of_another_step_beside_the_state_are_refused(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=8, keep_best=2)
    kept, last = (tmp_path / "run/checkpoints" / name for name in ("kept/step-00000004", "last"))
    (last / "model.safetensors").write_bytes((kept / "model.safetensors").read_bytes())
    with pytest.raises(RunError, match=r"last/model.safetensors: damaged: its SHA-256 is not the one"):
        train_tiny(tmp_path / "run", resume=True)
    (last / "checkpoint.json").write_text('{"step": 4}')
    with pytest.raises(RunError, match=r"the training state is of step 8, the weights are of step 4; restore"):
        train_tiny(tmp_path / "run", resume=True)


def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    train_tiny(tmp_path / "whole", max_steps=8)
    train_tiny(tmp_path / "parts", max_steps=4)
    without_sums(tmp_path / "parts")
    train_tiny(tmp_path / "parts", max_steps=8, resume=True)
    assert_same(final(tmp_path / "parts"), final(tmp_path / "whole"))


@pytest.mark.parametrize("gone", ["last", "last/model.safetensors"])
def test_a_run_that_has_lost_its_last_checkpoint_is_not_begun_again(tmp_path: Path, gone: str) -> None:
    train_tiny(tmp_path / "run", max_steps=8)
    before = (tmp_path / "run/log.jsonl").read_bytes()
    remove(tmp_path / "run/checkpoints" / gone)
    with pytest.raises(RunError) as error:
        train_tiny(tmp_path / "run", resume=True)
    found = "best, kept" if gone == "last" else "best, kept, last"
    assert str(error.value) == (
        f"{tmp_path}/run: cannot be resumed: checkpoints/last, which training continues from, is missing or not whole; "
        f"found {found}; restore it, or train again with --overwrite"
    )
    assert (tmp_path / "run/log.jsonl").read_bytes() == before


def test_before_the_first_other_checkpoint_there_is_the_one_to_resume_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(rank: int, count: int) -> tuple[float, int]:
        raise KeyboardInterrupt

    task = TinyTask()
    monkeypatch.setattr(task, "dev_part", fail)  # as if it were killed there
    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path / "run", task, checkpoint_every=1000)
    assert RunFolder(tmp_path / "run").checkpoints() == ["last"]
    train_tiny(tmp_path / "run", resume=True, checkpoint_every=1000)
    train_tiny(tmp_path / "whole", checkpoint_every=1000)
    assert_same(final(tmp_path / "run"), final(tmp_path / "whole"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\xff\xfe", "expected a JSON record, found"),
        (b"[]", r"expected a JSON record, found '\[\]'"),
        (b"[" * 100_000, r"expected a JSON record, found '\[\[\["),
        (b'{"event": "train"}', "a record of train without its step"),
        (b'{"event": "train", "step": 1e999}', "expected a JSON record"),
        (b'{"event": "train", "step": []}', r"'step' should be a whole number, but is '\[\]'"),
        (b'{"event": "validation", "step": 1, "loss": "low"}', "'loss' should be a number, but is 'low'"),
    ],
)
def test_a_damaged_log_is_named_and_stays(tmp_path: Path, line: bytes, problem: str) -> None:
    train_tiny(tmp_path / "run", max_steps=4)
    path = tmp_path / "run/log.jsonl"
    damaged = line + b"\n" + path.read_bytes().split(b"\n", 1)[1]
    state = without_sums(tmp_path / "run") / "training_state.pt"
    torch.save({**torch.load(state, weights_only=True), "log_size": len(damaged)}, state)
    path.write_bytes(damaged)
    with pytest.raises(RunError, match=rf"run/log\.jsonl:1: damaged: {problem}"):
        train_tiny(tmp_path / "run", max_steps=8, resume=True)
    assert path.read_bytes() == damaged


def test_a_log_that_was_cut_goes_on_with_whole_lines(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=8)
    path = tmp_path / "run/log.jsonl"
    path.write_bytes(path.read_bytes()[:-17])
    train_tiny(tmp_path / "run", max_steps=12, resume=True)
    assert [record["step"] for record in log(tmp_path / "run") if record["event"] == "validation"] == [4, 8, 12]
    path.unlink()
    train_tiny(tmp_path / "run", max_steps=16, resume=True)
    assert [record["step"] for record in log(tmp_path / "run") if record["event"] == "validation"] == [16]


def test_changed_data_are_noticed(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run", max_steps=3)
    shorter = {1: [tiny_batch(torch.tensor([1, 2, 3]))] * 4}
    with pytest.raises(RunError, match="its data or batch size have changed: epoch 1 had 7 batches and now has 4"):
        train_tiny(tmp_path / "run", TinyTask(epochs=shorter), resume=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    folder = tmp_path / "run"
    changes: Changes = {"log_every": 1, "checkpoint_every": 1000, "validate_every": 1000}
    process = start(folder, changes, {"step_seconds": 0.05})
    wait_for(folder, "train")
    interrupt(process, number)
    assert process.exitcode == code
    message = (tmp_path / "run.message").read_text()
    step = log(folder)[-1]["step"]
    assert 0 < step < 20
    name = signal.Signals(number).name
    assert message == (
        f"{folder}: stopped by {name} after step {step} (epoch 1) and saved; go on with: "
        f"attncli train {folder}/config.yaml --run {folder} --resume"
    )
    assert log(folder)[-1] == {"event": "stopped", "step": step, "epoch": 1, "signal": name}
    train_tiny(tmp_path / "whole", **changes)
    assert run_child(folder, changes) == 0
    assert_same(final(folder), final(tmp_path / "whole"))


def test_a_signal_leaves_a_validation_at_once_and_it_is_made_up_for(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    changes: Changes = {"log_every": 1, "max_steps": 6}
    process = start(folder, changes, {"validation_seconds": 50})
    wait_for(folder, "train", step=4)
    time.sleep(0.2)
    interrupt(process, signal.SIGTERM)
    assert process.exitcode == 143
    train_tiny(tmp_path / "whole", **changes)
    assert run_child(folder, changes) == 0
    assert_same(final(folder), final(tmp_path / "whole"))


def test_a_signal_before_the_first_update_saves_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TinyTask()
    monkeypatch.setattr(task.model, "train", lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped, match=r"stopped by SIGTERM after step 0 ") as error:
        train_tiny(tmp_path / "run", task)
    assert error.value.exit_code == 143
    train_tiny(tmp_path / "whole")
    train_tiny(tmp_path / "run", resume=True)
    assert_same(final(tmp_path / "run"), final(tmp_path / "whole"))


def test_two_signals_at_once_are_one_request_to_stop(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    process = start(folder, {"log_every": 1, "validate_every": 1000}, {"step_seconds": 0.05})
    wait_for(folder, "train")
    assert process.pid is not None
    # Stopped, it finds both when it goes on.
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        os.kill(process.pid, number)
    process.join(timeout=10)
    assert process.exitcode in (130, 143)
    assert log(folder)[-1]["event"] == "stopped"
    assert "Traceback" not in capfd.readouterr().err


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    process = start(tmp_path / "run", {"log_every": 1, "accumulate": 1}, {"step_seconds": 5})
    wait_for(tmp_path / "run", "start")
    time.sleep(0.2)
    interrupt(process, signal.SIGINT, signal.SIGINT)
    assert process.exitcode == -signal.SIGINT


def wait_for(folder: Path, event: str, step: int = 0) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (folder / "log.jsonl").exists():
            records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
            if any(record["event"] == event and record["step"] >= step for record in records):
                return
        time.sleep(0.01)
    raise AssertionError(f"no {event} record")


def interrupt(process: ForkServerProcess, *numbers: int) -> None:
    assert process.pid is not None
    for number in numbers:
        os.kill(process.pid, number)
        time.sleep(0.1)
    process.join(timeout=4)
