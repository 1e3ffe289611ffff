"""The Python interface to trained runs.

    import attncli

    run = attncli.load("runs/multi30k-de-en")
    [found] = run.translate(["Ein Hund rennt."], attention=True)

Everything else in the package is private and may change with any version.
"""

from __future__ import annotations

import base64
import html
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
from PIL import Image
from pydantic import ValidationError
from typing_extensions import Unpack

from attncli.config.problems import explained
from attncli.config.search import Search as SearchSection
from attncli.decoding.strategies import drawing
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.errors import CommandError, DataError, UserError, escaped, unknown
from attncli.models.memory import Memory
from attncli.runs.writing import WritingRun
from attncli.sources.source import Drawer, Look

__all__ = ["Attention", "Encoded", "Hypothesis", "Output", "Run", "UserError", "load"]


@dataclass(frozen=True)
class Attention:
    """Where the model looked for each token of a target."""

    values: np.ndarray
    """The weights, float32, with one axis for each of `axes`."""
    axes: tuple[str, ...]
    """("target", "source"), for the grid of an image ("target", "row", "column"), or for the positions of several
    sources together ("target", "position")."""
    target: tuple[str, ...]
    """The tokens along the first axis."""
    source: tuple[str, ...] | None
    """The tokens along the second axis; None where positions are no tokens."""


@dataclass(frozen=True)
class Hypothesis:
    """A target that the model wrote, or was given, for a source."""

    text: str
    tokens: tuple[str, ...]
    """With the end symbol, unless the target was cut off at the maximum length."""
    token_log_probs: tuple[float, ...]
    """The natural logarithm of each token's probability."""
    log_prob: float
    """Their sum."""
    score: float
    """`log_prob` over the length penalty, by which hypotheses are ranked."""
    attention: Attention | None
    """None unless it was asked for."""
    attention_over: Mapping[str, Attention] = field(default_factory=dict)
    """Of several sources, the part of the attention that lies on each, by its name; a row sums to less than 1."""


@dataclass(frozen=True)
class Output:
    """A source and its hypotheses, best first. A notebook shows its attention as a figure."""

    source: Any
    """A sentence, the path of a file, or several of these by their names."""
    hypotheses: tuple[Hypothesis, ...]
    _written: Written = field(repr=False, compare=False)
    _drawer: Drawer = field(repr=False, compare=False)
    _look: Look = field(repr=False, compare=False)
    _forced: bool = field(repr=False, compare=False)

    @property
    def best(self) -> Hypothesis:
        """The best hypothesis."""
        return self.hypotheses[0]

    @property
    def text(self) -> str:
        """The text of the best hypothesis."""
        return self.best.text

    @property
    def attention(self) -> Attention | None:
        """The attention of the best hypothesis; None unless it was asked for."""
        return self.best.attention

    def figure(self, format: str = "png") -> bytes:
        """Return a figure of the best hypothesis's attention as the bytes of a `png` or `svg` file.

        Raises a UserError if the attention was not asked for.
        """
        if format not in ("png", "svg"):
            raise CommandError(unknown("format", format, ("png", "svg")))
        if self.attention is None:
            raise CommandError("there is no attention to draw; ask for it with attention=True")
        with tempfile.TemporaryDirectory() as folder:
            drawn = self._drawer.draw(
                [self._written], Path(folder), format, look=self._look, forced=self._forced, tell=lambda _: None
            )
            return next(iter(drawn)).read_bytes()

    def _repr_html_(self) -> str | None:
        """Return the figure with source and text for a notebook; None without attention."""
        if self.attention is None:
            return None
        shown = " ".join(self.source.values()) if isinstance(self.source, Mapping) else self.source
        source, text = (html.escape(escaped(each)) for each in (shown, self.text))
        columns = "regions of the image" if self.attention.source is None else "tokens of the source"
        style = "max-width: 100%; max-height: 40em"
        described = f"Attention weights: for each token of “{text}” over the {columns} “{source}”"
        kind, image = ("jpeg", _as_jpeg(self.figure())) if self.attention.source is None else ("png", self.figure())
        encoded = base64.b64encode(image).decode("ascii")
        return (
            f'<figure style="margin: 0"><figcaption><bdi>{source}</bdi> → <bdi>{text}</bdi></figcaption>'
            f'<img src="data:image/{kind};base64,{encoded}" alt="{described}" style="{style}">'
            "</figure>"
        )


