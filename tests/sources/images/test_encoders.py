"""Networks over images: their maps, what stays fixed, and known outputs of known weights.

B=2 images.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny import close
from torch import Tensor, nn

from attncli.config.load import read_config
from attncli.config.sources.images import Preprocessing
from attncli.errors import ConfigError, UserError
from attncli.models.memory import Part
from attncli.models.rows import take_rows
from attncli.sources.images.batch import Features, Pixels, stack_images
from attncli.sources.images.cnn import CNN, ResidualBlock
from attncli.sources.images.efficientnet_lite0 import ConvolutionNorm, EfficientNetLite0, renamed
from attncli.sources.images.encoder import Backbone, ImageEncoder
from attncli.sources.images.files import read_image
from attncli.sources.images.placement import place
from attncli.sources.images.timm import TimmBackbone


def images(height: int = 24, width: int = 16, count: int = 2) -> Pixels:
    pixels = torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(1))
    return Pixels(pixels.to(torch.uint8))


def lite(**options: Any) -> EfficientNetLite0:
    given = {"layer": "stride_16", "fine_tune_from": None, "rate_factor": 0.1, "pools": False}
    torch.manual_seed(2)
    return EfficientNetLite0(**{**given, **options})


def test_pixels_are_centred_before_they_are_read() -> None:
    class Through(Backbone):
        map_size = pooled_size = 3
        mean, std = (0.1, 0.2, 0.3), (0.5, 0.4, 0.25)

        def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
            return pixels, pixels.mean((2, 3))

    batch = images(2, 5)
    found = Through()(batch)
    assert found.grid == (2, 5)
    for channel in range(3):
        for row, column in ((0, 0), (1, 3)):
            value = int(batch.pixels[1, channel, row, column]) / 255
            expected = (value - Through.mean[channel]) / Through.std[channel]
            assert float(found.regions[1, row * 5 + column, channel]) == pytest.approx(expected, abs=1e-5)


def test_the_memory_has_the_regions_row_by_row_and_their_grid() -> None:
    backbone = CNN((6, 10), blocks=1, kernel_size=3).eval()
    encoder = ImageEncoder(backbone, memory_size=None, summarises=False, dropout=0.0).eval()
    memory = encoder(images())
    found, _ = backbone.maps((images().pixels / 255 - 0.5) / 0.5)
    assert memory.parts == (Part(24, (6, 4)),)
    assert memory.states.shape == (2, 24, 10)
    close(memory.states[1, 2 * 4 + 3], found[1, :, 2, 3])
    close(memory.summary, memory.states.mean(1))
    assert memory.mask.all()
    assert encoder.memory_size == 10


def test_a_projection_and_a_summary_have_their_widths() -> None:
    encoder = ImageEncoder(lite(pools=True), memory_size=12, summarises=True, dropout=0.0).eval()
    memory = encoder(images(32, 32))
    assert memory.states.shape == (2, 4, 12)
    assert memory.summary.shape == (2, 12)
    assert encoder.summarise is not None
    assert encoder.summarise.in_features == 1280


def test_features_computed_earlier_give_the_same_memory() -> None:
    encoder = ImageEncoder(lite(), memory_size=9, summarises=True, dropout=0.0).eval()
    features = encoder.backbone(images(32, 48))
    assert isinstance(features, Features)
    whole, apart = encoder(images(32, 48)), encoder(features)
    close(whole.states, apart.states)
    close(whole.summary, apart.summary)
    assert whole.parts == apart.parts == (Part(6, (2, 3)),)
    halved = Features(features.regions.half(), features.pooled.half(), features.grid)
    close(encoder(halved).states, whole.states, tolerance=0.02)


def test_rows_of_a_memory_keep_its_grid() -> None:
    memory = ImageEncoder(CNN((4,), blocks=1, kernel_size=3), memory_size=None, summarises=False, dropout=0.0)(images())
    assert take_rows(memory, torch.tensor([1, 1, 0])).parts == (Part(96, (12, 8)),)


def test_an_image_is_read_alike_alone_and_in_a_batch() -> None:
    for backbone in (CNN((6, 10), blocks=2, kernel_size=3), lite()):
        backbone.eval()
        batch = images(32, 32)
        close(backbone(batch).regions[1:], backbone(Pixels(batch.pixels[1:])).regions, tolerance=1e-4)


def test_fresh_convolutions_keep_the_size_of_what_goes_through_rectifiers() -> None:
    torch.manual_seed(3)
    for convolution in (
        each for each in CNN((32, 48), blocks=1, kernel_size=3).modules() if isinstance(each, nn.Conv2d)
    ):
        inputs = convolution.in_channels * math.prod(convolution.kernel_size)
        # He et al. 2015, equation 10.
        assert convolution.weight.var().item() == pytest.approx(2 / inputs, rel=0.15)
        assert convolution.bias is None or not convolution.bias.any()


def test_a_convolution_without_a_middle_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.encoder\.kernel_size: 2 has no middle; choose an odd number"):
        read_config(Path("toy-captioning"), ["model.encoder.kernel_size=2"])


def influence_on_a_cell(*, kernel_size: int) -> torch.Tensor:
    """Return how much each pixel [64, 64] reaches the cell in row 8 and column 7 of the small network's map."""
    backbone = CNN((8, 8), blocks=1, kernel_size=kernel_size).eval()
    for parameter in backbone.parameters():
        parameter.data = torch.full_like(parameter, 0.05)
    for module in backbone.modules():
        if isinstance(module, ResidualBlock):  # normalisation mixes all places
            module.register_module("first_norm", nn.Identity())
            module.register_module("second_norm", nn.Identity())
    pixels = torch.zeros(1, 3, 64, 64, requires_grad=True)
    backbone.layers(pixels)[0, :, 8, 7].sum().backward()
    assert pixels.grad is not None
    return pixels.grad[0].abs().sum(0)


