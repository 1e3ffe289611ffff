"""What holds on a CUDA device for every encoder, decoder, attention and objective, in full precision and in bf16.

The device is emulated on the CPU (cuda_emulation.py), so that these tests run everywhere; `pytest -m cuda` runs them on
a real one. B=3 sources, K=2 hypotheses of each.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, product
from typing import Any

import films
import numpy as np
import pytest
import recordings
import tiny_captioner
import torch
from combinations import CELL, CLASSIFIER, DECODER_KINDS, ENCODER_KINDS, READERS, SELECTION, WINDOW, WITHOUT_ATTENTION
from cuda_cards import TOLERANCE, USABLE_CARDS, Card, opened_card
from cuda_emulation import CUDA
from given_batch import Given, Numbers
from tiny import built, built_for_images, randomised, tokens
from tiny_task import tiny_config
from torch import nn

from attncli.assembly.model import build_model
from attncli.config.load import check_config
from attncli.config.search import Search
from attncli.config.tasks.autoencoding import AutoencodingConfig, GaussianNoise, Masking
from attncli.data.columns import Reader
from attncli.data.corpus import Batch
from attncli.data.tokens import Tokens
from attncli.decoding.strategies import Sampling
from attncli.decoding.writer import Writer
from attncli.decoding.written import WrittenHypothesis
from attncli.losses import SummedLoss, squared_error
from attncli.machine.device import Arithmetic, arithmetic, autocast
from attncli.models.autoencoder import Autoencoder, build_autoencoder
from attncli.models.corruption import CORRUPTIONS, build_corruption
from attncli.models.decoders.decoder import Decoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.embedding import Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.encoders.joint import JointEncoder
from attncli.models.readouts import Readout
from attncli.models.recurrence import CELLS, Layers, RecurrentLayers
from attncli.models.scores import Score
from attncli.models.selections import READINGS, Selection
from attncli.models.state_gradients import state_gradients
from attncli.models.transformer import Residual
from attncli.models.windows import Window
from attncli.sources.audio.batch import pad_frames
from attncli.sources.images.batch import Pixels
from attncli.sources.images.efficientnet_lite0 import EfficientNetLite0
from attncli.sources.images.encoder import Backbone, ImageEncoder
from attncli.sources.images.timm import TimmBackbone
from attncli.sources.rows.batches import ExampleBatch
from attncli.sources.video.batch import Films, pack_films
from attncli.tasks.self_critical import SelfCritic, Targets
from attncli.text.shortlist import Shortlist
from attncli.training.updates import Update, Updater

CPU = torch.device("cpu")
SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
LABELS = Tokens(torch.tensor([[5], [10], [4]]), torch.tensor([1, 1, 1]))
LARGE_IMAGES = Pixels(tiny_captioner.IMAGES.pixels.repeat_interleave(4, 2).repeat_interleave(4, 3))  # 32 × 32 pixels


class GivenFilms(Reader[int]):
    """Reads films that are named by their numbers; unlike other sources, they are not rows of one tensor."""

    ahead = 3

    def __init__(self, lengths: Sequence[int]):
        generator = np.random.default_rng(2)
        self.films = [generator.integers(0, 256, (length, 8, 8, 3), np.uint8) for length in lengths]

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> int:
        return int(cell)

    def pack(self, items: Sequence[int]) -> Films[Pixels]:
        return pack_films([self.films[item] for item in items])

    def length(self, item: int) -> int:
        return len(self.films[item])


@dataclass(frozen=True)
class Case:
    """A model with a batch for it."""

    build: Callable[[], EncoderDecoder]
    source: Any
    target: Tokens
    draws: bool  # in training, from the generator of its device
    reader: Reader[int] | None = None  # of `source`, whose rows are read otherwise

    @property
    def batch(self) -> Batch:
        return Batch(self.source, self.target, self.target.size, self.target.size)


def _words(*overrides: str) -> Case:
    return Case(lambda: built(*overrides, spread=0.7), SOURCE, TARGET, "model.attention.selection=hard" in overrides)


def _images(attention: str, decoder: str) -> Case:
    def build() -> EncoderDecoder:
        return randomised(tiny_captioner.built_captioner(attention, decoder), seed=3, spread=0.7)

    return Case(build, tiny_captioner.IMAGES, tiny_captioner.TARGET, "hard" in attention)


def _known_network() -> EncoderDecoder:
    """Return a captioner over a large known network, of which the last stages learn."""
    torch.manual_seed(2)
    network = EfficientNetLite0(layer="stride_16", fine_tune_from=4, rate_factor=0.1, pools=True)
    encoder = ImageEncoder(network, memory_size=10, summarises=True, dropout=0.0, normalises=True)
    return EncoderDecoder(encoder, built_for_images().decoder)


def _films(*keys: str) -> Case:
    def build() -> EncoderDecoder:
        torch.manual_seed(2)
        model = build_model(films.configured(*keys), source_vocabulary=11, target_vocabulary=11)
        return randomised(model, seed=3, spread=0.7)

    reader = GivenFilms([3, 1, 4])
    return Case(build, reader.pack(range(3)), tiny_captioner.TARGET, draws=False, reader=reader)


def _recordings(encoder: str) -> Case:
    def build() -> EncoderDecoder:
        torch.manual_seed(2)
        model = build_model(recordings.configured(encoder), source_vocabulary=11, target_vocabulary=11)
        return randomised(model, seed=3, spread=0.7)

    generator = np.random.default_rng(2)
    source = pad_frames([generator.standard_normal((length, 5), np.float32) for length in (9, 3, 12)])
    return Case(build, source, TARGET, draws=False)


# Every reader of a memory, each with another cell, window, selection and other parts than the one before.
_PARTS = (
    ("model.decoder.bridge=zero", "model.decoder.context=every_step", "model.encoder.positions=sinusoidal"),
    ("model.decoder.bridge=copy", "model.encoder.hidden_size=8", "model.tied_embeddings=all", "model.decoder.layers=2"),
    ("model.decoder.bridge=mean", "model.decoder.readout=maxout", "model.decoder.gate=true"),
    ("model.decoder.bridge=mean_mlp", "model.decoder.readout=deep", "model.encoder.reverse_source=true"),
)
_PARTS_OF_FEEDING = cycle(_PARTS[:2])
_PARTS_OF_OTHERS = cycle(_PARTS)
_LOOKS = cycle((*WINDOW[window], *SELECTION[selection]) for selection, window in product(SELECTION, WINDOW))
_READINGS = cycle(f"model.attention.inference={name}" for name in READINGS)


def _combined(name: str) -> Case:
    overrides = [*READERS[name], *next(_CELLS)]
    if name not in WITHOUT_ATTENTION:
        overrides += [*next(_PARTS_OF_FEEDING if "feeding" in name else _PARTS_OF_OTHERS), *next(_LOOKS)]
    if "model.attention.selection=hard" in overrides:
        overrides.append(next(_READINGS))
    return _words(*overrides)


_CELLS = cycle(CELL.values())
_HOPS = ("model.decoder.hops=2", "model.decoder.readout=sum", "model.encoder.hidden_size=8")
CASES = {
    **{name: _combined(name) for name in READERS},
    **{
        f"{encoder}-{decoder}": _words(*ENCODER_KINDS[encoder], *DECODER_KINDS[decoder])
        for encoder, decoder in zip(cycle(ENCODER_KINDS), DECODER_KINDS)
    },
    **{f"images-{at}": _images(*sections) for at, sections in enumerate(tiny_captioner.COMBINATIONS[::3])},
    "films": _films(),
    "films-regions": _films("regions: true", "positions: sinusoidal", "frame_vector: map"),
    "recordings-convolutions": _recordings(recordings.TINY),
    "recordings-pyramid": _recordings("{subsampling: {kind: pyramid, hidden_size: 6}, network: {hidden_size: 10}}"),
    "classifier": Case(lambda: built(*CLASSIFIER, spread=0.7), SOURCE, LABELS, draws=False),
    "classifier-hops": Case(lambda: built(*CLASSIFIER, *_HOPS, spread=0.7), SOURCE, LABELS, draws=False),
    "efficientnet": Case(_known_network, LARGE_IMAGES, tiny_captioner.TARGET, draws=False),
}

EVERY_CASE = pytest.mark.parametrize("name", CASES)
# The large network takes a CPU long in bfloat16, and after its one label all that a classifier writes is a tie.
_WRITE_NO_TEXT = ("efficientnet", "classifier", "classifier-hops")
EVERY_WRITER = pytest.mark.parametrize("name", [name for name in CASES if name not in _WRITE_NO_TEXT])


@pytest.fixture(params=USABLE_CARDS)
def card(request: pytest.FixtureRequest) -> Iterator[Card]:
    with opened_card(request.param) as card:
        yield card


def concrete(kind: type) -> set[type]:
    found: set[type] = {kind} if kind.__module__.startswith("attncli.") and not inspect.isabstract(kind) else set()
    return found.union(*map(concrete, kind.__subclasses__()))


def test_the_cases_hold_every_choice() -> None:
    modules = [module for case in CASES.values() for module in case.build().modules()]
    for kind in (Backbone, Decoder, Embedding, Encoder, Layers, Readout, Residual, Score, Selection, Window):
        # One needs timm; the other only puts together what encoders of the cases give.
        assert concrete(kind) - {type(module) for module in modules} <= {TimmBackbone, JointEncoder}
    assert {module.cell for module in modules if isinstance(module, RecurrentLayers)} == set(CELLS.values())


@dataclass(frozen=True)
class Learner:
    """A model with its loss: all that an update asks of a task."""

    model: nn.Module
    loss: Callable[[Any], SummedLoss]


def learner_of(case: Case) -> Learner:
    model = case.build()
    return Learner(model, lambda batch: model.loss(batch.source, batch.target, label_smoothing=0.1))


def updater_of(learner: Learner, precision: Arithmetic, device: torch.device) -> Updater:
    learner.model.to(device).train()
    torch.manual_seed(3)
    return Updater(learner, tiny_config(precision=precision, clip_norm=0.1), device)  # type: ignore[arg-type]


def updated(learner: Learner, batch: Any, card: Card) -> Update:
    """Return what an update on the device saw: all that learns has changed, and the host has waited once."""
    updater = updater_of(learner, card.precision, CUDA)
    before = {name: parameter.detach().clone() for name, parameter in learner.model.named_parameters()}
    card.take_waits()
    with arithmetic(card.precision, CUDA):
        update = updater.update([batch], 0.01)
    assert sum(card.take_waits().values()) <= 1
    for name, parameter in learner.model.named_parameters():
        assert parameter.isfinite().all(), name
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
    assert math.isfinite(update.loss)
    assert update.gradient_norm > 0
    return update


@cache
def loss_on_the_cpu(name: str) -> float:
    with arithmetic("fp32", CPU):
        return updater_of(learner_of(CASES[name]), "fp32", CPU).update([CASES[name].batch], 0.01).loss


@EVERY_CASE
def test_an_update_is_that_of_the_cpu(name: str, card: Card) -> None:
    case = CASES[name]
    expected = loss_on_the_cpu(name)
    update = updated(learner_of(case), case.batch, card)
    if not case.draws:
        assert update.loss == pytest.approx(expected, rel=TOLERANCE[card.precision])


def writer_of(case: Case, precision: Arithmetic, device: torch.device) -> Writer[int]:
    settings = Search.model_validate(
        {"beam_size": 2, "max_length": 5, "batch_size": 3, "precision": "bf16" if precision == "bf16" else "fp32"}
    )
    reader = case.reader or Given(case.source)
    return Writer(case.build().to(device).eval(), reader, Numbers(), settings)  # type: ignore[arg-type]


@cache
def best_of_the_cpu(name: str) -> list[WrittenHypothesis]:
    writer = writer_of(CASES[name], "fp32", CPU)
    return [each.best for each in writer.write("012", n_best=2, with_weights=True)]


@EVERY_WRITER
def test_what_is_written_is_that_of_the_cpu(name: str, card: Card) -> None:
    expected = best_of_the_cpu(name)
    writer = writer_of(CASES[name], card.precision, CUDA)
    card.take_waits()
    found = [each.best for each in writer.write("012", n_best=2, with_weights=True)]
    # Once a step, to know how many sources leave, and for what comes out of the whole batch.
    assert sum(card.take_waits().values()) <= 5 + 10
    scores = [each.score for each in expected]
    assert [each.score for each in found] == pytest.approx(scores, rel=2 * TOLERANCE[card.precision])
    assert [each.weights is None for each in found] == [each.weights is None for each in expected]


SHORTLIST = Shortlist(np.zeros((1, 1), np.int32), np.array([4, 6], np.int32))


@EVERY_WRITER
def test_what_is_written_of_a_shortlist_is_that_of_the_cpu(name: str, card: Card) -> None:
    on_cpu = replace(writer_of(CASES[name], "fp32", CPU), shortlist=SHORTLIST)
    there = replace(writer_of(CASES[name], card.precision, CUDA), shortlist=SHORTLIST)
    expected = [each.best.score for each in on_cpu.write("012", n_best=2)]
    card.take_waits()
    found = [each.best for each in there.write("012", n_best=2)]
    assert sum(card.take_waits().values()) <= 5 + 10 + 1  # for how many columns there are
    assert [each.score for each in found] == pytest.approx(expected, rel=2 * TOLERANCE[card.precision])


@EVERY_WRITER
@pytest.mark.parametrize("card", [card for card in USABLE_CARDS if "bf16" in str(card.id)], indirect=True)
def test_draws_alignments_and_inspections_are_made(name: str, card: Card) -> None:
    writer = writer_of(CASES[name], card.precision, CUDA)
    card.take_waits()
    drawn = list(writer.write("012", n_best=2, strategy=Sampling(1)))
    assert all(len(each.hypotheses) == 2 for each in drawn)
    assert sum(card.take_waits().values()) <= 2 * 5 + 10
    [aligned] = writer.align([("0", "4 5")])
    [inspected] = writer.inspect([("0", "4 5")])
    assert math.isfinite(aligned.best.score)
    assert inspected.target_tokens == aligned.best.tokens


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("card", [card for card in USABLE_CARDS if "bf16" not in str(card.id)], indirect=True)
def test_gradients_at_encoder_states_are_those_of_the_cpu(name: str, card: Card) -> None:
    expected = state_gradients(CASES[name].build(), SOURCE, TARGET)
    with arithmetic(card.precision, CUDA):
        found = state_gradients(CASES[name].build().to(CUDA), SOURCE.to(CUDA), TARGET.to(CUDA))
    tolerance = TOLERANCE[card.precision]
    torch.testing.assert_close(found.total.cpu(), expected.total, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(found.later.cpu(), expected.later, atol=tolerance, rtol=tolerance)


def reward(drawn: Targets) -> list[list[float]]:
    return [[float(5 in target) - 0.1 * len(target) for target in of_source] for of_source in drawn]


@pytest.mark.parametrize("name", ["current-additive", "convolutional-transformer_post", "images-3", "none-every_step"])
@pytest.mark.parametrize("greedy", [False, True])
def test_rewards_are_learned_from(name: str, greedy: bool, card: Card) -> None:
    model, critic = CASES[name].build(), SelfCritic(2, max_length=5, greedy=greedy)

    def loss(batch: Batch) -> SummedLoss:
        return critic.loss(model, batch.source, reward, Sampling(1))

    updater = updater_of(Learner(model, loss), card.precision, CUDA)
    with arithmetic(card.precision, CUDA):
        update = updater.update([CASES[name].batch], 0.01)
    assert math.isfinite(update.loss)
    assert update.gradient_norm > 0


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("convolves", [False, True])
def test_autoencoders_learn(convolves: bool, corruption: str, card: Card) -> None:
    model, batch = autoencoder(convolves=convolves), ExampleBatch(torch.rand(4, 96))
    corrupt = build_corruption(GaussianNoise() if corruption == "gaussian" else Masking(share=0.3))

    def loss(batch: ExampleBatch) -> SummedLoss:
        return squared_error(model(corrupt(batch.rows, None)), batch.rows)

    updated(Learner(model, loss), batch, card)
    rows = batch.rows.to(CUDA)
    with torch.no_grad(), autocast(card.precision, CUDA):
        generator = torch.Generator(CUDA).manual_seed(1)
        assert squared_error(model(corrupt(rows, generator)), rows).total.isfinite()


def autoencoder(*, convolves: bool) -> Autoencoder:
    model = {"kind": "convolutional", "channels": [3, 4]} if convolves else {"kind": "dense", "widths": [20]}
    values = {
        "task": "autoencoding",
        "data": {"kind": "pictures", "height": 8, "width": 12, "train": {"folder": "a"}, "dev": {"folder": "b"}},
        "model": {**model, "bottleneck": 5},
        "training": {"max_steps": 1},
    }
    config = check_config(values, where="x")
    assert isinstance(config, AutoencodingConfig)
    torch.manual_seed(1)
    return build_autoencoder(config)
