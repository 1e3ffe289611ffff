"""What holds for every decoder that a configuration can ask for.

B=3 sources, K=2 hypotheses of each, T=5 target positions, S=6 source positions.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from combinations import CLASSIFIERS, MIXTURES, READERS, covering
from tiny import (
    SOURCE_VOCABULARY,
    TARGET_VOCABULARY,
    built,
    close,
    configured,
    part_of,
    read_whole,
    row_of,
    scored,
    tokens,
)
from torch import nn

from attncli.assembly.model import build_model
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.readouts import with_packed_output
from attncli.models.rows import take_rows
from attncli.runs.weights import put_weights, read_weights, weights_of, write_weights
from attncli.text.tokenizer import BOS, EOS, PAD

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
K = 2
COMBINATIONS = {**covering(), **MIXTURES, **CLASSIFIERS}
EVERY_DECODER = pytest.mark.parametrize("overrides", COMBINATIONS.values(), ids=list(COMBINATIONS))


def test_every_reader_is_among_the_combinations() -> None:
    assert all(any(name.startswith(f"{reader}-") for name in COMBINATIONS) for reader in READERS)


@EVERY_DECODER
@torch.inference_mode()
def test_stepping_gives_what_forcing_gives(overrides: tuple[str, ...]) -> None:
    decoder = built(*overrides).decoder
    memory = built(*overrides).encode(SOURCE)
    written = torch.randint(EOS, TARGET_VOCABULARY, (3 * K, 4), generator=torch.Generator().manual_seed(5))
    prefix = torch.cat([torch.full((3 * K, 1), BOS), written], 1)  # [N, T]
    every_k = torch.arange(3).repeat_interleave(K)
    logits, weights = read_whole(decoder, prefix, take_rows(memory, every_k))
    prepared = decoder.prepare(memory)
    state = take_rows(decoder.start(prepared), every_k)
    for t in range(prefix.shape[1]):
        step = decoder.step(prefix[:, t], state, prepared)
        close(step.logits, logits[:, t])
        if weights is None or step.weights is None:
            assert step.weights is weights is None
        else:
            close(step.weights, weights[:, t])
        state = step.state


@EVERY_DECODER
@pytest.mark.parametrize("packs", [False, True])
@torch.inference_mode()
def test_steps_give_the_logits_of_what_may_be_written_for_each_source(overrides: tuple[str, ...], packs: bool) -> None:
    model = built(*overrides)
    memory = model.encode(SOURCE)
    candidates = torch.rand(3, TARGET_VOCABULARY, generator=torch.Generator().manual_seed(6)) < 0.4
    candidates[:, -1] = False  # of no source
    narrowed = (with_packed_output(model) if packs else model).narrowed(memory, candidates)
    prepared, limited = (model.decoder.prepare(each) for each in (memory, narrowed))
    limited = with_packed_output(model).decoder.prepare(narrowed) if packs else limited
    kept = torch.tensor([2, 0])  # as when a source has left a search
    prepared, limited, allowed = take_rows((prepared, limited, candidates), kept)
    rows = torch.arange(2).repeat_interleave(K)
    state = take_rows(model.decoder.start(prepared), rows)
    words = torch.tensor([BOS, 5, 6, 7])
    every, some = (model.decoder.step(words, state, each) for each in (prepared, limited))
    close(some.logits, every.logits.masked_fill(~allowed[rows], -torch.inf))
    if every.weights is not None and some.weights is not None:
        close(some.weights, every.weights)


@EVERY_DECODER
@torch.inference_mode()
def test_a_batch_gives_what_its_rows_give_alone(overrides: tuple[str, ...]) -> None:
    model = built(*overrides)
    log_probs, weights = scored(model, SOURCE, TARGET)
    assert (log_probs[~TARGET.mask] == 0).all()
    for at in range(3):
        alone, weights_alone = scored(model, row_of(SOURCE, at), row_of(TARGET, at))
        steps, positions = alone.shape[1], int(SOURCE.lengths[at])
        close(alone[0], log_probs[at, :steps])
        if weights is None or weights_alone is None:
            assert weights is weights_alone is None
        else:
            close(weights_alone[0], weights[at, :steps, :positions])
            assert (weights[at, :, positions:] == 0).all()


@EVERY_DECODER
def test_a_training_step_reaches_every_parameter(overrides: tuple[str, ...]) -> None:
    model = built(*overrides, "model.dropout=0.2").train()
    torch.manual_seed(3)
    loss = model.loss(SOURCE, TARGET, label_smoothing=0.1)
    assert loss.terms == int(TARGET.lengths.sum())
    loss.total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@EVERY_DECODER
@torch.inference_mode()
def test_what_is_saved_and_loaded_gives_the_same(overrides: tuple[str, ...], tmp_path: Path) -> None:
    model, loaded = built(*overrides), built(*overrides, seed=2)
    assert not torch.equal(scored(loaded, SOURCE, TARGET)[0], scored(model, SOURCE, TARGET)[0])
    write_weights(weights_of(model), tmp_path / "model.safetensors")
    put_weights(loaded, read_weights(tmp_path / "model.safetensors"), where="here")
    for found, expected in zip(scored(loaded, SOURCE, TARGET), scored(model, SOURCE, TARGET), strict=True):
        if found is None or expected is None:
            assert found is expected is None
        else:
            assert torch.equal(found, expected)


@EVERY_DECODER
def test_fresh_weights_are_finite_and_padding_is_embedded_as_zeros(overrides: tuple[str, ...]) -> None:
    torch.manual_seed(4)
    model = build_model(
        configured(*overrides), source_vocabulary=SOURCE_VOCABULARY, target_vocabulary=TARGET_VOCABULARY
    )
    log_probs, _ = scored(model.eval(), SOURCE, TARGET)
    assert log_probs.isfinite().all()
    for part in ("encoder",) if "classifier" in str(overrides) else ("encoder", "decoder"):
        weights = part_of(model, f"{part}.embedding", nn.Embedding).weight
        assert (weights[PAD] == 0).all()
        assert (weights[PAD + 1 :].abs().sum(1) > 0).all()


def test_the_readout_of_the_paper_is_the_default() -> None:
    names = {
        "current-additive": "AttentionalReadout",
        "previous-additive": "MaxoutReadout",
        "none": "StateReadout",
        "none-every_step": "MaxoutReadout",
    }
    for reader, name in names.items():
        model: EncoderDecoder = built(*READERS[reader])
        assert type(model.decoder.readout).__name__ == name
