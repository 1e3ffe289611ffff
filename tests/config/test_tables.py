"""The section of data in a table: what must be there, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from attncli.config.tables import TableData

COLUMNS = {"image": "file", "question": "asked", "target": "answer", "split": "part", "group": "type"}

ARROW = {"labels": "arrow_of_time", "columns": {"film": "file", "split": "part"}, "folders": {"film": "films"}}


def data(**changes: Any) -> TableData:
    values = {
        "table": "all.tsv",
        "columns": COLUMNS,
        "folders": {"image": "images"},
        "train": {"split": "train"},
        "dev": {"split": "dev"},
        **changes,
    }
    return TableData.model_validate({key: value for key, value in values.items() if value is not None})


def test_every_column_but_target_split_and_group_is_a_source() -> None:
    assert data().sources == ("image", "question")
    assert data(
        columns={"target": "b", "question": "a"}, folders=None, train={"table": "x"}, dev={"table": "y"}
    ).sources == ("question",)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"columns": {"question": "a", "split": "b"}}, "columns: names the columns of the target and of at least one"),
        ({"columns": {"target": "a", "split": "b"}}, "columns: names the columns of the target and of at least one"),
        (
            {"folders": {"imagee": "x"}},
            "folders: unknown source 'imagee'; did you mean 'image'? choose from image, question",
        ),
        ({"table": None}, "train: has no table; give data.table or data.train.table"),
        (
            {"table": None, "train": {"table": "a.tsv"}, "dev": {"table": "b.tsv"}, "test": {"x": {"split": "y"}}},
            "test.x: has no table; give data.table or data.test.x.table",
        ),
        (
            {"columns": {"question": "a", "target": "b"}, "folders": {}},
            "train.split: no column says of which split a row is; give data.columns.split",
        ),
        ({"train": {}}, "does not say which rows it has; give split, table or both"),
        (
            {**ARROW, "columns": {"film": "file", "target": "answer", "split": "part"}},
            "columns.target: labels: 'arrow_of_time' labels each row by the direction in which it is played, not by a "
            "column; remove it",
        ),
        (
            {**ARROW, "columns": {"film": "file", "sound": "other", "split": "part"}},
            "columns: labels: 'arrow_of_time' labels each row by the direction in which it is played, so it has one "
            "source, a film or a recording, but here is film, sound",
        ),
        (
            {**ARROW, "columns": {"split": "part"}, "folders": None},
            "so it has one source, a film or a recording, but here is none",
        ),
        (
            {**ARROW, "test": {"x": {"split": "test", "places": "gold.jsonl"}}},
            "test.x.places: labels: 'arrow_of_time' labels each row by the direction in which it is played, which lies "
            "in no place; remove it",
        ),
        ({"labels": "time"}, "Input should be 'column' or 'arrow_of_time'"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        data(**changes)
    assert problem in str(caught.value)
