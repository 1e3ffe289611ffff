"""What holds for every attention: score × window × selection × query × cell, over words and over regions of images.

B=3 sources, K=2 hypotheses of each, T=5 target positions, S=6 source positions or regions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from combinations import attentions
from tiny import TARGET_VOCABULARY, built, built_for_images, close, row_of, scored, tokens

from attncli.data.tokens import pad_tokens
from attncli.decoding.search import search
from attncli.decoding.strategies import BestK
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.rows import take_rows
from attncli.runs.weights import put_weights, read_weights, weights_of, write_weights
from attncli.text.tokenizer import BOS, EOS

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
K = 2

Build = Callable[..., EncoderDecoder]


def follows_an_order(name: str, overrides: tuple[str, ...]) -> bool:
    """Return whether an attention follows the order of words, which regions have not."""
    return "-local_m-" in name or any("location_aware" in override for override in overrides)


ATTENTIONS = {
    **{f"words-{name}": (built, overrides) for name, overrides in attentions().items()},
    **{
        f"regions-{name}": (built_for_images, overrides)
        for name, overrides in attentions().items()
        if not follows_an_order(name, overrides)
    },
}
EVERY_ATTENTION = pytest.mark.parametrize(("build", "overrides"), ATTENTIONS.values(), ids=list(ATTENTIONS))


def test_the_product_is_whole() -> None:
    words, regions = 6 * 3 * 3 * 3 * 3, 6 * 2 * 3 * 3 * 3
    looking_back, over_regions = 3 * 3 * 3 * 3, 2 * 3 * 3
    assert len(ATTENTIONS) == words + regions + looking_back + over_regions


@EVERY_ATTENTION
def test_a_training_step_reaches_every_parameter(build: Build, overrides: tuple[str, ...]) -> None:
    model = build(*overrides, spread=0.7).train()
    torch.manual_seed(3)
    model.loss(SOURCE, TARGET, label_smoothing=0.1).total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@EVERY_ATTENTION
@torch.inference_mode()
def test_stepping_gives_what_forcing_gives(build: Build, overrides: tuple[str, ...]) -> None:
    model = build(*overrides)
    decoder, memory = model.decoder, model.encode(SOURCE)
    written = torch.randint(EOS, TARGET_VOCABULARY, (3 * K, 4), generator=torch.Generator().manual_seed(5))
    prefix = torch.cat([torch.full((3 * K, 1), BOS), written], 1)  # [N, T]
    every_k = torch.arange(3).repeat_interleave(K)
    forced = decoder.force(prefix, decoder.prepare(take_rows(memory, every_k)))
    logits = decoder.output(forced.features)
    prepared = decoder.prepare(memory)
    state = take_rows(decoder.start(prepared), every_k)
    for t in range(prefix.shape[1]):
        step = decoder.step(prefix[:, t], state, prepared)
        close(step.logits, logits[:, t])
        assert step.weights is not None
        assert forced.weights is not None
        close(step.weights, forced.weights[:, t])
        assert_same_marks(step.marks, forced.marks, t)
        state = step.state


def assert_same_marks(step: object, forced: object, t: int) -> None:
    for name in ("centres", "chosen"):
        found, expected = getattr(step, name, None), getattr(forced, name, None)
        if found is None or expected is None:
            assert found is expected is None
        else:
            close(found, expected[:, t])


@EVERY_ATTENTION
@torch.inference_mode()
def test_a_batch_gives_what_its_rows_give_alone(build: Build, overrides: tuple[str, ...]) -> None:
    model = build(*overrides)
    log_probs, weights = scored(model, SOURCE, TARGET)
    assert weights is not None
    positions = model.encode(SOURCE).mask.sum(1).tolist()
    for at in range(3):
        alone, weights_alone = scored(model, row_of(SOURCE, at), row_of(TARGET, at))
        steps = alone.shape[1]
        close(alone[0], log_probs[at, :steps])
        assert weights_alone is not None
        close(weights_alone[0], weights[at, :steps, : positions[at]])
        assert (weights[at, :, positions[at] :] == 0).all()


@EVERY_ATTENTION
def test_every_hypothesis_is_worth_what_it_says(build: Build, overrides: tuple[str, ...]) -> None:
    model = build(*overrides, spread=1.6)
    memory = model.encode(SOURCE)
    found = search(
        model.decoder,
        memory,
        strategy=BestK(),
        beam_size=3,
        max_length=4,
        length_penalty=0.7,
        with_weights=True,
    )
    for at, hypotheses in enumerate(found):
        assert len({hypothesis.tokens for hypothesis in hypotheses}) == len(hypotheses) == 3
        for hypothesis in hypotheses:
            target = pad_tokens([np.array(hypothesis.tokens)])
            with torch.inference_mode():
                forced = model.force(row_of(SOURCE, at), target)
                assert hypothesis.log_prob == pytest.approx(float(model.log_probs_of(forced, target).sum()), abs=1e-4)
            assert hypothesis.weights is not None
            assert forced.weights is not None
            np.testing.assert_allclose(hypothesis.weights, forced.weights[0].numpy(), atol=1e-5)
            for t in range(len(hypothesis.tokens)):
                assert_same_marks(
                    hypothesis_marks_at(hypothesis.marks, t), take_rows(forced.marks, torch.tensor([0])), t
                )


def hypothesis_marks_at(marks: object, t: int) -> object:
    return take_rows(marks, torch.tensor([t]))


@EVERY_ATTENTION
@torch.inference_mode()
def test_what_is_saved_and_loaded_gives_the_same(build: Build, overrides: tuple[str, ...], tmp_path: Path) -> None:
    model, loaded = build(*overrides), build(*overrides, seed=2)
    write_weights(weights_of(model), tmp_path / "model.safetensors")
    put_weights(loaded, read_weights(tmp_path / "model.safetensors"), where="here")
    assert torch.equal(scored(loaded, SOURCE, TARGET)[0], scored(model, SOURCE, TARGET)[0])
