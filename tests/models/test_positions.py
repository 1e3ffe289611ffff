"""Where a word or a region stands: on recurrent encoders, and on grids of any axes.

Grids of 3 rows and 5 columns, D=11 memory width: 6 numbers tell the row and 5 the column.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from tiny import built, close, part_of, tokens
from torch import Tensor, nn

from attncli.assembly.model import build_model
from attncli.config.load import check_config
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.yaml_core import parse_yaml
from attncli.data.tokens import Tokens
from attncli.errors import DataError
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.embedding import Embedded
from attncli.models.positions import GridPositions, LearnedGridPositions, LearnedPositions, SinusoidalGridPositions
from attncli.sources.images.batch import Features

GRID, D = (3, 5), 11
SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])


CAPTIONER = {
    "task": "captioning",
    "data": {"images": "images", "train": "train", "dev": "dev"},
    "training": {"max_steps": 1},
}
MODEL = {"embedding_size": 6, "attention": {"score": "general"}, "decoder": {"hidden_size": 8}}


def captioner(encoder: str, **changes: Any) -> EncoderDecoder:
    """Return a captioner with fresh weights, for evaluation, over maps of 4 channels brought to a width of 11."""
    network = {"kind": "cnn", "widths": [4], "memory_size": D, **parse_yaml(f"{{{encoder}}}", where="test")}
    config = check_config({**CAPTIONER, "model": {**MODEL, "encoder": network, **changes}}, where="test")
    assert isinstance(config, CaptioningConfig)
    torch.manual_seed(1)
    return build_model(config, source_vocabulary=11, target_vocabulary=11).eval()


def sinusoid(at: int, column: int, size: int) -> float:
    """Return PE(at, column) of Vaswani et al. 2017, 3.5."""
    angle = at / 10000 ** (2 * (column // 2) / size)
    return math.cos(angle) if column % 2 else math.sin(angle)


def both(size: int = D) -> list[GridPositions]:
    torch.manual_seed(1)
    learned = LearnedGridPositions(6, size)
    for parameter in learned.parameters():
        nn.init.normal_(parameter)
    return [SinusoidalGridPositions(size), learned]


def test_sinusoids_of_a_grid_tell_row_and_column() -> None:
    found = SinusoidalGridPositions(D)(torch.zeros(1, 15, D), GRID)
    for row in range(3):
        for column in range(5):
            expected = [sinusoid(row, at, 6) for at in range(6)] + [sinusoid(column, at, 5) for at in range(5)]
            close(found[row * 5 + column], torch.tensor(expected))


@pytest.mark.parametrize("grid", [(4,), (3, 5), (2, 3, 4)], ids=["one", "two", "three"])
def test_sinusoids_of_any_axes_share_the_width(grid: tuple[int, ...]) -> None:
    shares = {1: [11], 2: [6, 5], 3: [4, 4, 3]}[len(grid)]
    found = SinusoidalGridPositions(D, axes=len(grid))(torch.zeros(1, math.prod(grid), D), grid).view(*grid, D)
    for place in itertools.product(*map(range, grid)):
        expected = [
            sinusoid(at, column, share) for at, share in zip(place, shares, strict=True) for column in range(share)
        ]
        close(found[place], torch.tensor(expected))


def test_learned_vectors_of_a_film_are_those_of_frame_row_and_column() -> None:
    positions = LearnedGridPositions(4, D, axes=3, noun="film")
    for parameter in positions.parameters():
        nn.init.normal_(parameter)
    assert [(name, len(vectors), vectors.shape[1]) for name, vectors in positions.named_parameters()] == [
        ("frames", 4, 4), ("rows", 4, 4), ("columns", 4, 3)
    ]  # fmt: skip
    frames, rows, columns = positions.parameters()
    found = positions(torch.zeros(1, 24, D), (2, 3, 4)).view(2, 3, 4, D)
    for frame, row, column in itertools.product(range(2), range(3), range(4)):
        close(found[frame, row, column], torch.cat([frames[frame], rows[row], columns[column]]))
    with pytest.raises(DataError, match=r"^a film has 5 frames of regions, but model\.encoder\.maximum_length is 4; "):
        positions(torch.zeros(1, 5, D), (5, 1, 1))


def test_learned_vectors_of_row_and_column_are_joined() -> None:
    _, positions = both()
    rows, columns = positions.parameters()
    found = positions(torch.zeros(1, 15, D), GRID)
    for row in range(3):
        for column in range(5):
            close(found[row * 5 + column], torch.cat([rows[row], columns[column]]))


@pytest.mark.parametrize("which", [0, 1], ids=["sinusoidal", "learned"])
def test_a_transposed_grid_has_the_transposed_places(which: int) -> None:
    positions = both(10)[which]  # an even width, whose shares are equal
    if isinstance(positions, LearnedGridPositions):
        positions.register_parameter("columns", positions.get_parameter("rows"))
    states = torch.zeros(1, 15, 10)
    plain = positions(states, GRID).view(3, 5, 2, 5)
    transposed = positions(states, GRID[::-1]).view(5, 3, 2, 5)
    close(transposed, plain.transpose(0, 1).flip(2))


def test_a_grid_beyond_the_learned_rows_or_columns_is_refused() -> None:
    _, positions = both()
    with pytest.raises(DataError) as caught:
        positions(torch.zeros(1, 14, D), (7, 2))
    assert str(caught.value) == (
        "an image has 7 rows of regions, but model.encoder.maximum_length is 6; raise it, or choose "
        "model.encoder.positions: sinusoidal"
    )
    with pytest.raises(DataError, match=r"^an image has 8 columns of regions, but "):
        positions(torch.zeros(1, 16, D), (2, 8))


def features() -> Features:
    generator = torch.Generator().manual_seed(2)
    return Features(torch.randn(2, 15, 4, generator=generator) * 3 + 1, torch.randn(2, 4, generator=generator), GRID)


@torch.no_grad()
def test_regions_are_normalised_then_placed() -> None:
    model = captioner("normalises: true, positions: sinusoidal", decoder={"hidden_size": 8, "bridge": "mean"})
    encoder, given = model.encoder, features()
    project = part_of(encoder, "project", nn.Linear)
    projected = given.regions @ project.weight.T + project.bias
    mean, deviation = projected.mean(-1, keepdim=True), projected.std(-1, keepdim=True, correction=0)
    placed = (projected - mean) / deviation + SinusoidalGridPositions(D)(projected, GRID)
    memory = encoder(given)
    close(memory.states, placed, tolerance=1e-4)
    close(memory.summary, placed.mean(1), tolerance=1e-4)


@pytest.mark.parametrize("keys", ["positions: sinusoidal", "positions: learned, maximum_length: 5"])
@torch.no_grad()
def test_places_depend_on_the_grid_alone(keys: str) -> None:
    model = captioner(f"normalises: false, {keys}")
    given = features()
    zeros = Features(torch.zeros_like(given.regions), given.pooled, GRID)
    found, other = (model.encoder(one).states for one in (zeros, given))
    close(other - found, given.regions @ part_of(model, "encoder.project", nn.Linear).weight.T)
    assert (found[0, 0] != found[0, 1]).any()
    close(found[0], found[1])


def test_where_no_region_is_read_none_is_normalised_or_placed() -> None:
    model = captioner(
        "normalises: true, positions: sinusoidal",
        attention="none",
        decoder={"hidden_size": 8, "context": "every_step", "bridge": "final"},
    )
    assert {name for name, _ in model.encoder.named_children()}.isdisjoint({"norm", "positions"})


class Given(nn.Module):
    """Gives what was given, whatever the tokens."""

    def __init__(self, values: Tensor):
        super().__init__()
        self.values = values

    def read(self, source: Tokens) -> Embedded:
        return Embedded(self.values, source.lengths, source.mask)


@pytest.mark.parametrize("keys", ["positions: sinusoidal", "positions: learned, maximum_length: 6"])
@torch.no_grad()
def test_a_recurrent_encoder_reads_words_with_their_positions(keys: str) -> None:
    model = built(f"model.encoder={{hidden_size: 10, {keys}}}")
    encoder = model.encoder
    placed = part_of(encoder, "embedding", nn.Embedding).weight[SOURCE.ids] * math.sqrt(6)
    for t in range(6):
        if "learned" in keys:
            placed[:, t] += part_of(encoder, "place.positions", LearnedPositions).vectors[t]
        else:
            placed[:, t] += torch.tensor([sinusoid(t, at, 6) for at in range(6)])
    plain = built("model.encoder={hidden_size: 10}")
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if "place." not in name})
    plain.encoder.place = nn.Identity()
    plain.encoder.embedding = Given(placed)
    found, expected = model.encode(SOURCE), plain.encode(SOURCE)
    close(found.states[SOURCE.mask], expected.states[SOURCE.mask])


def test_a_sentence_beyond_the_learned_positions_of_a_recurrent_encoder_is_refused() -> None:
    model = built("model.encoder={hidden_size: 10, positions: learned, maximum_length: 5}")
    with pytest.raises(DataError, match=r"a sentence has at least 6 positions, .* 5 are learned \(model.encoder.max"):
        model.encode(SOURCE)
