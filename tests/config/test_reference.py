from __future__ import annotations

import re
from pathlib import Path

from attncli.config.reference import configuration_page

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def _rows(page: str, heading: str) -> dict[str, list[str]]:
    """Return the cells of each row below `heading`, by key."""
    section = page.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    rows = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), "run make docs"


def test_a_row_tells_what_a_key_takes_its_default_and_what_it_does() -> None:
    rows = _rows(configuration_page(), "`training` with `task: translation`")
    assert rows["batch_sentences"] == [
        "whole number (1 to 10^9) or `null`",
        "`null`",
        "Maximum number of targets in a batch, in addition to `batch_tokens`; with `self_critical`, the number of "
        "sources in a batch.",
    ]
    assert rows["precision"][:2] == ["`fp32`, `tf32`, `bf16`, `auto`", "`fp32`"]
    assert rows["optimizer"][:2] == ["section with `kind` `adam`, `adamw`, `sgd`", "`kind: adam`"]


def test_required_keys_and_sections_are_told_apart_from_defaults() -> None:
    rows = _rows(configuration_page(), "The file with `task: translation`")
    assert {key: cells[1] for key, cells in rows.items()} == {
        "task": "required",
        "data": "required",
        "tokenizer": "as below",
        "model": "as below",
        "training": "required",
        "search": "as below",
        "evaluation": "as below",
    }


def test_a_section_that_stands_at_several_places_is_explained_once_under_all_of_them() -> None:
    page = configuration_page()
    heading = "`data.train` with `pairs`, `data.dev` with `pairs`, `data.test.NAME` with `pairs`"
    assert page.count(f"# {heading}\n") == 1
    assert list(_rows(page, heading)) == ["pairs", "source_field", "target_field"]


def test_what_is_another_section_in_another_task_is_told_apart_and_what_is_the_same_stands_once() -> None:
    page = configuration_page()
    assert "batch_size" in _rows(page, "`training` with `task: autoencoding`")
    assert list(_rows(page, "The file with `task: autoencoding`")) == [
        "task",
        "data",
        "model",
        "training",
        "evaluation",
    ]
    assert page.count("# `training.optimizer` with `kind: adam`\n") == 1


def test_a_kind_has_its_own_table() -> None:
    rows = _rows(configuration_page(), "`training.schedule` with `kind: cosine`")
    assert list(rows) == ["kind", "warmup", "steps", "lowest"]
    assert rows["lowest"][0] == "number (0 to 1)"


def test_a_number_that_may_stand_for_a_section_is_shown() -> None:
    rows = _rows(configuration_page(), "`model` with `task: translation`")
    assert rows["dropout"][0] == "number (at least 0, under 1) or section"
    assert rows["attention"][0] == "`none` or section"


def test_a_bar_in_an_explanation_does_not_end_its_cell() -> None:
    assert r"((5 + \|y\|) / 6)^α" in _rows(configuration_page(), "`search`")["length_penalty"][2]
