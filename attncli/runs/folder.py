"""The folder of a run: its files and its format.

config.yaml  tokenizer.*  metadata.json  log.jsonl
checkpoints/best/{model.safetensors, checkpoint.json}
checkpoints/last/{model.safetensors, checkpoint.json, training_state.pt}
checkpoints/kept/step-00001200/{model.safetensors, checkpoint.json}     the best validations
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import attncli
from attncli.config.formats import FORMAT
from attncli.config.load import Config, read_config
from attncli.errors import RunError, nearest
from attncli.runs.saving import existing_folder, remove, replace_file, replace_folder
from attncli.runs.weights import Weights, read_weights

WEIGHTS = "model.safetensors"
FACTS = "checkpoint.json"
STATE = "training_state.pt"

# What --overwrite may delete; anything else in the folder belongs to the user.
_OWN = ("config.yaml", "tokenizer.*", "log.jsonl", "checkpoints", "evaluation", "visualization", "tensorboard")


class RunFolder:
    """A run on disk. Methods that read raise a RunError where the folder is not as it should be."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def config_path(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def log_path(self) -> Path:
        """The log, one JSON record a line."""
        return self.path / "log.jsonl"

    @property
    def metadata_path(self) -> Path:
        """Format number, versions, step and scores."""
        return self.path / "metadata.json"

    def create(self, config_yaml: str, *, overwrite: bool = False) -> None:
        """Start a new run with `config_yaml`; an existing run is replaced only with `overwrite`.

        A folder that is not a run is never touched unless it is empty, and files that are not part of a run stay.
        """
        self.check_free(overwrite=overwrite)
        metadata = _json({"format": FORMAT, "versions": _versions(), "step": 0, "scores": {}})
        if not self.path.exists() or not _names(self.path):
            replace_folder(self.path, lambda new: _write(new, {"config.yaml": config_yaml, "metadata.json": metadata}))
            return
        for pattern in _OWN:
            for path in self.path.glob(pattern):
                remove(path)
        replace_file(self.metadata_path, metadata)
        replace_file(self.config_path, config_yaml)

    def check_free(self, *, overwrite: bool = False) -> None:
        """Raise a RunError unless `create` may start a run here."""
        if not self.path.exists() and not self.path.is_symlink():
            return
        if not self.path.is_dir():
            raise RunError(f"{self.path}: is a file; choose another folder for the run")
        found = _names(self.path)
        if not found:
            return
        if not self.metadata_path.is_file():
            raise RunError(
                f"{self.path}: exists and is not a run: missing metadata.json; found {_shortened(found)}; "
                "choose another folder"
            )
        if not overwrite:
            raise RunError(f"{self.path}: exists; go on with --resume, replace it with --overwrite, or choose another")

    def check(self) -> None:
        """Raise a RunError if this is not a run, or one of a newer format."""
        if not self.path.is_dir():
            raise RunError(f"{self.path}: {'is a file, not a run' if self.path.exists() else self._no_such_folder()}")
        missing = [path.name for path in (self.metadata_path, self.config_path) if not path.is_file()]
        if missing:
            found = _shortened(_names(self.path))
            raise RunError(f"{self.path}: not a run: missing {', '.join(missing)}; found {found}")
        self.metadata()

    def _no_such_folder(self) -> str:
        siblings = [path.name for path in self.path.parent.glob("*/")] if self.path.parent.is_dir() else []
        near = nearest(self.path.name, siblings)
        return "no such folder" + (f"; did you mean {self.path.parent / near}?" if near else "")

    def metadata(self) -> dict[str, Any]:
        """Return the content of metadata.json."""
        try:
            metadata = json.loads(self.metadata_path.read_text(encoding="utf-8"))
            found = int(metadata["format"])
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: not a run: missing metadata.json; found {_shortened(_names(self.path))}"
            ) from None
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError(f"{self.metadata_path}: damaged: no JSON with a format number") from None
        if found > FORMAT:
            version = metadata.get("versions", {}).get("attncli", "a newer version")
            raise RunError(
                f"{self.path}: has run format {found}, written by attncli {version}; attncli {attncli.__version__} "
                f"reads formats up to {FORMAT}; upgrade attncli"
            )
        return dict(metadata)

    def config(self) -> Config:
        """Return the configuration, read by the rules of its format."""
        return read_config(self.config_path, format=self.config_format())

    def config_format(self) -> int:
        """Return the format in which the run was begun, which decides the defaults of its configuration files.

        Resuming a run of an older format rewrites its configuration, but the file it was begun with still resumes it.
        """
        self.check()
        metadata = self.metadata()
        return int(metadata.get("begun_in_format", metadata["format"]))

    def rewrite_config(self, config_yaml: str) -> None:
        """Replace the configuration by `config_yaml`, which holds every key."""
        replace_file(self.config_path, config_yaml)
        self.update_metadata({"format": FORMAT, "begun_in_format": self.config_format()})

    def update_metadata(self, facts: Mapping[str, Any]) -> None:
        """Add `facts` to metadata.json, replacing those of the same name."""
        replace_file(self.metadata_path, _json({**self.metadata(), **facts}))

    def checkpoint(self, name: str) -> Path:
        """Return the folder of the checkpoint `name` ("best", "last", "kept/step-00001200")."""
        self.check()
        folder = existing_folder(self.path / "checkpoints" / name)
        if not (folder / WEIGHTS).is_file():
            where = folder if folder.is_dir() else self.path
            missing, found = (folder / WEIGHTS).relative_to(where), _shortened(_names(where))
            raise RunError(f"{where}: not a checkpoint: missing {missing}; found {found}")
        return folder

    def has_checkpoint(self, name: str) -> bool:
        """Tell whether the checkpoint `name` exists."""
        return (existing_folder(self.path / "checkpoints" / name) / WEIGHTS).is_file()

    def load_weights(self, name: str = "best") -> Weights:
        """Return the weights of the checkpoint `name`, on the CPU."""
        return read_weights(self.checkpoint(name) / WEIGHTS)

    def checkpoint_facts(self, name: str = "best") -> dict[str, Any]:
        """Return the facts of the checkpoint `name`: its step, epoch and scores, and the steps of an average."""
        path = self.checkpoint(name) / FACTS
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            return {"step": int(facts["step"]), **facts}
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError(f"{path}: damaged: no JSON with a step") from None


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more if names else "nothing"


def _versions() -> dict[str, str]:
    return {"attncli": attncli.__version__, "torch": torch.__version__, "python": platform.python_version()}
