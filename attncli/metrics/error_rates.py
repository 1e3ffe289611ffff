"""WER and CER, the rates of wrong words and characters, as jiwer counts them.

The edits that turn a reference into its hypothesis, as few as can be, over the length of the reference: of a corpus the
sum of all edits over the sum of all lengths, in percent, which may exceed 100. Of several references the one with the
lowest rate counts. Case and punctuation matter. For CER a space is a character; any white space is one space.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from attncli.metrics.metric import Array, Metric, References, SentenceStatistics, by_sentence

Unit = Literal["words", "characters"]
_EDITS = ("substitutions", "deletions", "insertions")


def _measure(unit: Unit, hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    pairs = zip(hypotheses, by_sentence(hypotheses, references), strict=True)
    values = [min((_counts(unit, hypothesis, text) for text in texts), key=_rate) for hypothesis, texts in pairs]
    signature = f"nrefs:{len(references)}|case:mixed|unit:{unit}|version:jiwer {importlib.metadata.version('jiwer')}"
    return SentenceStatistics(np.array(values), signature, _rate, counts=(*_EDITS, f"reference {unit}"))


def _counts(unit: Unit, hypothesis: str, reference: str) -> Array:
    """Return substitutions, deletions, insertions, and the length of the reference, [4]."""
    # Here, since only those who measure it should wait for it.
    import jiwer

    process = jiwer.process_words if unit == "words" else jiwer.process_characters
    found = process(" ".join(reference.split()), " ".join(hypothesis.split()))
    return np.array([*(getattr(found, edit) for edit in _EDITS), len(found.references[0])], dtype=np.float64)


def _rate(totals: Array) -> float:
    # jiwer counts a reference without words as one of a single word.
    return 100 * float(totals[:3].sum() / max(totals[3], 1.0))


WER = Metric("WER", lower_is_better=True, measure=partial(_measure, "words"))
CER = Metric("CER", lower_is_better=True, measure=partial(_measure, "characters"))
