"""Makes of published speech data what is read: a file for each recording, one table, and the gold places of words."""

from __future__ import annotations

import csv
import json
import wave
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from attncli.files.writing import open_output

COLUMNS = ("text", "speaker", "split")
_FSDD_RATE = 8000
_GRID_FRAMES = 25  # a second
_GRID_HEIGHT = 40  # pixels of a frame
_PLACES = 4  # decimals of a second

Interval = tuple[float, float]


class Utterance(NamedTuple):
    """A row of the table, and from when to when each of its words is said, in seconds, if that is known."""

    file: str
    text: str
    speaker: str
    split: str
    times: Sequence[Interval] = ()


def prepare_fsdd_strings(raw: Path, folder: Path) -> None:
    """Join the digits in `raw` to strings, as its tables say, in WAV files of `folder`."""
    with np.load(raw / "recordings.npz") as found:
        samples, offsets = found["samples"], found["offsets"]
    number = {row["name"]: at for at, row in enumerate(_rows(raw / "recordings.tsv"))}

    def joined(row: dict[str, str], split: str) -> Utterance:
        digits = [samples[slice(*offsets[number[name] :][:2])] for name in row["recordings"].split()]
        gaps = [int(gap) for gap in row["gaps"].split()]
        sound, times = _joined(digits, gaps)
        file = f"{row['id']}.wav"
        write_wav(folder / "audio" / file, sound, _FSDD_RATE)
        return Utterance(file, row["text"], row["speaker"], split, times)

    (folder / "audio").mkdir()
    splits = ("train", "dev", "test", "test_long")
    write_utterances(folder, (joined(row, split) for split in splits for row in _rows(raw / f"{split}.tsv")))


def _joined(
    parts: Sequence[npt.NDArray[np.int16]], gaps: Sequence[int]
) -> tuple[npt.NDArray[np.int16], list[Interval]]:
    """Return `parts` with silence of `gaps` samples before, between and after them, and when each is heard."""
    pieces, times = [np.zeros(gaps[0], np.int16)], []
    at = gaps[0]
    for part, gap in zip(parts, gaps[1:], strict=True):
        pieces += [part, np.zeros(gap, np.int16)]
        times.append((at / _FSDD_RATE, (at + len(part)) / _FSDD_RATE))
        at += len(part) + gap
    return np.concatenate(pieces), times


def prepare_an4(raw: Path, folder: Path) -> None:
    """Write the features in `raw` as a matrix for each utterance, in `folder`."""
    (folder / "features").mkdir()
    write_utterances(folder, _an4_utterances(raw, folder))


def _an4_utterances(raw: Path, folder: Path) -> Iterator[Utterance]:
    for split in ("train", "dev", "test"):
        with np.load(raw / f"{split}.npz") as found:
            features, offsets = found["features"], found["offsets"]
        for row, first, last in zip(_rows(raw / f"{split}.tsv"), offsets, offsets[1:], strict=False):
            file = f"{row['id']}.npy"
            np.save(folder / "features" / file, features[first:last])
            yield Utterance(file, row["text"], row["speaker"], split)


def prepare_grid_s1(raw: Path, folder: Path) -> None:
    """Move the sounds in `raw` into `folder`, with one table."""
    (raw / "audio").rename(folder / "audio")
    rows = ((row, split) for split in ("train", "dev", "test") for row in _rows(raw / f"{split}.tsv"))
    write_utterances(
        folder,
        (
            Utterance(
                f"{row['id']}.ogg", row["text"], "s1", split, [_interval(each) for each in row["word_times"].split()]
            )
            for row, split in rows
        ),
    )


def prepare_grid_s1_lips(raw: Path, folder: Path) -> None:
    """Move the films in `raw` into `folder`, with one table, and cut what is spoken of each into its folder `speech`.

    Before and after it the lips are closed, for a time that differs at both ends and so tells which end it is.
    """

    def filmed(row: dict[str, str], split: str) -> Utterance:
        file, words = f"{row['id']}.webp", [_frames(each) for each in row["word_frames"].split()]
        _cut(folder / "films" / file, folder / "speech" / file, words[0][0], words[-1][1])
        times = [(first / _GRID_FRAMES, end / _GRID_FRAMES) for first, end in words]
        return Utterance(file, row["text"], "s1", split, times)

    (raw / "lips").rename(folder / "films")
    (folder / "speech").mkdir()
    rows = ((row, split) for split in ("train", "dev", "test") for row in _rows(raw / f"{split}.tsv"))
    write_utterances(folder, (filmed(row, split) for row, split in rows), noun="film")


def _frames(text: str) -> tuple[int, int]:
    """Return the first frame and the one past the last."""
    first, end = map(int, text.split("-"))
    return first, end


def _cut(film: Path, part: Path, first: int, end: int) -> None:
    """Write the frames of `film` from `first` to the one before `end`, which lie one below the other, into `part`."""
    with Image.open(film) as whole:
        # Without loss, so that nothing is left behind at the new ends.
        whole.crop((0, first * _GRID_HEIGHT, whole.width, end * _GRID_HEIGHT)).save(part, lossless=True)


def _interval(text: str) -> Interval:
    start, end = map(float, text.split("-"))
    return start, end


def write_utterances(folder: Path, utterances: Iterable[Utterance], *, noun: str = "recording") -> None:
    """Write the table of `utterances`, each a `noun`, into `folder`, and `places-SPLIT.jsonl` of splits with times.

    Those of train are left out.
    """
    places: dict[str, list[dict[str, Any]]] = {}
    with open_output(folder / f"{noun}s.tsv") as table:
        table.write("\t".join((noun, *COLUMNS)) + "\n")
        for each in utterances:
            table.write("\t".join((each.file, each.text, each.speaker, each.split)) + "\n")
            if each.times and each.split != "train":
                places.setdefault(each.split, []).append({"source": each.file, "places": _places(each.times)})
    for split, found in places.items():
        with open_output(folder / f"places-{split}.jsonl") as file:
            file.writelines(json.dumps(line) + "\n" for line in found)


def _places(times: Sequence[Interval]) -> list[dict[str, Any]]:
    return [
        {"words": [number], "seconds": [round(start, _PLACES), round(end, _PLACES)]}
        for number, (start, end) in enumerate(times)
    ]


def write_wav(path: Path, samples: npt.NDArray[np.int16], rate: int) -> None:
    """Write `samples` of one channel to the WAV file `path`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
