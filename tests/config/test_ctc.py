"""CTC in a configuration: its keys, and what it does not go with."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import configured

from attncli.config.load import read_config
from attncli.config.writing import WritingConfig
from attncli.errors import ConfigError
from attncli.models.build import needs_of

CTC = "model.ctc={}"


def test_it_is_off_by_default_and_three_tenths_of_the_loss_where_it_is_on() -> None:
    assert configured().model.ctc is None
    ctc = configured(CTC).model.ctc
    assert ctc is not None
    assert ctc.weight == 0.3
    assert configured(CTC).search.ctc_weight is None


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["search.ctc_weight=0.5"],
            "search.ctc_weight: is the share of CTC beside the decoder's score, but the model has none; set "
            "model.ctc: {}, or remove it",
        ),
        (
            [CTC, "tokenizer={target: {kind: label}, vocabulary_size: 40}"],
            "model.ctc: writes sequences of tokens, but targets are labels (tokenizer.target); remove it",
        ),
        (
            [CTC, "model.decoder={hidden_size: 8, copying: true}"],
            "model.ctc: writes the vocabulary, which model.decoder.copying extends for every source; remove one of "
            "them",
        ),
        (
            [
                CTC,
                "training.objective={kind: self_critical}",
                "training.start_from=runs/x",
                "training.batch_sentences=5",
            ],
            "model.ctc: is a loss beside cross-entropy; remove it for training.objective.kind 'self_critical'",
        ),
        (["model.ctc={weight: 0}"], "model.ctc.weight: should be over 0, but is 0"),
    ],
)
def test_what_it_does_not_go_with_is_said(overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        configured(*overrides)
    assert f"tiny.yaml: {problem}" in str(error.value).split("\n")


def test_no_weight_in_the_search_needs_no_ctc() -> None:
    assert configured("search.ctc_weight=0").search.ctc_weight == 0


def test_regions_of_images_have_no_order() -> None:
    with pytest.raises(ConfigError) as error:
        read_config(Path("toy-captioning"), [CTC])
    assert str(error.value) == (
        "--set model.ctc: reads positions in their order, but those of a grid have none; remove it"
    )


def test_an_encoder_without_attention_keeps_its_states_for_it() -> None:
    none = "model.attention=none"
    assert not needs_of(configured(none).model).states
    assert needs_of(configured(none, CTC).model).states


def test_another_weight_may_be_searched_with_than_was_trained_with(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "task: translation\ndata: {train: {source: a, target: b}, dev: {source: a, target: b}}\n"
        "model: {ctc: {weight: 0.2}}\ntraining: {max_steps: 1}\nsearch: {ctc_weight: 1}\n"
    )
    config = read_config(tmp_path / "a.yaml")
    assert isinstance(config, WritingConfig)
    assert (config.model.ctc and config.model.ctc.weight, config.search.ctc_weight) == (0.2, 1.0)
