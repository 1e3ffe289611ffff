"""Training curves: what is drawn of a log, and what of it cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attncli.drawing.figures import save_figure
from attncli.errors import RunError
from attncli.runs.log import read_log
from attncli.visualization.curves import curves_figure


def write_log(folder: Path, records: list[dict[str, Any]], *, tail: str = "") -> Path:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "log.jsonl").write_text(lines + tail)
    return folder


def record(step: int, **values: float) -> dict[str, Any]:
    return {"event": "train", "step": step, "loss": 5.0 / step, "learning_rate": 1e-3, "gradient_norm": 1.0, **values}


def validation(step: int, **values: float) -> dict[str, Any]:
    return {"event": "validation", "step": step, "loss": 3.0 / step, "bleu": 10.0 * step, **values}


def test_curves_show_what_the_log_holds(tmp_path: Path) -> None:
    log = read_log(
        write_log(tmp_path, [{"event": "start"}, record(1), record(2), validation(2), record(3), validation(3)])
    )
    figure = curves_figure(log, title="run_$x$")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "loss (nats a token), best dev 1.000 at step 3",
        "dev BLEU, best 30.00 at step 3",
        "learning rate",
        "gradient norm",
    ]
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([5.0, 2.5, 5 / 3])
    assert list(np.asarray(figure.axes[1].lines[0].get_xdata())) == [2, 3]
    save_figure(figure, tmp_path / "a.png", dots_per_inch=40)


def test_panels_without_numbers_are_left_out(tmp_path: Path) -> None:
    log = read_log(write_log(tmp_path, [{"event": "validation", "step": 4, "loss": 2.0}]))
    figure = curves_figure(log, title="x")
    assert [axes.get_visible() for axes in figure.axes] == [True, False]


def test_last_record_of_a_step_counts_and_half_a_line_is_left_out(tmp_path: Path) -> None:
    folder = write_log(tmp_path, [record(1), record(2), record(2, loss=7.0)], tail='{"event": "tr')
    curve = read_log(folder).curve("train", "loss")
    assert (curve.steps, curve.values) == ((1, 2), (5.0, 7.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{folder}: not a run with a log: missing log.jsonl"),
        ('{"event": "start"}\n', "{folder}/log.jsonl: no records of training or validation yet; draw curves after the"),
        ('{"event": "start"}\nnonsense\n', "{folder}/log.jsonl:2: damaged: expected a JSON record, found 'nonsense'"),
        ('{"event": "train"}\n', "{folder}/log.jsonl:1: damaged: a record of train without its step"),
        (
            '{"event": "train", "step": "x"}\n',
            "{folder}/log.jsonl:1: damaged: 'step' should be a whole number, but is 'x'",
        ),
    ],
)
def test_log_that_cannot_be_read_is_a_message(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(RunError) as error:
        read_log(tmp_path)
    assert str(error.value).startswith(message.format(folder=tmp_path))


def test_the_score_that_chose_the_checkpoint_is_drawn(tmp_path: Path) -> None:
    records = [
        validation(2, cider=0.2, ter=80.0),
        validation(3, cider=0.5, ter=60.0),
        validation(4, cider=0.4, ter=70.0),
    ]
    log = read_log(write_log(tmp_path, records))
    titles = [curves_figure(log, title="x", metric=name).axes[1].get_title(loc="left") for name in ("cider", "ter")]
    assert titles == ["dev CIDEr, best 0.500 at step 3", "dev TER, best 60.00 at step 3"]
    assert not curves_figure(log, title="x", metric="loss").axes[1].get_visible()
