"""Tokenizers: raw text to ids and back, through sentencepiece or, for labels, as a whole."""

from __future__ import annotations

import hashlib
import io
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from attncli.config.facts import Facts, read_facts
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.errors import DataError, RunError
from attncli.files.reading import not_utf8
from attncli.files.untrusted import read_inside
from attncli.files.writing import replacing, write_text
from attncli.text.words import SPACE, join_words, split_words

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
UNKNOWN_TEXT = "⁇"
FORMAT = 1
# Characters of an entry of the `word` kind. Sentencepiece refuses entries of some thousand bytes, and what is so long
# is no word of any language.
_LONGEST_WORD = 1000
_DESCRIPTION = "tokenizer.json"


class Tokenizer(ABC):
    """Turns text into ids and back."""

    kind: str
    lowercase: bool
    end: ClassVar[tuple[int, ...]] = (EOS,)
    """What follows the ids of a target."""

    @property
    @abstractmethod
    def content(self) -> bytes:
        """What is saved, from which the tokenizer is made again."""

    @property
    @abstractmethod
    def entries(self) -> tuple[str, ...]:
        """The vocabulary in the order of its ids."""

    @property
    def size(self) -> int:
        """Size of the vocabulary, including the four special tokens."""
        return len(self.entries)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without special symbols; what is unknown becomes UNK."""
        return self.encode_all([text])[0]

    @abstractmethod
    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each of `texts`."""

    @abstractmethod
    def id_of(self, piece: str) -> int | None:
        """Return the id of one of the `pieces` of a text; None if the vocabulary lacks it."""

    @abstractmethod
    def pieces(self, text: str) -> list[str]:
        """Return the tokens of `text` as `tokens` shows them, except that unknown ones stay as they are written."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids` without special symbols; UNK becomes `⁇`."""
        shown = self.tokens(ids)
        return self.join(
            UNKNOWN_TEXT if i == UNK else piece for i, piece in zip(ids, shown, strict=True) if i not in (PAD, BOS, EOS)
        )

    @abstractmethod
    def join(self, pieces: Iterable[str]) -> str:
        """Return the text of `pieces` without special symbols; the inverse of `pieces` and `tokens`."""

    @abstractmethod
    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of `ids` for display, EOS as `</s>`."""


@dataclass(frozen=True)
class SentencePieces(Tokenizer):
    """A trained sentencepiece model and the preparation of its text.

    Characters are not normalised, so that text comes out as it went in; sentencepiece's usual NFKC would turn `½` into
    `1⁄2` and a no-break space into a plain one. Only tabs and runs of spaces become one space, and those at the ends
    are removed: they carry no meaning, no metric counts them, and a model that has rarely seen them does worse.

    In `tokens`, `▁` begins a word, and `￭` joins words.
    """

    model: bytes = field(repr=False)
    kind: str
    lowercase: bool

    @property
    def content(self) -> bytes:
        """The sentencepiece model."""
        return self.model

    @cached_property
    def _processor(self) -> Any:
        from sentencepiece import SentencePieceProcessor

        return SentencePieceProcessor(model_proto=self.model)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {entry: i for i, entry in enumerate(self.entries)}

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """The vocabulary in the order of its ids."""
        return tuple(self._processor.id_to_piece(list(range(int(self._processor.vocab_size())))))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each of `texts`, in parallel on all processors."""
        texts = [_prepared(text, lowercase=self.lowercase) for text in texts]
        if self.kind != "word":
            encoded: list[list[int]] = self._processor.encode(texts)
            return encoded
        # Sentencepiece would merge neighbouring unknown words into one token.
        return [[self._ids.get(SPACE + word, UNK) for word in split_words(text)] for text in texts]

    def id_of(self, piece: str) -> int | None:
        """Return the id of a piece."""
        return self._ids.get(SPACE + piece if self.kind == "word" else piece)

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of `text`."""
        text = _prepared(text, lowercase=self.lowercase)
        return split_words(text) if self.kind == "word" else list(self._processor.encode(text, out_type=str))

    def join(self, pieces: Iterable[str]) -> str:
        """Return the text of `pieces`."""
        kept = (piece for piece in pieces if piece not in SPECIAL)
        if self.kind == "word":
            return join_words(kept)
        return "".join(kept).replace(SPACE, " ").removeprefix(" ")

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the pieces of `ids`."""
        shown = [str(self._processor.id_to_piece(int(token))) for token in ids]
        return [piece.removeprefix(SPACE) for piece in shown] if self.kind == "word" else shown


