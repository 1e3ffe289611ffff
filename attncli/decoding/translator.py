"""Translates sentences with a model: read, sorted into batches, searched, put back in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch

from attncli.config.search import Search
from attncli.data.batch import Tokens, pad_tokens
from attncli.decoding.search import BestK, Hypothesis, Strategy, penalty, search
from attncli.decoding.written import WrittenHypothesis
from attncli.errors import DataError
from attncli.machine.device import arithmetic, in_precision
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.rows import map_tensors
from attncli.text.tokenizer import BOS, EOS, UNK, Tokenizers

# Sentences read ahead, so that those of like length share a batch.
READ_AHEAD = 4096

TooLong = Literal["error", "cut"]


@dataclass(frozen=True)
class Translation:
    """A sentence with its translations, best first."""

    source: str
    source_tokens: tuple[str, ...]  # the end symbol included
    hypotheses: tuple[WrittenHypothesis, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the translation as JSON values; weights, windows and choices only where there are any."""
        return {
            "source": self.source,
            "source_tokens": list(self.source_tokens),
            "hypotheses": [found.as_json() for found in self.hypotheses],
        }


@dataclass(frozen=True)
class Inspection:
    """A sentence, a translation of it, and where every layer and head looks; None for what looks nowhere."""

    source: str
    target: str
    source_tokens: tuple[str, ...]  # the end symbol included
    target_tokens: tuple[str, ...]
    read_tokens: tuple[str, ...]  # what the decoder has read when it writes each of `target_tokens`
    encoder: np.ndarray | None  # [layers, heads, source tokens, source tokens]
    decoder: np.ndarray | None  # [layers, heads, target tokens, read tokens]
    cross: np.ndarray | None  # [layers, heads, target tokens, source tokens]


@dataclass(frozen=True)
class _Sentence:
    """A sentence on its way through the search."""

    text: str
    ids: np.ndarray  # closed by the end symbol


