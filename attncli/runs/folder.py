"""The folder of a run: its files and its format.

config.yaml  tokenizer.*  metadata.json  log.jsonl
checkpoints/best/{model.safetensors, checkpoint.json}
checkpoints/last/{model.safetensors, checkpoint.json, training_state.pt}
checkpoints/kept/step-00001200/{model.safetensors, checkpoint.json}     the best validations
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attncli
from attncli.config.facts import read_facts
from attncli.config.formats import FORMAT, as_meant
from attncli.config.load import Config, check_config
from attncli.config.yaml_core import parse_yaml
from attncli.data.cache import fingerprint
from attncli.errors import RunError, TrainingError, nearest, unknown
from attncli.files.untrusted import file_inside, is_inside, read_inside
from attncli.files.writing import take_lock
from attncli.runs.facts import CheckpointFacts, Metadata
from attncli.runs.log import LOG
from attncli.runs.parts import Part, versions
from attncli.runs.saving import create_folder, existing_folder, reason_of, remove, replace_file
from attncli.runs.weights import Weights, read_weights

CONFIG = "config.yaml"
METADATA = "metadata.json"
LOCK = ".lock"
WEIGHTS = "model.safetensors"
FACTS = "checkpoint.json"
STATE = "training_state.pt"

# What --overwrite deletes, beside the metadata.json and config.yaml that it replaces; all else belongs to the user.
_OWN = ("tokenizer.*", "shortlist.safetensors", LOG, "checkpoints", "evaluation", "visualization", "tensorboard")


class RunFolder:
    """A run on disk. Methods that read raise a RunError where the folder is not as it should be."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def log_path(self) -> Path:
        """The log, one JSON record a line."""
        return self.path / LOG

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training this run; a process that dies releases it.

        Raises a RunError where another process trains it.
        """
        try:
            file = (self.path / LOCK).open("ab")
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror}") from None
        with file:
            if not take_lock(file):
                raise RunError(
                    f"{self.path}: another process is training this run; wait until it has ended, or choose another "
                    "folder with --run"
                )
            yield

    def create(
        self,
        config_yaml: str,
        *,
        overwrite: bool = False,
        facts: Mapping[str, Any] = MappingProxyType({}),
        save: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """Start a new run with `config_yaml`, `facts` in its metadata and the files that `save` writes into a folder.

        An existing run is replaced only with `overwrite`, and should be locked. A folder that is not a run is never
        touched unless it is empty, and files that are not part of a run stay.
        """
        self.check_free(overwrite=overwrite)
        metadata = _json({"format": FORMAT, "versions": versions(), "step": 0, "scores": {}, **facts})

        def write(folder: Path) -> None:
            save(folder)
            for name, text in ((METADATA, metadata), (CONFIG, config_yaml)):
                (folder / name).write_text(text, encoding="utf-8")

        try:
            if self.exists():
                self._replace(write)
            else:
                create_folder(self.path, write, lock=LOCK)
        except OSError as error:
            reason = reason_of(error, self.path) or str(error)
            raise RunError(f"{self.path}: a run cannot be written here: {reason}") from None

    def _replace(self, write: Callable[[Path], None]) -> None:
        """Put a new run in the place of this one, which is a run at every moment."""
        made = self.path / ".new-run"
        remove(made)
        made.mkdir()
        try:
            write(made)
            for pattern in _OWN:
                for path in self.path.glob(pattern):
                    remove(path)
            for path in made.iterdir():
                path.replace(self.path / path.name)
        finally:
            remove(made)

    def exists(self) -> bool:
        """Tell whether there is anything in the folder."""
        return self._is_folder() and bool(_names(self.path))

    def _is_folder(self) -> bool:
        try:
            return self.path.is_dir()
        except OSError as error:  # a name that is too long, or a closed folder above it
            raise RunError(f"{self.path}: cannot be read: {error.strerror}") from None

    def check_free(self, *, overwrite: bool = False) -> None:
        """Raise a RunError unless `create` may start a run here."""
        if not self._is_folder():
            if self.path.exists() or self.path.is_symlink():
                raise RunError(f"{self.path}: is a file; choose another folder for the run")
            return
        if not (found := _names(self.path)):
            return
        # Its files may be deleted, so a metadata.json alone, which other programs write too, does not make it a run.
        if missing := self._missing():
            raise RunError(
                f"{self.path}: exists and is not a run: missing {', '.join(missing)}; found {_shortened(found)}; "
                "choose another folder"
            )
        if "attncli" not in self.facts().versions:
            raise RunError(
                f"{self.path}: exists and is not a run: metadata.json was not written by attncli; choose another folder"
            )
        if not overwrite:
            raise RunError(f"{self.path}: exists; go on with --resume, replace it with --overwrite, or choose another")

    def _missing(self) -> list[str]:
        return [name for name in (METADATA, CONFIG) if not (self.path / name).exists()]

    def check(self) -> None:
        """Raise a RunError if this is not a run, or one of a newer format."""
        if not self._is_folder():
            raise RunError(f"{self.path}: {'is a file, not a run' if self.path.exists() else self._no_such_folder()}")
        if missing := self._missing():
            found = _shortened(_names(self.path))
            raise RunError(f"{self.path}: not a run: missing {', '.join(missing)}; found {found}")
        self.facts()

    def check_own_links(self) -> None:
        """Raise a RunError where a link leads out of the folder: training would write to what it leads to."""
        for path in self.path.rglob("*"):
            if not is_inside(path, self.path):
                raise RunError(
                    f"{path}: is a link that leads out of the run; a run that is trained on keeps its files inside its "
                    "folder"
                )

    def _no_such_folder(self) -> str:
        siblings = [path.name for path in self.path.parent.glob("*/")] if self.path.parent.is_dir() else []
        near = nearest(self.path.name, siblings)
        return "no such folder" + (f"; did you mean {self.path.parent / near}?" if near else "")

    def facts(self) -> Metadata:
        """Return the content of metadata.json."""
        found = read_facts(Metadata, self.path, METADATA)
        newest = max(found.format, found.begun_in_format or 0)
        if newest > FORMAT:
            version = found.versions.get("attncli", "a newer version")
            raise RunError(
                f"{self.path}: has run format {newest}, written by attncli {version[:40]}; attncli "
                f"{attncli.__version__} reads formats up to {FORMAT}; upgrade attncli"
            )
        return found

    def config(self) -> Config:
        """Return the configuration, read by the rules of its format."""
        format = self.config_format()
        try:
            text = read_inside(self.path, CONFIG).decode()
        except UnicodeDecodeError:
            raise RunError(f"{self.path / CONFIG}: damaged: not UTF-8") from None
        # Not `read_config`: a run has its configuration whole, and a base would lead to files outside of it.
        values = parse_yaml(text, where=str(self.path / CONFIG))
        if not isinstance(values, dict):
            raise RunError(f"{self.path / CONFIG}: damaged: holds no keys")
        return as_meant(check_config(values, where=str(self.path / CONFIG)), format=format)

    def config_format(self) -> int:
        """Return the format in which the run was begun, which decides the defaults of its configuration files.

        Resuming a run of an older format rewrites its configuration, but the file it was begun with still resumes it.
        """
        self.check()
        facts = self.facts()
        return facts.begun_in_format or facts.format

    def rewrite_config(self, config_yaml: str) -> None:
        """Replace the configuration by `config_yaml`, which holds every key."""
        begun = self.config_format()
        replace_file(self.path / CONFIG, config_yaml)
        if begun != FORMAT:
            self.update_metadata({"format": FORMAT, "begun_in_format": begun})

    def update_metadata(self, facts: Mapping[str, Any]) -> None:
        """Add `facts` to metadata.json, replacing those of the same name."""
        known = self.facts().model_dump(exclude_unset=True)
        if (now := {**known, **facts}) != known:
            replace_file(self.path / METADATA, _json(now))

    @contextmanager
    def trained(self, part: Part) -> Iterator[None]:
        """Add `part` to the parts of the training, which the block does; its end is noted however the block ends."""
        before = self.facts().parts
        self._put_parts([*before, part])
        try:
            yield
        except BaseException:
            with suppress(RunError, TrainingError):  # what ended the training says more
                self._put_parts([*before, part.ended_now()])
            raise
        self._put_parts([*before, part.ended_now()])

    def _put_parts(self, parts: Sequence[Part]) -> None:
        self.update_metadata({"parts": [part.model_dump(exclude_unset=True) for part in parts]})

    def checkpoint(self, name: str) -> Path:
        """Return the folder of the checkpoint `name` ("best", "last", "kept/step-00001200")."""
        self.check()
        folder = existing_folder(self.path / "checkpoints" / name)
        if not folder.exists() and (names := self._saved()):
            raise RunError(f"{self.path}: {unknown('checkpoint', name, names)}")
        if not (folder / WEIGHTS).exists():
            where = folder if folder.is_dir() and is_inside(folder, self.path) else self.path
            missing, found = (folder / WEIGHTS).relative_to(where), _shortened(_names(where))
            raise RunError(f"{where}: not a checkpoint: missing {missing}; found {found}")
        return folder

    def has_checkpoint(self, name: str) -> bool:
        """Tell whether the checkpoint `name` exists."""
        return (existing_folder(self.path / "checkpoints" / name) / WEIGHTS).exists()

    def checkpoints(self) -> list[str]:
        """Return the names in the folder of the checkpoints, such as "best"."""
        folder = self.path / "checkpoints"
        return [name for name in _names(folder) if not name.startswith(".")] if folder.is_dir() else []

    def _saved(self) -> list[str]:
        """Return the names of the checkpoints with weights, such as "best" and "kept/step-00001200"."""
        folder = self.path / "checkpoints"
        found = (path.parent for pattern in ("*", "kept/*") for path in folder.glob(f"{pattern}/{WEIGHTS}"))
        return sorted(path.relative_to(folder).as_posix() for path in found if not path.name.startswith("."))

    def load_weights(self, name: str = "best") -> Weights:
        """Return the weights of the checkpoint `name`, on the CPU."""
        return read_weights(self.saved_file(name, WEIGHTS))

    def checkpoint_facts(self, name: str = "best") -> CheckpointFacts:
        """Return the facts of the checkpoint `name`."""
        return read_facts(CheckpointFacts, self.path, str(self.checkpoint(name).relative_to(self.path) / FACTS))

    def saved_file(self, name: str, file: str) -> Path:
        """Return the path of a file of the checkpoint `name`, whose content is what was saved.

        Checkpoints of earlier versions have no sums that would tell.
        """
        folder, sums = self.checkpoint(name), self.checkpoint_facts(name).sha256
        path = file_inside(self.path, str((folder / file).relative_to(self.path)))
        if not sums or fingerprint(path) == sums.get(file):
            return path
        # A run that is training may have replaced the checkpoint in the meantime.
        if self.checkpoint_facts(name).sha256 != sums:
            return self.saved_file(name, file)
        raise RunError(
            f"{folder / file}: damaged: its SHA-256 is not the one in {FACTS}; restore the file, or use another "
            "checkpoint"
        )


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    except OSError as error:
        raise RunError(f"{folder}: cannot be read: {error.strerror}") from None


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more if names else "nothing"
