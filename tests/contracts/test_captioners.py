"""Captioners of every kind of decoder: they are trained, stepped and rescored over grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from marks import needs_bf16
from tiny import close, scored, tokens
from tiny_captioner import COMBINATIONS, IMAGES, RECURRENT, TARGET, TRANSFORMER, built_captioner, configured

from attncli.config.search import Search
from attncli.data.columns import Reader
from attncli.decoding.search import BestK, search
from attncli.decoding.writer import Writer
from attncli.errors import ConfigError
from attncli.machine.device import in_precision
from attncli.models.decoders.decoder import Decoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Memory
from attncli.sources.images.batch import Features, Pixels
from attncli.text.tokenizer import EOS


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
            strategy=BestK(0.0),
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


class Numbers:
    """Writes tokens as their numbers."""

    def tokens(self, ids: Sequence[int]) -> list[str]:
        return [str(number) for number in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.tokens(ids))


class Given(Reader[Any]):
    """Gives one batch whole, a source of which is named by its number."""

    ahead = 3

    def __init__(self, batch: Any):
        self.batch = batch

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> int:
        return int(cell)

    def pack(self, items: Sequence[int]) -> Any:
        assert list(items) == [0, 1, 2]
        return self.batch


def bf16_writer(attention: str, decoder: str, batch: Any) -> tuple[EncoderDecoder, Writer[int]]:
    """Return a model of float32 weights and a writer that searches with it in bf16."""
    model = built_captioner(attention, decoder).eval()
    settings = Search(beam_size=2, max_length=5, length_penalty=0.0, precision="bf16", batch_size=3)
    return model, Writer(model, Given(batch), Numbers(), settings)  # type: ignore[arg-type]


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
            strategy=BestK(0.0),
            beam_size=2,
            max_length=5,
            length_penalty=0.0,
            with_weights=False,
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
        assert best.log_prob == pytest.approx(float(log_probs[0, : len(ids)].sum()), rel=0.05)
        assert best.log_prob != float(log_probs[0, : len(ids)].sum())


@pytest.mark.parametrize(
    ("attention", "decoder", "problem"),
    [
        (
            "{window: local_m}",
            RECURRENT,
            "model.attention.window: 'local_m' looks around the number of the step, but the regions of an image have "
            "no order; choose 'local_p' or 'global'",
        ),
        (
            "none",
            TRANSFORMER,
            "model.attention: is none, but a transformer decoder knows the source by attention alone; set {score: "
            "scaled_dot}, or choose model.decoder.kind recurrent or lstmn",
        ),
        (
            "{score: scaled_dot}",
            "{kind: transformer, hidden_size: 10, heads: 2}",
            "model.decoder.hidden_size: is 10, but model.embedding_size is 6; a transformer's states begin as "
            "embeddings, so make them equal",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(attention: str, decoder: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(attention, decoder)
    assert str(caught.value) == f"tiny: {problem}"
