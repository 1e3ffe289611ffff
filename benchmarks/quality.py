"""How long a toolkit trains until its translations of the dev set reach a BLEU, and what the test set says then.

Checkpoints are saved as training goes, with the time it had taken, and decoded afterwards with beams of 5: the dev set
by every checkpoint until the highest target is reached, the test set once a target, by the first that reached it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU

TARGETS = (36.0, 38.5)
STEPS, EVERY = 2172, 181  # six passes over the data, and a checkpoint every half of one
SPLITS = {"dev": "val", "test": "test_2016_flickr"}

Translate = Callable[[Path, str], list[str]]  # (checkpoint, split) -> translations of its sources


@dataclass(frozen=True)
class Saved:
    """A checkpoint, and how long training had taken when it was saved."""

    step: int
    seconds: float
    path: Path


@dataclass(frozen=True)
class Reached:
    """The first checkpoint whose dev BLEU reached a target."""

    target: float
    saved: Saved
    dev: float
    test: float


def saved_by_attncli(run: Path) -> list[Saved]:
    """Return the kept checkpoints of `run` in order."""
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    times = {record["step"]: record["seconds"] for record in records if record["event"] == "validation"}
    kept = sorted((run / "checkpoints" / "kept").iterdir())
    return [Saved(step, times[step], path) for path in kept if (step := int(path.name.removeprefix("step-"))) in times]


def saved_by_eole(folder: Path) -> list[Saved]:
    """Return the checkpoints that the harness's fit of eole left in `folder`, whose log has a time before each line.

    A checkpoint counts from the report of the validation before it, as one of attncli does; time is counted from the
    start of the training loop, when the data is loaded.
    """
    started, validated, seconds = 0.0, 0.0, []
    for line in (folder / "log").read_text(errors="replace").splitlines():
        at, _, text = line.split("\t", 2)
        if "Start training loop" in text:
            started = float(at)
        elif "Validation perplexity" in text:
            validated = float(at)
        elif "Saving" in text and validated:
            seconds.append(validated - started)
            validated = 0.0
    paths = sorted((folder / "model").glob("step_*"), key=lambda path: int(path.name[5:]))
    return [Saved(int(path.name[5:]), taken, path) for path, taken in zip(paths, seconds, strict=False)]


def reached(
    saved: Sequence[Saved], translate: Translate, references: dict[str, list[str]], targets: Sequence[float] = TARGETS
) -> Iterator[Reached]:
    """Yield, for each of the rising `targets` that is reached, the first of `saved` that does."""
    waiting = list(targets)
    for checkpoint in saved:
        if not waiting:
            return
        dev = bleu(translate(checkpoint.path, "dev"), references["dev"])
        print(f"step {checkpoint.step}, {checkpoint.seconds / 60:.1f} minutes: dev BLEU {dev:.2f}", flush=True)
        if dev >= waiting[0]:
            test = bleu(translate(checkpoint.path, "test"), references["test"])
            while waiting and dev >= waiting[0]:
                yield Reached(waiting.pop(0), checkpoint, dev, test)


def bleu(hypotheses: list[str], references: list[str]) -> float:
    """Return sacreBLEU's BLEU."""
    return float(BLEU(force=True).corpus_score(hypotheses, [references]).score)


def eole_translator(binary: Path, data: Path, work: Path) -> Translate:
    """Return what translates by eole's own command, from pieces in `data` to joined text.

    One sentence at a time: in batches of 64 the BLEU of eole 0.6.4 is lower by two to three points.
    """

    def translate(checkpoint: Path, split: str) -> list[str]:
        output = work / "eole-output.txt"
        options = {
            **{"model_path": checkpoint, "src": data / f"{SPLITS[split]}.sp.de", "output": output},
            **{"beam_size": 5, "max_length": 60, "length_penalty": "avg", "alpha": 1.0},
            **{"batch_size": 1, "batch_type": "sents", "compute_dtype": "fp32"},
        }
        given = [str(part) for key, value in options.items() for part in (f"-{key}", value)]
        subprocess.run([str(binary), "predict", *given], check=True, capture_output=True)
        lines = output.read_text(encoding="utf-8").splitlines()
        return [line.replace(" ", "").replace("\u2581", " ").strip() for line in lines]

    return translate
