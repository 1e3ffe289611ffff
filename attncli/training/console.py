"""What is shown of training on standard error: a line for each validation, and on a terminal a bar below them."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from tqdm import tqdm

from attncli.machine.progress import beside_progress
from attncli.training.ends import seconds_left
from attncli.training.log import Record
from attncli.training.state import Window
from attncli.training.updates import Update

_INTERVAL = 0.1  # seconds between two drawings
_IN_PERCENT = ("bleu", "wer", "cer")
_LATEST = 20  # updates of which loss and speed are means


def described(record: Record) -> str | None:
    """Return the line of text for `record`, or None where it is not shown."""
    event = record["event"]
    if event in ("validation", "average"):
        scores = "  ".join(
            f"{name.upper()} {record[name]:.2f}"
            if name in _IN_PERCENT
            else f"{name.replace('_', ' ')} {record[name]:#.5g}"
            for name in record
            if name not in ("event", "step", "epoch", "seconds", "best", "steps", "perplexity")
        )
        what = f"average of steps {', '.join(map(str, record['steps']))}" if event == "average" else _place(record)
        return f"{what}  dev {scores}{'  best' if record['best'] else ''}  {_time(record['seconds'])}"
    if event == "train":
        return (
            f"{_place(record)}  loss {record['loss']:#.5g}  learning rate {record['learning_rate']:.3g}  "
            f"gradient norm {record['gradient_norm']:.3g}  {_speed(record)}"
        )
    if event == "resume":
        return f"resumed at {_place(record)}"
    return None


def _place(record: Record) -> str:
    return f"step {record['step']:,}  epoch {record['epoch']}"


def _speed(record: Record) -> str:
    (key,) = (name for name in record if name.endswith("_per_second"))
    return f"{record[key]:,.0f} {key.removesuffix('_per_second')}/s"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Lines:
    """A line for every validation, after one for the latest training record, on standard error."""

    def __init__(self) -> None:
        self._last_training: Record | None = None

    def record(self, record: Record) -> None:
        """Print what is worth a line."""
        if record["event"] == "train":
            self._last_training = record
            return
        text = described(record)
        if text is None:
            return
        lines = [text] if self._last_training is None else [described(self._last_training), text]
        self._last_training = None
        # Training goes on where nobody reads: after a terminal was closed, or with a log on a full disk.
        with suppress(OSError), beside_progress(sys.stderr):
            print(*lines, sep="\n", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing."""


class Bar:
    """The current step with the loss and the speed of the latest updates, how much is done, and the time left."""

    def __init__(self, unit: str, *, step: int, used: Mapping[str, float]):
        """Begin at `step`, where `used` are the shares of the limits of training that are used up.

        `unit` is what the size of a batch counts.
        """
        self._unit, self._before, self._began = unit, used, time.perf_counter()
        self._latest: deque[Update] = deque(maxlen=_LATEST)
        self._step, self._used, self._drawn = step, used, 0.0
        self._bar = tqdm(
            total=1.0,
            initial=max(used.values()),
            desc=f"step {step:,}",
            bar_format="{percentage:3.0f}%|{bar}| {desc}",
            file=sys.stderr,
            dynamic_ncols=True,
            leave=False,
        )

    def updated(self, step: int, update: Update, used: Mapping[str, float]) -> None:
        """Take note of the update that led to `step`, and show it unless the bar has just been drawn."""
        self._latest.append(update)
        self._step, self._used = step, used
        if time.perf_counter() - self._drawn >= _INTERVAL:
            self.show()

    def show(self) -> None:
        """Draw the bar as things are now."""
        self._drawn = time.perf_counter()
        self._bar.n = max(self._used.values())
        self._bar.set_description_str(self._text(), refresh=False)
        with suppress(OSError):
            self._bar.refresh()

    def _text(self) -> str:
        parts = [f"step {self._step:,}"]
        if self._latest:
            window = Window()
            for update in self._latest:
                window.add(update)
            means = window.means(self._unit)
            parts += [f"loss {means['loss']:#.4g}", _speed(means)]
        left = seconds_left(self._before, self._used, elapsed=self._drawn - self._began)
        if left is not None:
            parts.append(f"{_time(left)} left")
        return "  ".join(parts)

    def close(self) -> None:
        """Take the bar off the terminal."""
        with suppress(OSError):
            self._bar.close()
