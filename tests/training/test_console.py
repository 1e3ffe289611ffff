from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from tiny_task import TinyTask, train_tiny

from attncli.training.console import Bar, described
from attncli.training.log import Record
from attncli.training.updates import Update

TRAIN = {
    "event": "train",
    "step": 1200,
    "epoch": 3,
    "loss": 2.34567,
    "gradient_norm": 1.234,
    "learning_rate": 0.001,
    "tokens_per_second": 4812.4,
    "seconds": 60.2,
}
VALIDATION = {
    "event": "validation",
    "step": 1200,
    "epoch": 3,
    "loss": 2.5,
    "bleu": 30.126,
    "best": True,
    "seconds": 3723.4,
}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            TRAIN,
            "step 1,200  epoch 3  loss 2.3457  learning rate 0.001  gradient norm 1.23  4,812 tokens/s",
        ),
        (VALIDATION, "step 1,200  epoch 3  dev loss 2.5000  BLEU 30.13  best  1:02:03"),
        ({**VALIDATION, "best": False}, "step 1,200  epoch 3  dev loss 2.5000  BLEU 30.13  1:02:03"),
        (
            {**VALIDATION, "bleu": 9.0, "wer": 104.348, "cer": 7.0},
            "step 1,200  epoch 3  dev loss 2.5000  BLEU 9.00  WER 104.35  CER 7.00  best  1:02:03",
        ),
        (
            {**VALIDATION, "event": "average", "steps": [800, 1000]},
            "average of steps 800, 1000  dev loss 2.5000  BLEU 30.13  best  1:02:03",
        ),
        ({"event": "resume", "step": 40, "epoch": 2, "seconds": 3.0}, "resumed at step 40  epoch 2"),
        ({"event": "start", "step": 0, "epoch": 0, "seconds": 0.0}, None),
        ({"event": "end", "step": 9, "epoch": 2, "seconds": 0.0, "reason": "max_steps"}, None),
    ],
)
def test_a_record_is_described_in_words(record: Record, expected: str | None) -> None:
    assert described(record) == expected


def test_plain_output_has_a_line_for_each_validation_and_the_training_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_tiny(tmp_path / "run", TinyTask(scores=[{"loss": 2.0}, {"loss": 1.0}]), max_steps=8, log_every=2)
    out, err = capsys.readouterr()
    assert out == ""
    starts = [line.split("  ")[:3] for line in err.splitlines()]
    assert [(step, what.split(" ")[0]) for step, _, what in starts] == [
        ("step 4", "loss"),
        ("step 4", "dev"),
        ("step 8", "loss"),
        ("step 8", "dev"),
    ]


def test_training_goes_on_where_nobody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stderr", full)
        outcome = train_tiny(tmp_path / "run", TinyTask(scores=[{"loss": 2.0}]), max_steps=8, log_every=2)
        monkeypatch.undo()
        with suppress(OSError):
            full.close()
    assert outcome.step == 8


def update(loss: float, *, terms: int) -> Update:
    return Update(loss=9.0, reported_loss=loss, gradient_norm=1.0, terms=terms, size=2 * terms, seconds=0.5)


def test_the_bar_shows_the_current_step_with_loss_speed_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    bar = Bar("tokens", step=1200, used={"max_steps": 0.6})
    clock[0] = 110.0
    bar.updated(1201, update(20.0, terms=10), {"max_steps": 0.7})
    clock[0] = 110.05  # too soon to be drawn
    bar.updated(1202, update(40.0, terms=5), {"max_steps": 0.8})
    bar.show()
    bar.close()
    out, err = capsys.readouterr()
    assert out == ""
    drawn = [text.rstrip() for text in err.split("\r") if text.strip()]
    assert [text.split("|")[0] for text in drawn] == [" 60%", " 70%", " 80%"]
    # A loss of 60 over 15 terms; 30 tokens in a second; a fifth took 10 seconds, as does the fifth that is left.
    assert [text.split("| ")[-1] for text in drawn] == [
        "step 1,200",
        "step 1,201  loss 2.000  40 tokens/s  0:00:30 left",
        "step 1,202  loss 4.000  30 tokens/s  0:00:10 left",
    ]


def test_loss_and_speed_are_those_of_the_latest_updates(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar("tokens", step=0, used={"max_steps": 0.0})
    for step in range(1, 31):
        bar.updated(step, update(100.0 if step <= 10 else 3.0, terms=1), {"max_steps": step / 40})
    bar.show()
    bar.close()
    assert "step 30  loss 3.000  4 tokens/s" in capsys.readouterr().err
