"""Which targets are too long for the positions of their sources, counted by hand and against PyTorch's loss."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from attncli.assembly import alignable
from attncli.assembly.alignable import alignable_notes
from attncli.data.corpus import Corpus
from attncli.data.tokens import TokenColumn
from attncli.errors import DataError


def corpus(lengths: list[int], targets: list[list[int]], source_of: list[int] | None = None) -> Corpus:
    source = TokenColumn.of([[9] * (length - 1) for length in lengths])
    rows = np.array(source_of or range(len(targets)))
    return Corpus(source, TokenColumn.of(targets), rows, (), ())


def test_a_blank_is_counted_between_equal_neighbours() -> None:
    fits = corpus([3, 3, 1], [[4, 5, 6], [4, 4], []])
    assert list(alignable_notes(fits, fits)) == []
    dev = corpus([3, 2, 1, 6], [[4, 5, 5], [4, 4], [4], [4, 4, 4, 4]])
    assert list(alignable_notes(fits, dev)) == [
        "dev: 3 targets of 4 with more tokens than CTC can write on the positions of their sources, which count in the "
        "decoder's loss alone"
    ]


def test_examples_of_one_source_have_its_positions() -> None:
    train = corpus([2, 4], [[4, 5], [4, 5, 6], [4, 5, 6], [7]], [0, 0, 1, 1])
    [note] = alignable_notes(train, corpus([9], [[4]]))
    assert note.startswith("train: 1 target of 4 with more tokens")


def test_targets_of_all_blocks_are_counted_as_the_loss_finds_them_infinite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignable, "_BLOCK", 7)
    draw = random.Random(3)
    targets = [draw.choices([4, 5], k=draw.randint(0, 6)) for _ in range(50)]
    lengths = [draw.randint(1, 9) for _ in targets]
    expected = 0
    for length, target in zip(lengths, targets, strict=True):
        log_probs = torch.zeros(length, 6).log_softmax(-1)
        loss = torch.nn.functional.ctc_loss(
            log_probs, torch.tensor(target), torch.tensor(length), torch.tensor(len(target))
        )
        expected += bool(loss.isinf())
    [train, dev] = alignable_notes(corpus(lengths, targets), corpus(lengths, targets))
    assert train.startswith(f"train: {expected} targets of 50 with")
    assert dev.startswith(f"dev: {expected} targets of 50 with")


def test_training_targets_that_are_all_too_long_are_refused() -> None:
    with pytest.raises(DataError) as error:
        list(alignable_notes(corpus([1, 2], [[4, 5], [4, 4]]), corpus([9], [[4]])))
    assert str(error.value) == (
        "data.train: every target needs more positions for CTC (model.ctc) than its source has, one for each token and "
        "one between equal neighbours; give an encoder that joins fewer positions, or longer tokens"
    )
