"""Decodes a test set with a run, against the clock."""

from __future__ import annotations

import time

from attncli.config.search import Search
from attncli.evaluation.cost import training_cost_or_note
from attncli.evaluation.evaluate import System
from attncli.evaluation.report import Speed
from attncli.evaluation.test_set import EvaluationSet
from attncli.run import Run
from attncli.translator import TooLong


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
    training, notes = training_cost_or_note(run.folder, name)
    started = time.perf_counter()
    best = [found.hypotheses[0] for found in run.translate(test.sources, search=search, too_long=too_long)]
    seconds = time.perf_counter() - started
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
        hypotheses=tuple(" ".join(hypothesis.text.splitlines()) for hypothesis in best),
        variant=variant,
        speed=Speed(seconds, len(best), sum(len(hypothesis.tokens) for hypothesis in best)),
        training=training,
        details=details,
        notes=(*_notes(run, name), *notes),
    )


def _notes(run: Run, name: str) -> list[str]:
    if not run.config.tokenizer.lowercase:
        return []
    return [f"{name}: writes lower case (tokenizer.lowercase), but BLEU and chrF tell cases apart"]