@pytest.mark.parametrize(("kernel_size", "seen"), [(1, 10), (3, 34)])
def test_a_cell_of_the_small_network_stands_for_the_pixels_under_it(kernel_size: int, seen: int) -> None:
    influence = influence_on_a_cell(kernel_size=kernel_size)
    # 4 pixels, two convolutions of a block over every other pixel, and the same over every other of those.
    rows = influence.sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == seen
    # What reaches a cell from the left and from the right must be alike: the gradient's middle is the cell's middle.
    middle = (torch.arange(64) + 0.5) @ influence.sum(1) / influence.sum()
    assert float(middle) == pytest.approx(8.5 * 4, abs=0.2)
    middle = (torch.arange(64) + 0.5) @ influence.sum(0) / influence.sum()
    assert float(middle) == pytest.approx(7.5 * 4, abs=0.2)


@pytest.mark.parametrize("length", [7, 8, 14, 15])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_padding_is_tensorflows_same(length: int, kernel: int, stride: int) -> None:
    part = ConvolutionNorm(1, 1, kernel, stride=stride).eval()
    inputs = torch.randn(1, 1, length, length, generator=torch.Generator().manual_seed(3))
    out = math.ceil(length / stride)
    total = max((out - 1) * stride + kernel - length, 0)
    before = total // 2
    expected = torch.zeros(out, out)
    for row in range(out):
        for column in range(out):
            for i in range(kernel):
                for j in range(kernel):
                    y, x = row * stride + i - before, column * stride + j - before
                    if 0 <= y < length and 0 <= x < length:
                        expected[row, column] += inputs[0, 0, y, x] * part.convolution.weight[0, 0, i, j]
    close(part(inputs)[0, 0], expected / math.sqrt(1 + 1e-3), tolerance=1e-4)


@pytest.mark.parametrize(
    ("layer", "grid", "channels"), [("stride_16", (3, 4), 112), ("stride_32", (2, 2), 320), ("head", (2, 2), 1280)]
)
@pytest.mark.parametrize("pools", [True, False])
def test_each_layer_has_its_map(layer: str, grid: tuple[int, int], channels: int, pools: bool) -> None:
    found = lite(layer=layer, pools=pools).eval()(images(48, 64))
    assert found.grid == grid
    assert found.regions.shape == (2, grid[0] * grid[1], channels)
    assert found.pooled.shape == (2, 1280 if pools else channels)


def learning(backbone: Backbone) -> set[str]:
    names = [name for name, parameter in backbone.named_parameters() if parameter.requires_grad]
    return {name.split(".")[0] if "blocks" not in name else ".".join(name.split(".")[:2]) for name in names}


