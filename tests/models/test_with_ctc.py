"""A decoder and CTC as one: a search over both against loops over the definition.

B=4 sources, K=4 hypotheses of each, at most 5 tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from combinations import MIXTURES, READERS, WITHOUT_ATTENTION
from ctc_paths import Target, prefixes, targets
from tiny import TARGET_VOCABULARY, built, row_of, scored, tokens

from attncli.data.packs import Packs
from attncli.data.tokens import Tokens, pad_tokens
from attncli.decoding.constraints import Constraints
from attncli.decoding.search import Hypothesis, search
from attncli.decoding.strategies import BestK, Sampling, Strategy
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.ensemble import Ensemble
from attncli.models.network import Network
from attncli.models.with_ctc import NetworkWithCTC
from attncli.text.tokenizer import BOS, EOS, PAD, UNK

SOURCE = tokens([4, 5, 6], [7], [8, 9, 4, 5, 6], [9, 9])
K, LONGEST, ALPHA = 4, 5, 0.7
# Of the vocabulary only these may be written, so that all targets can be enumerated.
LABELS = (UNK, 4, 5)
ONLY = Constraints(forbidden=[each for each in range(TARGET_VOCABULARY) if each not in (*LABELS, EOS)])
DECODERS = {
    "none": WITHOUT_ATTENTION["none"],
    "feeding": READERS["feeding-additive"],
    "aware": READERS["previous-aware"],
    "transformer": MIXTURES["transformer-transformer"],
}
EVERY_DECODER = pytest.mark.parametrize("overrides", DECODERS.values(), ids=list(DECODERS))


def model_of(overrides: Sequence[str], *, seed: int = 3) -> EncoderDecoder:
    model = built(*overrides, "model.ctc={weight: 0.4}", seed=seed)
    assert model.ctc is not None
    with torch.no_grad():
        model.ctc.output.classify.bias[list(range(6, TARGET_VOCABULARY))] -= 30.0  # hardly ever other labels
    return model


def found_by(
    network: Network, source: Any = SOURCE, *, strategy: Strategy | None = None, **changes: Any
) -> list[list[Hypothesis]]:
    asked = {"beam_size": K, "max_length": LONGEST, "length_penalty": ALPHA, "with_weights": True, "constraints": ONLY}
    return search(network.decoder, network.encode(source), strategy=strategy or BestK(), **{**asked, **changes})


@torch.inference_mode()
def by_definition(model: EncoderDecoder, at: int, weight: float) -> dict[Target, float]:
    """Return the joint score of every target of source `at`, closed by the end symbol, that CTC can write."""
    assert model.ctc is not None
    source = row_of(SOURCE, at)
    log_probs = model.ctc.log_probs(model.encode(source))[0]
    known = targets(log_probs)
    enough = [each for each in known if len(each) < LONGEST]
    rows = pad_tokens([np.array([*each, EOS]) for each in enough])
    repeated = Tokens(source.ids.expand(len(enough), -1), source.lengths.expand(len(enough)))
    own = scored(model, repeated, rows)[0].sum(1).tolist()
    return {
        (*target, EOS): weight * math.log(known[target]) + (1 - weight) * score
        for target, score in zip(enough, own, strict=True)
    }


def penalised(score: float, target: Sequence[int]) -> float:
    return float(score / ((5 + len(target)) / 6) ** ALPHA)


@EVERY_DECODER
@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_every_hypothesis_has_the_weighted_sum_of_both_scores(overrides: tuple[str, ...], weight: float) -> None:
    model = model_of(overrides)
    finished = 0
    for at, ranked in enumerate(found_by(NetworkWithCTC(model, weight))):
        known = by_definition(model, at, weight)
        assert len({each.tokens for each in ranked}) == len(ranked) > 0
        for found in ranked:
            assert sum(found.token_log_probs) == pytest.approx(found.log_prob, abs=1e-4)
            if found.tokens[-1] == EOS:
                finished += 1
                assert found.log_prob == pytest.approx(known[found.tokens], abs=1e-4)
                assert found.score == pytest.approx(penalised(known[found.tokens], found.tokens), abs=1e-4)
    assert finished > 8


@EVERY_DECODER
def test_a_wide_beam_finds_the_best_of_all_targets(overrides: tuple[str, ...]) -> None:
    model = model_of(overrides)
    for at, ranked in enumerate(found_by(NetworkWithCTC(model, 0.3), beam_size=300)):
        known = by_definition(model, at, 0.3)
        best = sorted(known, key=lambda target: -penalised(known[target], target))[:K]
        finished = [each.tokens for each in ranked if each.tokens[-1] == EOS]
        assert finished[:K] == best


@EVERY_DECODER
def test_forcing_a_target_gives_the_score_it_was_found_with(overrides: tuple[str, ...]) -> None:
    network = NetworkWithCTC(model_of(overrides), 0.4)
    for strategy in (BestK(), Sampling(seed=5)):
        for at, ranked in enumerate(found_by(network, strategy=strategy)):
            for found in ranked:
                with torch.inference_mode():
                    memory = network.encode(row_of(SOURCE, at))
                    forced = network.force_target(memory, pad_tokens([np.array(found.tokens)]))
                assert forced.log_probs[0].tolist() == pytest.approx(found.token_log_probs, abs=1e-4)
                if forced.weights is None:
                    assert found.weights is None
                else:
                    assert found.weights is not None
                    np.testing.assert_allclose(found.weights, forced.weights[0].numpy(), atol=1e-5)


def test_forced_targets_of_a_batch_are_forced_as_alone() -> None:
    network = NetworkWithCTC(model_of(DECODERS["feeding"]), 0.4)
    given = [np.array(each) for each in ([4, 5, EOS], [EOS], [4, 4, 5, UNK, EOS], [5, EOS])]
    with torch.inference_mode():
        together = network.force_target(network.encode(SOURCE), pad_tokens(given)).log_probs
        for at, target in enumerate(given):
            alone = network.force_target(network.encode(row_of(SOURCE, at)), pad_tokens([target])).log_probs
            assert together[at, : len(target)].tolist() == pytest.approx(alone[0].tolist(), abs=1e-5)
            assert together[at, len(target) :].tolist() == [0] * (5 - len(target))


def test_a_batch_is_decoded_as_its_rows_alone() -> None:
    network = NetworkWithCTC(model_of(DECODERS["transformer"]), 0.4)
    for at, ranked in enumerate(found_by(network)):
        [alone] = found_by(network, row_of(SOURCE, at))
        assert [each.tokens for each in alone] == [each.tokens for each in ranked]
        assert [each.log_prob for each in alone] == pytest.approx([each.log_prob for each in ranked], abs=1e-4)


def test_with_all_the_weight_a_beam_of_one_takes_the_likeliest_token_of_ctc_each_time() -> None:
    model = model_of(DECODERS["feeding"])
    assert model.ctc is not None
    for at, [found] in enumerate(found_by(NetworkWithCTC(model, 1.0), beam_size=1)):
        with torch.inference_mode():
            known = targets(model.ctc.log_probs(model.encode(row_of(SOURCE, at)))[0])
        begun = prefixes(known)
        written: Target = ()
        while len(written) < LONGEST and written[-1:] != (EOS,):
            ends = known.get(written, 0.0)
            token = max(LABELS, key=lambda label: begun.get((*written, label), 0.0))
            written = (*written, EOS if ends > begun.get((*written, token), 0.0) else token)
        assert found.tokens == written


def test_no_score_rises_as_a_target_grows() -> None:
    """The rule by which a search stops early needs it."""
    for ranked in found_by(NetworkWithCTC(model_of(DECODERS["aware"]), 0.6), strategy=Sampling(seed=2), beam_size=9):
        for found in ranked:
            assert max(found.token_log_probs) <= 0


def test_a_prefix_beyond_the_positions_of_a_source_is_not_found() -> None:
    network = NetworkWithCTC(model_of(DECODERS["feeding"]), 0.3)
    asked = Constraints(forbidden=ONLY.forbidden, prefixes=[[4, 4, 4]] * 4)
    for strategy in (BestK(), Sampling(seed=1)):
        found = found_by(network, constraints=asked, strategy=strategy)
        # "4 4 4" needs five positions; the sources have 4, 2, 6 and 3, their end symbols counted.
        assert [bool(ranked) for ranked in found] == [False, False, True, False]


@torch.inference_mode()
def test_an_ensemble_joins_the_means_of_both_probabilities() -> None:
    models = [model_of(DECODERS[name], seed=seed) for seed, name in enumerate(("feeding", "none", "transformer"))]
    network = NetworkWithCTC(Ensemble(models), 0.3)
    for at, ranked in enumerate(found_by(network, Packs((SOURCE,) * 3))):
        for found in ranked[:2]:
            source, total = row_of(SOURCE, at), 0.0
            own = [scored(model, source, pad_tokens([np.array(found.tokens)]))[0][0].exp() for model in models]
            begun = []
            for model in models:
                assert model.ctc is not None
                begun.append(prefixes(targets(model.ctc.log_probs(model.encode(source))[0])))
            ends = [targets_of(model, source) for model in models]
            for step, token in enumerate(found.tokens):
                before = found.tokens[:step]
                quotients = [
                    (of_ends.get(before, 0.0) if token == EOS else known.get((*before, token), 0.0)) / known[before]
                    for known, of_ends in zip(begun, ends, strict=True)
                ]
                total += 0.3 * math.log(sum(quotients) / 3) + 0.7 * math.log(sum(float(each[step]) for each in own) / 3)
            assert found.log_prob == pytest.approx(total, abs=1e-3)


def targets_of(model: EncoderDecoder, source: Tokens) -> dict[Target, float]:
    assert model.ctc is not None
    return targets(model.ctc.log_probs(model.encode(source))[0])


def test_an_ensemble_has_ctc_where_all_its_models_have_it() -> None:
    one, other = model_of(DECODERS["none"]), built(*DECODERS["none"])
    assert Ensemble([one, one]).prefixes is not None
    assert Ensemble([one, other]).prefixes is None
    assert [Ensemble([one, other]).ctc_weight, Ensemble([other, one]).ctc_weight] == [0.4, 0.0]


def test_the_loss_joins_both_sums_over_the_same_terms() -> None:
    model, target = model_of(DECODERS["feeding"]), tokens([4, 5], [UNK], [5, 5, 4], [4])
    assert model.ctc is not None
    loss = model.loss(SOURCE, target, label_smoothing=0.0)
    ctc = model.ctc
    model.ctc = None
    own = model.loss(SOURCE, target, label_smoothing=0.0)
    by_ctc = ctc.loss(model.encode(SOURCE), target)
    assert loss.terms == own.terms == 11
    assert loss.total.item() == pytest.approx(0.4 * by_ctc.item() + 0.6 * own.total.item(), rel=1e-5)
    assert loss.reported.item() == pytest.approx(loss.total.item(), rel=1e-5)
    assert {name: part.item() for name, part in loss.parts.items()} == pytest.approx(
        {"cross_entropy": own.reported.item(), "ctc": by_ctc.item()}, rel=1e-5
    )
    assert own.parts == {}


def test_the_losses_of_parts_of_a_batch_add_up() -> None:
    model = model_of(DECODERS["aware"])
    sources, written = ([4, 5, 6], [7], [8, 9, 4, 5, 6], [9, 9]), ([4, 5], [UNK, UNK], [5, 5, 4], [4])
    whole = model.loss(tokens(*sources), tokens(*written), label_smoothing=0.1)
    parts = [model.loss(tokens(*sources[rank::2]), tokens(*written[rank::2]), label_smoothing=0.1) for rank in range(2)]
    assert sum(part.terms for part in parts) == whole.terms
    assert sum(part.total.item() for part in parts) == pytest.approx(whole.total.item(), rel=1e-5)
    for name, value in whole.parts.items():
        assert sum(part.parts[name].item() for part in parts) == pytest.approx(value.item(), rel=1e-5)


def test_half_precision_of_the_network_leaves_the_probabilities_of_prefixes_whole() -> None:
    model = model_of(DECODERS["feeding"]).to(torch.bfloat16)
    network = NetworkWithCTC(model, 0.5)
    for at, ranked in enumerate(found_by(network)):
        with torch.inference_mode():
            forced = network.force_target(
                network.encode(row_of(SOURCE, at)), pad_tokens([np.array(ranked[0].tokens)])
            ).log_probs
        assert ranked[0].log_prob == pytest.approx(float(forced.sum()), abs=0.2)
        assert max(ranked[0].token_log_probs) <= 0


def test_there_are_several_targets_for_each_source() -> None:
    """What the tests above compare is no single target."""
    model = model_of(DECODERS["feeding"])
    assert [len(by_definition(model, at, 0.5)) for at in range(4)] == [
        len({each for length in range(5) for each in product(LABELS, repeat=length) if fits(each, positions)})
        for positions in (4, 2, 6, 3)
    ]


def fits(target: Target, positions: int) -> bool:
    return len(target) + sum(one == other for one, other in pairwise(target)) <= positions


def test_special_symbols_are_never_written() -> None:
    for ranked in found_by(NetworkWithCTC(model_of(DECODERS["none"]), 0.5), constraints=Constraints()):
        for found in ranked:
            assert not {PAD, BOS} & set(found.tokens)
            assert EOS not in found.tokens[:-1]
