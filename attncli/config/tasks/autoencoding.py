"""Autoencoding: images or vectors, reconstructed through a code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from attncli.config.quantities import Count, PathText, Pixels, Resamples, Seed, SetName, Size
from attncli.config.section import MAY_CHANGE, DataSection, Section
from attncli.config.training import Training, Validation
from attncli.config.warnings import warnings_of_data, warnings_of_schedule

ActivationName = Literal["relu", "tanh", "sigmoid", "elu", "none"]
Part = Literal["all", "train", "dev", "test"]


class PictureSet(Section):
    """Images of a folder and its subfolders."""

    folder: PathText
    """The folder, searched recursively; every file with an image suffix must be an image."""
    list: PathText | None = None
    """A text file with the paths of the images to use, one per line, relative to `folder`; all by default."""
    part: Part = "all"
    """Use only this part of the images, chosen by the checksum of the path: about 80 % belong to `train`, 10 % each
    to `dev` and `test`."""


class VectorSet(Section):
    """Vectors of a file."""

    file: PathText
    """A `.csv` file with one vector per line (optionally `.gz`; a first line that is not numbers is a header), or a
    `.npy` file with one vector per row."""
    part: Part = "all"
    """Use only this part of the rows, chosen by the checksum of the row number: about 80 % belong to `train`, 10 %
    each to `dev` and `test`."""


class PictureData(DataSection):
    """Images for training, validation and test."""

    kind: Literal["pictures"] = "pictures"
    """The kind of data."""
    root: Annotated[PathText, MAY_CHANGE] = "."
    """Folder to which the other paths are relative; itself relative to the current directory."""
    height: Pixels = 32
    """Height in pixels to which every image is resized."""
    width: Pixels = 32
    """Width in pixels to which every image is resized; the aspect ratio is not kept."""
    colour: bool = False
    """Keep three colour channels; images are converted to grey by default."""
    train: PictureSet
    """The training images."""
    dev: PictureSet
    """The dev images, which select the checkpoint; never trained on."""
    test: Annotated[dict[SetName, PictureSet], MAY_CHANGE] = Field(default={})
    """Named test sets, read only by `eval` and `visualize`."""
    cache: Annotated[PathText | None, MAY_CHANGE] = None
    """Cache for decoded images; by default `attncli` in the user's cache folder."""

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return 3 if self.colour else 1

    @property
    def size(self) -> int:
        """Components of an image."""
        return self.height * self.width * self.channels


class VectorData(DataSection):
    """Vectors for training, validation and test."""

    kind: Literal["vectors"] = "vectors"
    """The kind of data."""
    root: Annotated[PathText, MAY_CHANGE] = "."
    """Folder to which the other paths are relative; itself relative to the current directory."""
    size: Annotated[int, Field(ge=1, le=10**6)]
    """Number of components of a vector; files with another number are refused."""
    train: VectorSet
    """The training vectors."""
    dev: VectorSet
    """The dev vectors, which select the checkpoint; never trained on."""
    test: Annotated[dict[SetName, VectorSet], MAY_CHANGE] = Field(default={})
    """Named test sets, read only by `eval`."""
    cache: Annotated[PathText | None, MAY_CHANGE] = None
    """Cache for the vectors in a format that loads quickly; by default `attncli` in the user's cache folder."""


class DenseModel(Section):
    """Fully connected layers."""

    kind: Literal["dense"] = "dense"
    """The kind of layers."""
    widths: tuple[Size, ...] = Field(default=(), max_length=1000)
    """Widths of the layers between input and bottleneck; none by default."""
    bottleneck: Size
    """Width of the code. If it is at least as wide as the input, nothing keeps the model from copying it."""
    decoder_widths: tuple[Size, ...] | None = Field(default=None, max_length=1000)
    """Widths of the layers between bottleneck and output, from the bottleneck on; by default `widths` mirrored."""
    activation: ActivationName = "relu"
    """Activation after every layer except the bottleneck and the output; with `none` and a linear code the whole model
    is linear."""
    code_activation: ActivationName = "none"
    """Activation of the code."""

    @property
    def mirrored_widths(self) -> tuple[int, ...]:
        """Widths of the layers between bottleneck and output."""
        return self.widths[::-1] if self.decoder_widths is None else self.decoder_widths

    @property
    def is_linear(self) -> bool:
        """Whether the reconstruction is a linear function of the input."""
        return self.activation == "none" == self.code_activation

    @property
    def narrowest(self) -> int:
        """Width of the narrowest layer."""
        return min(self.bottleneck, *self.widths, *self.mirrored_widths, self.bottleneck)


