"""The data of a task that writes text: tokenizers, and corpora of sources and targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from attncli.assembly.alignable import alignable_notes
from attncli.config.attention import Attention
from attncli.config.data import MaximumLength
from attncli.config.decoders import TransformerDecoder
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.config.writing import WritingConfig
from attncli.data.cache import DamagedError, cache_folder, cached, key_of
from attncli.data.columns import Column
from attncli.data.corpus import Array, Corpus
from attncli.data.forms.example import Example, Form
from attncli.data.forms.forms import LineForm, open_form
from attncli.data.forms.pairs import left_out
from attncli.data.stored import FORMAT, Limits, StoredPairs, open_pairs, write_pairs
from attncli.data.tokens import CopiedColumn, TokenColumn
from attncli.errors import DataError, Problems, RunError, counted
from attncli.files.reading import count_lines
from attncli.models.encoders.encoder import Encoder
from attncli.sources.kinds import kind_of
from attncli.sources.source import Shared
from attncli.text.labels import unknown_label_notes
from attncli.text.tokenizer import SPECIAL, UNK, UNKNOWN_TEXT, Tokenizer, Tokenizers, fitted_labels, train_tokenizers


@dataclass(frozen=True)
class Corpora:
    """The corpora for training and for choosing checkpoints."""

    train: Corpus
    dev: Corpus
    notes: tuple[str, ...]  # for the user: sizes, and what was left out and why


@dataclass(frozen=True)
class Splits:
    """The splits of a data set as they are on disk."""

    train: Form
    dev: Form
    dev_examples: tuple[Example, ...]  # read at once, so that its problems are reported before anything is made


def open_splits(config: WritingConfig) -> Splits:
    """Return the training and the dev set of `config`; raises DataError where the dev set cannot be used."""
    train, dev = (open_form(config.data, key) for key in ("train", "dev"))
    return Splits(train, dev, tuple(dev))


def fitted_tokenizers(config: WritingConfig, train: Form) -> Tokenizers:
    """Return tokenizers trained on the examples of `train`: of both sides where sources are text, else of targets.

    Those of text are cached by the content of its files.
    """
    settings = config.tokenizer
    # Not cached: which examples are read depends on the files that are there, which tables of them do not tell.
    if not config.model.source.is_text:
        return _tokenizers_beside_files(config, train)

    def make(folder: Path) -> None:
        sample = _even_sample(train, settings.training_sentences)
        train_tokenizers(settings, (([example.cell], example.targets) for example in sample)).save(folder)

    def open_folder(folder: Path) -> Tokenizers:
        try:
            return Tokenizers.load(folder)
        except RunError as error:
            raise DamagedError(str(error)) from None

    key = key_of({"format": FORMAT, "text": train.facts, "tokenizer": settings.model_dump()})
    return cached(cache_folder(config.data.cache) / "tokenizers", key, make=make, open_folder=open_folder)


def _tokenizers_beside_files(config: WritingConfig, train: Form) -> Tokenizers:
    """Return tokenizers trained on the examples of `train`, of which some sources are files; none need be text."""
    settings, section = config.tokenizer, config.model.source
    sources: list[str] = []
    targets: list[str] = []
    for example in train:
        read = section.sources_of(section.cell_of(example.cells))
        sources += [text for encoder, text in read if encoder.is_text]
        targets += example.targets
    if sources:
        return train_tokenizers(settings, [(sources, targets)])
    if settings.target is not None:
        labels = fitted_labels(settings, targets)
        return Tokenizers(labels, labels)
    return train_tokenizers(settings.model_copy(update={"shared": True}), [(targets, ())])


def _even_sample(form: Form, most: int) -> Iterator[Example]:
    """Yield examples from at most `most` lines, evenly spread over the file."""
    assert isinstance(form, LineForm)
    lines = count_lines(form.paths[0])
    for example in form:
        if lines <= most or example.number * most // lines != (example.number - 1) * most // lines:
            yield example


def make_corpora(config: WritingConfig, splits: Splits, tokenizers: Tokenizers, encoder: Encoder) -> Corpora:
    """Return the corpora of `config`, encoded with `tokenizers`; a fixed `encoder` computes features of sources once.

    Results are cached: a second call for the same data and configuration only opens files. Raises DataError for data
    that cannot be used, or that the model could not read.
    """
    if config.model.source.is_text:
        made = _of_text(config, splits, tokenizers)
    else:
        made = _of_files(config, splits, tokenizers, encoder)
    _check_lengths(config, made)
    warnings = [f"warning: {text}" for text in config.warnings()]
    labels = _label_notes(splits, made.train, tokenizers.target)
    beyond = () if config.model.ctc is None else alignable_notes(made.train, made.dev)
    about_tokenizers = _tokenizer_notes(config.tokenizer, tokenizers)
    return replace(made, notes=(*about_tokenizers, *made.notes, *labels, *beyond, *warnings))


def _of_text(config: WritingConfig, splits: Splits, tokenizers: Tokenizers) -> Corpora:
    data, cache = config.data, cache_folder(config.data.cache)
    copies = config.copies
    limits, dev_limits = Limits(data.maximum_length, data.too_long), Limits()
    train = _stored(splits.train, tokenizers, limits, cache, copies=copies, every_target=True)
    if data.too_long == "cut":
        dev_limits = Limits(MaximumLength(source=data.maximum_length.source), "cut")
    # A source of the dev set is one row, so that it is written for once; its other targets are references.
    dev = _stored(splits.dev, tokenizers, dev_limits, cache, copies=copies, every_target=False)
    cells = [example.cell for example in splits.dev_examples]
    texts = [example.targets for example in splits.dev_examples]
    return Corpora(
        _pairs_corpus(train, tokenizers, (), _Decoded(train.target, tokenizers.target)),
        _pairs_corpus(dev, tokenizers, cells, texts),
        (*_pair_notes("train", train, limits.maximum), *_pair_notes("dev", dev, dev_limits.maximum)),
    )


def _pairs_corpus(
    pairs: StoredPairs, tokenizers: Tokenizers, cells: Sequence[str], texts: Sequence[Sequence[str]]
) -> Corpus:
    source: Column = pairs.source
    if pairs.copies is not None:
        source = CopiedColumn(pairs.source, pairs.copies, tokenizers.target.size)
    return Corpus(source, pairs.target, np.arange(len(pairs), dtype=np.int32), cells, texts)


class _Decoded(Sequence[Sequence[str]]):
    """The one target of each source, decoded from its tokens: millions of texts would fill the memory."""

    def __init__(self, column: TokenColumn, tokenizer: Tokenizer):
        self._column, self._tokenizer = column, tokenizer

    def __len__(self) -> int:
        return len(self._column.lengths)

    def __getitem__(self, row: Any) -> Any:
        text = self._tokenizer.decode(self._column.row(row).tolist())
        # So that writing unknown words earns no reward.
        return (text.replace(UNKNOWN_TEXT, "\N{REPLACEMENT CHARACTER}"),)


def _stored(
    form: Form, tokenizers: Tokenizers, limits: Limits, cache: Path, *, copies: bool, every_target: bool
) -> StoredPairs:
    assert isinstance(form, LineForm)
    key = key_of(
        {
            "format": FORMAT,
            "text": form.facts,
            "tokenizers": [
                [key_of({"model": side.content.hex()}), side.kind, side.lowercase]
                for side in (tokenizers.source, tokenizers.target)
            ],
            "maximum": limits.maximum.model_dump(),
            "too_long": limits.too_long,
            "copies": copies,
            **({} if every_target else {"targets": "first"}),
        }
    )
    pairs = cached(
        cache / "corpora",
        key,
        make=lambda folder: write_pairs(
            folder, tokenizers, form, limits=limits, copies=copies, every_target=every_target
        ),
        open_folder=open_pairs,
    )
    if len(pairs) == 0:
        number = sum(pairs.skipped.values()) + pairs.too_long
        why = f"all {number} were left out" if number else "it is empty"
        raise DataError(f"{form.paths[0]}: no sentence pair to use: {why}")
    return pairs


def _of_files(config: WritingConfig, splits: Splits, tokenizers: Tokenizers, encoder: Encoder) -> Corpora:
    shared = Shared(config, tokenizers)
    notes: list[str] = []
    made = {
        key: _corpus_of_files(form, examples, shared, encoder, key=key, notes=notes)
        for key, form, examples in (
            ("train", splits.train, tuple(splits.train)),
            ("dev", splits.dev, splits.dev_examples),
        )
    }
    return Corpora(made["train"], made["dev"], (*splits.train.notes, *splits.dev.notes, *notes))


def _corpus_of_files(
    form: Form, examples: Sequence[Example], shared: Shared, encoder: Encoder, *, key: str, notes: list[str]
) -> Corpus:
    """Return the corpus of the `examples` of `form`; unreadable sources are left out or reported, as configured."""
    section, tokenizer = shared.config.model.source, shared.tokenizers.target
    kind, noun = kind_of(section), section.noun
    lengths = kind.lengths([section.cell_of(example.cells) for example in examples], section, shared, encoder)
    bad = [
        _placed(found, form.place("source", example.number))
        for example, found in zip(examples, lengths, strict=True)
        if isinstance(found, DataError)
    ]
    bad_key = getattr(shared.config.data, "bad_sources_key", None)
    skips = key == "train" and bad_key is not None and getattr(shared.config.data, bad_key) == "skip"
    if not skips:
        problems = Problems()
        for problem in bad:
            problems.add(problem)
        advice = f", or leave training {noun}s out with data.{bad_key}: skip" if bad_key else ""
        problems.raise_if_any(f"mend these{advice}")
    good = [(example, length) for example, length in zip(examples, lengths, strict=True) if isinstance(length, int)]
    if not good:
        raise DataError(f"data.{key}: no {noun} can be read, such as: {bad[0]}")
    if bad:
        notes.append(f"{key}: left out {counted(len(bad), f'bad {noun}')}, such as {bad[0]}")
    kept = [example for example, _ in good]
    texts = [example.targets for example in kept]
    cells = [section.cell_of(example.cells) for example in kept]
    encoded = tokenizer.encode_all([text for targets in texts for text in targets])
    target = TokenColumn.of(encoded, end=tokenizer.end)
    source_of: Array = np.repeat(np.arange(len(kept)), list(map(len, texts)))
    column = kind.column(cells, [length for _, length in good], section, shared, encoder, varies=key == "train")
    corpus = Corpus(column, target, source_of, cells, texts)
    notes.append(
        f"{key}: {counted(len(kept), noun)}, {counted(len(corpus), shared.config.example)}, "
        f"{len(target.tokens):,} tokens"
    )
    return corpus


def _placed(problem: DataError, place: str) -> str:
    """Return `problem` with its `place`, unless it begins with that."""
    return str(problem) if str(problem).startswith(place) else f"{place}: {problem}"


def _tokenizer_notes(config: TokenizerConfig, tokenizers: Tokenizers) -> Iterator[str]:
    sides = {"tokenizer": tokenizers.source}
    if not tokenizers.shared:
        sides = {"source tokenizer": tokenizers.source, "target tokenizer": tokenizers.target}
    for name, tokenizer in sides.items():
        if tokenizer.kind == "label":
            yield f"labels: {len(tokenizer.entries) - len(SPECIAL):,}"
            continue
        note = f"{name}: {tokenizer.kind}, {tokenizer.size:,} entries"
        if tokenizer.size < config.vocabulary_size:
            note += f" (the text has no more; tokenizer.vocabulary_size allows {config.vocabulary_size:,})"
        yield note


def _label_notes(splits: Splits, train: Corpus, tokenizer: Tokenizer) -> Iterator[str]:
    """Yield notes on targets that are no labels, where targets are labels."""
    if tokenizer.kind == "label" and (rare := int((train.target.tokens == UNK).sum())):
        yield f"train: {counted(rare, 'target')} whose labels are over tokenizer.vocabulary_size, and so never written"
    examples = ((splits.dev.place("target", example.number), example.targets) for example in splits.dev_examples)
    yield from unknown_label_notes("dev", tokenizer, examples)


def _pair_notes(key: str, pairs: StoredPairs, maximum: MaximumLength) -> Iterator[str]:
    source, target = len(pairs.source.tokens), len(pairs.target.tokens)
    yield f"{key}: {counted(len(pairs), 'pair')}, {source:,} source and {target:,} target tokens"
    yield from left_out(key, pairs.skipped)
    if pairs.cut:
        yield f"{key}: cut {counted(pairs.cut, 'source')} to data.maximum_length.source ({maximum.source} tokens)"
    if pairs.too_long:
        limits = ", ".join(f"{side} {most}" for side, most in maximum.model_dump().items() if most is not None)
        yield f"{key}: left out {counted(pairs.too_long, 'pair')} over data.maximum_length ({limits} tokens)"


@dataclass(frozen=True)
class _Limit:
    """The largest number of positions of a side that a model can read."""

    side: str
    length: int
    what: str
    remedy: str


def _check_lengths(config: WritingConfig, corpora: Corpora) -> None:
    """Raise a DataError unless the model can read all of `corpora`."""
    for limit in _limits(config):
        for name, corpus in (("train", corpora.train), ("dev", corpora.dev)):
            lengths = corpus.source.lengths if limit.side == "source" else corpus.target_lengths
            longest = int(lengths.max(initial=0))
            if longest > limit.length:
                raise DataError(
                    f"data.{name}: a {limit.side} has {longest} positions, the end symbol counted, but {limit.what}; "
                    f"{limit.remedy}, or leave out longer training pairs with data.maximum_length.{limit.side}"
                )


def _limits(config: WritingConfig) -> Iterator[_Limit]:
    attention, encoder, decoder = config.model.attention, config.model.source, config.model.decoder
    if isinstance(attention, Attention) and attention.longer_sources != "ignore":
        length = attention.maximum_source_length
        if length is not None:
            remedy = "raise model.attention.maximum_source_length or set its longer_sources: ignore"
            yield _Limit("source", length, f"score 'location' sees {length}", remedy)
    if encoder.most_positions is not None:
        what = f"model.encoder.maximum_length is {encoder.most_positions}"
        yield _Limit("source", encoder.most_positions, what, "raise it or set model.encoder.positions: sinusoidal")
    if isinstance(decoder, TransformerDecoder) and decoder.maximum_length is not None:
        what = f"model.decoder.maximum_length is {decoder.maximum_length}"
        yield _Limit("target", decoder.maximum_length, what, "raise it or set model.decoder.positions: sinusoidal")