def _as_jpeg(png: bytes) -> bytes:
    """Return the image much smaller: a notebook keeps all that it shows, and photographs as PNG take a megabyte."""
    found = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(found, "JPEG", quality=85)
    return found.getvalue()


@dataclass(frozen=True)
class Encoded:
    """What the encoder made of a source."""

    source: Any
    """A sentence, the path of a file, or several of these by their names."""
    states: np.ndarray
    """[positions, width], float32: what attention reads. The positions of an image go row by row, and those of several
    sources end to end."""
    summary: np.ndarray
    """[width], float32: the whole source in one vector."""
    tokens: tuple[str, ...] | None
    """The token at each position; None for an image or several sources."""
    grid: tuple[int, ...] | None
    """Rows and columns of the positions of an image; None for text or several sources."""


Source = str | PathLike[str] | Mapping[str, str | PathLike[str]]
"""A sentence, the path of a file, or several of these by the names of their encoders."""


class Search(TypedDict, total=False):
    """Keys of the section `search` of a configuration, which say how a run decodes."""

    beam_size: int
    length_penalty: float
    patience: float
    ctc_weight: float
    max_length: int
    min_length: int
    no_repeat_ngram_size: int
    shortlist: int
    unknown: Literal["forbid", "allow"]
    max_source_length: int
    too_long: Literal["error", "cut"]
    batch_size: int
    precision: Literal["fp32", "bf16"]


class Writing(Search, total=False):
    """The options of `attncli translate`, `attncli caption` and `attncli answer`."""

    n_best: int
    attention: bool
    prefix: str
    sample: bool
    temperature: float
    top_k: int
    top_p: float
    seed: int
    workers: int


class Run:
    """A trained run. What is wrong is raised as a `UserError`; a source is named by its place, from 1."""

    def __init__(self, run: WritingRun):
        self._run = run

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self._run.folder

    def translate(
        self, sentences: Iterable[str], *, replace_unknown: bool = False, **options: Unpack[Writing]
    ) -> list[Output]:
        """Translate sentences; `replace_unknown` is that of `attncli translate`."""
        self._check(is_text=True)
        return self._write(sentences, options, replaces_unknown=replace_unknown)

    def caption(self, paths: Iterable[str | PathLike[str]], **options: Unpack[Writing]) -> list[Output]:
        """Caption image files."""
        self._check(is_text=False)
        return self._write((fspath(path) for path in paths), options, replaces_unknown=False)

    def classify(self, sources: Iterable[str | PathLike[str]], **options: Unpack[Writing]) -> list[Output]:
        """Label sentences, or files where the run reads those."""
        self._check(is_text=self._run.config.model.source.is_text)
        return self._write((fspath(source) for source in sources), options, replaces_unknown=False)

    def answer(
        self, questions: Iterable[Mapping[str, str | PathLike[str]]], **options: Unpack[Writing]
    ) -> list[Output]:
        """Answer questions, each with what it is about, by the names of the run's encoders."""
        self._check(is_text=False, is_joint=True)
        return self._write((self._cell(each) for each in questions), options, replaces_unknown=False)

    def align(self, pairs: Iterable[tuple[Source, str]], *, attention: bool = True) -> list[Output]:
        """Read given targets for sources: each is the one hypothesis, with its probability and attention."""
        writer = self._run.writer()
        given = ((self._cell(source), target) for source, target in pairs)
        return list(self._outputs(writer.align(given, with_weights=attention and self._run.attends), forced=True))

    def encode(self, sources: Iterable[Source]) -> list[Encoded]:
        """Return what the encoder makes of sources; an ensemble has no encoder of its own."""
        if self._run.others:
            raise CommandError(f"{self.folder}: each run of an ensemble encodes sources its own way; load one alone")
        found = []
        cells = (self._cell(source) for source in sources)
        for number, (cell, places, memory) in enumerate(self._run.writer().encode(cells), start=1):
            if isinstance(memory, DataError):
                raise DataError(f"source {number}: {memory}")
            assert isinstance(memory, Memory), "a run by itself has one encoder"
            states, summary = (each[0].float().cpu().numpy() for each in (memory.states, memory.summary))
            found.append(Encoded(cell, states, summary, places.tokens, places.grid))
        return found

    def _check(self, *, is_text: bool, is_joint: bool = False) -> None:
        section = self._run.config.model.source
        if (section.is_text, section.is_joint) != (is_text, is_joint):
            right = "answer" if section.is_joint else "translate" if section.is_text else "caption"
            raise CommandError(f"{self.folder}: this run reads {self._run.noun}s; use {right}()")

    def _cell(self, source: Source) -> Any:
        """Return `source` as the run reads it; a CommandError says which source is missing."""
        if not isinstance(source, Mapping):
            return fspath(source)
        for name in self._run.config.model.source.parts:
            if name not in source:
                raise CommandError(f"{self.folder}: reads {name}, but the source has {', '.join(source)}; give it")
        return {name: fspath(each) for name, each in source.items()}

    def _write(self, cells: Iterable[Any], options: Writing, *, replaces_unknown: bool) -> list[Output]:
        given: dict[str, Any] = {**options}
        n_best, attention = given.pop("n_best", 1), given.pop("attention", False)
        prefix, sample, workers = given.pop("prefix", ""), given.pop("sample", False), given.pop("workers", None)
        drawn = {name: given.pop(name) for name in ("temperature", "top_k", "top_p", "seed") if name in given}
        if drawn and not sample:
            raise CommandError(f"{next(iter(drawn))} is for drawing; add sample=True")
        if (attention or replaces_unknown) and not self._run.attends:
            raise CommandError(f"{self.folder}: has model.attention: none, so there are no weights")
        if workers is not None and workers < 1:
            raise CommandError(f"workers {workers}: must be at least 1")
        with self._run.writer(self._search(given, n_best, sample=sample)).side_by_side(workers) as writer:
            found = writer.write(
                cells,
                n_best=n_best,
                with_weights=attention,
                strategy=drawing(**drawn) if sample else None,
                prefix=prefix,
                replaces_unknown=replaces_unknown,
            )
            return list(self._outputs(found, forced=False))

    def _search(self, given: dict[str, Any], n_best: int, *, sample: bool) -> SearchSection:
        try:
            search = self._run.config.search.changed({**given, **({"beam_size": n_best} if sample else {})})
        except ValidationError as error:
            raise CommandError(*(explained(each, SearchSection, given) for each in error.errors())) from None
        if n_best > search.beam_size:
            raise CommandError(f"n_best {n_best}: a beam of {search.beam_size} has no more; raise beam_size")
        return search

    def _outputs(self, found: Iterable[Written], *, forced: bool) -> Iterator[Output]:
        drawer, look = self._run.drawer(), Look(self._run.caption)
        for number, each in enumerate(found, start=1):
            if each.problem is not None:
                raise DataError(f"source {number}: {each.problem}")
            yield Output(each.cell, tuple(_hypotheses(each)), each, drawer, look, forced)


