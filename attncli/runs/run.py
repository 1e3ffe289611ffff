"""A trained run: its folder, its configuration and its model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from attncli.config.load import CONFIGS, Config
from attncli.errors import CommandError, escaped
from attncli.machine.device import resolve_device
from attncli.runs.facts import CheckpointFacts
from attncli.runs.folder import WEIGHTS, RunFolder
from attncli.runs.weights import check_fit, put_weights, read_shapes, read_weights

_FILLING = ("normal_", "trunc_normal_", "uniform_", "kaiming_uniform_", "xavier_uniform_", "orthogonal_")
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


def with_weights(
    build: Callable[[], AnyModel], folder: Path, *, device: str, checkpoint: str
) -> tuple[AnyModel, CheckpointFacts]:
    """Return a model for evaluation on `device` with the weights of `checkpoint` in `folder`, and its facts."""
    run_folder, chosen = RunFolder(folder), resolve_device(device)
    path, facts = run_folder.saved_file(checkpoint, WEIGHTS), run_folder.checkpoint_facts(checkpoint)
    check_sizes(build, path)
    with _Unfilled():  # every weight is replaced at once
        model = build()
    put_weights(model, read_weights(path), where=str(path.parent))
    return model.to(chosen).eval(), facts


def check_sizes(build: Callable[[], nn.Module], path: Path) -> None:
    """Raise a RunError unless `build` gives a model of the sizes that the weights in the file `path` have.

    Nothing is allocated for it: the configuration of a run from elsewhere may ask for more memory than there is.
    """
    with torch.device("meta"), _Unfilled():
        check_fit(build(), read_shapes(path), where=str(path.parent))


class _Unfilled(TorchFunctionMode):
    """Leaves tensors that would be filled with random numbers as they are.

    Orthogonal weights take longer than reading a model. On the device `meta` nothing is filled anyway, but PyTorch
    imports its compiler for it, which takes over a second.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.__name__ in _FILLING:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


class TrainedRun(Generic[AnyConfig, AnyModel]):
    """The folder of a run, its configuration, and its model with the weights of a checkpoint."""

    def __init__(self, folder: Path, config: AnyConfig, model: AnyModel, checkpoint: CheckpointFacts):
        self.folder, self.config, self.model = folder, config, model
        self.checkpoint = checkpoint

    @property
    def name(self) -> str:
        """The folder's name as it is shown, with control characters as escapes."""
        return escaped(self.folder.resolve().name)

    @property
    def step(self) -> int:
        """Updates made before the weights were saved."""
        return self.checkpoint.step

    @property
    def caption(self) -> str:
        """The run and its step, as figures say whose they are."""
        return f"{self.name}, step {self.step:,}"

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())
