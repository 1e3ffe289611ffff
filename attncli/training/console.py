"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import suppress

from tqdm import tqdm

from attncli.training.log import Record


def described(record: Record) -> str | None:
    """Return the line of text for `record`, or None where it is not shown."""
    event = record["event"]
    if event in ("validation", "average"):
        scores = "  ".join(
            f"BLEU {record[name]:.2f}" if name == "bleu" else f"{name.replace('_', ' ')} {record[name]:#.5g}"
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


class PlainLines:
    """A line for every validation, after one for the latest training record; for logs and pipes."""

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
        with suppress(OSError):
            print(*lines, sep="\n", file=sys.stderr, flush=True)

    def advance(self, done: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class ProgressBar:
    """A bar with loss, speed and time left; validations are printed above it."""

    def __init__(self) -> None:
        self._bar = tqdm(
            total=1.0,
            bar_format="{percentage:3.0f}%|{bar}| {desc} {elapsed} < {remaining}",
            file=sys.stderr,
            dynamic_ncols=True,
        )

    def record(self, record: Record) -> None:
        """Show a training record in the bar, anything else above it."""
        if record["event"] == "train":
            self._bar.set_description_str(
                f"{_place(record)}  loss {record['loss']:#.4g}  {_speed(record)}",
                refresh=False,
            )
        elif text := described(record):
            self._bar.write(text, file=sys.stderr)

    def advance(self, done: float) -> None:
        """Move to the share `done`."""
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Stop updating the bar and leave it on the screen."""
        self._bar.close()
