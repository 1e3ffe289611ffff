"""Measures how time and memory of a training's start grow with its corpus, by whole commands on text made from a seed.

For each number of pairs: `first start` trains tokenizers, encodes all pairs into the cache and makes one update on the
largest batch; `second start` finds the cache; `updates` are twenty from there on. Memory is the peak of the process,
pages of the mapped corpus that it has looked at included. Ten times the pairs should take ten times the time of the
first start, and hardly more memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORDS, MEAN_LENGTH, LONGEST = 150_000, 20, 80
DEV_PAIRS = 500
CHUNK = 50_000  # pairs that are made at once
CONFIG = """\
task: translation
data:
  root: {root}
  cache: {root}/cache
  train: {{source: train.source, target: train.target}}
  dev: {{source: dev.source, target: dev.target}}
model:
  embedding_size: 64
  encoder: {{hidden_size: 64}}
  attention: {{score: general}}
  decoder: {{hidden_size: 64}}
training: {{batch_tokens: 4000, max_steps: 20, validate_every: 1000, validation: {{metric: loss}}, precision: fp32}}
"""


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


def main() -> None:
    """Measure each size, and print a table."""
    options = _options()
    rows = []
    for pairs in options.pairs:
        folder = options.work / str(pairs)
        size = write_text(folder, pairs, seed=options.seed)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        commands = {
            "first start": ["--dry-run"],
            "second start": ["--dry-run"],
            "updates": ["--run", str(folder / "run"), "--overwrite"],
        }
        for name, arguments in commands.items():
            cost = cost_of(["train", str(folder / "scale.yaml"), "--device", "cpu", "--quiet", *arguments])
            rows.append(
                f"| {pairs:,} | {size / 2**20:,.0f} | {name} | {cost.seconds:,.0f} | {cost.processor_seconds:,.0f} | "
                f"{cost.peak_bytes / 2**20:,.0f} |"
            )
            print(rows[-1], flush=True)
        if not options.keep:
            shutil.rmtree(folder)
    header = "| pairs | text, MiB | command | seconds | processor, s | peak memory, MiB |"
    print("\n".join(["", header, "| ---: | ---: | --- | ---: | ---: | ---: |", *rows]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[50_000, 500_000], metavar="N")
    parser.add_argument("--work", type=Path, default=Path("bench/scale"), help="folder for texts, caches and runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave texts, caches and runs in the folder")
    return parser.parse_args()


def write_text(folder: Path, pairs: int, *, seed: int) -> int:
    """Write `pairs` training pairs, dev pairs and a configuration into `folder`; return the bytes of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for name, count in (("train", pairs), ("dev", DEV_PAIRS)):
        with (folder / f"{name}.source").open("w") as source, (folder / f"{name}.target").open("w") as target:
            for one, other in made_pairs(count, generator):
                source.write(one)
                target.write(other)
    (folder / "scale.yaml").write_text(CONFIG.format(root=folder.resolve()))
    return sum((folder / f"train.{side}").stat().st_size for side in ("source", "target"))


def made_pairs(count: int, generator: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Yield the lines of both sides, many at once: words as frequent as in text, on the other side in reverse order."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lengths = np.repeat(range(3, 13), WORDS // 10)
    words = ["".join(generator.choice(letters, length)) for length in lengths]
    # Zipf's law: the word of rank r has a share in proportion to 1 / r.
    shares = np.cumsum(1 / np.arange(1, WORDS + 1))
    for first in range(0, count, CHUNK):
        sizes = np.minimum(generator.geometric(1 / MEAN_LENGTH, min(CHUNK, count - first)), LONGEST)
        drawn = np.searchsorted(shares, generator.random(int(sizes.sum())) * shares[-1]).tolist()
        ends = np.cumsum(sizes).tolist()
        sentences = [drawn[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]
        one = "".join(" ".join([words[at] for at in sentence]) + "\n" for sentence in sentences)
        other = "".join(" ".join([words[at][::-1] for at in reversed(sentence)]) + "\n" for sentence in sentences)
        yield one, other


def cost_of(arguments: list[str]) -> Cost:
    """Run attncli with `arguments` and return what it took; a failure ends this program with what the command said."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "attncli", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"attncli {' '.join(arguments)}: exit code {process.returncode}")
    peak = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, peak)


if __name__ == "__main__":
    main()