def load(
    folder: str | PathLike[str],
    *,
    ensemble: Iterable[str | PathLike[str]] = (),
    checkpoint: str = "best",
    device: str = "auto",
) -> Run:
    """Return the trained run in `folder`, with the weights of `checkpoint`, on `device` (`auto`, `cpu`, `cuda:1`).

    With the folders of other runs as `ensemble` the probabilities of every token are the means of all runs'. They share
    the vocabulary; settings of the search, and attention, are those of the run in `folder`.

    Raises a `UserError` if a folder is not a run that translates or captions, or if the runs are no ensemble.
    """
    if isinstance(ensemble, str | PathLike):
        raise CommandError(f"ensemble {fspath(ensemble)!r}: should be a list of folders")
    others = [Path(other) for other in ensemble]
    return Run(WritingRun.load(Path(folder), device=device, checkpoint=checkpoint, ensemble=others))


def _hypotheses(found: Written) -> Iterator[Hypothesis]:
    for at, each in enumerate(found.hypotheses):
        over = {name: _attention(part.hypotheses[at], part) for name, part in found.parts.items()}
        yield Hypothesis(
            each.text,
            each.tokens,
            each.token_log_probs,
            each.log_prob,
            each.score,
            _attention(each, found),
            {name: attention for name, attention in over.items() if attention is not None},
        )


def _attention(found: WrittenHypothesis, of: Written) -> Attention | None:
    if found.weights is None:
        return None
    if found.weights.ndim > 2:
        return Attention(found.weights, ("target", "row", "column"), found.tokens, None)
    if of.places.tokens is None:
        return Attention(found.weights, ("target", "position"), found.tokens, None)
    return Attention(found.weights, ("target", "source"), found.tokens, of.places.labels)