@dataclass(frozen=True)
class _How:
    """What is asked of a translation."""

    model: EncoderDecoder  # in the precision of the settings
    settings: Search
    strategy: Strategy
    n_best: int
    with_weights: bool
    replace_unknown: bool


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
        replace_unknown: bool = False,
        strategy: Strategy | None = None,
        first_line: int = 1,
    ) -> Iterator[Translation]:
        """Yield the translations of `sentences` in their order; an empty one for one without a token.

        Some thousand sentences are read before the first answer and sorted into batches of like length. The strategy
        is beam search unless another is given. `replace_unknown` writes, for an unknown token, the source token that
        has the largest weight (Luong et al. 2015, "rare word" experiments; needs attention). A source over
        `settings.max_source_length` is cut or raises a DataError; errors count lines from `first_line`.
        """
        how = _How(
            in_precision(self.model, settings.precision),
            settings,
            strategy or BestK(settings.length_penalty),
            n_best,
            with_weights,
            replace_unknown,
        )
        numbered = enumerate(sentences, start=first_line)
        while chunk := list(islice(numbered, READ_AHEAD)):
            yield from self._translate_chunk(
                [self._read(text, settings.max_source_length, too_long, line=line) for line, text in chunk], how
            )

    def _read(self, text: str, limit: int | None, too_long: TooLong, *, line: int) -> _Sentence:
        ids = self.tokenizers.source.encode(text)
        if limit is not None and len(ids) > limit:
            if too_long == "error":
                raise DataError(
                    f"line {line}: {len(ids)} tokens, but search.max_source_length is {limit}; raise it "
                    "(--max-source-length) or have long sources cut (--too-long cut)"
                )
            ids = ids[:limit]
        return _Sentence(text, np.array([*ids, EOS]))

    def _translate_chunk(self, sentences: Sequence[_Sentence], how: _How) -> Iterator[Translation]:
        real = [at for at, sentence in enumerate(sentences) if len(sentence.ids) > 1]
        real.sort(key=lambda at: len(sentences[at].ids))
        found: dict[int, Translation] = {}
        for first in range(0, len(real), how.settings.batch_size):
            batch = real[first : first + how.settings.batch_size]
            hypotheses = self._search([sentences[at].ids for at in batch], how)
            for at, ranked in zip(batch, hypotheses, strict=True):
                found[at] = self._translation(sentences[at], ranked[: how.n_best], how)
        for at, sentence in enumerate(sentences):
            yield found.get(at) or Translation(sentence.text, (), (WrittenHypothesis("", (), 0.0, 0.0, None),))

    def _search(self, sources: Sequence[np.ndarray], how: _How) -> list[list[Hypothesis]]:
        settings = how.settings
        with self._inference(settings):
            return search(
                how.model.decoder,
                how.model.encode(pad_tokens(sources).to(how.model.device)),
                strategy=how.strategy,
                beam_size=settings.beam_size,
                max_length=settings.max_length,
                length_penalty=settings.length_penalty,
                with_weights=how.with_weights or how.replace_unknown,
            )

    def align(self, pairs: Iterable[tuple[str, str]], *, settings: Search) -> Iterator[Translation]:
        """Yield, for each source and its given target, that target as the one hypothesis, with its weights."""
        model = in_precision(self.model, settings.precision)
        how = _How(model, settings, BestK(settings.length_penalty), 1, with_weights=True, replace_unknown=False)
        for source_text, target_text in pairs:
            source = self._read(source_text, None, "error", line=1)
            target = np.array([*self.tokenizers.target.encode(target_text), EOS])
            with self._inference(settings):
                forced = model.force(self._tokens(source.ids), self._tokens(target))
                log_probs = model.log_probs_of(forced, self._tokens(target))
            total = float(log_probs.sum())
            score = total / float(penalty(torch.tensor(len(target)), settings.length_penalty))
            weights = None if forced.weights is None else forced.weights[0].float().cpu().numpy()
            marks = map_tensors(forced.marks, lambda tensor: tensor[0].cpu())
            hypothesis = Hypothesis(tuple(target.tolist()), total, score, weights, marks)
            yield self._translation(source, [hypothesis], how)

    def inspect(self, pairs: Iterable[tuple[str, str | None]], *, settings: Search) -> Iterator[Inspection]:
        """Yield, for each source and its given target, or the one that is found if None is given, where it looks."""
        model = in_precision(self.model, settings.precision)
        how = _How(model, settings, BestK(settings.length_penalty), 1, with_weights=False, replace_unknown=False)
        for source_text, target_text in pairs:
            source = self._read(source_text, None, "error", line=1)
            if target_text is None:
                ids = self._search([source.ids], how)[0][0].tokens
            else:
                ids = (*self.tokenizers.target.encode(target_text), EOS)
            with self._inference(settings):
                found = model.head_weights(self._tokens(source.ids), self._tokens(np.array(ids)))
            target = self.tokenizers.target
            yield Inspection(
                source_text,
                target.decode(ids),
                tuple(self.tokenizers.source.tokens(source.ids.tolist())),
                tuple(target.tokens(ids)),
                tuple(target.tokens([BOS, *ids[:-1]])),
                *(_of_one(weights) for weights in (found.encoder, found.decoder, found.cross)),
            )

    @contextmanager
    def _inference(self, settings: Search) -> Iterator[None]:
        device = self.model.device
        with torch.inference_mode(), arithmetic(settings.precision, device):
            yield

    def _tokens(self, ids: np.ndarray) -> Tokens:
        return pad_tokens([ids]).to(self.model.device)

    def _translation(self, sentence: _Sentence, ranked: Sequence[Hypothesis], how: _How) -> Translation:
        return Translation(
            sentence.text,
            tuple(self.tokenizers.source.tokens(sentence.ids.tolist())),
            tuple(self._written(sentence, found, how) for found in ranked),
        )

    def _written(self, sentence: _Sentence, found: Hypothesis, how: _How) -> WrittenHypothesis:
        target = self.tokenizers.target
        tokens = target.tokens(found.tokens)
        text = target.decode(found.tokens)
        if how.replace_unknown and found.weights is not None and UNK in found.tokens:
            written = self.tokenizers.source.pieces(sentence.text)[: len(sentence.ids) - 1]
            looked_at = found.weights[:, : len(written)].argmax(-1)
            tokens = [
                written[place] if token == UNK else shown
                for token, shown, place in zip(found.tokens, tokens, looked_at, strict=True)
            ]
            text = target.join(tokens)
        weights, marks = (found.weights, found.marks) if how.with_weights else (None, None)
        return WrittenHypothesis(text, tuple(tokens), found.log_prob, found.score, weights, marks)


def _of_one(weights: torch.Tensor | None) -> np.ndarray | None:
    return None if weights is None else weights[0].float().cpu().numpy()
