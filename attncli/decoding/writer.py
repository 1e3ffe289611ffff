"""Writes targets for sources of any kind: read, sorted into batches, searched, put back in order."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice, tee
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch

from attncli.config.search import Search
from attncli.data.columns import Places, Reader
from attncli.data.tokens import Tokens, pad_tokens
from attncli.decoding.constraints import Constraints
from attncli.decoding.parts import by_part
from attncli.decoding.search import Hypothesis, penalty, search, seen
from attncli.decoding.strategies import BestK, Strategy
from attncli.decoding.written import Inspection, Written, WrittenHypothesis
from attncli.errors import CommandError, DataError
from attncli.machine.device import arithmetic, autocast, in_precision
from attncli.machine.progress import Advance, no_progress
from attncli.models.network import Network, SourceMemory
from attncli.models.readouts import with_packed_output
from attncli.models.rows import map_tensors, stack_steps
from attncli.models.with_ctc import NetworkWithCTC
from attncli.text.copies import Vocabulary
from attncli.text.shortlist import Shortlist
from attncli.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

if TYPE_CHECKING:
    from attncli.machine.processes import Processes
    from attncli.machine.workers import Workers

Item = TypeVar("Item")
_THREADS, _GROUPS_AHEAD = 2, 2  # that read values, and how far
_Group = list[tuple[Any, Any]]
"""Sources that are read together, each with its value or what is wrong with it."""
_Targets = Sequence[Sequence[int]]
"""The ids of the given target of each source."""


@dataclass(frozen=True)
class _Asked:
    """What is asked of every source."""

    strategy: Strategy
    n_best: int
    with_weights: bool
    replaces_unknown: bool = False
    prefix: str = ""


@dataclass(frozen=True)
class _Batch:
    """Sources that are encoded and searched together."""

    sources: _Group  # without problems
    rows: Sequence[int]  # their numbers in the whole input
    asked: _Asked
    targets: _Targets | None  # None where they are searched for


@dataclass(frozen=True)
class _Started:
    """A group whose batches are being answered."""

    group: _Group
    batches: Sequence[tuple[Sequence[int], Callable[[], list[Written]]]]
    """The places in the group of each batch, and what waits for its answer."""

    def answers(self, advance: Advance) -> Iterator[Written]:
        """Yield what is written for the sources, in their order."""
        found: dict[int, Written] = {}
        for places, answer in self.batches:
            found.update(zip(places, answer(), strict=True))
            advance(len(places))
        advance(len(self.group) - len(found))
        for at, (cell, item) in enumerate(self.group):
            if isinstance(item, DataError):
                yield Written(cell, Places(), (), item)
            else:
                yield found.get(at) or Written(cell, Places(()), (WrittenHypothesis("", (), 0.0, 0.0, None),))


@dataclass(frozen=True)
class Writer(Generic[Item]):
    """A network with what reads its sources and the tokenizer of what it writes."""

    model: Network
    reader: Reader[Item]
    tokenizer: Tokenizer
    settings: Search
    shortlist: Shortlist | None = None  # limits what a search writes
    workers: Workers[_Batch, list[Written]] | None = None  # that batches are answered by, instead of this process

    @contextmanager
    def side_by_side(self, count: int | None) -> Iterator[Writer[Item]]:
        """Yield a writer whose batches are answered in several processes, for the whole context.

        They are those that a launcher has started to help this one, or else `count` of one thread each. What it writes
        does not depend on their number. Without any it is this one, with all threads in this process. Raises a
        CommandError for a `count` beside a launcher's processes, or where the model is not on the CPU.
        """
        from attncli.machine.launched import helping

        if (launched := helping()).count > 1:
            if count is not None:
                raise CommandError(
                    f"--workers {count}: a launcher has started {launched.count} processes, which answer together; "
                    "leave --workers out"
                )
            with self._among(launched) as writer:
                yield writer
        elif count is None:
            yield self
        else:
            with self._with_workers(count) as writer:
                yield writer

    @contextmanager
    def _among(self, launched: Processes) -> Iterator[Writer[Item]]:
        """Yield a writer whose batches are answered by the processes of a launcher, each with a copy of the model."""
        from attncli.machine.launched import others_of
        from attncli.machine.workers import Workers

        alone = replace(self, model=in_precision(self.model, self.settings.precision))
        sent = replace(alone, model=copy.deepcopy(alone.model).to("cpu"))
        with Workers(alone._answer_batch, start=others_of(launched, sent._answering), count=launched.count) as workers:
            yield replace(alone, workers=workers)

    def _answering(self, device: torch.device) -> Callable[[_Batch], list[Written]]:
        return replace(self, model=self.model.to(device))._answer_batch

    @contextmanager
    def _with_workers(self, count: int) -> Iterator[Writer[Item]]:
        """Yield a writer whose batches are answered in `count` processes of one thread each, which start for it."""
        from attncli.machine.workers import Spawned, Workers, in_shared_memory, one_thread

        if (device := self.model.device.type) != "cpu":
            raise CommandError(
                f"--workers {count}: is for CPUs, but the device is {device}, which is busy with one batch at a time; "
                "leave it out, or add --device cpu"
            )
        model = in_precision(self.model, self.settings.precision)
        alone = replace(self, model=in_shared_memory(model) if count > 1 else model)
        weights = {id(each): each for each in (*model.parameters(), *model.buffers())}
        twin = copy.deepcopy(alone, weights)
        start = partial(Spawned, twin._answer_batch)
        with one_thread(), Workers(alone._answer_batch, start=start, count=count) as workers:
            yield replace(alone, workers=workers)

    def write(
        self,
        cells: Iterable[Any],
        *,
        n_best: int = 1,
        with_weights: bool = False,
        strategy: Strategy | None = None,
        replaces_unknown: bool = False,
        prefix: str = "",
        first: int = 0,
        advance: Advance = no_progress,
    ) -> Iterator[Written]:
        """Yield what is written for `cells` in their order: nothing for a source without a position.

        Sources are read some way ahead, so that those of like lengths share a batch; one that cannot be read comes with
        its problem. The strategy is beam search unless another is given. `replaces_unknown` writes, for an unknown
        token, the word of the source that has the largest weight (Luong et al. 2015, "rare word" experiments; needs
        attention). Every target begins with `prefix`. `first` is the number of the first of `cells` in the
        whole input, on which draws depend. `advance` is told how many more are done, batch by batch.
        """
        asked = _Asked(strategy or BestK(), n_best, with_weights, replaces_unknown, prefix)
        groups = ((group, None) for group in self._groups(cells))
        yield from self._answers(groups, asked, first=first, advance=advance)

    def align(
        self, pairs: Iterable[tuple[Any, str]], *, with_weights: bool = True, advance: Advance = no_progress
    ) -> Iterator[Written]:
        """Yield, for each source and its given target, that target as the one hypothesis, with its weights.

        `advance` is told how many more are done, batch by batch.
        """
        yield from self._answers(self._groups_of_pairs(pairs), _Asked(BestK(), 1, with_weights), advance=advance)

    def encode(self, cells: Iterable[Any]) -> Iterator[tuple[Any, Places, SourceMemory | DataError]]:
        """Yield each source with the memory of it alone, or with what is wrong with it."""
        for cell in cells:
            item = self._value(cell)
            if isinstance(item, DataError):
                yield cell, Places(), item
            elif not self.reader.length(item):
                yield cell, Places(()), DataError("is empty, so there is nothing to encode")
            else:
                memory = self._memory([item])
                yield cell, self._places(cell, item, memory), memory

    def inspect(self, pairs: Iterable[tuple[Any, str | None]]) -> Iterator[Inspection]:
        """Yield, for each source and its given target, or the one that is found if None is given, where it looks.

        Raises a DataError for a source that cannot be read.
        """
        asked = _Asked(BestK(), 1, with_weights=False)
        for cell, text in pairs:
            item = self.reader.read(cell)
            memory, vocabulary = self._memory([item]), self._vocabulary(cell, item)
            if text is None:
                [[best, *_]] = self._searched(self._narrowed(memory, [item], asked), [0], asked=asked)
            ids = best.tokens if text is None else (*vocabulary.encode(text), *self.tokenizer.end)
            with self._inference():
                source = self.reader.pack([item]).to(self.model.device)
                found = self._model.head_weights(source, memory, self._target(ids))
            yield Inspection(
                cell,
                vocabulary.decode(ids),
                self._places(cell, item, memory),
                tuple(vocabulary.tokens(ids)),
                tuple(vocabulary.tokens([BOS, *ids[:-1]])),
                *(_of_one(weights) for weights in (found.encoder, found.decoder, found.cross)),
            )

    @cached_property
    def _model(self) -> Network:
        """The model as the settings ask for it, with weights as a step of the search reads them fastest."""
        model = with_packed_output(in_precision(self.model, self.settings.precision))
        weight = model.ctc_weight if self.settings.ctc_weight is None else self.settings.ctc_weight
        return NetworkWithCTC(model, weight) if weight else model

    def _groups(self, cells: Iterable[Any]) -> Iterator[list[tuple[Any, Item | DataError]]]:
        """Yield sources with their values, some batches together, while threads read the next where that is slow."""
        batch = self.settings.batch_size
        size = max(1, self.reader.ahead // batch) * batch
        remaining = iter(cells)
        if not self.reader.on_threads:
            while group := list(islice(remaining, size)):
                yield [(cell, self._value(cell)) for cell in group]
            return
        waiting: deque[list[tuple[Any, Any]]] = deque()
        with ThreadPoolExecutor(_THREADS) as pool:
            while True:
                while len(waiting) < _GROUPS_AHEAD and (group := list(islice(remaining, size))):
                    waiting.append([(cell, pool.submit(self._value, cell)) for cell in group])
                if not waiting:
                    return
                yield [(cell, value.result()) for cell, value in waiting.popleft()]

    def _value(self, cell: Any) -> Item | DataError:
        try:
            return self.reader.read(cell)
        except DataError as error:
            return error

    def _groups_of_pairs(self, pairs: Iterable[tuple[Any, str]]) -> Iterator[tuple[_Group, _Targets]]:
        """Yield sources with their values, and the ids of their given targets."""
        for_sources, for_targets = tee(pairs)
        for group in self._groups(cell for cell, _ in for_sources):
            given = zip(group, islice(for_targets, len(group)), strict=True)
            yield group, [(*self._vocabulary(*read).encode(text), *self.tokenizer.end) for read, (_, text) in given]

    def _answers(
        self, groups: Iterable[tuple[_Group, _Targets | None]], asked: _Asked, *, first: int = 0, advance: Advance
    ) -> Iterator[Written]:
        """Yield what is written for the sources of `groups`, of which the first is number `first`, in their order."""
        started: deque[_Started] = deque()
        # While a group is completed, every worker has a batch of a later one.
        ahead = 0 if self.workers is None else self.workers.count
        for group, targets in groups:
            started.append(self._started(group, targets, asked, first))
            first += len(group)
            while started and sum(len(each.batches) for each in islice(started, 1, None)) >= ahead:
                yield from started.popleft().answers(advance)
        for each in started:
            yield from each.answers(advance)

    def _started(self, group: _Group, targets: _Targets | None, asked: _Asked, first: int) -> _Started:
        lengths = {
            at: self.reader.length(item) for at, (_, item) in enumerate(group) if not isinstance(item, DataError)
        }
        # Sources of like lengths share a batch; one without a position has no memory to read.
        order = sorted((at for at, length in lengths.items() if length), key=lambda at: lengths[at])
        size = self.settings.batch_size
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        started = []
        for places in reversed(batches):  # the longest first: nothing is left to wait for but short ones
            given = None if targets is None else [targets[at] for at in places]
            batch = _Batch([group[at] for at in places], [first + at for at in places], asked, given)
            started.append((places, self._begin(batch)))
        return _Started(group, started)

    def _begin(self, batch: _Batch) -> Callable[[], list[Written]]:
        return partial(self._answer_batch, batch) if self.workers is None else self.workers.start(batch)

    def _answer_batch(self, batch: _Batch) -> list[Written]:
        """Return what is written for the sources of `batch`."""
        items = [item for _, item in batch.sources]
        memory = self._memory(items)
        if batch.targets is None:
            found = self._searched(self._narrowed(memory, items, batch.asked), batch.rows, asked=batch.asked)
        else:
            found = self._forced(memory, batch.targets)
        if batch.asked.with_weights:
            found = self._with_every_look(found, memory)
        return [
            self._answer(*source, ranked, memory, row, batch.asked)
            for row, (source, ranked) in enumerate(zip(batch.sources, found, strict=True))
        ]

    def _memory(self, items: Sequence[Item]) -> SourceMemory:
        # Values that are no tokens come to the first layer in float32, whatever its weights are in.
        with self._inference(), autocast(self.settings.precision, self.model.device):
            memory = self._model.encode(self.reader.pack(items).to(self.model.device))
            # On CUDA autocast leaves some of it in float32, which the decoder's layers would refuse.
            kind = next(self._model.parameters()).dtype
            return map_tensors(memory, lambda tensor: tensor.to(kind) if tensor.is_floating_point() else tensor)

    def _narrowed(self, memory: SourceMemory, items: Sequence[Item], asked: _Asked) -> SourceMemory:
        """Return the memory of `items`, for which only what the shortlist has for each is written."""
        if self.shortlist is None:
            return memory
        sources = [self.reader.ids(item) for item in items]
        # A prefix is written whatever is listed.
        prefix, vocabulary = self.tokenizer.encode(asked.prefix), self.tokenizer.size
        candidates = self.shortlist.candidates(sources, vocabulary=vocabulary, also=prefix)
        return self._model.narrowed(memory, torch.from_numpy(candidates).to(self.model.device))

    def _searched(self, memory: SourceMemory, rows: Sequence[int], *, asked: _Asked) -> list[list[Hypothesis]]:
        """Return what is found for the sources of `memory`, which are these `rows` of the whole input."""
        settings = self.settings
        with self._inference():
            return search(
                self._model.decoder,
                memory,
                strategy=asked.strategy.for_rows(rows),
                beam_size=settings.beam_size,
                # What nothing closes is a label, of one token.
                max_length=settings.max_length if self.tokenizer.end else 1,
                length_penalty=settings.length_penalty,
                wanted=min(asked.n_best, settings.beam_size),
                patience=settings.patience if asked.strategy.competes else None,
                with_weights=asked.with_weights or asked.replaces_unknown,
                constraints=self._constraints(asked, len(memory.mask)),
            )

    def _forced(self, memory: SourceMemory, targets: _Targets) -> list[list[Hypothesis]]:
        """Return for each source of `memory` its one of `targets` as the one hypothesis."""
        target = pad_tokens([np.array(ids) for ids in targets]).to(self.model.device)
        with self._inference():
            forced = self._model.force_target(memory, target)
        log_probs = forced.log_probs.cpu()
        weights = None if forced.weights is None else forced.weights.float().cpu()
        marks, masks = map_tensors(forced.marks, torch.Tensor.cpu), memory.mask.cpu()
        return [
            [
                Hypothesis(
                    tuple(ids),
                    total := float(log_probs[at].sum()),
                    total / penalty(len(ids), self.settings.length_penalty),
                    *seen(weights, marks, at, len(ids), masks[at]),
                    token_log_probs=tuple(log_probs[at, : len(ids)].tolist()),
                )
            ]
            for at, ids in enumerate(targets)
        ]

    def _with_every_look(self, found: list[list[Hypothesis]], memory: SourceMemory) -> list[list[Hypothesis]]:
        """Return `found` with a row of weights for each of several looks at a source, the same for all its labels."""
        with self._inference():
            looks = self._model.looks(memory)
        if not looks:
            return found
        weights = torch.cat([look.weights for look in looks], 1).float().cpu()  # [B, looks, S]
        marks = stack_steps([map_tensors(look.marks, lambda tensor: tensor[:, 0].cpu()) for look in looks])
        masks = memory.mask.cpu()
        rows = (seen(weights, marks, at, len(looks), masks[at]) for at in range(len(masks)))
        return [
            [replace(each, weights=of_weights, marks=of_marks) for each in ranked]
            for ranked, (of_weights, of_marks) in zip(found, rows, strict=True)
        ]

    def _constraints(self, asked: _Asked, sources: int) -> Constraints:
        settings = self.settings
        # What is replaced must be written first.
        may_be_unknown = settings.unknown == "allow" or asked.replaces_unknown
        forbidden = [PAD, BOS, *(() if may_be_unknown else (UNK,)), *(() if self.tokenizer.end else (EOS,))]
        return Constraints(
            forbidden=forbidden,
            min_length=settings.min_length,
            no_repeat_ngram_size=settings.no_repeat_ngram_size,
            prefixes=[self.tokenizer.encode(asked.prefix)] * sources if asked.prefix else None,
            # A label is one of the labels; that the model leaves a little to tokens which are none is no doubt of it.
            closed=not self.tokenizer.end,
        )

    @contextmanager
    def _inference(self) -> Iterator[None]:
        with torch.inference_mode(), arithmetic(self.settings.precision, self.model.device):
            yield

    def _target(self, ids: Sequence[int]) -> Tokens:
        return pad_tokens([np.array(ids)]).to(self.model.device)

    def _vocabulary(self, cell: Any, item: Item | DataError) -> Vocabulary:
        """Return what can be written for the source `cell`."""
        if isinstance(item, DataError):
            return Vocabulary(self.tokenizer)
        return self.reader.vocabulary(cell, item, self.tokenizer)

    def _places(self, cell: Any, item: Item, memory: SourceMemory) -> Places:
        words = tuple(self.reader.words(cell, item))
        return replace(self.reader.places(item), grid=self._grid(cell, item, memory), words=words)

    def _grid(self, cell: Any, item: Item, memory: SourceMemory) -> tuple[int, ...] | None:
        """Return the grid on which the positions of a source lie; those of several sources do not lie on one."""
        # Values of several sources that were computed before come without their parts.
        if len(memory.parts) > 1 or self.reader.parts(cell, item):
            return None
        [part] = memory.parts
        return part.grid_of(self.reader.length(item))

    def _answer(
        self, cell: Any, item: Item, ranked: Sequence[Hypothesis], memory: SourceMemory, row: int, asked: _Asked
    ) -> Written:
        if not ranked or ranked[0].log_prob == -math.inf:
            places = self._places(cell, item, memory)
            where = f"{cell}: " if places.tokens is None else ""
            return Written(cell, places, (), _unwritable(where, asked))
        words = self.reader.words(cell, item) if asked.replaces_unknown else ()
        vocabulary, grid = self._vocabulary(cell, item), self._grid(cell, item, memory)
        written = tuple(self._written(found, vocabulary, words, grid, asked) for found in ranked)
        whole = Written(cell, self._places(cell, item, memory), written)
        sources = self.reader.parts(cell, item)
        return replace(whole, parts=by_part(whole, sources, memory, row)) if sources else whole

    def _written(
        self,
        found: Hypothesis,
        vocabulary: Vocabulary,
        words: Sequence[str],
        grid: tuple[int, ...] | None,
        asked: _Asked,
    ) -> WrittenHypothesis:
        tokens, text = vocabulary.tokens(found.tokens), vocabulary.decode(found.tokens)
        if words and found.weights is not None and UNK in found.tokens:
            looked_at = found.weights[-len(tokens) :, : len(words)].argmax(-1)
            tokens = [
                words[at] if token == UNK else shown
                for token, shown, at in zip(found.tokens, tokens, looked_at, strict=True)
            ]
            text = self.tokenizer.join(tokens)
        weights, marks = (found.weights, found.marks) if asked.with_weights else (None, None)
        if weights is not None and grid is not None:
            weights = weights.reshape(len(weights), *grid)
        return WrittenHypothesis(
            text, tuple(tokens), found.log_prob, found.score, weights, marks, found.token_log_probs
        )


def _unwritable(where: str, asked: _Asked) -> DataError:
    what = "the prefix" if asked.prefix else "the target"
    return DataError(
        f"{where}CTC needs more positions for {what} than the source has; shorten it, or leave CTC out (--ctc-weight 0)"
    )


def _of_one(weights: torch.Tensor | None) -> np.ndarray | None:
    return None if weights is None else weights[0].float().cpu().numpy()
