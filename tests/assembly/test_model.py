"""Models as a configuration describes them: sizes, shared embeddings, and where weights come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import configured as configured_for_text
from tiny import part_of
from tiny_captioner import configured as configured_for_images
from torch import nn

from attncli.assembly.model import build_model
from attncli.config.sources.images import EfficientNetLite0 as EfficientNetLite0Section
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.sources.images.efficientnet_lite0 import EfficientNetLite0
from attncli.sources.images.encoder import ImageEncoder
from attncli.text.tokenizer import PAD


def test_each_side_has_its_own_vocabulary() -> None:
    model = build_model(configured_for_text(), source_vocabulary=13, target_vocabulary=11)
    for side, size in (("encoder", 13), ("decoder", 11)):
        embedding = part_of(model, f"{side}.embedding", nn.Embedding)
        assert embedding.num_embeddings == size
        assert not embedding.weight[PAD].any()


def test_images_have_no_vocabulary() -> None:
    config = configured_for_images("{score: general}", "{hidden_size: 8}")
    one, other = (build_model(config, source_vocabulary=size, target_vocabulary=11).state_dict() for size in (11, 99))
    assert {name: value.shape for name, value in one.items()} == {name: value.shape for name, value in other.items()}


def test_tied_sides_share_one_embedding() -> None:
    tied = build_model(configured_for_text("model.tied_embeddings=all"), source_vocabulary=11, target_vocabulary=11)
    assert tied.decoder.embedding is tied.encoder.embedding
    assert tied.decoder.output.classify.weight is tied.encoder.embedding.weight
    of_target = build_model(
        configured_for_text("model.tied_embeddings=target"), source_vocabulary=13, target_vocabulary=11
    )
    assert of_target.decoder.embedding is not of_target.encoder.embedding
    assert of_target.decoder.output.classify.weight is of_target.decoder.embedding.weight


@pytest.mark.parametrize("weights", ["glorot", "uniform"])
def test_fresh_weights_come_from_torchs_random_state(weights: str) -> None:
    config = configured_for_text(f"model.initial_weights={weights}")

    def fresh(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return build_model(config, source_vocabulary=13, target_vocabulary=11).state_dict()

    first, same, other = fresh(1), fresh(1), fresh(2)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["decoder.embedding.weight"], other["decoder.embedding.weight"])


@pytest.fixture
def pretrained(tmp_path: Path) -> tuple[CaptioningConfig, EfficientNetLite0]:
    """Return a configuration of an encoder with weights from elsewhere, and the network they are of."""
    torch.manual_seed(7)
    network = EfficientNetLite0(layer="head", fine_tune_from=None, rate_factor=1.0, pools=True)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    values = configured_for_images("{score: general}", "{hidden_size: 8}").model_dump()
    values["model"]["encoder"] = {
        "kind": "efficientnet_lite0",
        "layer": "head",
        "weights": str(tmp_path / "weights.pth"),
        "memory_size": 7,
        "preprocessing": {"size": 32},
    }
    return CaptioningConfig.model_validate(values), network


@pytest.mark.parametrize("weights", ["glorot", "uniform"])
def test_weights_from_elsewhere_stay_as_they_are(
    pretrained: tuple[CaptioningConfig, EfficientNetLite0], weights: str
) -> None:
    config, network = pretrained
    model = config.model.model_copy(update={"initial_weights": weights})
    built = build_model(
        config.model_copy(update={"model": model}), source_vocabulary=11, target_vocabulary=11, pretrained=True
    )
    assert isinstance(built.encoder, ImageEncoder)
    expected, found = network.state_dict(), built.encoder.backbone.state_dict()
    assert found.keys() <= expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_trained_run_needs_no_weights_from_elsewhere(
    pretrained: tuple[CaptioningConfig, EfficientNetLite0],
) -> None:
    config, _ = pretrained
    section = config.model.encoder
    assert isinstance(section, EfficientNetLite0Section)
    assert section.weights is not None
    Path(section.weights).unlink()
    assert build_model(config, source_vocabulary=11, target_vocabulary=11).encoder.memory_size == 7
