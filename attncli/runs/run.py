"""A trained run: its folder, its configuration and its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from attncli.config.load import CONFIGS, Config
from attncli.errors import CommandError
from attncli.machine.device import resolve_device
from attncli.runs.folder import RunFolder
from attncli.runs.weights import put_weights

AnyModel = TypeVar("AnyModel", bound=nn.Module)
AnyConfig = TypeVar("AnyConfig", bound=Config)


def config_of(folder: Path, kind: type[AnyConfig]) -> AnyConfig:
    """Return the configuration of the run in `folder`, whose task must be one that `kind` configures.

    Raises RunError where the folder cannot be used, CommandError where the run is of another task.
    """
    run_folder = RunFolder(folder)
    run_folder.check()
    config = run_folder.config()
    if not isinstance(config, kind):
        tasks = " or ".join(task for task, section in CONFIGS.items() if issubclass(section, kind))
        raise CommandError(f"{folder}: is a run of task {config.task}, but this command reads runs of task {tasks}")
    return config


def with_weights(model: AnyModel, folder: Path, *, device: str, checkpoint: str) -> tuple[AnyModel, Mapping[str, Any]]:
    """Return `model` for evaluation on `device` with the weights of `checkpoint` in `folder`, and its facts."""
    run_folder = RunFolder(folder)
    put_weights(model, run_folder.load_weights(checkpoint), where=str(run_folder.checkpoint(checkpoint)))
    return model.to(resolve_device(device)).eval(), run_folder.checkpoint_facts(checkpoint)


class TrainedRun(Generic[AnyConfig, AnyModel]):
    """The folder of a run, its configuration, and its model with the weights of a checkpoint."""

    def __init__(self, folder: Path, config: AnyConfig, model: AnyModel, checkpoint: Mapping[str, Any]):
        self.folder, self.config, self.model = folder, config, model
        self.checkpoint = checkpoint  # its step, epoch and dev scores

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def step(self) -> int:
        """Updates made before the weights were saved."""
        return int(self.checkpoint["step"])

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())
