"""The size of a configured model: parameters of each part, and roughly the memory of a training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attncli.assembly.model import build_model
from attncli.config.load import Config
from attncli.config.networks import LSTMN, Recurrent, Transformer
from attncli.config.sources.encoder import EncoderSection
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.config.training import SGD
from attncli.config.writing import WritingConfig
from attncli.losses import CHUNK
from attncli.models.autoencoder import build_autoencoder
from attncli.models.encoder_decoder import EncoderDecoder

FLOAT_BYTES = 4
# Assumed for the length of a sentence, which the configuration does not tell.
TYPICAL_LENGTH = 30


@dataclass(frozen=True)
class Summary:
    """Sizes of a model in training."""

    parameters: dict[str, int]  # of each part; shared ones are counted once, where they first appear
    bytes: dict[str, int]
    condition: str  # what the numbers assume, in words; empty where they are exact

    @property
    def total(self) -> int:
        """All parameters."""
        return sum(self.parameters.values())


@dataclass(frozen=True)
class Sizes:
    """The sizes of a task's model, in floating-point numbers."""

    parameters: dict[str, int]  # of each part
    activations: int  # kept for the backward pass of a full batch, roughly
    condition: str = ""


def summarise(config: Config) -> Summary:
    """Return the sizes of the model of `config`."""
    with torch.device("meta"):
        sizes = writing_sizes(config) if isinstance(config, WritingConfig) else autoencoder_sizes(config)
    total = sum(sizes.parameters.values())
    moments = 2 if not isinstance(config.training.optimizer, SGD) else int(config.training.optimizer.momentum > 0)
    return Summary(
        sizes.parameters,
        {
            "weights and gradients": 2 * total * FLOAT_BYTES,
            "optimiser": moments * total * FLOAT_BYTES,
            "activations": sizes.activations * FLOAT_BYTES,
        },
        sizes.condition,
    )


def writing_sizes(config: WritingConfig) -> Sizes:
    """Return the sizes of a model with the largest vocabularies that the tokenizer may have."""
    size = config.tokenizer.vocabulary_size
    model = build_model(config, source_vocabulary=size, target_vocabulary=size)
    condition = "for the largest vocabulary the tokenizer may have"
    if files := [each.noun for each in config.model.source.parts.values() if not each.is_text]:
        condition += f", without the {' and '.join(files)}s"
    return Sizes(count_parameters(model), _activations(config), condition)


def count_parameters(model: EncoderDecoder) -> dict[str, int]:
    """Return the number of parameters of each part of `model`."""
    parts: dict[str, Any] = {
        "source embeddings": getattr(model.encoder, "embedding", None),
        "encoder": model.encoder,
        "target embeddings": getattr(model.decoder, "embedding", None),
        "attention": getattr(model.decoder, "attention", None),
        "output layer": model.decoder.output,
        "decoder": model.decoder,
        "CTC": model.ctc,
    }
    seen: set[int] = set()
    counts = {}
    for name, part in parts.items():
        fresh = [] if part is None else [parameter for parameter in part.parameters() if id(parameter) not in seen]
        seen.update(map(id, fresh))
        counts[name] = sum(parameter.numel() for parameter in fresh)
    return {name: count for name, count in counts.items() if parts[name] is not None}


def _activations(config: WritingConfig) -> int:
    """Return roughly how many numbers a forward pass of a full batch keeps for the backward pass.

    What an encoder of images keeps is not counted.
    """
    model, positions = config.model, config.training.batch_tokens
    if config.training.batch_sentences is not None:
        positions = min(positions, config.training.batch_sentences * TYPICAL_LENGTH)
    parts = (*model.source.parts.values(), model.decoder)
    networks: list[Any] = [part for part in parts if isinstance(part, (Recurrent, LSTMN, Transformer))]
    layers: int = sum(part.layers * _kept_by_layer(part) for part in networks)
    # Additive attention recomputes its inner layer, so only the weights are kept.
    attention = 0 if model.attention == "none" else 2 * TYPICAL_LENGTH
    return positions * (layers + attention + 4 * model.embedding_size) + 2 * CHUNK


def _kept_by_layer(part: Any) -> int:
    """Return roughly how many numbers a layer of the network `part` keeps per position."""
    size: int = part.hidden_size
    if isinstance(part, Recurrent):  # its input, four gates, two states and their tanh
        return 8 * size
    if isinstance(part, LSTMN):  # the same, the tape and its gradient, and the weights on what was before
        return 14 * size + TYPICAL_LENGTH
    # The normalised input and the output of each part, query, key, value and context; and the inner layer.
    kept: int = 9 * size + part.feed_forward_size * (1 if part.activation == "relu" else 2)
    # Cross-attention returns its weights, and so keeps them.
    return kept if isinstance(part, EncoderSection) else kept + 5 * size + 3 * part.heads * TYPICAL_LENGTH


def autoencoder_sizes(config: AutoencodingConfig) -> Sizes:
    """Return the sizes of an autoencoder."""
    model = build_autoencoder(config)
    halves = {"encoder": model.encoder, "decoder": model.decoder}
    parameters = {name: sum(parameter.numel() for parameter in half.parameters()) for name, half in halves.items()}
    outputs = 0

    def count(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal outputs
        outputs += output.numel()

    layers = [module for module in model.modules() if not list(module.children())]
    handles = [layer.register_forward_hook(count) for layer in layers]
    model(torch.zeros(1, config.data.size))
    for handle in handles:
        handle.remove()
    return Sizes(parameters, config.training.batch_size * (outputs + 2 * config.data.size))
