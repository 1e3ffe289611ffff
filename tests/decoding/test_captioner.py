"""Captioners of every kind of decoder: they are trained, stepped and rescored over grids.

B=3 pictures, T=4 target positions, 2 × 2 regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from attncli.decoding.captioner import Captioner
from marks import needs_bf16
from tiny import close, tokens

from attncli.assembly.model import build_model
from attncli.config.load import check_config
from attncli.config.search import Search
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.yaml_core import parse_yaml
from attncli.decoding.search import BestK, search
from attncli.errors import ConfigError
from attncli.machine.device import in_precision
from attncli.models.decoders.decoder import Decoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Memory
from attncli.sources.images.batch import Features, Pixels
from attncli.text.tokenizer import EOS

CONFIG = """\
task: captioning
data: {{images: images, train: train, dev: dev}}
model:
  embedding_size: 6
  encoder: {{kind: cnn, preprocessing: {{size: 8}}, widths: [4, 5], memory_size: 7}}
  attention: {attention}
  decoder: {decoder}
training: {{max_steps: 1}}
"""
VOCABULARY = 11
PICTURES = Pixels(torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8))
TARGET = tokens([5, 4], [6, 7, 8], [4])

RECURRENT = "{hidden_size: 8, gate: true, doubly_stochastic: 0.5}"
LSTMN = "{kind: lstmn, hidden_size: 8, gate: true, doubly_stochastic: 0.5}"
TRANSFORMER = "{kind: transformer, hidden_size: 6, heads: 2, feed_forward_size: 9, layers: 2}"
COMBINATIONS = [
    *(
        (attention, decoder)
        for attention in ("none", "{score: general}")
        for decoder in ("{hidden_size: 8}", "{kind: lstmn, hidden_size: 8}", "{hidden_size: 8, context: every_step}")
    ),
    ("none", "{hidden_size: 8, context: every_step, bridge: mean_mlp}"),
    ("{score: additive}", "{hidden_size: 8, context: every_step, bridge: mean_mlp, query: previous_state}"),
    *(
        (f"{{score: additive, window: {window}, selection: {selection}}}", decoder)
        for window in ("global", "local_p, half_width: 1")
        for selection in ("soft", "hard", "hard, estimator: straight_through")
        for decoder in (RECURRENT, LSTMN)
    ),
    ("{score: scaled_dot}", TRANSFORMER),
]


def configured(attention: str, decoder: str) -> CaptioningConfig:
    found = check_config(parse_yaml(CONFIG.format(attention=attention, decoder=decoder), where="tiny"), where="tiny")
    assert isinstance(found, CaptioningConfig)
    return found


@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_every_kind_learns_and_what_it_writes_is_rescored(attention: str, decoder: str) -> None:
    torch.manual_seed(1)
    model = build_model(configured(attention, decoder), source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY)
    loss = model.loss(PICTURES, TARGET, label_smoothing=0.1)
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    model.eval()
    with torch.no_grad():
        found = search(
            model.decoder,
            model.encode(PICTURES),
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
                picture = Pixels(PICTURES.pixels[at : at + 1])
                log_probs, weights = scored(model, picture, closed)
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


def bf16_captioner(attention: str, decoder: str) -> tuple[EncoderDecoder, Captioner]:
    """Return a model of float32 weights and a captioner that searches with it in bf16."""
    torch.manual_seed(1)
    model = build_model(
        configured(attention, decoder), source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY
    ).eval()
    settings = Search(beam_size=2, max_length=5, length_penalty=0.0, precision="bf16")
    return model, Captioner.of(model, Numbers(), settings)  # type: ignore[arg-type]


@needs_bf16
@pytest.mark.parametrize(("attention", "decoder"), COMBINATIONS)
def test_bf16_captions_are_those_of_weights_cast_once_as_a_translator_casts_them(attention: str, decoder: str) -> None:
    model, captioner = bf16_captioner(attention, decoder)
    features = Features(torch.randn(3, 4, 5).half(), torch.randn(3, 5).half(), (2, 2))
    found = captioner.caption(features)
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
    model, captioner = bf16_captioner(attention, decoder)
    searched = []

    def watched(decoder: Decoder, memory: Memory, **options: Any) -> Any:
        kinds = {memory.states.dtype, *(parameter.dtype for parameter in decoder.parameters())}
        searched.append((kinds, torch.is_autocast_enabled("cpu")))
        return search(decoder, memory, **options)

    monkeypatch.setattr("attncli.decoding.captioner.search", watched)
    found = captioner.caption(PICTURES)
    assert searched == [({torch.bfloat16}, False)]
    for at, [best, *_] in enumerate(found):
        ids = [int(token) for token in best.tokens]
        closed = tokens(ids[:-1] if ids[-1] == EOS else ids)
        with torch.no_grad():
            log_probs, _ = scored(model, Pixels(PICTURES.pixels[at : at + 1]), closed)
        assert best.log_prob == pytest.approx(float(log_probs[0, : len(ids)].sum()), rel=0.05)
        assert best.log_prob != float(log_probs[0, : len(ids)].sum())


@pytest.mark.parametrize(
    ("attention", "decoder", "problem"),
    [
        (
            "{window: local_m}",
            RECURRENT,
            "model.attention.window: 'local_m' looks around the number of the step, but the regions of a picture have "
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
