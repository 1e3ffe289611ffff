"""Test sets: sentences with their references, out of a configuration or given files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from attncli.config.tasks.translation import TranslationConfig
from attncli.data.forms.pairs import read_pairs
from attncli.errors import CommandError, DataError, unknown
from attncli.files import read_lines


@dataclass(frozen=True)
class EvaluationSet:
    """N sentences and what they should become."""

    name: str
    sources: tuple[str, ...]
    references: tuple[tuple[str | None, ...], ...]  # for each set of references, one a sentence; None for fewer

    def __len__(self) -> int:
        """Return N."""
        return len(self.references[0])


def chosen_test_set(
    names: Collection[str], name: str | None, *, where: str | Path, otherwise: str = "add one under data.test"
) -> str:
    """Return `name`, which should be one of `names`, or the only one of them where it is None.

    A CommandError begins with `where`, and where there are no names it says what would do `otherwise`.
    """
    if not names:
        raise CommandError(f"{where}: the configuration names no test sets; {otherwise}")
    if name is None and len(names) > 1:
        raise CommandError(f"{where}: has {len(names)} test sets; choose one with --test: {', '.join(names)}")
    if name is not None and name not in names:
        raise CommandError(f"{where}: {unknown('test set', name, names)}")
    return next(iter(names)) if name is None else name


def configured_set(config: TranslationConfig, name: str | None, *, where: str) -> EvaluationSet:
    """Return the test set `name` of `config`, or its only one where `name` is None; `where` begins the messages."""
    name = chosen_test_set(config.data.test, name, where=where, otherwise="give --source and --reference")
    pairs = list(read_pairs(config.data.test[name], Path(config.data.root)))
    if not pairs:
        raise DataError(f"{where}: the test set {name!r} holds no sentences")
    sources, references = zip(*pairs, strict=True)
    return EvaluationSet(name, sources, (references,))


def set_of_files(source: Path, references: Sequence[Path], *, name: str | None = None) -> EvaluationSet:
    """Return the sentences of `source` with line by line references; named after `source` unless `name` is given."""
    sources = tuple(read_lines(source))
    if not sources:
        raise DataError(f"{source}: empty; a test set needs at least one sentence")
    streams = tuple(read_aligned(path, len(sources), beside=str(source)) for path in references)
    return EvaluationSet(name or _stem(source), sources, streams)


def read_aligned(path: Path, sentences: int, *, beside: str) -> tuple[str, ...]:
    """Return the lines of `path`, which must be as many as the `sentences` of `beside`; else DataError."""
    lines = tuple(read_lines(path))
    if len(lines) != sentences:
        raise DataError(f"{path}: {len(lines)} lines, but {beside} has {sentences}; they must match line by line")
    return lines


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz")
