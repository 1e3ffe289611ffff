"""Encoded corpora: sentence pairs as flat arrays of token ids on disk, mapped into memory.

N pairs.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from attncli.config.data import MaximumLength
from attncli.data.batch import Batch, pad_tokens
from attncli.data.cache import DamagedError
from attncli.data.forms.pairs import Pair, PairReader
from attncli.files import Problems, counted
from attncli.text.tokenizer import EOS, Tokenizers

FORMAT = 1
_CHUNK = 8192  # pairs in memory while encoding

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class EncodedSide:
    """Token sequences end to end; row n is `tokens[offsets[n] : offsets[n + 1]]` and ends with EOS."""

    tokens: Array  # [all tokens] uint16 or uint32
    offsets: Array  # [N + 1] int64

    @cached_property
    def lengths(self) -> Array:
        """[N] int32, the end symbol counted."""
        return np.diff(self.offsets).astype(np.int32)

    def row(self, index: int) -> Array:
        """Return the ids of sentence `index`, from 0."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True)
class EncodedCorpus:
    """Sentence pairs as token ids, read from disk as they are needed."""

    source: EncodedSide
    target: EncodedSide
    skipped: dict[str, int]  # pairs left out as unusable, by reason
    too_long: int  # pairs left out as over the limits

    def __len__(self) -> int:
        return len(self.source.offsets) - 1

    @property
    def source_lengths(self) -> Array:
        """[N] int32, the end symbol counted."""
        return self.source.lengths

    @property
    def target_lengths(self) -> Array:
        """[N] int32, the end symbol counted."""
        return self.target.lengths

    def batch(self, indices: Array) -> Batch:
        """Return the pairs `indices` [B] as one padded batch, in that order."""
        source = pad_tokens([self.source.row(int(i)) for i in indices])
        target = pad_tokens([self.target.row(int(i)) for i in indices])
        return Batch(source, target, int(source.lengths.sum()), int(target.lengths.sum()))


@dataclass(frozen=True)
class Limits:
    """The longest pairs that are kept, and what becomes of the others."""

    maximum: MaximumLength = field(default_factory=MaximumLength)
    too_long: Literal["drop", "error"] = "drop"


class _SideWriter:
    """Writes one side's tokens and offsets as they come."""

    def __init__(self, folder: Path, side: str, size: int):
        self._dtype = np.dtype(np.uint16 if size <= 1 << 16 else np.uint32)
        self._paths = {"tokens": folder / f"{side}.tokens", "offsets": folder / f"{side}.offsets"}
        self._files = {name: path.open("wb") for name, path in self._paths.items()}
        self._sums = dict.fromkeys(self._files, 0)
        self._end = 0
        self._write("offsets", np.zeros(1, np.int64))

    def add(self, rows: Sequence[list[int]]) -> None:
        """Append `rows`, each with the end symbol."""
        lengths = np.fromiter((len(row) + 1 for row in rows), np.int64, len(rows))
        offsets = self._end + np.cumsum(lengths)
        closed = chain.from_iterable(chain(row, (EOS,)) for row in rows)
        self._write("tokens", np.fromiter(closed, self._dtype, int(lengths.sum())))
        self._write("offsets", offsets)
        self._end = int(offsets[-1])

    def _write(self, name: str, values: Array) -> None:
        content = values.tobytes()
        self._sums[name] = zlib.crc32(content, self._sums[name])
        self._files[name].write(content)

    def close(self) -> dict[str, Any]:
        """Close the files and return what `open_corpus` needs to know of them."""
        for file in self._files.values():
            file.close()
        return {"dtype": self._dtype.name, "sums": self._sums}


def write_corpus(folder: Path, tokenizers: Tokenizers, pairs: PairReader, *, limits: Limits) -> None:
    """Encode `pairs` into `folder`, a chunk at a time.

    Raises DataError for pairs that cannot be used, or are too long where `limits` says so.
    """
    source = _SideWriter(folder, "source", tokenizers.source.size)
    target = _SideWriter(folder, "target", tokenizers.target.size)
    counts = {"pairs": 0, "too_long": 0}
    problems = Problems()
    for chunk in _chunks(pairs):
        rows = zip(
            tokenizers.source.encode_all([pair.source for pair in chunk]),
            tokenizers.target.encode_all([pair.target for pair in chunk]),
            strict=True,
        )
        kept = list(_within(chunk, rows, limits, pairs, problems))
        counts["too_long"] += len(chunk) - len(kept)
        counts["pairs"] += len(kept)
        if kept:
            source.add([row for row, _ in kept])
            target.add([row for _, row in kept])
    sides = {"source": source.close(), "target": target.close()}
    problems.raise_if_any("raise data.maximum_length, or leave such pairs out with data.too_long: drop")
    description = {"format": FORMAT, **counts, "skipped": dict(pairs.skipped), "sides": sides}
    (folder / "corpus.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def _chunks(pairs: PairReader) -> Iterator[list[Pair]]:
    iterator = iter(pairs)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _within(
    chunk: list[Pair],
    rows: Iterator[tuple[list[int], list[int]]],
    limits: Limits,
    pairs: PairReader,
    problems: Problems,
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield those of `rows` that `limits` lets pass; note the others as problems if it says so."""
    maximum = limits.maximum
    for pair, (source, target) in zip(chunk, rows, strict=True):
        over = [
            f"{pairs.place(side, pair.line)}: {counted(len(row), 'token')}, over data.maximum_length.{side} {most}"
            for side, row, most in (("source", source, maximum.source), ("target", target, maximum.target))
            if most is not None and len(row) > most
        ]
        if not over:
            yield source, target
        elif limits.too_long == "error":
            for problem in over:
                problems.add(problem)


def open_corpus(folder: Path) -> EncodedCorpus:
    """Return the corpus that `write_corpus` wrote into `folder`, or raise DamagedError if not all of it is there."""
    try:
        description = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise DamagedError(f"{folder}: of format {description['format']}")
        return EncodedCorpus(
            _open_side(folder, "source", description),
            _open_side(folder, "target", description),
            skipped=description["skipped"],
            too_long=description["too_long"],
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{folder}: {error}") from None


def _open_side(folder: Path, side: str, description: dict[str, Any]) -> EncodedSide:
    facts = description["sides"][side]
    arrays: dict[str, Array] = {}
    for name, dtype in (("tokens", facts["dtype"]), ("offsets", "int64")):
        path = folder / f"{side}.{name}"
        if _sum(path) != facts["sums"][name]:
            raise DamagedError(f"{path}: another sum")
        empty = path.stat().st_size == 0
        # A plain view of the map, since slicing numpy's own memmap class is several times slower.
        arrays[name] = np.empty(0, dtype) if empty else np.asarray(np.memmap(path, dtype, mode="r"))
    if len(arrays["offsets"]) != description["pairs"] + 1:
        raise DamagedError(f"{folder}: another number of pairs")
    return EncodedSide(arrays["tokens"], arrays["offsets"])


def _sum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total = zlib.crc32(block, total)
    return total
