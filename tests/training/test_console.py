from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from tiny_task import TinyTask, train_tiny

from attncli.training.console import ProgressBar, described
from attncli.training.log import Record

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


def test_the_bar_shows_loss_speed_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    bar.record(TRAIN)
    bar.advance(0.25)
    bar.record(VALIDATION)
    bar.advance(1.0)
    bar.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "step 1,200  epoch 3  dev loss 2.5000  BLEU 30.13  best  1:02:03\n" in err
    last = err.rstrip().split("\r")[-1]
    assert last.startswith("100%|")
    assert "step 1,200  epoch 3  loss 2.346  4,812 tokens/s" in last
    assert last.endswith("00:00 < 00:00")
