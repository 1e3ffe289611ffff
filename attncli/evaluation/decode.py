"""Decodes a test set with a run, against the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from attncli.config.search import Search
from attncli.decoding.translator import TooLong
from attncli.decoding.written import WrittenHypothesis
from attncli.evaluation.captions import CaptionTest
from attncli.evaluation.cost import training_cost_or_note
from attncli.evaluation.evaluate import System
from attncli.evaluation.report import Speed
from attncli.evaluation.test_set import EvaluationSet
from attncli.files import Problems
from attncli.runs.run import CaptionRun, Run


def decode(
    run: Run,
    test: EvaluationSet,
    search: Search,
    *,
    name: str,
    variant: str | None = None,
    too_long: TooLong = "error",
) -> System:
    """Return the best hypotheses of `run` for the sources of `test`, how long that took, and what its training took."""

    def best() -> Sequence[WrittenHypothesis]:
        return [found.hypotheses[0] for found in run.translate(test.sources, search=search, too_long=too_long)]

    notes: tuple[str, ...] = ()
    if run.config.tokenizer.lowercase:
        notes = (f"{name}: writes lower case (tokenizer.lowercase), but BLEU and chrF tell cases apart",)
    return _timed(run, best, search, name=name, variant=variant, notes=notes)


def decode_captions(
    run: CaptionRun, test: CaptionTest, search: Search, *, name: str, variant: str | None = None
) -> System:
    """Return the best captions of `run` for the pictures of `test`, how long that took, reading included, and what its
    training took.

    Raises a DataError that names every picture that cannot be read.
    """

    def best() -> Sequence[WrittenHypothesis]:
        found, problems = list(run.caption(test.paths, search=search)), Problems()
        for each in found:
            if each.problem is not None:
                problems.add(each.problem)
        problems.raise_if_any("a test set is scored whole; mend these")
        return [each.hypotheses[0] for each in found]

    return _timed(run, best, search, name=name, variant=variant)


def _timed(
    run: Run | CaptionRun,
    best: Callable[[], Sequence[WrittenHypothesis]],
    search: Search,
    *,
    name: str,
    variant: str | None,
    notes: tuple[str, ...] = (),
) -> System:
    """Return what `best` finds of each sentence or picture as a system, with how long that took."""
    started = time.perf_counter()
    hypotheses = best()
    seconds = time.perf_counter() - started
    training, notes_on_training = training_cost_or_note(run.folder, name)
    details = {
        "folder": str(run.folder),
        "step": run.step,
        "parameters": run.parameters,
        "beam_size": search.beam_size,
        "length_penalty": search.length_penalty,
    }
    return System(
        name=name,
        # A line of output is a line of `hypotheses.txt`, whatever the model wrote.
        hypotheses=tuple(" ".join(hypothesis.text.splitlines()) for hypothesis in hypotheses),
        variant=variant,
        speed=Speed(seconds, len(hypotheses), sum(len(hypothesis.tokens) for hypothesis in hypotheses)),
        training=training,
        details=details,
        notes=(*notes, *notes_on_training),
    )
