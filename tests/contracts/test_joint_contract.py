"""What holds for every decoder over two memories, in either order.

B=3 sources, K=4 hypotheses of each, at most 6 tokens; 4 regions and up to 6 tokens of a question.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest
import torch
from given_batch import Given, Numbers
from joint import ORDERS, QUESTIONS, READING, REGIONS, built_joint, source_of, sources
from tiny import close, row_of, scored, tokens

from attncli.config.search import Search
from attncli.data.tokens import pad_tokens
from attncli.decoding.search import Hypothesis, search
from attncli.decoding.strategies import BestK
from attncli.decoding.writer import Writer
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Part
from attncli.text.tokenizer import EOS

TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
K, LONGEST, ALPHA = 4, 6, 0.7
EVERY_DECODER = pytest.mark.parametrize("overrides", READING.values(), ids=list(READING))
# One order each, neighbours another.
EVERY_DECODER_ONCE = pytest.mark.parametrize(
    ("overrides", "order"), list(zip(READING.values(), cycle(ORDERS), strict=False)), ids=list(READING)
)
EITHER_ORDER = pytest.mark.parametrize("order", ORDERS)


def positions(at: int) -> int:
    return REGIONS + int(QUESTIONS.lengths[at])


def real_of(model: EncoderDecoder, at: int, order: str) -> torch.Tensor:
    """Return which positions of the whole batch are real for a source."""
    return model.encode(sources(order)).mask[at]


@EITHER_ORDER
def test_a_memory_has_a_part_for_each_encoder_in_order(order: str) -> None:
    memory = built_joint(order=order).encode(sources(order))
    parts = {"image": Part(REGIONS, (2, 2), "image"), "question": Part(6, None, "question")}
    assert memory.parts == tuple(parts[name] for name in order.split())
    masks = {"image": torch.ones(3, REGIONS, dtype=torch.bool), "question": QUESTIONS.mask}
    assert torch.equal(memory.mask, torch.cat([masks[name] for name in order.split()], 1))


@EVERY_DECODER_ONCE
def test_a_training_step_reaches_every_parameter(overrides: tuple[str, ...], order: str) -> None:
    model = built_joint(*overrides, order=order).train()
    torch.manual_seed(3)
    model.loss(sources(order), TARGET, label_smoothing=0.1).total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@EVERY_DECODER
@torch.inference_mode()
def test_a_batch_gives_what_its_rows_give_alone(overrides: tuple[str, ...]) -> None:
    order = "question image"  # with padding before real positions
    model = built_joint(*overrides, order=order)
    log_probs, weights = scored(model, sources(order), TARGET)
    for at in range(3):
        alone, weights_alone = scored(model, source_of(at, order), row_of(TARGET, at))
        steps, real = alone.shape[1], real_of(model, at, order)
        close(alone[0], log_probs[at, :steps])
        if weights is None or weights_alone is None:
            assert weights is weights_alone is None
        else:
            close(weights_alone[0], weights[at, :steps, real])
            assert (weights[at][:, ~real] == 0).all()


def found_by(model: EncoderDecoder, source: Any) -> list[list[Hypothesis]]:
    return search(
        model.decoder,
        model.encode(source),
        strategy=BestK(),
        beam_size=K,
        max_length=LONGEST,
        length_penalty=ALPHA,
        with_weights=True,
    )


@EVERY_DECODER
@EITHER_ORDER
def test_every_hypothesis_is_worth_what_it_says(overrides: tuple[str, ...], order: str) -> None:
    model = built_joint(*overrides, order=order, seed=3, spread=1.2)
    for at, hypotheses in enumerate(found_by(model, sources(order))):
        assert len({hypothesis.tokens for hypothesis in hypotheses}) == K
        for hypothesis in hypotheses:
            assert_rescored(model, at, order, hypothesis)


def assert_rescored(model: EncoderDecoder, at: int, order: str, found: Any) -> None:
    """Assert that a forced reading of the source alone gives the numbers of a hypothesis, marks included."""
    target = pad_tokens([np.array([int(token) for token in found.tokens])])
    with torch.inference_mode():
        forced = model.force(source_of(at, order), target)
        log_probs = model.log_probs_of(forced, target)
    assert found.log_prob == pytest.approx(float(log_probs.sum()), abs=1e-4)
    if forced.weights is None:
        assert found.weights is None
        return
    assert found.weights.shape == (len(found.tokens), positions(at))
    np.testing.assert_allclose(found.weights, forced.weights[0].numpy(), atol=1e-4)
    if forced.marks is None:
        assert found.marks is None
    else:
        assert forced.marks.chosen is not None
        assert found.marks.chosen.tolist() == forced.marks.chosen[0].tolist()


@EITHER_ORDER
def test_a_choice_beyond_the_padding_is_met(order: str) -> None:
    # The contract above would not see a wrong number of a position that no choice falls on.
    model = built_joint(*READING["sample"], order=order, seed=3, spread=1.0)
    found = found_by(model, sources(order))[1]  # whose question has 4 positions of padding
    first = REGIONS if order == ORDERS[0] else int(QUESTIONS.lengths[1])
    chosen = {int(at) for each in found if each.marks and each.marks.chosen is not None for at in each.marks.chosen}
    assert min(chosen) < first <= max(chosen) < positions(1)
    for hypothesis in found:
        assert_rescored(model, 1, order, hypothesis)


@pytest.mark.parametrize("name", ["current-additive", "none", "sample", "transformer"])
def test_a_given_target_is_read_by_a_writer_as_by_the_model(name: str) -> None:
    order = "question image"
    model = built_joint(*READING[name], order=order)
    settings = Search(beam_size=2, max_length=5, length_penalty=0.0, batch_size=3)
    writer = Writer(model, Given(sources(order)), Numbers(), settings)  # type: ignore[arg-type]
    memory = model.encode(sources(order))
    targets = [[5, 4, EOS], [6, 7, 8, EOS], [4, EOS]]
    for at, [hypothesis] in enumerate(writer._forced(memory, targets)):
        assert_rescored(model, at, order, hypothesis)
