from __future__ import annotations

import re
from pathlib import Path

from attncli.config.outline import outline
from attncli.config.reference import configuration_pages
from attncli.config.units import UNITS, unit

PAGES = configuration_pages()
FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "configuration"


def _told(page: str, anchor: str) -> list[str]:
    """Return the paragraphs below the heading with `anchor`."""
    below = PAGES[page].split(f"{{ #{anchor} }}\n", 1)[1]
    return re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0].strip().split("\n\n")


def _numbers() -> set[str]:
    """Return the path of every key that is, or lists, numbers."""
    return {
        f"{place.path}.{key.name}"
        for section in outline()
        for place in section.places
        for key in section.keys
        for option in key.options
        for item in [option, *option.get("resolved_items", ()), *option.get("prefixItems", ())]
        if item.get("type") in ("integer", "number")
    }


def test_the_committed_pages_are_current() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == PAGES, "run make docs"


def test_a_key_tells_its_type_range_unit_and_default() -> None:
    assert _told("training.md", "training.batch_tokens")[0] == (
        "`training.batch_tokens` · **Type:** whole number · **Range:** 1 to 10^9 · "
        "**Unit:** tokens, padding included · **Default:** `4096` · "
        "**Tasks:** translation, summarisation, answering, captioning, classification, transcription"
    )
    assert _told("search.md", "search.length_penalty") == [
        "`search.length_penalty` · **Type:** number · **Range:** 0 to 100 · **Default:** `1.0`",
        "The exponent α in ((5 + |y|) / 6)^α, which divides a hypothesis's log-probability (Wu et al. 2016, eq. 14).",
    ]
    precision = "`training.precision` · **Type:** `fp32`, `tf32`, `bf16`, `auto` · **Default:** `fp32`"
    assert _told("training.md", "training.precision")[0] == precision
    betas = "**Type:** list of 2: number · **Range:** at least 0, under 1 · **Default:** `[0.9, 0.999]`"
    assert _told("training.md", "training.optimizer.adam.betas")[0] == f"`training.optimizer.betas` · {betas}"


def test_what_tasks_have_in_different_forms_is_told_one_by_one() -> None:
    facts = [line for line in _told("training.md", "training.batch_sentences") if "**Type" in line]
    assert [re.findall(r"(?:Default|Tasks):\*\* ([^·]*)", line) for line in facts] == [
        ["`null` ", "translation, summarisation, answering, classification, transcription"],
        ["`64` ", "captioning"],
    ]
    assert len(_told("training.md", "training.max_steps")) == 2  # the same for all


def test_required_keys_and_sections_are_told_apart_from_defaults() -> None:
    assert _told("index.md", "file.task")[0].startswith("`task` · **Type:** `translation` · **Default:** required")
    assert _told("index.md", "file.search")[0] == (
        "`search` · **Type:** [section](search.md#search) · **Default:** the defaults of its keys · "
        "**Tasks:** translation, summarisation, answering, captioning, classification, transcription"
    )
    assert _told("data.md", "data.translation.train")[0] == (
        "`data.train` · **Type:** section with [`source`](#data.train.source) or [`pairs`](#data.train.pairs) · "
        "**Default:** required"
    )


def test_a_choice_of_kinds_links_to_each() -> None:
    assert _told("training.md", "training.optimizer")[0] == (
        "`training.optimizer` · **Type:** section with `kind` [`adam`](#training.optimizer.adam), "
        "[`adamw`](#training.optimizer.adamw), [`sgd`](#training.optimizer.sgd) · **Default:** `kind: adam`"
    )
    assert "[`transformer`](decoder.md#model.decoder.transformer)" in _told("model.md", "model.decoder")[0]


def test_a_section_that_stands_at_several_places_is_explained_once() -> None:
    heading = "## `data.train`, `data.dev` with `pairs` { #data.train.pairs }"
    assert PAGES["data.md"].count(heading) == 1
    assert _told("decoder.md", "model.decoder.transformer") == [
        "Has the keys of [`model.encoder` with `kind: transformer`](encoder.md#model.encoder.transformer)."
    ]


def test_a_number_that_may_stand_for_a_section_is_shown() -> None:
    facts = _told("model.md", "model.dropout-key")[0]
    assert facts.startswith(
        "`model.dropout` · **Type:** number or [section](#model.dropout) · **Range:** at least 0, under 1"
    )
    assert _told("model.md", "model.dropout")[0].startswith("How often values are set to 0 in training.")
    attention = _told("model.md", "model.attention-key")[0]
    assert attention.startswith("`model.attention` · **Type:** `none` or [section](attention.md#model.attention)")


def test_sections_of_one_task_with_one_path_are_told_apart_by_what_they_belong_to() -> None:
    assert "`folder` { #data.train.pictures.folder }" in PAGES["data.md"]
    assert "`file` { #data.train.vectors.file }" in PAGES["data.md"]


def test_every_number_has_a_unit_or_is_said_to_have_none() -> None:
    paths = {path.replace("model.encoders.NAME.", "model.encoder.") for path in _numbers()}
    missing = {path for path in paths if path not in UNITS and path.rsplit(".", 1)[-1] not in UNITS}
    assert not missing, "add them to attncli/config/units.py"


def test_a_whole_path_goes_before_a_name() -> None:
    assert (unit("search.batch_size"), unit("training.batch_size")) == ("sources", "examples")
    assert (unit("model.dropout.layers"), unit("model.encoder.layers")) == (None, "layers")
    assert (unit("model.encoders.NAME.widths"), unit("model.widths")) == ("channels", "components of a vector")


def test_every_unit_is_of_a_key() -> None:
    names = _numbers() | {path.rsplit(".", 1)[-1] for path in _numbers()}
    assert set(UNITS) <= names


def test_no_heading_has_the_address_of_another() -> None:
    for page in PAGES.values():
        anchors = re.findall(r"\{ #(.*?) \}", page)
        assert len(set(anchors)) == len(anchors)
