from __future__ import annotations

from itertools import takewhile
from typing import Any

import pytest
import torch
from torch import nn

from attncli.config.load import check_config
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.models.autoencoder import Autoencoder, build_autoencoder


def built(model: dict[str, Any], **data: Any) -> Autoencoder:
    sets = {"kind": "pictures", "height": 8, "width": 12, "train": {"folder": "a"}, "dev": {"folder": "b"}}
    values = {"task": "autoencoding", "data": {**sets, **data}, "model": model, "training": {"max_steps": 1}}
    config = check_config(values, where="x")
    assert isinstance(config, AutoencodingConfig)
    torch.manual_seed(1)
    return build_autoencoder(config)


def linears(module: nn.Module) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in module.modules() if isinstance(layer, nn.Linear)]


def test_a_linear_autoencoder_is_two_matrices_about_the_mean() -> None:
    model = built({"kind": "dense", "bottleneck": 5, "activation": "none"})
    rows = torch.randn(3, 96)
    with torch.no_grad():
        model.mean.copy_(torch.randn(96))
        [inner], [outer] = (
            [layer for layer in half.modules() if isinstance(layer, nn.Linear)]
            for half in (model.encoder, model.decoder)
        )
        inner.bias.normal_()
        codes = (rows - model.mean) @ inner.weight.T + inner.bias
        torch.testing.assert_close(model.encode(rows), codes)
        torch.testing.assert_close(model(rows), model.mean + codes @ outer.weight.T + outer.bias)


def test_layers_have_the_widths_that_were_asked_for() -> None:
    model = built({"kind": "dense", "widths": [20, 9], "bottleneck": 5})
    assert linears(model.encoder) == [(96, 20), (20, 9), (9, 5)]
    assert linears(model.decoder) == [(5, 9), (9, 20), (20, 96)]
    other = built({"kind": "dense", "widths": [20, 9], "bottleneck": 5, "decoder_widths": [7]})
    assert linears(other.decoder) == [(5, 7), (7, 96)]


def test_neither_the_output_nor_by_default_the_code_has_an_activation() -> None:
    model = built({"kind": "dense", "widths": [20], "bottleneck": 5})
    assert [type(layer).__name__ for layer in model.encoder.children()] == ["Linear", "ReLU", "Linear", "Identity"]
    assert [type(layer).__name__ for layer in model.decoder.children()] == ["Linear", "ReLU", "Linear"]
    squashed = built({"kind": "dense", "bottleneck": 5, "code_activation": "sigmoid"})
    assert ((codes := squashed.encode(torch.randn(4, 96))) > 0).all()
    assert (codes < 1).all()


@pytest.mark.parametrize(("colour", "size"), [(False, 96), (True, 288)])
def test_convolutions_give_back_what_they_were_given_in_size(colour: bool, size: int) -> None:
    model = built({"kind": "convolutional", "channels": [3, 4], "bottleneck": 5}, colour=colour)
    rows = torch.randn(2, size)
    assert model.encode(rows).shape == (2, 5)
    assert model(rows).shape == (2, size)
    channels = [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert channels == [3, 4, 3, 3 if colour else 1]


def test_convolutions_see_a_picture_and_not_a_row() -> None:
    """A picture that moves by the stride of all layers moves the last map by one place."""
    model = built({"kind": "convolutional", "channels": [3, 4], "bottleneck": 5}, height=16, width=24)
    picture = torch.zeros(1, 1, 16, 24)
    picture[0, 0, 5:8, 7:11] = torch.rand(3, 4)
    until_flat = nn.Sequential(*takewhile(lambda layer: not isinstance(layer, nn.Flatten), model.encoder.children()))
    here, there = (until_flat(moved.flatten(1)) for moved in (picture, picture.roll((4, 8), (2, 3))))
    torch.testing.assert_close(there[:, :, 1:, 2:], here[:, :, :-1, :-2])


def test_fresh_layers_keep_lengths() -> None:
    model = built({"kind": "dense", "widths": [50], "bottleneck": 5, "activation": "none"})
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            torch.testing.assert_close(torch.linalg.svdvals(layer.weight), torch.ones(min(layer.weight.shape)))
