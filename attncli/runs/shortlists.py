"""The shortlist of a run, in a safetensors file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from attncli.errors import RunError
from attncli.files.untrusted import file_inside
from attncli.files.writing import replacing
from attncli.runs.weights import read_weights, write_weights
from attncli.text.shortlist import Shortlist
from attncli.text.tokenizer import Tokenizers

SHORTLIST = "shortlist.safetensors"


def has_shortlist(folder: Path) -> bool:
    """Tell whether the run in `folder` has a shortlist."""
    return (folder / SHORTLIST).exists()


def write_shortlist(shortlist: Shortlist, folder: Path) -> None:
    """Write `shortlist` into the run `folder`."""
    tensors = {
        "translations": torch.from_numpy(shortlist.translations),
        "frequent": torch.from_numpy(shortlist.frequent),
    }
    with replacing(folder / SHORTLIST) as path:
        write_weights(tensors, path)


def read_shortlist(folder: Path, tokenizers: Tokenizers) -> Shortlist:
    """Return the shortlist of the run in `folder`; raises a RunError if there is none for its `tokenizers`."""
    if not has_shortlist(folder):
        raise RunError(
            f"{folder}: has no {SHORTLIST}, since it was begun by an earlier version; learn it from the training data "
            f"with attncli train {folder / 'config.yaml'} --run {folder} --resume --set search.shortlist=5"
        )
    path = file_inside(folder, SHORTLIST)
    tables, size = read_weights(path), tokenizers.target.size
    translations, frequent = (tables.get(name, torch.empty(0)) for name in ("translations", "frequent"))
    has_rows = translations.dim() == 2 and len(translations) == tokenizers.source.size
    if not has_rows or frequent.dim() != 1 or not all(_are_ids(each, size) for each in (translations, frequent)):
        raise RunError(f"{path}: damaged: holds no tables for the vocabularies of the run; restore the file")
    return Shortlist(translations.numpy(), frequent.numpy())


def _are_ids(found: Tensor, vocabulary: int) -> bool:
    return found.dtype == torch.int32 and bool(((found >= 0) & (found < vocabulary)).all())
