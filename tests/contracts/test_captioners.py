"""Captioners of every kind of decoder: they are trained, stepped and rescored over grids."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from given_batch import Given, Numbers
from marks import needs_bf16
from tiny import close, randomised, scored, tokens
from tiny_captioner import COMBINATIONS, IMAGES, RECURRENT, TARGET, TRANSFORMER, built_captioner, configured

from attncli.config.search import Search
from attncli.decoding.constraints import Constraints
from attncli.decoding.search import search
from attncli.decoding.strategies import BestK, Sampling
from attncli.decoding.writer import Writer
from attncli.decoding.written import WrittenHypothesis
from attncli.errors import ConfigError
from attncli.machine.device import in_precision
from attncli.models.decoders.decoder import Decoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Memory
from attncli.models.rows import map_tensors
from attncli.sources.images.batch import Features, Pixels
from attncli.text.tokenizer import BOS, EOS, PAD, UNK


@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_every_kind_learns_and_what_it_writes_is_rescored(attention: str, decoder: str) -> None:
    model = built_captioner(attention, decoder)
    loss = model.loss(IMAGES, TARGET, label_smoothing=0.1)
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    model.eval()
    with torch.no_grad():
        found = search(
            model.decoder,
            model.encode(IMAGES),
            strategy=BestK(),
            beam_size=2,
            max_length=5,
            length_penalty=0.0,
            with_weights=True,
        )
        for at, ranked in enumerate(found):
            for hypothesis in ranked:
                ids = list(hypothesis.tokens)
                closed = tokens(ids[:-1] if ids[-1] == EOS else ids)
                image = Pixels(IMAGES.pixels[at : at + 1])
                log_probs, weights = scored(model, image, closed)
                close(log_probs[0, : len(ids)].sum(), torch.tensor(hypothesis.log_prob), tolerance=1e-4)
                if weights is None:
                    assert hypothesis.weights is None
                else:
                    close(weights[0, : len(ids)], torch.as_tensor(hypothesis.weights), tolerance=1e-4)


def assert_forced(model: EncoderDecoder, at: int, hypothesis: Any) -> None:
    """Assert that a forced reading of a hypothesis of image `at` gives the same numbers at each of its steps."""
    ids = [int(token) for token in hypothesis.tokens]
    closed = tokens(ids[:-1] if ids[-1] == EOS else ids)
    with torch.no_grad():
        forced = model.force(Pixels(IMAGES.pixels[at : at + 1]), closed)
        log_probs = model.log_probs_of(forced, closed)
    close(log_probs[0, : len(ids)].sum(), torch.tensor(hypothesis.log_prob), tolerance=1e-4)
    assert (forced.weights is None) == (hypothesis.weights is None)
    if forced.weights is not None:
        close(forced.weights[0, : len(ids)], torch.as_tensor(hypothesis.weights).flatten(1), tolerance=1e-4)
    assert (forced.marks is None) == (hypothesis.marks is None)
    if forced.marks is not None:
        expected = map_tensors(forced.marks, lambda tensor: tensor[0, : len(ids)])
        assert hypothesis.marks.half_width == expected.half_width
        for found, wanted in ((hypothesis.marks.centres, expected.centres), (hypothesis.marks.chosen, expected.chosen)):
            assert (found is None) == (wanted is None)
            if wanted is not None:
                close(found, wanted, tolerance=1e-4)


@pytest.mark.parametrize(("attention", "decoder"), [each for each in COMBINATIONS if "local_p" in each[0]])
def test_every_hypothesis_of_a_beam_has_its_own_windows_and_choices(attention: str, decoder: str) -> None:
    # Weights that are all random, so that hypotheses differ in where they look.
    model = randomised(built_captioner(attention, decoder), seed=3, spread=1.6)
    found = search(
        model.decoder,
        model.encode(IMAGES),
        strategy=BestK(),
        beam_size=4,
        max_length=6,
        length_penalty=0.0,
        with_weights=True,
    )
    for at, ranked in enumerate(found):
        for hypothesis in ranked:
            assert_forced(model, at, hypothesis)
    assert any(len({str(hypothesis.marks.as_json()) for hypothesis in ranked}) > 1 for ranked in found)


def writer_of(model: EncoderDecoder) -> Writer[int]:
    settings = Search(beam_size=2, max_length=5, length_penalty=0.0, batch_size=3)
    return Writer(model, Given(IMAGES), Numbers(), settings)  # type: ignore[arg-type]


def closed_text(hypothesis: WrittenHypothesis) -> str:
    """Return what was written as `Numbers` reads it, which adds the end symbol."""
    return " ".join(token for token in hypothesis.tokens if int(token) != EOS)


@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_what_is_written_or_aligned_is_what_a_forced_reading_gives(attention: str, decoder: str) -> None:
    model = randomised(built_captioner(attention, decoder), seed=3, spread=1.0)
    writer = writer_of(model)
    written = list(writer.write("012", n_best=2, with_weights=True))
    aligned = list(writer.align(("012"[at], closed_text(each.best)) for at, each in enumerate(written)))
    for at, (one, other) in enumerate(zip(written, aligned, strict=True)):
        for hypothesis in (*one.hypotheses, *other.hypotheses):
            assert_forced(model, at, hypothesis)
            assert hypothesis.weights is None or hypothesis.weights.shape == (len(hypothesis.tokens), 2, 2)


@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_every_draw_is_what_a_forced_reading_gives(attention: str, decoder: str) -> None:
    model = randomised(built_captioner(attention, decoder), seed=3, spread=0.5)
    draws = Sampling(1, temperature=1.3)
    drawn = set()
    for at, each in enumerate(writer_of(model).write("012", n_best=2, with_weights=True, strategy=draws)):
        assert len(each.hypotheses) == 2
        for hypothesis in each.hypotheses:
            assert_forced(model, at, hypothesis)
            drawn.add(hypothesis.tokens)
    assert len(drawn) > 1


@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_an_inspection_shows_where_an_alignment_looks(attention: str, decoder: str) -> None:
    writer = writer_of(randomised(built_captioner(attention, decoder), seed=3, spread=1.0))
    [aligned] = writer.align([("1", "5 4 6")])
    given, found = writer.inspect([("1", "5 4 6"), ("1", None)])
    assert given.encoder is None
    layers, heads = (2, 2) if decoder == TRANSFORMER else (1, 1)
    looks_back = decoder == TRANSFORMER or "lstmn" in decoder
    assert (given.decoder is not None) == looks_back
    assert given.decoder is None or given.decoder.shape == (layers, heads, 4, 4)
    assert given.target_tokens == ("5", "4", "6", str(EOS))
    weights = aligned.best.weights
    if weights is None:
        assert given.cross is found.cross is None
        return
    assert given.cross is not None
    assert found.cross is not None
    assert given.cross.shape == (layers, heads, 4, 4)
    close(torch.from_numpy(given.cross[-1].mean(0)), torch.from_numpy(weights).flatten(1))
    [best] = writer.write("1", with_weights=True)
    assert (found.target, found.target_tokens) == (best.best.text, best.best.tokens)
    close(torch.from_numpy(found.cross[-1].mean(0)), torch.from_numpy(best.best.weights).flatten(1), tolerance=1e-4)


def bf16_writer(attention: str, decoder: str, batch: Any) -> tuple[EncoderDecoder, Writer[int]]:
    """Return a model of float32 weights and a writer that searches with it in bf16."""
    model = built_captioner(attention, decoder).eval()
    settings = Search(beam_size=2, max_length=5, length_penalty=0.0, precision="bf16", batch_size=3)
    return model, Writer(model, Given(batch), Numbers(), settings)  # type: ignore[arg-type]


def test_a_predicted_window_has_its_centre_on_the_grid() -> None:
    attention = "{score: general, window: local_p, half_width: 1}"
    settings = Search(beam_size=2, max_length=5, batch_size=3)
    model = built_captioner(attention, RECURRENT).eval()
    writer = Writer(model, Given(IMAGES), Numbers(), settings)  # type: ignore[arg-type]
    for found in writer.write("012", with_weights=True):
        assert found.best.marks is not None
        assert found.best.marks.centres is not None
        assert found.best.marks.centres.shape == (len(found.best.tokens), 2)
        rows, columns = found.best.marks.centres.T
        assert not torch.equal(rows, columns)


def test_weights_lie_on_the_grid_row_by_row() -> None:
    model = built_captioner("{score: additive}", RECURRENT).eval()
    settings = Search(beam_size=2, max_length=5, batch_size=3)
    writer = Writer(model, Given(IMAGES), Numbers(), settings)  # type: ignore[arg-type]
    for at, found in enumerate(writer.write("012", with_weights=True)):
        ids = [int(token) for token in found.best.tokens]
        with torch.no_grad():
            image, closed = Pixels(IMAGES.pixels[at : at + 1]), tokens(ids[:-1] if ids[-1] == EOS else ids)
            _, weights = scored(model, image, closed)
        assert weights is not None
        assert found.best.weights is not None
        by_row = [[row[:2], row[2:]] for row in weights[0, : len(ids)].tolist()]
        close(torch.from_numpy(found.best.weights), torch.tensor(by_row), tolerance=1e-4)


@needs_bf16
@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_bf16_captions_are_those_of_weights_cast_once(attention: str, decoder: str) -> None:
    features = Features(torch.randn(3, 4, 5).half(), torch.randn(3, 5).half(), (2, 2))
    model, writer = bf16_writer(attention, decoder, features)
    found = [each.hypotheses for each in writer.write("012", n_best=2)]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}, "it is a copy that is cast"
    cast = in_precision(model, "bf16")
    with torch.inference_mode():
        expected = search(
            cast.decoder,
            cast.encode(features),
            strategy=BestK(),
            beam_size=2,
            max_length=5,
            length_penalty=0.0,
            with_weights=False,
            constraints=Constraints(forbidden=(PAD, BOS, UNK)),
        )
    assert [[(one.tokens, one.log_prob) for one in ranked] for ranked in found] == [
        [(tuple(map(str, one.tokens)), one.log_prob) for one in ranked] for ranked in expected
    ]


@needs_bf16
@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_bf16_reads_pixels_and_searches_without_casting_again(
    attention: str, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, writer = bf16_writer(attention, decoder, IMAGES)
    searched = []

    def watched(decoder: Decoder, memory: Memory, **options: Any) -> Any:
        kinds = {memory.states.dtype, *(parameter.dtype for parameter in decoder.parameters())}
        searched.append((kinds, torch.is_autocast_enabled("cpu")))
        return search(decoder, memory, **options)

    monkeypatch.setattr("attncli.decoding.writer.search", watched)
    found = [each.hypotheses for each in writer.write("012")]
    assert searched == [({torch.bfloat16}, False)]
    for at, [best, *_] in enumerate(found):
        ids = [int(token) for token in best.tokens]
        closed = tokens(ids[:-1] if ids[-1] == EOS else ids)
        with torch.no_grad():
            log_probs, _ = scored(model, Pixels(IMAGES.pixels[at : at + 1]), closed)
        assert best.log_prob == pytest.approx(float(log_probs[0, : len(ids)].sum()), rel=0.1)
        assert best.log_prob != float(log_probs[0, : len(ids)].sum())


@pytest.mark.parametrize(
    ("attention", "decoder", "problem"),
    [
        (
            "{window: local_m}",
            RECURRENT,
            "model.attention.window: 'local_m' attends around the position of the step, but the regions of an image "
            "have no order; choose 'local_p' or 'global'",
        ),
        (
            "none",
            TRANSFORMER,
            "model.attention: is none, but attention is all that a transformer decoder sees of the source; set {score: "
            "scaled_dot}, or choose model.decoder.kind recurrent or lstmn",
        ),
        (
            "{score: scaled_dot}",
            "{kind: transformer, hidden_size: 10, heads: 2}",
            "model.decoder.hidden_size: is 10, but model.embedding_size is 6; the states of a transformer are added to "
            "its embeddings, so make them equal",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(attention: str, decoder: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(attention, decoder)
    assert str(caught.value) == f"tiny: {problem}"
