"""Everything that training a translator needs from its text: tokenizers, encoded corpora and the dev sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attncli.config.data import Corpus, MaximumLength
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.data.cache import DamagedError, cache_folder, cached, fingerprint, key_of
from attncli.data.corpus import FORMAT, EncodedCorpus, Limits, open_corpus, write_corpus
from attncli.data.forms.pairs import Pair, PairReader, read_pairs
from attncli.errors import DataError, RunError
from attncli.files import count_lines, counted
from attncli.text.tokenizer import Tokenizers, train_tokenizers


@dataclass(frozen=True)
class TranslationCorpora:
    """Text as a translator is trained on it."""

    tokenizers: Tokenizers
    train: EncodedCorpus
    dev: EncodedCorpus
    dev_sources: list[str]
    dev_references: list[str]
    notes: tuple[str, ...]  # what a person should know: sizes, and what was left out and why


def prepare_translation(config: TranslationConfig, tokenizers: Tokenizers | None = None) -> TranslationCorpora:
    """Return the corpora of `config`, encoded with `tokenizers` or with ones trained on its training text.

    What takes long is cached: a second call for the same text and configuration only opens files. Raises DataError
    for text that cannot be used, before anything is trained.
    """
    data, root = config.data, Path(config.data.root)
    cache = cache_folder(data.cache)
    train = _Text(data.train, root, data.bad_lines)
    dev = _Text(data.dev, root, "error")
    dev_pairs = list(read_pairs(data.dev, root))
    if tokenizers is None:
        tokenizers = _tokenizers(config.tokenizer, train, cache)
    limits = Limits(data.maximum_length, data.too_long)
    train_corpus = _encoded(train, tokenizers, limits, cache)
    dev_corpus = _encoded(dev, tokenizers, Limits(), cache)
    return TranslationCorpora(
        tokenizers,
        train_corpus,
        dev_corpus,
        [source for source, _ in dev_pairs],
        [target for _, target in dev_pairs],
        (
            *_tokenizer_notes(config.tokenizer, tokenizers),
            *_corpus_notes("train", train_corpus, data.maximum_length),
            *_corpus_notes("dev", dev_corpus, MaximumLength()),
        ),
    )


class _Text:
    """The files of a corpus with their fingerprints."""

    def __init__(self, corpus: Corpus, root: Path, bad_lines: Any):
        self.pairs = PairReader(corpus, root, bad_lines=bad_lines)
        fields = corpus.model_dump(include={"source_field", "target_field"})
        files = [fingerprint(path) for path in self.pairs.paths]
        formats = [path.suffixes[-2:] for path in self.pairs.paths]
        self.facts = {"files": files, "formats": formats, "fields": fields, "bad_lines": bad_lines}


def _tokenizers(config: TokenizerConfig, text: _Text, cache: Path) -> Tokenizers:
    def make(folder: Path) -> None:
        source_lines = (pair.source for pair in _even_sample(text.pairs, config.training_sentences))
        target_lines = (pair.target for pair in _even_sample(text.pairs, config.training_sentences))
        train_tokenizers(config, source_lines, target_lines).save(folder)

    def open_folder(folder: Path) -> Tokenizers:
        try:
            return Tokenizers.load(folder)
        except RunError as error:
            raise DamagedError(str(error)) from None

    key = key_of({"format": FORMAT, "text": text.facts, "tokenizer": config.model_dump()})
    return cached(cache / "tokenizers", key, make=make, open_folder=open_folder)


def _even_sample(pairs: PairReader, most: int) -> Iterator[Pair]:
    """Yield pairs from at most `most` lines, evenly spread over the file."""
    lines = count_lines(pairs.paths[0])
    for pair in pairs:
        if lines <= most or pair.line * most // lines != (pair.line - 1) * most // lines:
            yield pair


def _encoded(text: _Text, tokenizers: Tokenizers, limits: Limits, cache: Path) -> EncodedCorpus:
    key = key_of(
        {
            "format": FORMAT,
            "text": text.facts,
            "tokenizers": [
                [key_of({"model": side.model.hex()}), side.kind, side.lowercase]
                for side in (tokenizers.source, tokenizers.target)
            ],
            "maximum": limits.maximum.model_dump(),
            "too_long": limits.too_long,
        }
    )
    corpus = cached(
        cache / "corpora",
        key,
        make=lambda folder: write_corpus(folder, tokenizers, text.pairs, limits=limits),
        open_folder=open_corpus,
    )
    if len(corpus) == 0:
        left_out = sum(corpus.skipped.values()) + corpus.too_long
        why = f"all {left_out} were left out" if left_out else "it is empty"
        raise DataError(f"{text.pairs.paths[0]}: no sentence pair to use: {why}")
    return corpus


def _tokenizer_notes(config: TokenizerConfig, tokenizers: Tokenizers) -> Iterator[str]:
    sides = {"tokenizer": tokenizers.source}
    if not tokenizers.shared:
        sides = {"source tokenizer": tokenizers.source, "target tokenizer": tokenizers.target}
    for name, tokenizer in sides.items():
        note = f"{name}: {tokenizer.kind}, {tokenizer.size:,} entries"
        if tokenizer.size < config.vocabulary_size:
            note += f" (the text has no more; tokenizer.vocabulary_size allows {config.vocabulary_size:,})"
        yield note


def _corpus_notes(name: str, corpus: EncodedCorpus, maximum: MaximumLength) -> Iterator[str]:
    source, target = len(corpus.source.tokens), len(corpus.target.tokens)
    yield f"{name}: {counted(len(corpus), 'pair')}, {source:,} source and {target:,} target tokens"
    if corpus.skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(corpus.skipped.items()))
        yield f"{name}: left out {counted(sum(corpus.skipped.values()), 'bad pair')} ({reasons})"
    if corpus.too_long:
        limits = ", ".join(f"{side} {most}" for side, most in maximum.model_dump().items() if most is not None)
        yield f"{name}: left out {counted(corpus.too_long, 'pair')} over data.maximum_length ({limits} tokens)"
