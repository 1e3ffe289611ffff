"""Writes captions of pictures with a model.

B pictures of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from attncli.config.search import Search
from attncli.decoding.search import BestK, Hypothesis, search
from attncli.decoding.written import WrittenHypothesis
from attncli.machine.device import arithmetic, autocast, in_precision
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.sources.images.batch import Features, Pictures
from attncli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Captioner:
    """A model that reads pictures, with the tokenizer of its captions; `of` makes one."""

    model: EncoderDecoder  # in the precision of the settings
    tokenizer: Tokenizer
    settings: Search

    @classmethod
    def of(cls, model: EncoderDecoder, tokenizer: Tokenizer, settings: Search) -> Captioner:
        """Return one that searches by `settings`, with a copy of `model` where their precision is another."""
        return cls(in_precision(model, settings.precision), tokenizer, settings)

    def caption(self, source: Pictures | Features, *, with_weights: bool = False) -> list[list[WrittenHypothesis]]:
        """Return the captions of each picture of `source`, best first."""
        settings, device = self.settings, self.model.device
        with torch.inference_mode(), arithmetic(settings.precision, device):
            # Pixels come to the first convolution in float32.
            with autocast(settings.precision, device):
                memory = self.model.encode(source.to(device))
            found = search(
                self.model.decoder,
                memory,
                strategy=BestK(settings.length_penalty),
                beam_size=settings.beam_size,
                max_length=settings.max_length,
                length_penalty=settings.length_penalty,
                with_weights=with_weights,
            )
        assert memory.grid is not None, "an encoder of pictures gives the grid"
        grid = memory.grid
        return [[self._written(each, grid, with_marks=with_weights) for each in ranked] for ranked in found]

    def _written(self, found: Hypothesis, grid: tuple[int, int], *, with_marks: bool) -> WrittenHypothesis:
        weights = None if found.weights is None else found.weights.reshape(-1, *grid)
        tokens: Sequence[int] = found.tokens
        text = " ".join(self.tokenizer.decode(tokens).split())
        names = tuple(self.tokenizer.tokens(tokens))
        marks = found.marks if with_marks else None
        return WrittenHypothesis(text, names, found.log_prob, found.score, weights, marks)
