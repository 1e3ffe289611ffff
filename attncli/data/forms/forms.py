"""Opens the splits of a data set by the kind of its section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attncli.config.captions import CaptioningData
from attncli.config.data import TranslationData
from attncli.config.section import Section
from attncli.config.tables import TableData
from attncli.config.tasks.summarisation import SummarisationData
from attncli.data.forms.captions import CaptionForm
from attncli.data.forms.example import Form
from attncli.data.forms.pairs import PairReader
from attncli.data.forms.table import TableForm


def _pairs(data: TranslationData, split: Any, key: str) -> Form:
    # Scores of two systems compare only if both were tested on every pair.
    bad_lines = data.bad_lines if key == "train" else "error"
    return PairReader(split, Path(data.root), bad_lines=bad_lines, key=key)


def _captions(data: CaptioningData, split: Any, key: str) -> Form:
    return CaptionForm(data, split, key=key)


def _table(data: TableData, split: Any, key: str) -> Form:
    return TableForm(data, split, key=key, bad_lines=data.bad_lines if key == "train" else "error")


LineForm = PairReader | TableForm
"""Forms whose examples are lines of text, read one by one."""

FORMS: dict[type[Section], Callable[[Any, Any, str], Form]] = {
    TranslationData: _pairs,
    SummarisationData: _pairs,
    CaptioningData: _captions,
    TableData: _table,
}


def open_form(data: Any, key: str) -> Form:
    """Return the split `key` of the section `data`: "train", "dev" or "test.NAME"."""
    return FORMS[type(data)](data, split_of(data, key), key)


def split_of(data: Any, key: str) -> Any:
    """Return the section of the split `key` of the section `data`: "train", "dev" or "test.NAME"."""
    return data.test[key.removeprefix("test.")] if key.startswith("test.") else getattr(data, key)
