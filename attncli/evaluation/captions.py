"""Test sets of pictures, and captions of them by a run, against the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from attncli.config.captioning import CaptioningConfig
from attncli.config.search import Search
from attncli.data.captioning import reference_sets
from attncli.data.captions import read_split
from attncli.errors import CommandError, unknown
from attncli.evaluation.cost import training_cost_or_note
from attncli.evaluation.evaluate import System
from attncli.evaluation.report import Speed
from attncli.evaluation.test_set import EvaluationSet
from attncli.run import CaptionRun
from attncli.text.files import Problems


@dataclass(frozen=True)
class CaptionTest:
    """Pictures, and what people say of them."""

    data: EvaluationSet  # whose sources are the names of the files
    paths: tuple[Path, ...]


def caption_test(config: CaptioningConfig, name: str | None, *, where: str) -> CaptionTest:
    """Return the test set `name` of `config`, or its only one where `name` is None; `where` begins the messages."""
    names = list(config.data.test)
    if not names:
        raise CommandError(f"{where}: the configuration names no test sets; add some with data.test")
    if name is None and len(names) > 1:
        raise CommandError(f"{where}: has {len(names)} test sets; choose one with --test: {', '.join(names)}")
    name = names[0] if name is None else name
    if name not in config.data.test:
        raise CommandError(f"{where}: {unknown('test set', name, names)}")
    pictures = read_split(config.data, config.data.test[name], key=f"test.{name}").pictures
    references = tuple(tuple(stream) for stream in reference_sets([picture.captions for picture in pictures]))
    paths = tuple(picture.path for picture in pictures)
    return CaptionTest(EvaluationSet(name, tuple(path.name for path in paths), references), paths)


def decode_captions(
    run: CaptionRun, test: CaptionTest, search: Search, *, name: str, variant: str | None = None
) -> System:
    """Return the best captions of `run` for the pictures of `test`, how long that took, reading included, and what its
    training took.

    Raises a DataError that names every picture that cannot be read.
    """
    training, notes = training_cost_or_note(run.folder, name)
    started = time.perf_counter()
    found = list(run.caption(test.paths, search=search))
    seconds = time.perf_counter() - started
    problems = Problems()
    for each in found:
        if each.problem is not None:
            problems.add(each.problem)
    problems.raise_if_any("a test set is scored whole; mend these")
    best = [each.hypotheses[0] for each in found]
    details = {
        "folder": str(run.folder),
        "step": run.step,
        "parameters": run.parameters,
        "beam_size": search.beam_size,
        "length_penalty": search.length_penalty,
    }
    tokens = sum(len(hypothesis.tokens) for hypothesis in best)
    return System(
        name=name,
        hypotheses=tuple(hypothesis.text for hypothesis in best),
        variant=variant,
        speed=Speed(seconds, len(best), tokens),
        training=training,
        details=details,
        notes=notes,
    )
