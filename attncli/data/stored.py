"""Sentence pairs as flat arrays of token ids on disk, memory-mapped.

N pairs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from attncli.config.data import MaximumLength
from attncli.data.cache import DamagedError, read_description, write_description
from attncli.data.forms.example import Example
from attncli.data.forms.forms import LineForm
from attncli.data.tokens import TokenColumn
from attncli.errors import Problems, counted
from attncli.text.copies import Vocabulary
from attncli.text.tokenizer import EOS, Tokenizers

FORMAT = 3
_CHUNK = 8192  # pairs in memory while encoding

Array = npt.NDArray[Any]
_Row = dict[str, list[int]]
_MOST_WORDS = 1 << 32


@dataclass(frozen=True)
class StoredPairs:
    """Pairs of token sequences, read from disk on demand."""

    source: TokenColumn
    target: TokenColumn
    copies: TokenColumn | None  # the sources as a decoder that copies writes them
    skipped: dict[str, int]  # unusable pairs that were left out, by reason
    too_long: int  # pairs that were left out for their length
    cut: int  # sources that were cut to the longest length

    def __len__(self) -> int:
        return len(self.source.offsets) - 1


@dataclass(frozen=True)
class Limits:
    """The longest pairs that are kept, and what happens to longer ones."""

    maximum: MaximumLength = field(default_factory=MaximumLength)
    too_long: Literal["drop", "error", "cut"] = "drop"

    @property
    def longest(self) -> int | None:
        """How many tokens of a source are kept; None if sources are not cut."""
        return self.maximum.source if self.too_long == "cut" else None


class _SideWriter:
    """Writes the tokens and offsets of one side as they come, `end` after each row."""

    def __init__(self, folder: Path, side: str, size: int, *, end: tuple[int, ...] = (EOS,)):
        self._closing = end
        self._dtype = np.dtype(np.uint16 if size <= 1 << 16 else np.uint32)
        self._paths = {"tokens": folder / f"{side}.tokens", "offsets": folder / f"{side}.offsets"}
        self._files = {name: path.open("wb") for name, path in self._paths.items()}
        self._sums = dict.fromkeys(self._files, 0)
        self._end = 0
        self._write("offsets", np.zeros(1, np.int64))

    def add(self, rows: Sequence[list[int]]) -> None:
        """Append `rows`, adding what closes each."""
        lengths = np.fromiter((len(row) + len(self._closing) for row in rows), np.int64, len(rows))
        offsets = self._end + np.cumsum(lengths)
        # An iterator with a known count: a list of all tokens would take many times the array's memory.
        closed = chain.from_iterable(chain(row, self._closing) for row in rows)
        self._write("tokens", np.fromiter(closed, self._dtype, int(lengths.sum())))
        self._write("offsets", offsets)
        self._end = int(offsets[-1])

    def _write(self, name: str, values: Array) -> None:
        content = values.tobytes()
        self._sums[name] = zlib.crc32(content, self._sums[name])
        self._files[name].write(content)

    def close(self) -> dict[str, Any]:
        """Close the files and return what `open_pairs` needs to read them."""
        for file in self._files.values():
            file.close()
        return {"dtype": self._dtype.name, "sums": self._sums}


def write_pairs(
    folder: Path,
    tokenizers: Tokenizers,
    pairs: LineForm,
    *,
    limits: Limits,
    copies: bool = False,
    every_target: bool = True,
) -> None:
    """Encode `pairs` into `folder`, a chunk at a time; with `copies` for a decoder that copies words of the source.

    Raises DataError for pairs that cannot be used, and for pairs that are too long if `limits` makes that an error.
    Where it cuts sources, only targets can be too long, and their pairs are left out. A source with several targets
    forms a pair with each, or with the first alone unless `every_target`.
    """
    # Words of a source are numbered after the vocabulary, and it has fewer than a file can have in a line.
    written = _MOST_WORDS if copies else tokenizers.target.size
    sides = {"source": _SideWriter(folder, "source", tokenizers.source.size)}
    sides["target"] = _SideWriter(folder, "target", written, end=tokenizers.target.end)
    if copies:
        sides["copies"] = _SideWriter(folder, "copies", written)
    counts = {"pairs": 0, "too_long": 0, "cut": 0}
    problems = Problems()
    iterator = _pairs(pairs, every_target=every_target)
    while chunk := list(islice(iterator, _CHUNK)):
        sources = tokenizers.source.encode_all([example.cell for example in chunk])
        if limits.longest is not None:
            counts["cut"] += sum(len(row) > limits.longest for row in sources)
        encoded = _copied if copies else _encoded
        rows = encoded(chunk, [row[: limits.longest] for row in sources], tokenizers)
        kept = list(_within(chunk, rows, limits, pairs, problems))
        counts["too_long"] += len(chunk) - len(kept)
        counts["pairs"] += len(kept)
        if kept:
            for name, side in sides.items():
                side.add([row[name] for row in kept])
    described = {name: side.close() for name, side in sides.items()}
    problems.raise_if_any("raise data.maximum_length, or leave such pairs out with data.too_long: drop")
    description = {**counts, "skipped": dict(pairs.skipped), "sides": described}
    write_description(folder / "corpus.json", description, format=FORMAT)


def _pairs(examples: Iterable[Example], *, every_target: bool) -> Iterator[Example]:
    """Yield each of `examples` with every one of its targets, or with its first."""
    for example in examples:
        for target in example.targets if every_target else example.targets[:1]:
            yield example._replace(targets=(target,))


def _encoded(chunk: Sequence[Example], sources: Sequence[list[int]], tokenizers: Tokenizers) -> list[_Row]:
    """Return the ids of each side of every example, whose `sources` are encoded."""
    targets = tokenizers.target.encode_all([example.targets[0] for example in chunk])
    return [{"source": source, "target": target} for source, target in zip(sources, targets, strict=True)]


def _copied(chunk: Sequence[Example], sources: Sequence[list[int]], tokenizers: Tokenizers) -> list[_Row]:
    """Return the same, with targets that may be words of their source, and the sources as those are numbered."""
    rows = []
    for example, source in zip(chunk, sources, strict=True):
        pieces = tokenizers.source.pieces(example.cell)[: len(source)]
        vocabulary = Vocabulary.of_source(tokenizers.target, pieces)
        target = vocabulary.encode(example.targets[0])
        rows.append({"source": source, "target": target, "copies": vocabulary.ids(pieces)})
    return rows


def _within(
    chunk: Sequence[Example], rows: Sequence[_Row], limits: Limits, pairs: LineForm, problems: Problems
) -> Iterator[_Row]:
    """Yield those of `rows` that are within `limits`; note the others as problems if `limits` makes them errors."""
    maximum = limits.maximum
    for example, row in zip(chunk, rows, strict=True):
        over = [
            f"{pairs.place(side, example.number)}: {counted(len(row[side]), 'token')}, over "
            f"data.maximum_length.{side} {most}"
            for side, most in (("source", maximum.source), ("target", maximum.target))
            if most is not None and len(row[side]) > most
        ]
        if not over:
            yield row
        elif limits.too_long == "error":
            for problem in over:
                problems.add(problem)


def open_pairs(folder: Path) -> StoredPairs:
    """Return the corpus that `write_pairs` wrote into `folder`, or raise DamagedError if it is not intact."""
    description = read_description(folder / "corpus.json", format=FORMAT)
    try:
        return StoredPairs(
            _open_side(folder, "source", description),
            _open_side(folder, "target", description),
            _open_side(folder, "copies", description) if "copies" in description["sides"] else None,
            skipped=description["skipped"],
            too_long=description["too_long"],
            cut=description["cut"],
        )
    except (OSError, ValueError) as error:
        raise DamagedError(f"{folder}: {error}") from None


def _open_side(folder: Path, side: str, description: dict[str, Any]) -> TokenColumn:
    facts = description["sides"][side]
    arrays: dict[str, Array] = {}
    for name, dtype in (("tokens", facts["dtype"]), ("offsets", "int64")):
        path = folder / f"{side}.{name}"
        if _sum(path) != facts["sums"][name]:
            raise DamagedError(f"{path}: wrong checksum")
        empty = path.stat().st_size == 0  # an empty file cannot be mapped
        # A plain view of the map: slicing numpy's memmap class itself is several times slower.
        arrays[name] = np.empty(0, dtype) if empty else np.asarray(np.memmap(path, dtype, mode="r"))
    if len(arrays["offsets"]) != description["pairs"] + 1:
        raise DamagedError(f"{folder}: wrong number of pairs")
    return TokenColumn(arrays["tokens"], arrays["offsets"])


def _sum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total = zlib.crc32(block, total)
    return total
