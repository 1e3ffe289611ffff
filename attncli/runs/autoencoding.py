"""A trained autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.models.autoencoder import Autoencoder, build_autoencoder
from attncli.runs.run import TrainedRun, config_of, with_weights

_ROWS = 1024  # of the input, computed at once


class AutoencoderRun(TrainedRun[AutoencodingConfig, Autoencoder]):
    """A trained run, ready to encode, decode and reconstruct. Results are on the CPU."""

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", checkpoint: str = "best") -> AutoencoderRun:
        """Return the run in `folder` with the weights of `checkpoint`, or raise a RunError that says what is wrong."""
        config = config_of(folder, AutoencodingConfig)
        model, facts = with_weights(lambda: build_autoencoder(config), folder, device=device, checkpoint=checkpoint)
        return cls(folder, config, model, facts)

    @torch.inference_mode()
    def encode(self, rows: Tensor) -> Tensor:
        """Return the codes [N, K] of `rows` [N, D]."""
        return torch.cat([self.model.encode(part.to(self.model.device)).cpu() for part in _parts(rows)])

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Return the rows [N, D] that `codes` [N, K] decode to."""
        return torch.cat([self.model.decode(part.to(self.model.device)).cpu() for part in _parts(codes)])

    def reconstruct(self, rows: Tensor) -> Tensor:
        """Return the reconstructions [N, D] of `rows` [N, D]."""
        return self.decode(self.encode(rows))

    def decoder_columns(self) -> Tensor:
        """Return what each component of the code adds to a reconstruction, [D, K] float64; the model must be linear."""
        assert self.config.model.is_linear
        origin, units = torch.zeros(1, self.config.model.bottleneck), torch.eye(self.config.model.bottleneck)
        return (self.decode(units) - self.decode(origin)).double().T


def _parts(rows: Tensor) -> Iterator[Tensor]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))
