"""What is said of targets that training has not seen."""

from __future__ import annotations

from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.text.labels import unknown_label_notes
from attncli.text.tokenizer import Labels, train_tokenizers

LABELS = Labels(("red", "two dogs"), lowercase=False)
EXAMPLES: list[tuple[str, list[str | None]]] = [
    ("dev.tsv:2", ["red"]),
    ("dev.tsv:3", ["zebra"]),
    ("dev.tsv:4", ["zebra", "two dogs"]),
    ("dev.tsv:6", [None, "Red"]),
]


def test_targets_that_are_no_labels_are_counted_and_the_first_is_named() -> None:
    assert unknown_label_notes("dev", LABELS, EXAMPLES) == (
        "dev: 2 targets outside of the 2 labels of training, and so never written, such as dev.tsv:3: 'zebra'",
    )


def test_there_is_no_note_where_all_are_known() -> None:
    assert unknown_label_notes("dev", LABELS, [EXAMPLES[0], EXAMPLES[2]]) == ()


def test_text_has_no_labels() -> None:
    text = train_tokenizers(TokenizerConfig(kind="word", vocabulary_size=20), [(["red"], ["red"])]).target
    assert unknown_label_notes("dev", text, EXAMPLES) == ()