class ConvolutionalModel(Section):
    """Convolutional layers that each halve height and width, and their mirror image."""

    kind: Literal["convolutional"] = "convolutional"
    """The kind of layers."""
    channels: tuple[Size, ...] = Field(default=(16, 32), min_length=1, max_length=12)
    """Channels of each layer, from the input on; each layer halves height and width."""
    bottleneck: Size
    """Width of the code, a fully connected layer of the last channels."""
    decoder_channels: tuple[Size, ...] | None = Field(default=None, max_length=12)
    """Channels of the layers from the bottleneck on, each of which doubles height and width except that the last layer
    outputs the image; as many as `channels`, by default `channels` mirrored."""
    activation: ActivationName = "relu"
    """Activation after every layer except the bottleneck and the output."""
    code_activation: ActivationName = "none"
    """Activation of the code."""

    is_linear: ClassVar[bool] = False

    @property
    def mirrored_channels(self) -> tuple[int, ...]:
        """Channels of the layers from the bottleneck on."""
        return self.channels[::-1] if self.decoder_channels is None else self.decoder_channels

    @property
    def narrowest(self) -> int:
        """Width of the narrowest layer."""
        return self.bottleneck


class GaussianNoise(Section):
    """Noise from a normal distribution, added to every component."""

    kind: Literal["gaussian"] = "gaussian"
    """The kind of corruption."""
    deviation: float = Field(default=0.2, ge=1e-6, le=1000)
    """Standard deviation of the noise; components of images lie between 0 and 1."""


class Masking(Section):
    """Random components, chosen anew for every example, set to 0."""

    kind: Literal["masking"] = "masking"
    """The kind of corruption."""
    share: float = Field(default=0.3, ge=1e-6, lt=1)
    """Share of the components set to 0."""


Corruption = Annotated[GaussianNoise | Masking, Field(discriminator="kind")]


class AutoencodingValidation(Validation):
    """What is measured on the dev set during training."""

    metric: Literal["loss", "corrupted_loss"] = "loss"
    """What selects checkpoints and stops early: the mean squared error per component for clean or for corrupted input,
    with the same corruption at every validation."""


class AutoencodingTraining(Training):
    """The training loop."""

    batch_size: Count = 128
    """Examples in a batch."""
    corruption: Corruption | None = None
    """Corruption of the input, drawn anew at every step, while the target stays clean (Vincent et al. 2008); none by
    default."""
    validation: AutoencodingValidation = AutoencodingValidation()
    """Settings of the validation."""


class AutoencodingEvaluation(Section):
    """Reconstruction errors and their confidence bounds."""

    corruption: Corruption | None = None
    """Corruption of the input that `eval` measures in addition to the clean input; by default that of training."""
    bootstrap_samples: Resamples = 1000
    """Bootstrap resamples for the 95 % bounds."""
    seed: Seed = 12345
    """Seed for the resampling and the corruption."""


class AutoencodingConfig(Section):
    """Reconstruction of images or vectors through a code."""

    task: Literal["autoencoding"]
    """The task."""
    data: Annotated[PictureData | VectorData, Field(discriminator="kind")]
    """The images or vectors."""
    model: Annotated[DenseModel | ConvolutionalModel, Field(discriminator="kind")]
    """The network."""
    training: AutoencodingTraining
    """Settings of the training."""
    evaluation: Annotated[AutoencodingEvaluation, MAY_CHANGE] = AutoencodingEvaluation()
    """Settings of `eval`."""

    @property
    def eval_corruption(self) -> GaussianNoise | Masking | None:
        """Corruption of the input in `eval`."""
        return self.evaluation.corruption or self.training.corruption

    def warnings(self) -> Iterator[str]:
        """Yield what is valid but probably a mistake, as `key: what and why`."""
        yield from warnings_of_data(self.data)
        yield from warnings_of_schedule(self.training)
        if self.model.narrowest >= self.data.size and self.training.corruption is None:
            yield (
                f"model.bottleneck: {self.model.bottleneck} is no narrower than the {self.data.size} components of the "
                "input, and the input is not corrupted: the network can copy its input, component by component, "
                "without learning anything about the data; narrow it, or set training.corruption"
            )

    def conflicts(self) -> Iterator[str]:
        """Yield each broken rule between sections as `key: what is wrong`."""
        if self.training.validation.metric == "corrupted_loss" and self.training.corruption is None:
            yield (
                "training.validation.metric: 'corrupted_loss' is measured on corrupted input, but "
                "training.corruption is not set; set it or choose 'loss'"
            )
        if isinstance(self.model, ConvolutionalModel):
            yield from self._conflicts_with_convolutions(self.model)

    def _conflicts_with_convolutions(self, model: ConvolutionalModel) -> Iterator[str]:
        if isinstance(self.data, VectorData):
            yield "model.kind: 'convolutional' reads images, but data.kind is 'vectors'; choose 'dense'"
            return
        if len(model.mirrored_channels) != len(model.channels):
            yield (
                f"model.decoder_channels: has {len(model.mirrored_channels)} layers, but model.channels has "
                f"{len(model.channels)}; each layer of the decoder undoes the halving of one; give as many"
            )
        factor = 2 ** len(model.channels)
        for name, pixels in (("height", self.data.height), ("width", self.data.width)):
            if pixels % factor:
                yield (
                    f"data.{name}: {pixels} cannot be halved {len(model.channels)} times, once for each of "
                    f"model.channels; choose a multiple of {factor}, or fewer channels"
                )
