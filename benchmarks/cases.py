"""What is measured on a device: models and batches, precisions, products to hold them against, and searches."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from attncli.machine.device import Arithmetic, has_bf16

CONFIG = "benchmark"  # as it is shipped
# Source and target pieces of the training text, and its pairs. A log of training counts two end symbols a pair beside.
SOURCE_PIECES, TARGET_PIECES, PAIRS = 428_331, 414_037, 29_000
PIECES_PER_TARGET_TOKEN = (SOURCE_PIECES + TARGET_PIECES) / (TARGET_PIECES + PAIRS)
_VOCABULARY, _EMBEDDING, _HIDDEN = 8000, 256, 512


@dataclass(frozen=True)
class Case:
    """One size of models and batches; a hidden size of None is that of the configuration, with its batches."""

    name: str
    hidden: int | None = None
    batch_tokens: int | None = None

    @property
    def settings(self) -> dict[str, object]:
        """The keys that differ from the configuration, by their full names."""
        if self.hidden is None:
            return {}
        widths = ("model.encoder.hidden_size", "model.decoder.hidden_size", "model.attention.size")
        batches = {"training.batch_tokens": self.batch_tokens, "training.batch_sentences": "null"}
        return {**dict.fromkeys(widths, self.hidden), **batches}

    @property
    def flop_per_target_token(self) -> float:
        """Floating-point operations of the products that one target token costs in training."""
        hidden = self.hidden or _HIDDEN
        of_source = SOURCE_PIECES / (TARGET_PIECES + PAIRS)
        half = hidden // 2  # of a direction
        encoder = 2 * 8 * half * (_EMBEDDING + half) * of_source
        keys, query = 2 * hidden * hidden * of_source, 2 * hidden * hidden
        decoder = 8 * hidden * (_EMBEDDING + 2 * hidden)  # with input feeding
        readout, output = 4 * hidden * hidden, 2 * hidden * _VOCABULARY
        return 3 * (encoder + keys + query + decoder + readout + output)  # forward, and twice that backward


@dataclass(frozen=True)
class Products:
    """Products of square matrices, which tell the rate of a device."""

    name: str
    setting: str  # of torch.set_float32_matmul_precision
    kind: torch.dtype
    size: int


@dataclass(frozen=True)
class Cases:
    """All that is measured on a device."""

    trainings: tuple[Case, ...]
    precisions: dict[Arithmetic, str]  # of training, and the name of the products that each is held against
    products: tuple[Products, ...]
    searches: dict[str, tuple[int, int]]  # beam and batch size
    search_precisions: tuple[str, ...]


def cases_of(device: torch.device) -> Cases:
    """Return what is measured on `device`."""
    if device.type == "cpu":
        precisions: dict[Arithmetic, str] = {"fp32": "fp32 through oneDNN"}
        if has_bf16(device):
            precisions["bf16"] = "bf16"
        products = (
            Products("fp32", "highest", torch.float32, 1024),
            Products("fp32 through oneDNN", "medium", torch.float32, 1024),
            Products("bf16", "highest", torch.bfloat16, 1024),
        )
        searches = {f"{name}, batch {size}": (beam, size) for size in (64, 1) for name, beam in _BEAMS}
        return Cases((Case("as shipped"),), precisions, products, searches, tuple(precisions))
    trainings = tuple(
        Case(f"hidden {hidden}, batches of {tokens:,} tokens", hidden, tokens)
        for hidden in (512, 1024)
        for tokens in (4096, 25_000)
    )
    products = (
        Products("fp32", "highest", torch.float32, 8192),
        Products("tf32", "high", torch.float32, 8192),
        Products("bf16", "highest", torch.bfloat16, 8192),
    )
    searches = {f"{name}, batch {size}": (beam, size) for size in (64, 512, 1) for name, beam in _BEAMS}
    return Cases(trainings, {"fp32": "fp32", "tf32": "tf32", "bf16": "bf16"}, products, searches, ("fp32", "bf16"))


_BEAMS = (("beam 5", 5), ("greedy", 1))
