"""A task that writes text as the training loop sees it: batches, a loss, and validation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attncli.assembly.corpora import Corpora, fitted_tokenizers, make_corpora, open_splits
from attncli.assembly.model import build_model
from attncli.assembly.shortlists import shortlist_of
from attncli.config.writing import WritingConfig
from attncli.data.columns import Column, Packed, Reader
from attncli.data.corpus import Corpus
from attncli.decoding.writer import Writer
from attncli.errors import DataError
from attncli.losses import SummedLoss
from attncli.machine.processes import in_order
from attncli.machine.progress import progress
from attncli.metrics.registry import ALL_METRICS
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.runs.folder import WEIGHTS, RunFolder
from attncli.runs.run import check_sizes
from attncli.runs.shortlists import has_shortlist, write_shortlist
from attncli.sources.kinds import kind_of
from attncli.sources.source import Shared
from attncli.tasks.fingerprints import data_fingerprints
from attncli.tasks.objectives import build_objective
from attncli.tasks.starting_point import StartingPoint, starting_point
from attncli.text.tokenizer import Tokenizers
from attncli.training.task import Batches


@dataclass(frozen=True)
class DevPart:
    """What one of several processes finds on the dev set."""

    losses: Sequence[tuple[Mapping[str, float], int]]  # of each of its batches: sums by name, and their terms
    texts: Sequence[str]  # what is written for each of its sources


class WritingTask:
    """An encoder-decoder with the corpora it is trained and validated on, and its objective."""

    def __init__(
        self,
        config: WritingConfig,
        corpora: Corpora,
        tokenizers: Tokenizers,
        model: EncoderDecoder,
        *,
        origin: StartingPoint | None = None,
    ):
        """Take what is trained; `origin` is where the weights come from that are not fresh."""
        self.config, self.corpora, self.tokenizers, self.model = config, corpora, tokenizers, model
        self._origin = origin
        self.objective = build_objective(config, corpora, tokenizers.target)

    @property
    def unit(self) -> str:
        """What the size of a batch counts."""
        return self.objective.unit

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the data, and where the weights come from."""
        if self._origin is None:
            return self.corpora.notes
        facts = self._origin.facts
        return (
            f"starting from {facts['folder']}: its best weights, of step {facts['step']:,}, and its tokenizers",
            *self.corpora.notes,
        )

    @property
    def examples(self) -> str:
        """The number of training examples, in words."""
        return self.objective.examples

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The signatures of the metrics that validation measures, and the run that this one started from."""
        references = self._references(len(self.corpora.dev.texts))[:1]
        texts = [text or "" for text in references[0]]
        signatures = {key: ALL_METRICS[key].measure(texts, references).signature for key in self.config.measured}
        return {"signatures": signatures, **({"started_from": self._origin.facts} if self._origin else {})}

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """What the data are known by, by their places."""
        if self.config.model.source.is_text:
            return data_fingerprints(self.config, {})
        splits = {"train": self.corpora.train, "dev": self.corpora.dev}
        return data_fingerprints(self.config, {key: self._files(corpus) for key, corpus in splits.items()})

    def _files(self, corpus: Corpus) -> list[Path]:
        """Return the sources of `corpus` that are files, each once."""
        section = self.config.model.source
        read = (source for cell in corpus.cells for source in section.sources_of(cell))
        return [*map(Path, dict.fromkeys(cell for encoder, cell in read if not encoder.is_text))]

    def save(self, folder: Path) -> None:
        """Write tokenizers and a shortlist into `folder`, unless it has some."""
        if not _has_tokenizers(folder):
            self.tokenizers.save(folder)
        if self.config.writes_text_for_text and not has_shortlist(folder):
            write_shortlist(shortlist_of(self.corpora.train, self.tokenizers), folder)

    def epoch(self, number: int) -> Batches:
        """Return the batches of epoch `number`, which depend on the seed and the number alone."""
        return self.objective.epoch(number)

    def largest_batch(self) -> tuple[Any, str]:
        """Return the batch that needs most memory, and its size in words."""
        return self.objective.largest_batch()

    def loss(self, batch: Any) -> SummedLoss:
        """Return the loss of `batch`."""
        return self.objective.loss(self.model, batch)

    @torch.inference_mode()
    def dev_part(self, rank: int, count: int) -> DevPart:
        """Return the losses of every `count`-th batch of the dev set, and what the model writes for as many sources."""
        return DevPart(self._dev_losses(rank, count), self._dev_texts(rank, count))

    def dev_scores(self, parts: Sequence[DevPart]) -> dict[str, float]:
        """Return the mean loss per term of the dev set, and the scores of what the model writes for its sources."""
        totals, terms = defaultdict[str, float](float), 0
        for losses, of_batch in in_order([part.losses for part in parts]):
            for name, loss in losses.items():
                totals[name] += loss
            terms += of_batch
        means = {name: total / terms for name, total in totals.items()}
        texts = in_order([part.texts for part in parts])
        references = self._references(len(texts))
        return {**means, **{key: ALL_METRICS[key].measure(texts, references).score() for key in self.config.measured}}

    def _dev_losses(self, rank: int, count: int) -> list[tuple[dict[str, float], int]]:
        """Return the loss of each batch, and of a joint loss its parts, with its terms."""
        batches, found = self.objective.dev_batches(), []
        places = range(rank, len(batches), count)
        with progress(len(places), "batches", what="dev loss") as advance:
            for place in places:
                loss = self.objective.dev_loss(self.model, batches[place].to(self.model.device))
                named = {"loss": loss.reported, **loss.parts}
                found.append(({name: float(part) for name, part in named.items()}, loss.terms))
                advance(1)
        return found

    def _dev_texts(self, rank: int, count: int) -> list[str]:
        validation, dev = self.config.training.validation, self.corpora.dev
        precision = "bf16" if self.config.training.precision == "bf16" else "fp32"
        settings = self.config.search.model_copy(update={"beam_size": validation.beam_size, "precision": precision})
        sources = range(rank, min(dev.sources, validation.sources or dev.sources), count)
        cells = [dev.cells[source] for source in sources] if self.config.model.source.is_text else sources
        with progress(len(sources), f"{self.config.model.source.noun}s", what="dev") as advance:
            written = list(self._writer(settings).write(cells, advance=advance))
        texts = []
        for source, found in zip(sources, written, strict=True):
            if found.problem is not None:
                raise DataError(f"data.dev: source {source + 1}: {found.problem}")
            texts.append(found.best.text)
        return texts

    def _references(self, count: int) -> list[list[str | None]]:
        """Return the reference streams of the first `count` dev sources."""
        streams = [stream[:count] for stream in self.corpora.dev.references]
        return [stream for stream in streams if any(text is not None for text in stream)]

    def _writer(self, settings: Any) -> Writer[Any]:
        section, dev = self.config.model.source, self.corpora.dev
        reader: Reader[Any] = _Stored(dev.source)
        if section.is_text:
            reader = kind_of(section).reader(section, Shared(self.config, self.tokenizers))
        return Writer(self.model, reader, self.tokenizers.target, settings)


class _Stored(Reader[int]):
    """Reads sources by their rows in a column, which may hold features that a fixed network computed before."""

    def __init__(self, column: Column):
        self._column = column

    def read(self, cell: int, *, seed: Sequence[int] | None = None) -> int:
        """Return the row `cell`."""
        return cell

    def pack(self, items: Sequence[int]) -> Packed:
        """Return the sources of the rows `items`."""
        return self._column.start(np.array(items), None)()

    def length(self, item: int) -> int:
        """Return the positions of the source in row `item`."""
        return int(self._column.lengths[item])


def open_writing(config: WritingConfig, device: torch.device, run: Path | None) -> WritingTask:
    """Return the task of `config`, with the tokenizers of `run` if it has them.

    Where the configuration starts from another run, the weights come from that run, and so do the tokenizers unless
    `run` has its own. A `run` that has saved a checkpoint continues from it, and no longer needs the other run.
    """
    start = starting_point(config, run)
    origin = None if start is None or start.folder == run else start
    known = start.folder if start is not None else None
    if run is not None and _has_tokenizers(run):
        known = run
    splits = open_splits(config)
    tokenizers = fitted_tokenizers(config, splits.train) if known is None else Tokenizers.load(known)
    build = partial(
        build_model, config, source_vocabulary=tokenizers.source.size, target_vocabulary=tokenizers.target.size
    )
    if run is not None and RunFolder(run).has_checkpoint("last"):
        check_sizes(build, RunFolder(run).saved_file("last", WEIGHTS))
    torch.manual_seed(config.training.seed)
    model = build(pretrained=start is None)
    if start is not None:
        start.put_weights(model)
    model.to(device)
    corpora = make_corpora(config, splits, tokenizers, model.encoder)
    return WritingTask(config, corpora, tokenizers, model, origin=origin)


def _has_tokenizers(folder: Path) -> bool:
    return (folder / "tokenizer.json").exists()
