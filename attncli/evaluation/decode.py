"""Decodes a test set with a run and measures the time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from attncli.config.search import Search
from attncli.decoding.written import Written
from attncli.errors import Problems
from attncli.evaluation.cost import training_cost_or_note
from attncli.evaluation.evaluate import System
from attncli.evaluation.report import Speed
from attncli.evaluation.test_set import EvaluationSet
from attncli.evaluation.weight_inside import weight_inside
from attncli.machine.progress import progress
from attncli.runs.writing import WritingRun
from attncli.text.labels import unknown_label_notes


def decode(
    run: WritingRun,
    test: EvaluationSet,
    search: Search,
    *,
    name: str,
    variant: str | None = None,
    workers: int | None = None,
) -> System:
    """Return the best hypotheses of `run` for the sources of `test`, with the time that decoding and training took.

    Where `test` has gold places, the weight of the attention inside them is measured too.

    The time to read the sources counts, and so does that until `workers` have started. Raises a DataError that names
    every source that cannot be read.
    """
    started = time.perf_counter()
    with (
        run.writer(search).side_by_side(workers) as writer,
        progress(len(test), f"{test.noun}s", what=name) as advance,
    ):
        found = list(writer.write(test.cells, advance=advance))
    seconds = time.perf_counter() - started
    _check_all_read(found, test)
    # Runs of an ensemble were trained apart, so that there is no one speed.
    training, notes_on_training = (None, ()) if run.others else training_cost_or_note(run.folder, name)
    return System(
        name=name,
        # A line of output is a line of `hypotheses.txt`, whatever the model wrote.
        hypotheses=tuple(" ".join(each.best.text.splitlines()) for each in found),
        variant=variant,
        durations=_durations(run, found),
        speed=Speed(seconds, len(found), sum(len(each.best.tokens) for each in found)),
        training=training,
        weight_inside=weight_inside(run, test, search),
        details=_details(run, test, search),
        notes=(*_notes(run, test, search, name=name), *notes_on_training),
    )


def _check_all_read(found: Sequence[Written], test: EvaluationSet) -> None:
    """Raise a DataError that names every source of `test` that could not be read."""
    problems = Problems()
    for number, each in enumerate(found, start=1):
        if each.problem is not None:
            problems.add(f"{test.name}: {test.noun} {number}: {each.problem}")
    problems.raise_if_any("a test set is scored whole; mend these")


def _notes(run: WritingRun, test: EvaluationSet, search: Search, *, name: str) -> Iterator[str]:
    """Yield what one has to know of the hypotheses of `run` to judge their scores."""
    if run.config.tokenizer.lowercase:
        yield f"{name}: writes lower case (tokenizer.lowercase), but BLEU and chrF tell cases apart"
    if search.patience is not None:
        yield f"{name}: ended searches before nothing better could come (search.patience: {search.patience:g})"
    if search.shortlist:
        yield f"{name}: writes only frequent tokens and likely translations (search.shortlist: {search.shortlist})"
    if test.is_reversed:
        yield f"{name}: reads the {test.noun}s from their end to their start (--reversed)"
    if run.config.tokenizer.target is not None:
        of_sources = zip(test.places, zip(*test.references, strict=True), strict=True)
        yield from unknown_label_notes(name, run.tokenizers.target, of_sources)


def _details(run: WritingRun, test: EvaluationSet, search: Search) -> dict[str, Any]:
    """Return what reports say of how `run` decoded."""
    ctc = run.config.model.ctc
    return {
        "folder": str(run.folder),
        "step": run.step,
        "parameters": sum(each.parameters for each in (run, *run.others)),
        **({"reversed": True} if test.is_reversed else {}),
        "beam_size": search.beam_size,
        "length_penalty": search.length_penalty,
        **({} if search.patience is None else {"patience": search.patience}),
        **({} if ctc is None else {"ctc_weight": ctc.weight if search.ctc_weight is None else search.ctc_weight}),
        **({"shortlist": search.shortlist} if search.shortlist else {}),
        **({"with": [_member(other) for other in run.others]} if run.others else {}),
    }


def _durations(run: WritingRun, found: Sequence[Written]) -> tuple[float, ...]:
    """Return the seconds that each source lasts; none where its length is not told in seconds."""
    if run.config.model.source.length_unit != "seconds":
        return ()
    return tuple(each.duration or 0.0 for each in found)


def _member(run: WritingRun) -> dict[str, Any]:
    return {"folder": str(run.folder), "step": run.step, "parameters": run.parameters}
