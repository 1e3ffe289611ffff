"""What a configuration of an autoencoder may say, and what it may not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from attncli.config.load import check_config
from attncli.config.tasks.autoencoding import AutoencodingConfig, ConvolutionalModel, DenseModel, GaussianNoise, Masking
from attncli.errors import ConfigError

VALUES: dict[str, Any] = {
    "task": "autoencoding",
    "data": {"height": 8, "width": 12, "train": {"folder": "a"}, "dev": {"folder": "b"}},
    "model": {"kind": "dense", "widths": [20, 9], "bottleneck": 5},
    "training": {"max_steps": 3},
}


def configured(**changes: Any) -> AutoencodingConfig:
    """Return the configuration with `section={key: value}` put over it."""
    values = deepcopy(VALUES)
    for section, part in changes.items():
        values.setdefault(section, {}).update(part)
    # The kind may be left out of the file where there is a default.
    values["data"].setdefault("kind", "pictures")
    config = check_config(values, where="x.yaml")
    assert isinstance(config, AutoencodingConfig)
    return config


def problems(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        configured(**changes)
    return list(error.value.problems)


def test_the_decoder_mirrors_the_encoder_unless_told_otherwise() -> None:
    dense, other = configured().model, configured(model={"decoder_widths": [7]}).model
    assert isinstance(dense, DenseModel)
    assert isinstance(other, DenseModel)
    assert (dense.mirrored_widths, other.mirrored_widths) == ((9, 20), (7,))
    values = {**deepcopy(VALUES), "model": {"kind": "convolutional", "channels": [3, 4], "bottleneck": 5}}
    values["data"]["kind"] = "pictures"
    config = check_config(values, where="x")
    assert isinstance(config.model, ConvolutionalModel)
    assert config.model.mirrored_channels == (4, 3)


def test_the_narrowest_layer_is_the_bottleneck_in_fact() -> None:
    assert configured().model.narrowest == 5
    assert configured(model={"bottleneck": 30}).model.narrowest == 9
    assert configured(model={"bottleneck": 30, "decoder_widths": [2]}).model.narrowest == 2


@pytest.mark.parametrize(
    ("activations", "linear"),
    [
        ({"activation": "none"}, True),
        ({"activation": "none", "code_activation": "tanh"}, False),
        ({"activation": "relu"}, False),
    ],
)
def test_a_network_without_activations_is_linear(activations: dict[str, str], linear: bool) -> None:
    assert configured(model=activations).model.is_linear is linear


def test_a_plain_overcomplete_autoencoder_is_warned_of() -> None:
    wide = {"widths": [], "bottleneck": 96}
    [warning] = configured(model=wide).warnings()
    assert warning == (
        "model.bottleneck: 96 is no narrower than the 96 components of the input, and the input is not corrupted: the "
        "network can copy its input, component by component, without learning anything about the data; narrow it, or "
        "set training.corruption"
    )
    assert list(configured(model={**wide, "bottleneck": 95}).warnings()) == []
    assert list(configured(model=wide, training={"corruption": {"kind": "masking"}}).warnings()) == []
    # A narrow layer beside a wide code still leaves something out.
    assert list(configured(model={"widths": [9], "bottleneck": 96}).warnings()) == []


def test_corruption_of_evaluation_is_that_of_training_unless_another_is_given() -> None:
    noise = {"kind": "gaussian", "deviation": 0.5}
    assert configured().eval_corruption is None
    assert configured(training={"corruption": noise}).eval_corruption == GaussianNoise(deviation=0.5)
    found = configured(training={"corruption": noise}, evaluation={"corruption": {"kind": "masking", "share": 0.1}})
    assert found.eval_corruption == Masking(share=0.1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"training": {"validation": {"metric": "bleu"}}},
            "x.yaml: training.validation.metric: unknown value 'bleu'; choose from loss, corrupted_loss",
        ),
        (
            {"training": {"validation": {"metric": "corrupted_loss"}}},
            "x.yaml: training.validation.metric: 'corrupted_loss' is measured on corrupted input, but "
            "training.corruption is not set; set it or choose 'loss'",
        ),
        (
            {"training": {"batch_tokens": 64}},
            "x.yaml: training.batch_tokens: unknown key 'batch_tokens'; did you mean 'batch_size'? choose from",
        ),
        (
            {"model": {"activation": "leaky"}},
            "x.yaml: model.activation: unknown value 'leaky'; choose from relu, tanh, sigmoid, elu, none",
        ),
        (
            {"training": {"corruption": {"kind": "noise"}}},
            "x.yaml: training.corruption.kind: unknown value 'noise'; choose from gaussian, masking",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], expected: str) -> None:
    [problem] = problems(**changes)
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("data", "channels", "expected"),
    [
        (
            {"kind": "pictures", "height": 8, "width": 12},
            {"channels": [3, 4, 5]},
            [
                "data.width: 12 cannot be halved 3 times, once for each of model.channels; choose a multiple of 8, or "
                "fewer "
                "channels"
            ],
        ),
        (
            {"kind": "pictures", "height": 8, "width": 12},
            {"channels": [3, 4], "decoder_channels": [4]},
            [
                "model.decoder_channels: has 1 layers, but model.channels has 2; each layer of the decoder undoes the "
                "halving of one; give as many",
            ],
        ),
        (
            {"kind": "vectors", "size": 96},
            {"channels": [3]},
            ["model.kind: 'convolutional' reads images, but data.kind is 'vectors'; choose 'dense'"],
        ),
    ],
)
def test_convolutions_need_pictures_that_can_be_halved(
    data: dict[str, Any], channels: dict[str, Any], expected: list[str]
) -> None:
    sets = {"train": {"file": "a"}, "dev": {"file": "b"}} if data["kind"] == "vectors" else VALUES["data"]
    values = {**VALUES, "data": {**sets, **data}, "model": {"kind": "convolutional", "bottleneck": 5, **channels}}
    with pytest.raises(ConfigError) as error:
        check_config(values, where="x")
    assert list(error.value.problems) == [f"x: {text}" for text in expected]
