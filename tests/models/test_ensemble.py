"""The mean of several models: a search over it against a loop over the definition, for mixtures of all networks.

B=4 sources, K=4 hypotheses of each, at most 6 tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import pytest
import torch
from combinations import MIXTURES, READERS, SELECTION, WINDOW, WITHOUT_ATTENTION
from tiny import TARGET_VOCABULARY, built, built_for_images, close, row_of, scored, tokens

from attncli.data.packs import Packs
from attncli.data.tokens import Tokens, pad_tokens
from attncli.decoding.search import Hypothesis, search
from attncli.decoding.strategies import BestK
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.ensemble import Ensemble, log_mean
from attncli.text.tokenizer import BOS, EOS, PAD

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5], [9, 9])
K, LONGEST, ALPHA = 4, 6, 0.7
CHOICES = cycle((*WINDOW[window], *SELECTION[selection]) for selection in SELECTION for window in WINDOW)
NETWORKS = {
    name: (*overrides, *(() if name in WITHOUT_ATTENTION else next(CHOICES))) for name, overrides in READERS.items()
} | MIXTURES


def model_of(name: str, *, seed: int = 3) -> EncoderDecoder:
    model = built(*NETWORKS[name], seed=seed, spread=1.6)
    with torch.no_grad():
        model.decoder.output.classify.bias[EOS] += 1.0
    return model


def found_by(ensemble: Ensemble, source: Tokens = SOURCE, **changes: Any) -> list[list[Hypothesis]]:
    asked = {"beam_size": K, "max_length": LONGEST, "length_penalty": ALPHA, "with_weights": True, **changes}
    memory = ensemble.encode(Packs((source,) * len(ensemble.members)))
    return search(ensemble.decoder, memory, strategy=BestK(), **asked)


def by_definition(
    models: Sequence[EncoderDecoder], source: Tokens, targets: Sequence[Sequence[int]]
) -> list[list[float]]:
    """Return the logarithm of the mean probability of each token of each of `targets`, one for each of `source`."""
    given = pad_tokens([np.array(target) for target in targets])
    with torch.inference_mode():
        found = [scored(model, source, given)[0].double().exp().tolist() for model in models]
    return [
        [math.log(sum(each[row][at] for each in found) / len(models)) for at in range(len(target))]
        for row, target in enumerate(targets)
    ]


def test_the_mean_is_of_probabilities_and_does_not_underflow() -> None:
    one, other = torch.tensor([0.9, 0.1]).log(), torch.tensor([0.2, 0.8]).log()
    close(log_mean([one, other]).exp(), torch.tensor([0.55, 0.45]))
    close(log_mean([torch.tensor([-900.0]), torch.tensor([-902.0])]), torch.tensor([-900.0 + math.log(0.567667641)]))
    assert float(log_mean([torch.tensor(0.0), torch.tensor(-math.inf)])) == pytest.approx(math.log(0.5))


def test_every_hypothesis_of_every_mixture_is_worth_the_mean_of_its_models() -> None:
    names = [*NETWORKS]
    half = (len(names) + 1) // 2
    # Neighbours are alike, so each is joined with one far from it.
    for one, other in zip(names[:half], names[-half:], strict=True):
        models = [model_of(one), model_of(other, seed=4)]
        found = found_by(Ensemble(models))
        assert all(len({hypothesis.tokens for hypothesis in hypotheses}) == K for hypotheses in found)
        written = [hypothesis for hypotheses in found for hypothesis in hypotheses]
        repeated = Tokens(SOURCE.ids.repeat_interleave(K, 0), SOURCE.lengths.repeat_interleave(K))
        expected = by_definition(models, repeated, [hypothesis.tokens for hypothesis in written])
        for hypothesis, each in zip(written, expected, strict=True):
            assert hypothesis.token_log_probs == pytest.approx(each, abs=1e-4), (one, other)
            assert hypothesis.log_prob == pytest.approx(sum(each), abs=1e-4), (one, other)


THREE = ("current-additive", "none", "transformer-transformer")


def test_a_beam_that_holds_everything_finds_everything() -> None:
    models, source = [model_of(name, seed=at) for at, name in enumerate(THREE)], tokens([4, 5, 6], [7])
    words = [token for token in range(TARGET_VOCABULARY) if token not in (PAD, BOS, EOS)]
    possible = [(*start, EOS) for length in range(2) for start in product(words, repeat=length)]
    possible += product(words, repeat=2)
    found = found_by(Ensemble(models), source, beam_size=len(possible) + 2, max_length=2, length_penalty=0.0)
    for at, hypotheses in enumerate(found):
        assert {hypothesis.tokens for hypothesis in hypotheses} == set(possible)
        row = row_of(source, at)
        repeated = Tokens(row.ids.expand(len(possible), -1), row.lengths.expand(len(possible)))
        expected = by_definition(models, repeated, [hypothesis.tokens for hypothesis in hypotheses])
        assert [h.log_prob for h in hypotheses] == pytest.approx([sum(each) for each in expected], abs=1e-4)


def test_a_batch_is_decoded_as_its_rows_alone() -> None:
    ensemble = Ensemble([model_of(name, seed=at) for at, name in enumerate(THREE)])
    for at, hypotheses in enumerate(found_by(ensemble)):
        [alone] = found_by(ensemble, row_of(SOURCE, at))
        assert [h.tokens for h in alone] == [h.tokens for h in hypotheses]
        assert [h.log_prob for h in alone] == pytest.approx([h.log_prob for h in hypotheses], abs=1e-4)


def test_every_model_writes_only_what_may_be_written_for_each_source() -> None:
    allowed = torch.rand(len(SOURCE), TARGET_VOCABULARY, generator=torch.Generator().manual_seed(5)) < 0.5
    allowed[:, EOS] = True
    models = [model_of(name, seed=at) for at, name in enumerate(THREE)]
    ensemble = Ensemble(models)
    asked = {"beam_size": K, "max_length": LONGEST, "length_penalty": ALPHA, "strategy": BestK()}
    with torch.inference_mode():
        memory = ensemble.narrowed(ensemble.encode(Packs((SOURCE,) * len(models))), allowed)
    found = search(ensemble.decoder, memory, **asked)  # type: ignore[arg-type]
    for at, hypotheses in enumerate(found):
        limited = [model_of(name, seed=number) for number, name in enumerate(THREE)]
        with torch.no_grad():
            for model in limited:
                model.decoder.output.classify.bias[~allowed[at]] = -torch.inf
        [expected] = found_by(Ensemble(limited), row_of(SOURCE, at))
        assert [h.tokens for h in hypotheses] == [h.tokens for h in expected]
        assert [h.log_prob for h in hypotheses] == pytest.approx([h.log_prob for h in expected], abs=1e-4)


@pytest.mark.parametrize("name", THREE)
def test_a_model_with_itself_finds_what_it_finds_alone(name: str) -> None:
    model = model_of(name)
    asked = {"beam_size": K, "max_length": LONGEST, "length_penalty": ALPHA, "with_weights": True}
    alone = search(model.decoder, model.encode(SOURCE), strategy=BestK(), **asked)  # type: ignore[arg-type]
    for count in (2, 3):
        for together, expected in zip(found_by(Ensemble([model] * count)), alone, strict=True):
            assert [h.tokens for h in together] == [h.tokens for h in expected]
            assert [h.score for h in together] == pytest.approx([h.score for h in expected], abs=1e-5)
            for one, other in zip(together, expected, strict=True):
                assert (one.weights is None) == (other.weights is None)
                if one.weights is not None and other.weights is not None:
                    np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)


def test_a_forced_target_has_the_mean_and_the_weights_of_the_first() -> None:
    models = [model_of("feeding-general"), model_of("none"), model_of("previous-additive")]
    ensemble, target = Ensemble(models), tokens([4], [5, 6, 7], [8, 9], [])
    with torch.inference_mode():
        memory = ensemble.encode(Packs((SOURCE,) * 3))
        forced = ensemble.force_target(memory, target)
        log_probs, weights = scored(models[0], SOURCE, target)
        heads = ensemble.head_weights(Packs((SOURCE,) * 3), memory, target)
    assert not torch.equal(forced.log_probs, log_probs)
    for at in range(len(SOURCE)):
        length = int(target.lengths[at])
        [expected] = by_definition(models, row_of(SOURCE, at), [target.ids[at, :length].tolist()])
        assert forced.log_probs[at, :length].tolist() == pytest.approx(expected, abs=1e-4)
        assert (forced.log_probs[at, length:] == 0).all()
    assert forced.weights is not None
    assert weights is not None
    assert heads.cross is not None
    close(forced.weights, weights)
    close(heads.cross[:, 0, 0], weights)


def test_models_may_see_an_image_at_different_resolutions() -> None:
    coarse = built("model.attention={score: general}", seed=1)
    fine = built_for_images("model.attention={score: additive}", seed=2)
    for models in ([fine, coarse], [coarse, fine]):
        ensemble = Ensemble(models)
        memory = ensemble.encode(Packs((SOURCE, SOURCE)))
        assert memory.parts == models[0].encode(SOURCE).parts
        [first, *_] = found_by(ensemble)
        assert first[0].weights is not None
        positions = int(memory.mask[0].sum())
        assert first[0].weights.shape == (len(first[0].tokens), positions)
        [expected] = by_definition(models, row_of(SOURCE, 0), [first[0].tokens])
        assert first[0].log_prob == pytest.approx(sum(expected), abs=1e-4)
