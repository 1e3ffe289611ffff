"""Corpora of texts in tables: their rows are pairs, split by split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from attncli.assembly.corpora import Corpora, fitted_tokenizers, make_corpora, open_splits
from attncli.config.load import check_config
from attncli.config.tasks.classification import ClassificationConfig
from attncli.data.corpus import Corpus
from attncli.data.tokens import TokenColumn
from attncli.errors import DataError
from attncli.models.encoders.encoder import Encoder
from attncli.text.tokenizer import Tokenizers

ROWS: list[dict[str, Any]] = [
    {"text": "one small dog", "label": "animal", "part": "train"},
    {"text": "a red tree by the house", "label": ["plant", "place"], "part": "train"},
    {"text": "two cats", "label": "animal", "part": "dev"},
    {"text": "a house", "label": ["place", "thing"], "part": "dev"},
    {"text": "the tree and the dog", "label": "plant", "part": "train"},
]


class NoEncoder(Encoder):
    def forward(self, source: Any) -> Any:
        raise NotImplementedError


def config_of(folder: Path, **data: Any) -> ClassificationConfig:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    values = {
        "task": "classification",
        "data": {
            "root": str(folder),
            "table": "rows.jsonl",
            "columns": {"words": "text", "target": "label", "split": "part"},
            "train": {"split": "train"},
            "dev": {"split": "dev"},
            "cache": str(folder / "cache"),
            **data,
        },
        "tokenizer": {"kind": "word", "vocabulary_size": 100},
        "model": {"encoder": {"hidden_size": 4}},
        "training": {"max_steps": 1},
    }
    config = check_config(values, where="test")
    assert isinstance(config, ClassificationConfig)
    return config


def prepared(config: ClassificationConfig) -> tuple[Corpora, Tokenizers]:
    splits = open_splits(config)
    tokenizers = fitted_tokenizers(config, splits.train)
    return make_corpora(config, splits, tokenizers, NoEncoder()), tokenizers


def pairs_of(corpus: Corpus, tokenizers: Tokenizers) -> list[tuple[str, str]]:
    assert isinstance(corpus.source, TokenColumn)
    return [
        (
            tokenizers.source.decode(corpus.source.row(row).tolist()),
            tokenizers.target.decode(corpus.target.row(row).tolist()),
        )
        for row in range(len(corpus))
    ]


def test_a_training_row_forms_a_pair_with_each_of_its_labels(tmp_path: Path) -> None:
    corpora, tokenizers = prepared(config_of(tmp_path))
    expected = [
        (row["text"], label)
        for row in ROWS
        for label in (row["label"] if isinstance(row["label"], list) else [row["label"]])
        if row["part"] == "train"
    ]
    assert pairs_of(corpora.train, tokenizers) == expected
    assert "labels: 3" in corpora.notes


def test_a_dev_row_is_written_for_once_and_all_its_labels_are_right(tmp_path: Path) -> None:
    corpora, _ = prepared(config_of(tmp_path))
    assert len(corpora.dev) == corpora.dev.sources == 2
    assert corpora.dev.cells == ["two cats", "a house"]
    assert corpora.dev.texts == [("animal",), ("place", "thing")]


def test_long_rows_are_cut_left_out_or_told_with_file_and_line(tmp_path: Path) -> None:
    short = {"maximum_length": {"source": 4}}
    corpora, tokenizers = prepared(config_of(tmp_path, **short))
    assert [text for text, _ in pairs_of(corpora.train, tokenizers)] == ["one small dog"]
    corpora, tokenizers = prepared(config_of(tmp_path, **short, too_long="cut"))
    assert [text for text, _ in pairs_of(corpora.train, tokenizers)] == [
        "one small dog",
        *["a red tree by"] * 2,
        "the tree and the",
    ]
    with pytest.raises(DataError, match=rf"{tmp_path}/rows\.jsonl:2: 6 tokens, over data\.maximum_length\.source 4"):
        prepared(config_of(tmp_path, **short, too_long="error"))