def test_blocks_before_the_first_that_is_trained_stay_fixed() -> None:
    assert learning(lite()) == set()
    assert not lite().learns
    assert learning(lite(fine_tune_from=9)) == {"blocks.9", "blocks.10"}
    assert learning(lite(fine_tune_from=0, layer="head")) == {"head", *(f"blocks.{at}" for at in range(16))}


def test_fixed_blocks_keep_their_statistics_in_training() -> None:
    backbone = lite(fine_tune_from=10)
    encoder = ImageEncoder(backbone, memory_size=None, summarises=False, dropout=0.0).train()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    encoder(images(32, 32)).states.sum().backward()
    changed = {name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("backbone.blocks.10.") for name in changed)
    assert all(parameter.grad is None for parameter in backbone.blocks[9].parameters())


def test_a_network_without_a_trained_block_keeps_no_graph() -> None:
    assert not lite().train()(images(32, 32)).regions.requires_grad
    assert CNN((4,), blocks=1, kernel_size=3)(images()).regions.requires_grad


def test_weights_are_read_from_files_by_either_name(tmp_path: Path) -> None:
    source = lite(layer="head")
    state = source.state_dict()
    torch.save(state, tmp_path / "ours.pth")
    target = lite(layer="stride_32", pools=False)
    target.stem.convolution.weight.data.zero_()
    target.load(tmp_path / "ours.pth")
    assert torch.equal(target.stem.convolution.weight, source.stem.convolution.weight)
    theirs = {"_conv_stem.weight": state["stem.convolution.weight"], "_blocks.12._bn2.bias": state["head.norm.bias"]}
    assert set(renamed(theirs)) == {"stem.convolution.weight", "blocks.12.project.norm.bias"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file; model.encoder.weights names the file of the weights"),
        (b"text", "not a file of weights: "),
        (
            {"_conv_stem.weight": torch.zeros(2)},
            "not the weights of EfficientNet-Lite0: 165 of 165 tensors are missing or of",
        ),
        ([1], "holds a list, not tensors by their names"),
    ],
)
def test_files_without_the_weights_are_refused(tmp_path: Path, content: Any, expected: str) -> None:
    path = tmp_path / "x.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UserError) as caught:
        lite().load(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_a_missing_package_of_weights_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"model\.encoder\.weights: EfficientNet-Lite0 needs its ImageNet weights; name a"
    ):
        lite().load(None)


@pytest.mark.parametrize("broken", [ImportError("No module named 'timm'"), RuntimeError("torchvision::nms")])
def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, broken: Exception) -> None:
    def refuse(name: str) -> None:
        raise broken

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(
        UserError, match=r"model\.encoder\.kind: 'timm' needs the library timm, which cannot be imported"
    ):
        timm_backbone("resnet10")


def timm_backbone(name: str, **options: Any) -> TimmBackbone:
    given = {"layer": 1, "weights": None, "pretrained": False, "fine_tune_from": None, "rate_factor": 0.1}
    return TimmBackbone(name, **{**given, **options})


class FakeNetwork(nn.Module):
    """What the library's `create_model(features_only=True)` gives: modules in order, and maps as a list."""

    def __init__(self, out_indices: tuple[int, ...]):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 2, 2), nn.Conv2d(5, 7, 2, 2)
        self.feature_info = SimpleNamespace(channels=lambda: [[5, 7][at] for at in out_indices])
        self.pretrained_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.2, 0.2, 0.2)}
        self.indices = out_indices

    def forward(self, pixels: Tensor) -> list[Tensor]:
        first = self.first(pixels)
        return [[first, self.second(first)][at] for at in self.indices]