@dataclass(frozen=True)
class Labels(Tokenizer):
    """A closed set of labels, each one token whatever words are in it, which nothing has to follow."""

    labels: tuple[str, ...]
    lowercase: bool
    kind: str = field(default="label", init=False)
    end = ()

    @property
    def content(self) -> bytes:
        """The labels, one a line."""
        return "".join(f"{label}\n" for label in self.labels).encode()

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """The special tokens and the labels."""
        return (*SPECIAL, *self.labels)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {label: i for i, label in enumerate(self.labels, start=len(SPECIAL))}

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the one id of each of `texts`, UNK for what is no label."""
        return [[self._ids.get(label, UNK)] for text in texts for label in self.pieces(text)]

    def id_of(self, piece: str) -> int | None:
        """Return the id of a label."""
        return self._ids.get(piece)

    def pieces(self, text: str) -> list[str]:
        """Return the whole of `text`, without the white space around it."""
        return [_label(text, lowercase=self.lowercase)]

    def join(self, pieces: Iterable[str]) -> str:
        """Return the label."""
        return " ".join(piece for piece in pieces if piece not in SPECIAL)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the labels of `ids`."""
        return [self.entries[int(token)] for token in ids]


@dataclass(frozen=True)
class Tokenizers:
    """The tokenizers of both sides; one object when the vocabulary is shared."""

    source: Tokenizer
    target: Tokenizer

    @property
    def shared(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.source is self.target

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and one sentencepiece model, or one a side, into `folder`; labels as text."""
        description: dict[str, Any] = {"format": FORMAT}
        for side, tokenizer in (("source", self.source), ("target", self.target)):
            name = "tokenizer.model" if self.shared else f"tokenizer.{side}.model"
            if isinstance(tokenizer, Labels):
                name = "labels.txt"
            with replacing(folder / name) as path:
                path.write_bytes(tokenizer.content)
            description[side] = {
                "file": name,
                "sha256": hashlib.sha256(tokenizer.content).hexdigest(),
                "kind": tokenizer.kind,
                "lowercase": tokenizer.lowercase,
            }
        # Last, so that the models are there where it is.
        write_text(folder / _DESCRIPTION, json.dumps(description, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Tokenizers:
        """Return the tokenizers that `save` wrote into `folder`, or raise RunError."""
        format = read_facts(_Format, folder, _DESCRIPTION).format
        if format > FORMAT:
            raise RunError(
                f"{folder / _DESCRIPTION}: has format {format}, but this version reads formats up to {FORMAT}; upgrade "
                "attncli"
            )
        found = read_facts(_Description, folder, _DESCRIPTION)
        source = _load_side(folder, found.source)
        return cls(source, source if found.target == found.source else _load_side(folder, found.target))


FileName = Literal["tokenizer.model", "tokenizer.source.model", "tokenizer.target.model", "labels.txt"]


class _Side(Facts):
    """What tokenizer.json says of a side."""

    file: FileName
    sha256: str
    kind: Literal["bpe", "unigram", "word", "char", "label"]
    lowercase: bool


class _Format(Facts):
    """What tokenizer.json holds in every format."""

    format: Annotated[int, Field(ge=1)]


class _Description(_Format):
    """tokenizer.json."""

    source: _Side
    target: _Side


def _load_side(folder: Path, side: _Side) -> Tokenizer:
    path, model = folder / side.file, read_inside(folder, side.file)
    found = hashlib.sha256(model).hexdigest()
    if found != side.sha256:
        raise RunError(f"{path}: damaged: its SHA-256 is {found}, but tokenizer.json says {side.sha256[:64]}")
    if side.kind == "label":
        return _labels_of(model, side, path)
    tokenizer = SentencePieces(model, side.kind, side.lowercase)
    try:
        special = tuple(tokenizer.tokens(range(len(SPECIAL)))) if tokenizer.size >= len(SPECIAL) else ()
    except RuntimeError as error:  # of sentencepiece
        raise RunError(f"{path}: damaged: not a sentencepiece model: {error}") from None
    if special != SPECIAL:
        raise RunError(f"{path}: damaged: begins with {', '.join(special)[:80]!r} instead of {', '.join(SPECIAL)}")
    return tokenizer


def _labels_of(model: bytes, side: _Side, path: Path) -> Labels:
    try:
        *labels, rest = model.decode().split("\n")
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: damaged: {not_utf8(error)}") from None
    if rest or not labels or not all(labels) or len({*labels}) < len(labels):
        raise RunError(f"{path}: damaged: not one label a line, each once")
    return Labels(tuple(labels), side.lowercase)


def _prepared(text: str, *, lowercase: bool) -> str:
    # Several times faster than str.translate on text without any of them.
    text = text.replace("\t", " ").replace("\n", " ").replace("\r", " ")
    return text.lower() if lowercase else text


def _label(text: str, *, lowercase: bool) -> str:
    return _prepared(text, lowercase=lowercase).strip()


def train_tokenizers(config: TokenizerConfig, examples: Iterable[tuple[Iterable[str], Iterable[str]]]) -> Tokenizers:
    """Return tokenizers trained on raw sentences: one for both sides if `config.is_shared`, else one for each.

    Each of `examples` has its sentences of the source and of the target, and is read once. The same sentences in the
    same order give the same bytes. Raises DataError if a side has no words.
    """
    source, target = Counter[str](), Counter[str]()
    parts_of_target = _words if config.target is None else _labels
    for sources, targets in examples:
        for text in sources:
            source.update(_words(config, text))
        for text in targets:
            target.update(parts_of_target(config, text))
    del source[""], target[""]
    if config.target is not None:
        return Tokenizers(_train(config, source, "the source side"), _most_frequent(config, target))
    if config.is_shared:
        source.update(target)
        tokenizer = _train(config, source, "either side")
        return Tokenizers(tokenizer, tokenizer)
    return Tokenizers(_train(config, source, "the source side"), _train(config, target, "the target side"))


def fitted_labels(config: TokenizerConfig, targets: Iterable[str]) -> Labels:
    """Return the labels that occur in `targets`, the most frequent first; the rarest are left out if they are too many.

    Raises DataError if there are none.
    """
    counts = Counter(label for target in targets for label in _labels(config, target))
    del counts[""]
    return _most_frequent(config, counts)


def _most_frequent(config: TokenizerConfig, counts: Counter[str]) -> Labels:
    if not counts:
        raise DataError("no labels on the target side of the training text")
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    return Labels(tuple(ranked[: config.vocabulary_size - len(SPECIAL)]), config.lowercase)


def _labels(config: TokenizerConfig, text: str) -> list[str]:
    return [_label(text, lowercase=config.lowercase)]


def _words(config: TokenizerConfig, text: str) -> list[str]:
    text = _prepared(text, lowercase=config.lowercase)
    if config.kind == "word":
        return [word for word in split_words(text) if len(word) <= _LONGEST_WORD]
    return text.split(" ")


def _train(config: TokenizerConfig, counts: Counter[str], what: str) -> Tokenizer:
    from sentencepiece import SentencePieceTrainer

    if not counts:
        raise DataError(f"no words on {what} of the training text, so there is nothing to train a tokenizer on")
    model = io.BytesIO()
    SentencePieceTrainer.train(
        # No piece crosses a space, so counted words train the same model as sentences in a fraction of the memory.
        sentence_iterator=(f"{word}\t{count}" for word, count in _without_rare_characters(config, counts).items()),
        input_format="tsv",
        model_writer=model,
        model_type=config.kind,
        vocab_size=config.vocabulary_size,
        hard_vocab_limit=False,  # a small corpus may have fewer pieces than asked for
        normalization_rule_name="identity",
        character_coverage=1.0,
        max_sentence_length=2**30,  # sentencepiece leaves longer ones out
        num_threads=4,  # a fixed number, since the sums of unigram depend on it
        pad_id=PAD,
        bos_id=BOS,
        eos_id=EOS,
        unk_id=UNK,
        unk_surface=UNKNOWN_TEXT,
        minloglevel=2,
    )
    return SentencePieces(model.getvalue(), config.kind, config.lowercase)


def _without_rare_characters(config: TokenizerConfig, counts: Counter[str]) -> Counter[str]:
    """Return `counts` with words split at the characters that get no entry of their own.

    Every character gets one unless they would fill more than half of the vocabulary; then the most frequent fill half.
    """
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    room = max(1, (config.vocabulary_size - len(SPECIAL)) // 2 - 1)  # the mark of a space takes an entry
    if config.kind in ("char", "word") or len(characters) <= room:
        return counts
    rare = dict.fromkeys((ord(character) for character, _ in characters.most_common()[room:]), " ")
    kept: Counter[str] = Counter()
    for word, count in counts.items():
        for part in filter(None, word.translate(rare).split(" ")):
            kept[part] += count
    return kept
