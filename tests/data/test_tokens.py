"""Token sequences as padded batches and as a side of a corpus."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import torch

from attncli.data.tokens import Copies, TokenColumn, pad_tokens
from attncli.text.tokenizer import EOS, PAD

ROWS = [[5, 6, 7], [8], [], [9, 5]]


def test_sequences_are_padded_to_the_longest() -> None:
    found = pad_tokens([np.array([5, EOS], np.uint16), np.array([5, 6, 7, EOS], np.uint16)])
    assert found.ids.tolist() == [[5, EOS, PAD, PAD], [5, 6, 7, EOS]]
    assert found.ids.dtype == torch.int64
    assert found.lengths.tolist() == [2, 4]
    assert found.mask.tolist() == [[True, True, False, False], [True] * 4]
    assert (len(found), found.size) == (2, 6)


def test_moved_tokens_are_the_same() -> None:
    found = pad_tokens([np.array([5, EOS]), np.array([EOS])])
    moved = found.to(torch.device("meta"))
    assert {moved.ids.device.type, moved.lengths.device.type} == {"meta"}
    assert moved.ids.shape == found.ids.shape
    assert found.to(torch.device("cpu")).ids.tolist() == found.ids.tolist()


def test_a_column_closes_its_sequences_and_keeps_their_order() -> None:
    column = TokenColumn.of(ROWS)
    assert column.lengths.tolist() == [4, 2, 1, 3]
    assert column.lengths.dtype == np.int32
    assert [column.row(at).tolist() for at in range(4)] == [[*row, EOS] for row in ROWS]


def test_a_column_gives_the_sequences_asked_for_in_their_order() -> None:
    column = TokenColumn.of(ROWS)
    expected = [[9, 5, EOS], [EOS, PAD, PAD], [8, EOS, PAD]]
    rows = np.array([3, 2, 1])
    assert column.batch(rows).ids.tolist() == expected
    # Text is not varied, whatever the seeds.
    for seeds in (None, [(1, 2)] * 3):
        assert column.start(rows, seeds)().ids.tolist() == expected


def test_real_tokens_are_taken_out_and_put_back() -> None:
    found = pad_tokens([np.array([5, EOS]), np.array([5, 6, 7, EOS]), np.array([EOS])])
    values = torch.arange(24.0).view(3, 4, 2)
    # The places are found before the tokens move, or when they are asked for.
    for each in (found, found.to(torch.device("cpu"))):
        assert torch.equal(each.real(values), values[found.mask])
        assert each.real(each.ids).tolist() == [5, EOS, 5, 6, 7, EOS, EOS]
        assert each.spread(torch.arange(1, 8)).tolist() == [[1, 2, 0, 0], [3, 4, 5, 6], [7, 0, 0, 0]]


def test_every_tensor_of_moved_tokens_has_a_row_a_sequence() -> None:
    given = pad_tokens([np.array([5, EOS]), np.array([EOS])])
    moved = replace(given, copies=Copies(given.ids, 9)).to(torch.device("cpu"))
    assert moved.copies is not None
    assert moved.copies.words == 9
    assert [len(each) for each in (moved.ids, moved.lengths, moved.copies.ids)] == [2, 2, 2]
    # The places of real tokens are none of the fields, whose tensors are taken row by row.
    assert {field.name for field in fields(moved)} == {"ids", "lengths", "copies"}


def test_places_found_in_inference_serve_training() -> None:
    found = pad_tokens([np.array([5, EOS]), np.array([EOS])])
    with torch.inference_mode():
        found.real(found.ids)
    weights = torch.ones(2, 2, 3, requires_grad=True)
    found.real(weights * 2).sum().backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