@pytest.fixture
def fake_timm(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    def create_model(name: str, **options: Any) -> FakeNetwork:
        asked.update(options)
        return FakeNetwork(options["out_indices"])

    module = SimpleNamespace(list_models=lambda: ["resnet10", "vgg11"], create_model=create_model)
    monkeypatch.setitem(sys.modules, "timm", module)
    return asked


def test_any_network_of_the_library_gives_its_map(fake_timm: dict[str, Any]) -> None:
    backbone = timm_backbone("resnet10.a1_in1k", pretrained=True, fine_tune_from=1)
    assert fake_timm == {"features_only": True, "out_indices": (1,), "pretrained": True}
    found = backbone(images(8, 12))
    assert found.grid == (2, 3)
    assert found.regions.shape == (2, 6, 7)
    assert backbone.mean == (0.1, 0.2, 0.3)
    learn = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert learn == {"network.second.weight", "network.second.bias"}
    timm_backbone("vgg11", weights="file.pth", pretrained=True)
    assert fake_timm["checkpoint_path"] == "file.pth"


def test_an_unknown_network_is_answered_with_the_nearest(fake_timm: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"model\.encoder\.name: unknown network 'resnet1'; did you mean 'resnet10'\?"):
        timm_backbone("resnet1")


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 6), (2, 6)])
def test_the_normalisation_within_the_kernels_is_the_normalisation_after_them(stride: int, groups: int) -> None:
    torch.manual_seed(3)
    layer = ConvolutionNorm(6, 12, 3, stride=stride, groups=groups).eval()
    assert layer.norm.running_mean is not None
    assert layer.norm.running_var is not None
    for tensor in (layer.norm.weight, layer.norm.bias, layer.norm.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(layer.norm.running_var, 0.2, 3.0)
    inputs = torch.randn(2, 6, 7, 10)
    plain = layer(inputs)
    with torch.inference_mode():
        folded = layer(inputs)
    close(folded, plain.detach())


@pytest.fixture
def reference(shared_data: Path) -> tuple[Path, dict[str, Any]]:
    folder = shared_data / "efficientnet-lite0"
    return folder, json.loads((folder / "reference_outputs.json").read_text())


def known(folder: Path, **options: Any) -> EfficientNetLite0:
    network = lite(**options).eval()
    network.load(folder / "efficientnet-lite0-57934424.pth")
    return network


@pytest.mark.shared_data
@torch.inference_mode()
def test_known_weights_give_the_known_outputs(reference: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = reference
    wave = torch.from_numpy(np.sin(0.01 * np.arange(3 * 224 * 224))).float().view(1, 3, 224, 224)
    for layer, name in (("stride_16", "stride16"), ("stride_32", "stride32")):
        found, _ = known(folder, layer=layer).maps(wave)
        facts = expected["feature_maps"][name]
        assert list(found.shape) == facts["shape"]
        assert float(found.mean()) == pytest.approx(facts["mean"], abs=2e-6)
        assert float(found.std()) == pytest.approx(facts["std"], rel=1e-5)
        assert found[0, :5, 0, 0].tolist() == pytest.approx(facts["[0,:5,0,0]"], abs=2e-4)
    found, pooled = known(folder, layer="head", pools=True).maps(wave)
    facts = expected["after_head_conv_bn_relu6"]
    assert list(found.shape) == facts["shape"]
    assert float(found.mean()) == pytest.approx(facts["mean"], abs=2e-6)
    logits = classified(folder, pooled)
    assert logits[0, :10].tolist() == pytest.approx(expected["logits_first_10"], abs=2e-5)
    assert int(logits.argmax()) == expected["argmax"]


def classified(folder: Path, pooled: Tensor) -> Tensor:
    weights = renamed(torch.load(folder / "efficientnet-lite0-57934424.pth", weights_only=True))
    return F.linear(pooled, weights["classify.weight"], weights["classify.bias"])


@pytest.mark.shared_data
@torch.inference_mode()
def test_known_photographs_are_recognised(reference: tuple[Path, dict[str, Any]]) -> None:
    folder, expected = reference
    network = known(folder, layer="head", pools=True)
    squares = []
    for name in expected["flickr8k_top5"]:
        image = read_image(folder.parent / "flickr8k" / "images" / name)
        squares.append(place(image.size, Preprocessing(size=224)).apply(image))
    likely = classified(folder, network(stack_images(squares)).pooled).softmax(-1)
    for row, top in zip(likely, expected["flickr8k_top5"].values(), strict=True):
        for number, _, probability in top:
            assert float(row[number]) == pytest.approx(probability, abs=2e-4)


def test_images_are_stacked_channels_first() -> None:
    squares = [np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3) + at for at in range(2)]
    found = stack_images(squares)
    assert found.pixels.shape == (2, 3, 4, 4)
    assert int(found.pixels[1, 2, 3, 1]) == squares[1][3, 1, 2]
    assert len(found) == 2
    assert Image.fromarray(squares[0]).size == (4, 4)
