"""The data of translation, and what to do about pairs that cannot be used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from attncli.config.quantities import ColumnNumber, Length, PathText, SetName
from attncli.config.section import MAY_CHANGE, DataSection, Section


class GoldPlaces(Section):
    """What a test set may have besides sources and targets."""

    places: PathText | None = None
    """A JSON Lines file that says where in each source lies what the words of its (first) target mean; `eval` then
    measures how much of the attention's weight lies there."""


class ParallelFiles(Section):
    """Two text files; line n of one translates line n of the other."""

    source: PathText
    """Text file with one source sentence per line, in UTF-8, optionally `.gz`."""
    target: PathText
    """Text file with one target sentence per line, aligned with `source`."""


class PairFile(Section):
    """One file that holds both sides: `.tsv` or `.jsonl`, with or without `.gz`."""

    pairs: PathText
    """The file of sentence pairs."""
    source_field: str | ColumnNumber | None = None
    """Source column (TSV: a number from 1 or a name from the header) or key (JSONL). By default 1 or `source`."""
    target_field: str | ColumnNumber | None = None
    """Target column or key. By default 2 or `target`."""


def _pair_kind(value: Any) -> str:
    has_pairs = "pairs" in value if isinstance(value, dict) else isinstance(value, PairFile)
    return "<pairs>" if has_pairs else "<parallel>"


# A tag in angle brackets cannot be mistaken for a key when the path of a problem is shown.
Corpus = Annotated[
    Annotated[ParallelFiles, Tag("<parallel>")] | Annotated[PairFile, Tag("<pairs>")], Discriminator(_pair_kind)
]


class ParallelTest(ParallelFiles, GoldPlaces):
    """Two text files to test on."""


class PairTest(PairFile, GoldPlaces):
    """One file that holds both sides, to test on."""


TestCorpus = Annotated[
    Annotated[ParallelTest, Tag("<parallel>")] | Annotated[PairTest, Tag("<pairs>")], Discriminator(_pair_kind)
]


class MaximumLength(Section):
    """Maximum lengths of training sentences."""

    source: Length | None = None
    """Maximum number of source tokens in a training pair; no limit by default."""
    target: Length | None = None
    """Maximum number of target tokens in a training pair, not counting the end symbol; no limit by default."""


class TranslationData(DataSection):
    """Parallel text for training, validation and test."""

    root: Annotated[PathText, MAY_CHANGE] = "."
    """Folder to which the other paths are relative; itself relative to the current directory."""
    train: Corpus
    """The training pairs."""
    dev: Corpus
    """The dev pairs, which select the checkpoint; never trained on."""
    test: Annotated[dict[SetName, TestCorpus], MAY_CHANGE] = Field(default={})
    """Named test sets, read only by `eval`."""
    bad_lines: Literal["error", "skip"] = "error"
    """What to do about a training pair with an empty side or invalid UTF-8: stop and report its file and line, or skip
    it and report how many were skipped. Files of different lengths are always an error."""
    maximum_length: MaximumLength = MaximumLength()
    """Limits on the length of training pairs."""
    too_long: Literal["drop", "error", "cut"] = "drop"
    """What to do about a training pair over `maximum_length`: skip it and report how many were skipped (`drop`), stop
    (`error`), or cut its source and skip it only if its target is too long (`cut`). Dev sources are cut too."""
    cache: Annotated[PathText | None, MAY_CHANGE] = None
    """Cache for encoded corpora and tokenizers; by default `attncli` in the user's cache folder."""
