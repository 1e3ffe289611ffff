"""What holds for the search with every decoder.

B=4 sources, K=4 hypotheses of each, at most 7 tokens.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import cycle, product
from typing import Any

import numpy as np
import pytest
import torch
from combinations import CELL, MIXTURES, READERS, SELECTION, WINDOW, WITHOUT_ATTENTION
from tiny import TARGET_VOCABULARY, built, read_whole, row_of, scored, tokens

from attncli.data.tokens import Tokens, pad_tokens
from attncli.decoding.constraints import Constraints
from attncli.decoding.search import Hypothesis, search
from attncli.decoding.strategies import BestK, Sampling, Strategy
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.readouts import with_packed_output
from attncli.text.tokenizer import BOS, EOS, PAD

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5], [9, 9])
K, LONGEST, ALPHA = 4, 7, 0.7

# Every reader, each with another cell, depth, window and selection than the one before, and every mixture of kinds.
CHOICES = cycle((*WINDOW[window], *SELECTION[selection]) for selection in SELECTION for window in WINDOW)
DECODERS = {
    f"{name}-{cell}-{depth}": (
        *overrides,
        *CELL[cell],
        f"model.decoder.layers={depth}",
        *(() if name in WITHOUT_ATTENTION else next(CHOICES)),
    )
    for (name, overrides), cell, depth in zip(READERS.items(), cycle(CELL), cycle([1, 2]), strict=False)
} | MIXTURES
EVERY_DECODER = pytest.mark.parametrize("overrides", DECODERS.values(), ids=list(DECODERS))
ONE_OF_EACH_KIND = pytest.mark.parametrize(
    "overrides",
    [
        *WITHOUT_ATTENTION.values(),
        *(READERS[f"{query}-additive"] for query in ("current", "feeding", "previous")),
        (*READERS["current-general"], *WINDOW["local_m"], *SELECTION["reinforce"]),
        (*READERS["feeding-additive"], *WINDOW["local_p"], *SELECTION["soft"]),
        *(MIXTURES[name] for name in ("lstmn-lstmn-feeding", "transformer-transformer_post")),
    ],
)


def model_of(overrides: tuple[str, ...]) -> EncoderDecoder:
    """Return a model that ends some sentences early and others never."""
    model = built(*overrides, seed=3, spread=1.6)
    with torch.no_grad():
        model.decoder.output.classify.bias[EOS] += 1.0
    return model


def found_by(
    model: EncoderDecoder, source: Tokens = SOURCE, *, strategy: Strategy | None = None, **changes: Any
) -> list[list[Hypothesis]]:
    asked = {"beam_size": K, "max_length": LONGEST, "length_penalty": ALPHA, "with_weights": True, **changes}
    strategy = strategy or BestK()
    return search(model.decoder, model.encode(source), strategy=strategy, **asked)


def rescored(model: EncoderDecoder, at: int, written: tuple[int, ...], source: Tokens = SOURCE) -> tuple[float, Any]:
    """Return log-probability and weights of `written` for source `at`, read in one go."""
    with torch.inference_mode():
        log_probs, weights = scored(model, row_of(source, at), pad_tokens([np.array(written)]))
    return float(log_probs.sum()), None if weights is None else weights[0].numpy()


def assert_rescored(model: EncoderDecoder, at: int, hypothesis: Hypothesis) -> None:
    log_prob, weights = rescored(model, at, hypothesis.tokens)
    assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-4, rel=1e-5)
    assert hypothesis.score == pytest.approx(log_prob / ((5 + len(hypothesis.tokens)) / 6) ** ALPHA, abs=1e-4, rel=1e-5)
    if weights is None:
        assert hypothesis.weights is None
    else:
        assert hypothesis.weights is not None
        assert hypothesis.weights.shape == (len(hypothesis.tokens), int(SOURCE.lengths[at]))
        np.testing.assert_allclose(hypothesis.weights, weights, atol=1e-5)


@EVERY_DECODER
def test_every_hypothesis_is_worth_what_it_says(overrides: tuple[str, ...]) -> None:
    model = model_of(overrides)
    for at, hypotheses in enumerate(found_by(model)):
        assert len(hypotheses) == K
        assert len({hypothesis.tokens for hypothesis in hypotheses}) == K
        assert_ranked(hypotheses)
        for hypothesis in hypotheses:
            assert_rescored(model, at, hypothesis)
            assert_closed(hypothesis.tokens)


def assert_ranked(hypotheses: list[Hypothesis]) -> None:
    """Assert that finished hypotheses come first, and that both they and the others go from the best score down."""
    order = [(h.tokens[-1] != EOS, -h.score) for h in hypotheses]
    assert order == sorted(order)


def assert_closed(written: tuple[int, ...]) -> None:
    """Assert that the end symbol is at the end and nowhere else, unless the longest length was reached."""
    assert not {PAD, BOS} & set(written)
    assert EOS not in written[:-1]
    assert written[-1] == EOS or len(written) == LONGEST


def test_the_models_end_some_sentences_early_and_some_not() -> None:
    lengths = {
        len(h.tokens) for overrides in DECODERS.values() for found in found_by(model_of(overrides)) for h in found
    }
    assert len(lengths) > 3
    assert any(
        len({max(len(h.tokens) for h in found) for found in found_by(model_of(overrides))}) > 1
        for overrides in DECODERS.values()
    ), "in some batch sources are done at different times"


@EVERY_DECODER
@pytest.mark.parametrize("beam_size", [1, K])
def test_a_batch_is_decoded_as_its_rows_alone(overrides: tuple[str, ...], beam_size: int) -> None:
    model = model_of(overrides)
    for at, hypotheses in enumerate(found_by(model, beam_size=beam_size)):
        [alone] = found_by(model, row_of(SOURCE, at), beam_size=beam_size)
        assert [h.tokens for h in alone] == [h.tokens for h in hypotheses]
        for one, other in zip(alone, hypotheses, strict=True):
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4, rel=1e-5)
            if one.weights is not None:
                assert other.weights is not None
                np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)


@EVERY_DECODER
def test_a_beam_of_one_takes_the_likeliest_token_each_time(overrides: tuple[str, ...]) -> None:
    model = model_of(overrides)
    for at, [hypothesis] in enumerate(found_by(model, beam_size=1)):
        written = [BOS]
        with torch.inference_mode():
            while len(written) <= LONGEST and written[-1] != EOS:
                logits, _ = read_whole(model.decoder, torch.tensor([written]), model.encode(row_of(SOURCE, at)))
                logits[0, -1, [PAD, BOS]] = -torch.inf
                written.append(int(logits[0, -1].argmax()))
        assert hypothesis.tokens == tuple(written[1:])


CANDIDATES = torch.rand(4, TARGET_VOCABULARY, generator=torch.Generator().manual_seed(2)) < 0.5
CANDIDATES[:, EOS] = True
SEARCHES: dict[str, dict[str, Any]] = {
    "beam": {},
    "greedy": {"beam_size": 1},
    "draws": {"strategy": Sampling(1, temperature=1.3, top_k=5, top_p=0.9)},
    "constrained": {
        "constraints": Constraints(
            min_length=3, no_repeat_ngram_size=2, prefixes=[list(row.nonzero()[-2:, 0]) for row in CANDIDATES]
        )
    },
}


def limited(model: EncoderDecoder, allowed: torch.Tensor) -> EncoderDecoder:
    """Return a copy of `model` whose output layer finds everything but what is `allowed` [V] impossible."""
    found = copy.deepcopy(model)
    with torch.no_grad():
        found.decoder.output.classify.bias[~allowed] = -torch.inf
    return found


@EVERY_DECODER
@pytest.mark.parametrize("asked", SEARCHES.values(), ids=list(SEARCHES))
def test_candidates_are_searched_as_if_each_source_had_a_model_that_writes_no_more(
    overrides: tuple[str, ...], asked: dict[str, Any]
) -> None:
    model = with_packed_output(model_of(overrides))
    asked = {"strategy": BestK(), "beam_size": K, "max_length": LONGEST, "length_penalty": ALPHA, **asked}
    found = search(model.decoder, model.narrowed(model.encode(SOURCE), CANDIDATES), **asked)
    for at, hypotheses in enumerate(found):
        own = dict(asked)
        if "constraints" in own:
            own["constraints"] = replace(own["constraints"], prefixes=[own["constraints"].prefixes[at]])
        own["strategy"] = own["strategy"].for_rows([at])
        alone = limited(model_of(overrides), CANDIDATES[at])
        [expected] = search(alone.decoder, alone.encode(row_of(SOURCE, at)), **own)
        for one, other in zip(hypotheses, expected, strict=True):
            # Of two that differ by rounding alone, which layers of other sizes do otherwise, either may be found.
            assert one.tokens == other.tokens or one.score == pytest.approx(other.score, rel=1e-6)
        assert [h.log_prob for h in hypotheses] == pytest.approx([h.log_prob for h in expected], abs=1e-4, rel=1e-5)
        assert all(CANDIDATES[at, list(h.tokens)].all() for h in hypotheses)


def every_target(longest: int) -> list[tuple[int, ...]]:
    """Return all that may be written with at most `longest` tokens."""
    words = [token for token in range(TARGET_VOCABULARY) if token not in (PAD, BOS, EOS)]
    closed = [(*start, EOS) for length in range(longest) for start in product(words, repeat=length)]
    return [*closed, *product(words, repeat=longest)]


@ONE_OF_EACH_KIND
@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_a_beam_that_holds_everything_finds_everything(overrides: tuple[str, ...], alpha: float) -> None:
    model, source, possible = model_of(overrides), tokens([4, 5, 6], [7]), every_target(3)
    targets = pad_tokens([np.array(written) for written in possible])
    found = found_by(model, source, beam_size=len(possible) + 3, max_length=3, length_penalty=alpha)
    for at, hypotheses in enumerate(found):
        row = row_of(source, at)
        repeated = Tokens(row.ids.expand(len(possible), -1), row.lengths.expand(len(possible)))
        with torch.inference_mode():
            log_probs = scored(model, repeated, targets)[0].sum(1).tolist()
        scores = {
            written: log_prob / ((5 + len(written)) / 6) ** alpha
            for written, log_prob in zip(possible, log_probs, strict=True)
        }
        assert len(hypotheses) == len(possible)
        assert {h.tokens for h in hypotheses} == set(possible)
        assert hypotheses[0].tokens == max(scores, key=lambda written: (written[-1] == EOS, scores[written]))
        for hypothesis in hypotheses:
            assert hypothesis.score == pytest.approx(scores[hypothesis.tokens], abs=1e-4, rel=1e-5)


@ONE_OF_EACH_KIND
def test_every_draw_is_worth_what_it_says(overrides: tuple[str, ...]) -> None:
    model = model_of(overrides)
    strategy = Sampling(1, temperature=1.3)
    for at, hypotheses in enumerate(found_by(model, strategy=strategy)):
        assert len(hypotheses) == K
        for hypothesis in hypotheses:
            assert_rescored(model, at, hypothesis)
            assert_closed(hypothesis.tokens)


@ONE_OF_EACH_KIND
def test_weights_come_only_where_they_are_asked_for(overrides: tuple[str, ...]) -> None:
    found = found_by(model_of(overrides), with_weights=False)
    assert all(hypothesis.weights is None for hypotheses in found for hypothesis in hypotheses)


@ONE_OF_EACH_KIND
@pytest.mark.parametrize("longest", [1, 3])
def test_nothing_is_longer_than_allowed(overrides: tuple[str, ...], longest: int) -> None:
    for hypotheses in found_by(model_of(overrides), max_length=longest):
        assert hypotheses
        assert all(len(hypothesis.tokens) <= longest for hypothesis in hypotheses)
