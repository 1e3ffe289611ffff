"""Translates sentences with a model: read, sorted into batches, searched, put back in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch

from attncli.config.search import Search
from attncli.data.batch import Tokens, pad_tokens
from attncli.device import arithmetic, autocast
from attncli.errors import DataError
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.search import BestK, Hypothesis, Strategy, search
from attncli.text.tokenizer import EOS, Tokenizers

# Sentences read ahead, so that those of like length share a batch; what a pipe waits for at most.
READ_AHEAD = 4096

TooLong = Literal["error", "cut"]


@dataclass(frozen=True)
class TranslatedHypothesis:
    """One translation of a sentence."""

    text: str
    tokens: tuple[str, ...]  # the end symbol included where the model closed the sentence
    log_prob: float
    score: float  # log_prob over the length penalty
    weights: np.ndarray | None  # [tokens, source tokens], None without attention or where not asked for


@dataclass(frozen=True)
class Translation:
    """A sentence with its translations, best first."""

    source: str
    source_tokens: tuple[str, ...]  # the end symbol included
    hypotheses: tuple[TranslatedHypothesis, ...]


@dataclass(frozen=True)
class _Sentence:
    """A sentence on its way through the search."""

    text: str
    ids: np.ndarray  # closed by the end symbol


@dataclass(frozen=True)
class Translator:
    """A model with the tokenizers of its two sides."""

    model: EncoderDecoder
    tokenizers: Tokenizers

    def translate(
        self,
        sentences: Iterable[str],
        *,
        settings: Search,
        n_best: int = 1,
        too_long: TooLong = "error",
        with_weights: bool = False,
        strategy: Strategy | None = None,
        read_ahead: int = READ_AHEAD,
    ) -> Iterator[Translation]:
        """Yield the translations of `sentences` in their order.

        Up to `read_ahead` sentences are read before the first answer, and sorted into batches of like length. An empty
        sentence has an empty translation. `strategy` is beam search by `settings` unless another is given.
        """
        strategy = strategy or BestK(settings.length_penalty)
        numbered = enumerate(sentences, start=1)
        while chunk := list(islice(numbered, read_ahead)):
            read = [self._read(text, settings.max_source_length, too_long, line=line) for line, text in chunk]
            yield from self._translate_chunk(read, settings, strategy, n_best=n_best, with_weights=with_weights)

    def _read(self, text: str, limit: int | None, too_long: TooLong, *, line: int) -> _Sentence:
        ids = self.tokenizers.source.encode(text)
        if limit is not None and len(ids) > limit:
            if too_long == "error":
                raise DataError(
                    f"sentence {line} has {len(ids)} tokens, but search.max_source_length is {limit}; raise it or ask "
                    "for long sources to be cut (--too-long cut)"
                )
            ids = ids[:limit]
        return _Sentence(text, np.array([*ids, EOS]))

    def _translate_chunk(
        self, sentences: Sequence[_Sentence], settings: Search, strategy: Strategy, *, n_best: int, with_weights: bool
    ) -> Iterator[Translation]:
        real = [at for at, sentence in enumerate(sentences) if len(sentence.ids) > 1]
        real.sort(key=lambda at: len(sentences[at].ids))
        found: dict[int, Translation] = {}
        for first in range(0, len(real), settings.batch_size):
            batch = real[first : first + settings.batch_size]
            hypotheses = self._search(
                [sentences[at].ids for at in batch], settings, strategy, with_weights=with_weights
            )
            for at, ranked in zip(batch, hypotheses, strict=True):
                found[at] = self._translation(sentences[at], ranked[:n_best])
        for at, sentence in enumerate(sentences):
            yield found.get(at) or Translation(sentence.text, (), (TranslatedHypothesis("", (), 0.0, 0.0, None),))

    def _search(
        self, sources: Sequence[np.ndarray], settings: Search, strategy: Strategy, *, with_weights: bool
    ) -> list[list[Hypothesis]]:
        with self._inference(settings):
            return search(
                self.model.decoder,
                self.model.encode(pad_tokens(sources).to(self.model.device)),
                strategy=strategy,
                beam_size=settings.beam_size,
                max_length=settings.max_length,
                length_penalty=settings.length_penalty,
                with_weights=with_weights,
            )

    def align(self, pairs: Iterable[tuple[str, str]], *, settings: Search) -> Iterator[Translation]:
        """Yield, for each source and its given target, that target as the one hypothesis, with its weights."""
        for source_text, target_text in pairs:
            source = self._read(source_text, None, "error", line=1)
            target = np.array([*self.tokenizers.target.encode(target_text), EOS])
            with self._inference(settings), torch.inference_mode():
                log_probs, weights = self.model.log_probs(self._tokens(source.ids), self._tokens(target))
            total = float(log_probs.sum())
            hypothesis = Hypothesis(
                tuple(target.tolist()), total, total, None if weights is None else weights[0].float().cpu().numpy()
            )
            yield self._translation(source, [hypothesis])

    @contextmanager
    def _inference(self, settings: Search) -> Iterator[None]:
        device = self.model.device
        with arithmetic(settings.precision, device), autocast(settings.precision, device):
            yield

    def _tokens(self, ids: np.ndarray) -> Tokens:
        return pad_tokens([ids]).to(self.model.device)

    def _translation(self, sentence: _Sentence, ranked: Sequence[Hypothesis]) -> Translation:
        target = self.tokenizers.target
        return Translation(
            sentence.text,
            tuple(self.tokenizers.source.tokens(sentence.ids.tolist())),
            tuple(
                TranslatedHypothesis(
                    target.decode(found.tokens),
                    tuple(target.tokens(found.tokens)),
                    found.log_prob,
                    found.score,
                    found.weights,
                )
                for found in ranked
            ),
        )
