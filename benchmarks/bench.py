"""Measures training and decoding of one task by whole commands, beside other toolkits where they are installed.

`--device cuda` measures on a card: each precision with two widths and two sizes of batches, and larger batches in the
search.

Every round measures each contender once, one after another, so that ratios hold on a machine whose speed drifts; the
tables give medians over the rounds. Tokens are source and target pieces, without padding and end symbols. Decoding is
the time of the whole command for the test set less that of the same command for one sentence.

`--pictures` is a folder of pictures: how fast they are read and placed, and how long a training of a captioner on them
waits for its batches.

`--only quality` trains for longer, and measures how long a toolkit takes to a BLEU (`quality.py`).

`--harness` is a folder with a `bars.py` that measures other toolkits on the same task and appends what it finds to
`results.jsonl` in its work folder.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch
from cases import CONFIG, PAIRS, PIECES_PER_TARGET_TOKEN, SOURCE_PIECES, TARGET_PIECES, Case, Cases, cases_of
from quality import EVERY, SPLITS, STEPS, eole_translator, reached, saved_by_attncli, saved_by_eole
from sacrebleu.metrics.bleu import BLEU
from shares import shares_of_an_update
from torch import Tensor

from attncli.config.load import check_config
from attncli.config.tasks.captioning import CaptioningConfig, CaptioningTraining
from attncli.errors import CommandError
from attncli.files.reading import find_images
from attncli.machine.device import resolve_device, wait_for
from attncli.sources.images.reader import ImageReader
from attncli.tasks.writing import WritingTask, open_writing
from attncli.training.updates import Updater

DATA = Path("data/multi30k")
TEST = "test_2016_flickr"
UPDATES, WARM_UP = 45, 15
FIT = 725  # updates of the models that are decoded with: two passes over the data
# Ways to decode that may write something else.
SHORTCUTS: dict[str, dict[str, object]] = {
    "patience 2": {"patience": 2},
    "shortlist 5": {"shortlist": 5},
    "patience 2, shortlist 5": {"patience": 2, "shortlist": 5},
}
ONE_BY_ONE = 100  # sentences of the test set that are decoded with batches of 1
WORKERS = (0, 1, 2)  # threads that read pictures
MOST_PICTURES = 500


@dataclass
class Measurements:
    """Figures by table, row and column; several of one kind are told by their median."""

    figures: dict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, table: str, row: str, **columns: float) -> None:
        """Take one measurement of `row`."""
        for column, value in columns.items():
            self.figures[table, row, column].append(value)
        print(f"{table}: {row}: {', '.join(f'{name} {value:,.1f}' for name, value in columns.items())}", flush=True)

    def median(self, table: str, row: str, column: str) -> float:
        """Return the median of what was measured."""
        return statistics.median(self.figures[table, row, column])

    def tables(self) -> Iterator[str]:
        """Yield every table as Markdown."""
        for table in dict.fromkeys(key[0] for key in self.figures):
            columns = list(dict.fromkeys(key[2] for key in self.figures if key[0] == table))
            yield f"\n| {table} | {' | '.join(name.replace('_', ' ') for name in columns)} |"
            yield "| --- |" + " ---: |" * len(columns)
            for row in dict.fromkeys(key[1] for key in self.figures if key[0] == table):
                cells = (self.figures.get((table, row, column)) for column in columns)
                yield f"| {row} | {' | '.join(f'{statistics.median(cell):,.1f}' if cell else '' for cell in cells)} |"


def main() -> None:
    """Run the rounds and print the tables."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    found = Measurements()
    cases = cases_of(options.device)
    if options.only in (None, "training"):
        for _ in range(options.rounds):
            measure_products(options.device, cases, found)
            for case in cases.trainings:
                for precision in cases.precisions:
                    measure_training(case, precision, options, cases, found)
            if options.device.type == "cpu":
                for precision in cases.precisions:
                    shares = shares_of_an_update(CONFIG, precision)
                    found.add("percent of an update, one thread", f"attncli {precision}", **shares)
            measure_peers(options, "train", ["--rounds", "1", "--steps", "15", "--batch", "80"], found)
    if options.only in (None, "decoding"):
        fit(options, found)
        for _ in range(options.rounds):
            for precision in cases.search_precisions:
                for mode, sizes in cases.searches.items():
                    measure_decoding(precision, mode, sizes, options, found)
                for name in SHORTCUTS:
                    mode = "beam 5, batch 64"
                    measure_decoding(precision, mode, cases.searches[mode], options, found, shortcut=name)
            measure_peers(options, "decode", ["--rounds", "1", "--modes", "5:64", "1:64"], found)
        measure_peers(options, "decode", ["--rounds", "1", "--modes", "5:1", "1:1"], found)
    if options.only == "quality":
        measure_quality(options, found)
    if options.pictures is not None:
        for _ in range(options.rounds):
            for workers in WORKERS:
                measure_pictures(options.pictures, workers, options.work, found)
    print("\n".join(found.tables()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("bench"), help="folder for runs and outputs")
    parser.add_argument("--only", choices=["training", "decoding", "pictures", "quality"])
    parser.add_argument("--precision", default="auto", help="of attncli's training for --only quality")
    parser.add_argument("--config", default=CONFIG, help="shipped translator from German for --only quality")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="pictures that a captioner reads from files")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda[:N]", help="where to measure")
    parser.add_argument("--peers", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--harness", type=Path, help="folder with bars.py")
    parser.add_argument("--environments", type=Path, help="folder with a virtual environment a peer")
    options = parser.parse_args()
    if options.only == "pictures" and options.pictures is None:
        parser.error("--only pictures: add --pictures FOLDER")
    try:
        options.device = resolve_device(options.device)
    except CommandError as error:
        parser.error(str(error))
    if options.device.type != "cpu" and (options.peers or options.only in ("pictures", "quality")):
        parser.error("--device: pictures, quality and other toolkits are measured on the processor alone")
    return options


def measure_products(device: torch.device, cases: Cases, found: Measurements) -> None:
    """Measure products of square matrices, in GFLOP/s."""
    for each in cases.products:
        shape = (each.size, each.size)
        a, b = (torch.randn(shape, dtype=each.kind, device=device) for _ in range(2))
        torch.set_float32_matmul_precision(each.setting)

        def multiply(a: Tensor = a, b: Tensor = b) -> None:
            a @ b
            wait_for(device)

        multiply()
        seconds = statistics.median(_timed(multiply) for _ in range(20))
        found.add("matrix products", each.name, GFLOP_per_second=2 * each.size**3 / seconds / 1e9)


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure_training(
    case: Case, precision: str, options: argparse.Namespace, cases: Cases, found: Measurements
) -> None:
    """Measure the speed of training after the first updates, and its peak memory, on a card that of the card."""
    run = options.work / f"train-{precision}"
    settings = {"max_steps": UPDATES, "log_every": WARM_UP, "precision": precision, "validation.sources": 1}
    sets = [*_sets(settings), *(part for key, value in case.settings.items() for part in ("--set", f"{key}={value}"))]
    peak = _command(["train", CONFIG, "--run", str(run), "--overwrite", "--device", str(options.device), *sets]).peak
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    pieces = SOURCE_PIECES + TARGET_PIECES
    share = pieces / (pieces + 2 * PAIRS)
    rates = [record["tokens_per_second"] * share for record in records if record["event"] == "train"][1:]
    rate = statistics.median(rates)
    flop = rate / PIECES_PER_TARGET_TOKEN * case.flop_per_target_token
    products = found.median("matrix products", cases.precisions[precision], "GFLOP_per_second")
    if options.device.type != "cpu":
        peak = json.loads((run / "metadata.json").read_text())["parts"][-1]["peak_memory_bytes"] / 2**20
    columns = {"tokens_per_second": rate, "percent_of_products": 100 * flop / 1e9 / products, "peak_MiB": peak}
    found.add(f"training, {case.name}", f"attncli {precision}", **columns)


def fit(options: argparse.Namespace, found: Measurements) -> None:
    """Train the models that are decoded with, once a work folder."""
    if not (options.work / "fit" / "checkpoints" / "best").exists():
        fitted = ["--run", str(options.work / "fit"), "--overwrite", "--device", str(options.device)]
        _command(["train", CONFIG, *fitted, "--set", "training.precision=auto"])
    for peer in options.peers:
        if not (options.work / "peers" / f"fit-{peer}" / "log").exists():
            arguments = ["--batch", "80", "--steps", str(FIT), "--log-every", "25", "--valid-every", str(FIT)]
            measure_peers(options, "fit", arguments, found, only=peer)


def measure_decoding(
    precision: str,
    mode: str,
    sizes: tuple[int, int],
    options: argparse.Namespace,
    found: Measurements,
    *,
    shortcut: str | None = None,
) -> None:
    """Measure sentences a second, and BLEU where the whole test set is decoded; exactly or with a shortcut."""
    (beam_size, batch_size), work = sizes, options.work
    sources, references = (_lines(DATA / f"{TEST}.{language}.gz") for language in ("de", "en"))
    count = len(sources) if batch_size > 1 else ONE_BY_ONE
    seconds, peaks = [], []
    output = work / "output.txt"
    for lines in (sources[:1], sources[:count]):
        (work / "input.txt").write_text("\n".join(lines) + "\n")
        given: dict[str, object] = {"beam-size": beam_size, "batch-size": batch_size, "precision": precision}
        given |= {"output": output, "device": options.device, **(SHORTCUTS[shortcut] if shortcut else {})}
        done = _command(
            [
                "translate",
                str(work / "fit"),
                str(work / "input.txt"),
                *(f"--{key}={value}" for key, value in given.items()),
            ]
        )
        seconds.append(done.seconds)
        peaks.append(done.peak)
    columns = {"sentences_per_second": (count - 1) / (seconds[1] - seconds[0]), "peak_MiB": peaks[1]}
    if count == len(sources):
        columns["BLEU"] = BLEU(force=True).corpus_score(output.read_text().splitlines(), [references]).score
    found.add(f"decoding, {mode}", ", ".join(filter(None, (f"attncli {precision}", shortcut))), **columns)


def measure_quality(options: argparse.Namespace, found: Measurements) -> None:
    """Measure how long each toolkit trains until its dev BLEU reaches each target; half an hour or more a toolkit."""
    references = {split: _lines(DATA / f"{name}.en.gz") for split, name in SPLITS.items()}
    settings = {"validate_every": EVERY, "validation.sources": 1, "keep_best": 1000, "precision": options.precision}
    if options.config == CONFIG:
        settings["max_steps"] = STEPS  # others have schedules that end with their own
    run = options.work / f"quality-{options.config}-{options.precision}"
    if not (run / "checkpoints" / "best").exists():
        _command(["train", options.config, "--run", str(run), "--overwrite", *_sets(settings)])
    name = f"attncli, {options.config}, {options.precision}"
    contenders = {name: (saved_by_attncli(run), _translator(run, options))}
    if "eole" in options.peers:
        fitted = options.work / "peers" / "fit-eole"
        if not (fitted / "log").exists():
            arguments = ["--batch", "80", "--steps", str(STEPS + 1), "--log-every", "25", "--valid-every", str(EVERY)]
            measure_peers(options, "fit", arguments, found, only="eole")
        binary, data = options.environments / "v-eole/bin/eole", options.work / "peers" / "data"
        contenders["eole"] = (saved_by_eole(fitted), eole_translator(binary, data, options.work))
    for name, (saved, translate) in contenders.items():
        for one in reached(saved, translate, references):
            columns = {"minutes": one.saved.seconds / 60, "updates": one.saved.step, "dev_BLEU": one.dev}
            found.add(f"to dev BLEU {one.target}", name, **columns, test_BLEU=one.test)


def _translator(run: Path, options: argparse.Namespace) -> Callable[[Path, str], list[str]]:
    output = options.work / "quality-output.txt"

    def translate(checkpoint: Path, split: str) -> list[str]:
        source, name = DATA / f"{SPLITS[split]}.de.gz", f"kept/{checkpoint.name}"
        _command(["translate", str(run), str(source), "--checkpoint", name, "--beam-size=5", f"--output={output}"])
        return output.read_text(encoding="utf-8").splitlines()

    return translate


def measure_pictures(folder: Path, workers: int, work: Path, found: Measurements) -> None:
    """Measure how fast `workers` read and place pictures, and what share of a training's time goes in waiting for them.

    The network is a small one, which waits for its pictures rather than they for it, and pictures are varied.
    """
    task = _captioning_task(folder, workers, work)
    training, paths = task.config.training, task.corpora.train.cells
    assert isinstance(training, CaptioningTraining)
    reader = ImageReader(task.config.model.encoder.preprocessing, training.augmentation)

    def read(path: str) -> object:
        return reader.read(path, seed=(1, 1, 1))

    with ThreadPoolExecutor(max(1, workers)) as pool:
        seconds = _timed(lambda: list((pool.map if workers else map)(read, paths)))
    updater, batches, waited = Updater(task, training, task.model.device), task.epoch(1), 0.0
    updater.update([batches[0]], 1e-3)  # the first update allocates, and its pictures were not read ahead
    started = time.perf_counter()
    for index in range(1, len(batches)):
        asked = time.perf_counter()
        batch = batches[index]
        waited += time.perf_counter() - asked
        updater.update([batch], 1e-3)
    whole = time.perf_counter() - started
    found.add(
        "reading pictures",
        f"workers: {workers}",
        pictures_per_second=len(paths) / seconds,
        trained_pictures_per_second=len(paths) * (1 - 1 / len(batches)) / whole,
        percent_of_training_waiting=100 * waited / whole,
    )


def _captioning_task(folder: Path, workers: int, work: Path) -> WritingTask:
    """Return a captioner to train on the first pictures of `folder`, each with one made-up caption."""
    paths = find_images(folder)[:MOST_PICTURES]
    lines = [json.dumps({"image": path.name, "captions": ["a picture of something " * 3]}) for path in paths]
    (work / "captions.jsonl").write_text("\n".join(lines) + "\n")
    split = {"captions": str((work / "captions.jsonl").resolve())}
    config = check_config(
        {
            "task": "captioning",
            "data": {"images": str(folder.resolve()), "train": split, "dev": split, "cache": str(work / "cache")},
            "tokenizer": {"kind": "word"},
            "model": {
                "encoder": {"kind": "cnn", "preprocessing": {"size": 224}, "widths": [4, 8, 16, 32]},
                "decoder": {"hidden_size": 64},
            },
            "training": {
                "batch_sentences": 32,
                "max_steps": 1,
                "workers": workers,
                "augmentation": {"smallest_crop": 0.8},
            },
        },
        where="bench.py",
    )
    assert isinstance(config, CaptioningConfig)
    return open_writing(config, torch.device("cpu"), None)


def measure_peers(
    options: argparse.Namespace, what: str, arguments: list[str], found: Measurements, *, only: str | None = None
) -> None:
    """Let the harness measure the peers, and take over what it found."""
    peers = [only] if only else options.peers
    if not peers:
        return
    work = options.work / "peers"
    results = work / "results.jsonl"
    before = len(results.read_text().splitlines()) if results.exists() else 0
    _harness(options, what, [*arguments, "--peers", *peers])
    for line in results.read_text().splitlines()[before:]:
        record = json.loads(line)
        if "error" in record:
            print(f"{record['peer']}: failed: {record['error']}", file=sys.stderr)
        elif record["kind"] == "train":
            rate = record["both_tok_s"] or record["both_tok_s_all"]
            table = f"training, {cases_of(options.device).trainings[0].name}"
            found.add(table, record["peer"], tokens_per_second=rate, peak_MiB=record["rss_mib"])
        elif record["kind"] == "decode":
            searches = cases_of(options.device).searches
            mode = next(name for name, sizes in searches.items() if sizes == (record["beam"], record["batch"]))
            columns = {"sentences_per_second": record["sent_s"], "peak_MiB": record["rss_mib"], "BLEU": record["bleu"]}
            found.add(f"decoding, {mode}", record["peer"], **columns)


def _harness(options: argparse.Namespace, what: str, arguments: list[str]) -> None:
    work, data = options.work / "peers", options.work / "peers" / "data"
    command = [options.environments / "v-bars/bin/python", options.harness / "bars.py"]
    if not (data / "counts.json").exists():
        data.mkdir(parents=True, exist_ok=True)
        for packed in DATA.glob("*.gz"):
            (data / packed.stem).write_text("\n".join(_lines(packed)) + "\n")
        subprocess.run([*map(str, command), "prep", "--data", str(data)], check=True, stdout=subprocess.DEVNULL)
    folders = ["--data", data, "--envs", options.environments, "--work", work]
    subprocess.run([*map(str, [*command, what, *folders]), *arguments], check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Command:
    """What a finished `attncli` command took."""

    seconds: float
    peak: float  # MiB


def _command(arguments: list[str]) -> Command:
    """Run `attncli` with `arguments` to its end."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "attncli", *arguments], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"attncli {' '.join(arguments)}: failed with status {os.waitstatus_to_exitcode(status)}")
    return Command(time.perf_counter() - started, usage.ru_maxrss / 1024)


def _sets(settings: dict[str, object]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"training.{key}={value}")]


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


if __name__ == "__main__":
    main()
