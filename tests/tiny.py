"""Configurations and models small enough to be built by the hundred."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from attncli.assembly.model import build_model
from attncli.config.load import check_config
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.yaml_core import parse_yaml
from attncli.data.tokens import Tokens
from attncli.models.build import build_decoder
from attncli.models.decoders.decoder import Decoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory
from attncli.text.tokenizer import EOS, PAD

TINY = Path(__file__).parent / "tiny.yaml"
SOURCE_VOCABULARY, TARGET_VOCABULARY = 13, 11

Part = TypeVar("Part", bound=nn.Module)


@cache
def configured(*overrides: str) -> TranslationConfig:
    """Return the tiny configuration with `overrides` (`a.b=c`), many times faster than `read_config` does."""
    values = deepcopy(_parsed(TINY.read_text()))
    for override in overrides:
        key, _, text = override.partition("=")
        *parents, last = key.split(".")
        at = values
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = deepcopy(_parsed(text))  # a later override may change what is in it
    config = check_config(values, where="tiny.yaml")
    assert isinstance(config, TranslationConfig)
    return config


@cache
def _parsed(text: str) -> Any:
    return parse_yaml(text, where="tiny.yaml")


def built(*overrides: str, seed: int = 1, spread: float = 1.0) -> EncoderDecoder:
    """Return a tiny model for evaluation, whose weights are all random and far enough from 0 to matter."""
    config = configured(*overrides)
    source_vocabulary = TARGET_VOCABULARY if config.model.tied_embeddings == "all" else SOURCE_VOCABULARY
    model = build_model(config, source_vocabulary=source_vocabulary, target_vocabulary=TARGET_VOCABULARY)
    return randomised(model, seed=seed, spread=spread)


class Images(Encoder):
    """Memories of three images whose regions are learned; a source names its image by its first token."""

    GRID = (2, 3)

    def __init__(self, memory_size: int):
        super().__init__()
        self.memory_size = memory_size
        self.regions = nn.Parameter(torch.empty(3, self.GRID[0] * self.GRID[1], memory_size))

    def forward(self, source: Tokens) -> Memory:
        states = self.regions[source.ids[:, 0] % 3]
        return Memory.of(states, torch.ones(states.shape[:2], dtype=torch.bool), states.mean(1), self.GRID)


def built_for_images(*overrides: str, seed: int = 1, spread: float = 1.0) -> EncoderDecoder:
    """Return a tiny model over grids of regions, for evaluation, with random weights."""
    model = configured(*overrides).model
    encoder = Images(model.encoder.hidden_size)
    embedding = nn.Embedding(TARGET_VOCABULARY, model.embedding_size, padding_idx=PAD)
    decoder = build_decoder(model.decoder, embedding, model, memory_size=encoder.memory_size, memory_axes=2)
    return randomised(EncoderDecoder(encoder, decoder), seed=seed, spread=spread)


def randomised(model: EncoderDecoder, *, seed: int, spread: float) -> EncoderDecoder:
    """Return `model` for evaluation, with weights that are all random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(spread * torch.randn(parameter.shape, generator=generator) * 0.5)
    return model.eval()


def part_of(whole: nn.Module, path: str, kind: type[Part]) -> Part:
    """Return the module at `path` of `whole`, such as `decoder.attention.score`, which is of this kind."""
    found = whole.get_submodule(path)
    assert isinstance(found, kind)
    return found


def tokens(*rows: list[int]) -> Tokens:
    """Return `rows` closed by the end symbol and padded."""
    closed = [[*row, EOS] for row in rows]
    width = max(map(len, closed))
    ids = torch.tensor([row + [PAD] * (width - len(row)) for row in closed])
    return Tokens(ids, torch.tensor([len(row) for row in closed]))


def row_of(batch: Tokens, at: int) -> Tokens:
    """Return row `at` of `batch` alone, without its padding."""
    length = batch.lengths[at : at + 1]
    return Tokens(batch.ids[at : at + 1, : int(length)], length)


def read_whole(decoder: Decoder, tokens: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
    """Return logits [B, T, V] and weights [B, T, S] after each of `tokens` [B, T], the begin symbol first."""
    forced = decoder.force(tokens, decoder.prepare(memory))
    return decoder.output(forced.features), forced.weights


def scored(model: EncoderDecoder, source: Any, target: Tokens) -> tuple[Tensor, Tensor | None]:
    """Return the log-probability [B, T] of every token of `target`, 0 on padding, and the weights [B, T, S]."""
    forced = model.force(source, target)
    return model.log_probs_of(forced, target), forced.weights


def close(found: Tensor, expected: Tensor, *, tolerance: float = 1e-5) -> None:
    """Assert that the two are nearly equal."""
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
