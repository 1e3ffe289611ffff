"""Autoencoders: an encoder-decoder whose memory is one vector, and whose target is its source.

B examples, D components of one, K width of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from attncli.config.tasks.autoencoding import AutoencodingConfig, ConvolutionalModel, DenseModel, PictureData

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "none": nn.Identity,
}


class Autoencoder(nn.Module):
    """Reconstructs its input through a code: mean + decoder(encoder(input - mean)).

    The mean of the training data is a buffer and is not learned, so that a linear network is one on centred data, whose
    best is PCA (Baldi and Hornik 1989). It is also a good start for any other.
    """

    mean: Tensor  # [D]

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, size: int):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.register_buffer("mean", torch.zeros(size))

    def encode(self, rows: Tensor) -> Tensor:
        """Return the codes [B, K] of `rows` [B, D]."""
        return self.encoder(rows - self.mean)  # type: ignore[no-any-return]

    def decode(self, codes: Tensor) -> Tensor:
        """Return the reconstructions [B, D] of the codes [B, K]."""
        # Under autocast the decoder gives bfloat16; the mean and the loss stay in float32.
        return self.mean + self.decoder(codes).float()  # type: ignore[no-any-return]

    def forward(self, rows: Tensor) -> Tensor:
        """Return the reconstructions [B, D] of `rows` [B, D]."""
        return self.decode(self.encode(rows))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device


def build_autoencoder(config: AutoencodingConfig) -> Autoencoder:
    """Return the autoencoder that `config` describes, with fresh weights from torch's random state and a mean of 0."""
    model = config.model
    if isinstance(model, ConvolutionalModel):
        assert isinstance(config.data, PictureData)  # the configuration was checked
        encoder, decoder = _convolutional(model, config.data)
    else:
        encoder, decoder = _dense(model, config.data.size)
    autoencoder = Autoencoder(encoder, decoder, size=config.data.size)
    initialise_autoencoder(autoencoder, gain=nn.init.calculate_gain("relu") if model.activation == "relu" else 1.0)
    return autoencoder


def _dense(model: DenseModel, size: int) -> tuple[nn.Module, nn.Module]:
    inwards = [size, *model.widths, model.bottleneck]
    outwards = [model.bottleneck, *model.mirrored_widths, size]
    encoder = nn.Sequential(*_layers(inwards, model.activation), ACTIVATIONS[model.code_activation]())
    return encoder, nn.Sequential(*_layers(outwards, model.activation))


def _layers(widths: Sequence[int], activation: str) -> Iterator[nn.Module]:
    """Yield linear layers from each of `widths` to the next, with the activation between each two."""
    for number, (before, after) in enumerate(pairwise(widths)):
        if number:
            yield ACTIVATIONS[activation]()
        yield nn.Linear(before, after)


def _convolutional(model: ConvolutionalModel, data: PictureData) -> tuple[nn.Module, nn.Module]:
    depth = len(model.channels)
    height, width = data.height >> depth, data.width >> depth
    inner, outer = (data.channels, *model.channels), (*model.mirrored_channels, data.channels)
    encoder: list[nn.Module] = [nn.Unflatten(1, (data.channels, data.height, data.width))]
    for before, after in pairwise(inner):
        encoder += [nn.Conv2d(before, after, 3, stride=2, padding=1), ACTIVATIONS[model.activation]()]
    encoder += [nn.Flatten(), nn.Linear(inner[-1] * height * width, model.bottleneck)]
    decoder: list[nn.Module] = [
        nn.Linear(model.bottleneck, outer[0] * height * width),
        nn.Unflatten(1, (outer[0], height, width)),
    ]
    # With a kernel of 4, a stride of 2 doubles height and width exactly; one of 3 would end a row short.
    for before, after in pairwise(outer):
        decoder += [ACTIVATIONS[model.activation](), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
    encoder.append(ACTIVATIONS[model.code_activation]())
    return nn.Sequential(*encoder), nn.Sequential(*decoder, nn.Flatten())


def initialise_autoencoder(model: nn.Module, *, gain: float) -> None:
    """Set orthogonal weights, which preserve lengths as far as a layer of their shape can, and biases of 0.

    Deep networks start to learn at once this way (Saxe et al. 2014). `gain` makes up for what the activation takes.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.orthogonal_(module.weight, gain)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
