"""Frames become fewer vectors: convolutions against a loop, a pyramid against its layers by hand.

B=2 recordings, F=7 frames, M=3 features, E=5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from recordings import configured
from tiny import close
from torch import Tensor, nn

from attncli.assembly.model import build_model
from attncli.models.encoders.embedding import Embedded
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory
from attncli.sources.audio.batch import pad_frames
from attncli.sources.audio.subsampling import ConvolutionalSubsampling, PyramidalSubsampling

VALUES = torch.randn(2, 7, 6, generator=torch.Generator().manual_seed(1))
SOURCE = pad_frames([VALUES[0].numpy(), VALUES[1, :3].numpy()])


def convolved(values: Tensor, layer: nn.Conv2d) -> Tensor:
    """Return a layer over a recording [C, F, M]: position t sees frames 2t - 1 to 2t + 2, and 0 beyond the ends."""
    frames, bands = values.shape[1:]
    found = torch.zeros(layer.out_channels, -(-frames // 2), -(-bands // 2))
    assert layer.bias is not None
    for t in range(found.shape[1]):
        for m in range(found.shape[2]):
            total = layer.bias.clone()
            for i in range(4):
                for j in range(3):
                    at, band = 2 * t - 1 + i, 2 * m - 1 + j
                    if 0 <= at < frames and 0 <= band < bands:
                        total = total + layer.weight[:, :, i, j] @ values[:, at, band]
            found[:, t, m] = total.relu()
    return found


@torch.no_grad()
def test_convolutions_halve_time_and_bands_and_see_nothing_of_the_padding() -> None:
    torch.manual_seed(2)
    module = ConvolutionalSubsampling(3, orders=2, channels=4, layers=2, size=5)
    for layer in module.convolutions:
        nn.init.normal_(layer.bias)  # type: ignore[arg-type]
    read = module.read(SOURCE)
    assert read.lengths.tolist() == [2, 1]
    assert read.mask.tolist() == [[True, True], [True, False]]
    for row, frames in enumerate((7, 3)):
        # Features and their differences are the two channels that are read.
        states = VALUES[row, :frames].view(frames, 2, 3).transpose(0, 1)
        for layer in module.convolutions:
            states = convolved(states, layer)  # type: ignore[arg-type]
        expected = module.project(states.transpose(0, 1).flatten(1))
        close(read.states[row, : len(expected)], expected)


class Doubling(Encoder):
    """Gives what it reads twice over, and numbers beyond the real positions that nobody may read."""

    def __init__(self, size: int):
        super().__init__()
        self.memory_size = 2 * size

    def forward(self, source: Embedded) -> Memory:
        states = torch.cat([source.states, 2 * source.states], -1)
        states = torch.where(source.mask[:, :, None], states, torch.tensor(99.0))
        return Memory.of(states, source.mask, states[:, 0])


@torch.no_grad()
def test_a_pyramid_joins_neighbours_after_each_layer() -> None:
    torch.manual_seed(2)
    module = PyramidalSubsampling([Doubling(6), Doubling(24)], size=5)
    read = module.read(SOURCE)
    assert read.lengths.tolist() == [2, 1]
    for row, frames in enumerate((7, 3)):
        states = [VALUES[row, at] for at in range(frames)]
        for _ in range(2):
            doubled = [torch.cat([state, 2 * state]) for state in states]
            if len(doubled) % 2:
                doubled.append(torch.zeros_like(doubled[0]))
            states = [torch.cat([doubled[at], doubled[at + 1]]) for at in range(0, len(doubled), 2)]
        close(read.states[row, : len(states)], module.project(torch.stack(states)))


def test_every_parameter_of_a_pyramid_learns() -> None:
    config = configured("{subsampling: {kind: pyramid, hidden_size: 4, cell: gru}, network: {hidden_size: 6}}")
    encoder = build_model(config, source_vocabulary=1, target_vocabulary=9).encoder
    source = pad_frames([torch.randn(9, 5).numpy(), torch.randn(4, 5).numpy()])
    F.mse_loss(encoder(source).states, torch.ones(2, 3, 6)).backward()  # type: ignore[no-untyped-call]
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []
