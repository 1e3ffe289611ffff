"""Test sets: sources with their references, from a configuration or from files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from attncli.config.sources.encoder import EncoderSection
from attncli.config.writing import WritingConfig
from attncli.data.corpus import reference_sets
from attncli.data.direction import mark_of, turned
from attncli.data.forms.forms import open_form, split_of
from attncli.data.gold_places import GoldPlace, read_gold_places
from attncli.errors import CommandError, DataError, UserError, unknown
from attncli.files.reading import read_lines


@dataclass(frozen=True)
class EvaluationSet:
    """N sources with their references."""

    name: str
    sources: tuple[str, ...] | None  # sentences, or the names of files; None where they are not known
    references: tuple[tuple[str | None, ...], ...]  # for each set of references, one a source; None for fewer
    noun: str = "sentence"  # what a source is called
    # Sentences, or the paths of files, and where the references are found: the same set may lie in several folders.
    cells: tuple[Any, ...] = field(default=(), compare=False)
    places: tuple[str, ...] = field(default=(), compare=False)
    # Where in each source lies what words of its first reference mean; None where that is not known.
    gold: tuple[tuple[GoldPlace, ...], ...] | None = field(default=None, compare=False)
    # The group that each source belongs to, by which scores are reported; none where there are no groups.
    groups: tuple[str, ...] = field(default=(), compare=False)
    is_reversed: bool = False  # films and recordings are played the other way than in the test set of the name

    def __len__(self) -> int:
        """Return N."""
        return len(self.references[0])

    def reversed(self, section: EncoderSection) -> EvaluationSet:
        """Return the same with films and recordings, which `section` reads, played the other way.

        There gold places are not known.
        """
        cells = tuple(section.with_lasting(cell, turned) for cell in self.cells)
        names = self.sources and tuple(_shown(section, cell) for cell in cells)
        return replace(
            self, name=f"{self.name}-reversed", sources=names, cells=cells, gold=None, is_reversed=not self.is_reversed
        )


DEV = "dev"
"""What the dev set is called where a test set is asked for, so that nothing needs to be chosen on a test set."""


def chosen_split(
    data: Any, name: str | None, *, where: str | Path, otherwise: str = "add one under data.test"
) -> tuple[str, str]:
    """Return what the test set `name` of the section `data` is called, and its key: "test.NAME", or "dev".

    It is the only one where `name` is None, and the dev set where `name` is "dev" and no test set is called so. A
    CommandError begins with `where`; if there are no test sets, it suggests `otherwise`.
    """
    names = data.test
    if name == DEV and DEV not in names:
        return DEV, "dev"
    if not names:
        raise CommandError(
            f"{where}: the configuration names no test sets; {otherwise}, or choose the dev set: --test {DEV}"
        )
    if name is None and len(names) > 1:
        raise CommandError(f"{where}: has {len(names)} test sets; choose one with --test: {', '.join(names)}")
    if name is not None and name not in names:
        raise CommandError(f"{where}: {unknown('test set', name, dict.fromkeys([*names, DEV]))}")
    name = next(iter(names)) if name is None else name
    return name, f"test.{name}"


def configured_set(config: WritingConfig, name: str | None, *, where: str) -> EvaluationSet:
    """Return the test set `name` of `config`, or its only one where `name` is None; `where` begins the messages.

    "dev" is the dev set unless a test set is called so.
    """
    section = config.model.source
    noun = section.noun
    otherwise = "give --source and --reference" if section.is_text else "add one under data.test"
    name, key = chosen_split(config.data, name, where=where, otherwise=otherwise)
    form = open_form(config.data, key)
    examples = list(form)
    if not examples:
        raise DataError(f"{where}: the test set {name!r} holds no {noun}s")
    cells = tuple(section.cell_of(example.cells) for example in examples)
    references = tuple(tuple(stream) for stream in reference_sets([example.targets for example in examples]))
    names = tuple(_shown(section, cell) for cell in cells)
    places = tuple(form.place("target", example.number) for example in examples)
    gold = None
    if (file := getattr(split_of(config.data, key), "places", None)) is not None:
        targets = [example.targets[0] for example in examples]
        gold = read_gold_places(Path(config.data.root) / file, sources=names, targets=targets, noun=noun)
    groups = tuple(example.group for example in examples if example.group is not None)
    return EvaluationSet(name, names, references, noun, cells, places, gold, groups)


def known_places(config: WritingConfig, paths: Collection[str]) -> dict[str, list[tuple[str, GoldPlace]]]:
    """Return the words with gold places of those sources of the test sets of `config` whose files are among `paths`.

    A test set that cannot be read tells nothing of them.
    """
    wanted = {Path(path).resolve(): path for path in paths}
    found: dict[str, list[tuple[str, GoldPlace]]] = {}
    for name, split in config.data.test.items():
        if getattr(split, "places", None) is None:
            continue
        try:
            test = configured_set(config, name, where=name)
        except UserError:
            continue
        for cell, target, places in zip(test.cells, test.references[0], test.gold or (), strict=True):
            path = wanted.get(Path(cell).resolve())
            if path is not None and target is not None:
                words = target.split()
                found[path] = [(" ".join(words[at] for at in place.words), place) for place in places]
    return found


def _shown(section: EncoderSection, cell: Any) -> str:
    """Return the text of a source, that of several together, or the name of a file where there is no text."""
    read = list(section.sources_of(cell))
    return " ".join(
        [text for encoder, text in read if encoder.is_text] or [Path(path).name + mark_of(path) for _, path in read]
    )


def set_of_files(source: Path | None, references: Sequence[Path], *, name: str | None = None) -> EvaluationSet:
    """Return the sentences of `source`, if it is given, with line by line references.

    The set is named after its first file unless `name` is given.
    """
    first = source or references[0]
    lines = tuple(read_lines(first))
    if not lines:
        raise DataError(f"{first}: empty; a test set needs at least one sentence")
    streams = tuple(read_aligned(path, len(lines), beside=str(first)) for path in references)
    sources = None if source is None else lines
    places = tuple(f"{references[0]}:{number}" for number in range(1, len(lines) + 1))
    name = name or first.name.removesuffix(".gz")
    return EvaluationSet(name, sources, streams, cells=sources or (), places=places)


def read_aligned(path: Path, sources: int, *, beside: str) -> tuple[str, ...]:
    """Return the lines of `path`, which must be as many as the `sources` of `beside`; else DataError."""
    lines = tuple(read_lines(path))
    if len(lines) != sources:
        raise DataError(f"{path}: {len(lines)} lines, but {beside} has {sources}; they must match line by line")
    return lines
