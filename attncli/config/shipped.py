"""The configurations that the package brings along: their names, and the files that names stand for.

A name is `toy-translation`, or that of a set and one of its variants, such as `compare-attention/additive`.
"""

from __future__ import annotations

import re
from pathlib import Path

from attncli.errors import CommandError, nearest, unknown

_FOLDER = Path(__file__).parents[1] / "shipped"
SCHEMA = _FOLDER / "schema.json"
"""The JSON Schema of configurations."""
_BASE = "base"  # what the variants of a set share
_FIRST = "none"  # the variant that the others are compared with


def shipped_names() -> list[str]:
    """Return the names of all configurations, variants of sets last."""
    alone = sorted(path.stem for path in _FOLDER.glob("*.yaml"))
    return [*alone, *(f"{name}/{path.stem}" for name in shipped_sets() for path in variant_files(_FOLDER / name))]


def shipped_sets() -> list[str]:
    """Return the names of the sets, each a folder of variants to be compared."""
    return sorted(path.parent.name for path in _FOLDER.glob(f"*/{_BASE}.yaml"))


def variant_files(folder: Path) -> list[Path]:
    """Return the configurations in `folder` but for its base, by name; the one without attention comes first."""
    found = [path for path in folder.glob("*.yaml") if path.stem != _BASE]
    return sorted(found, key=lambda path: (path.stem != _FIRST, path.stem))


def shipped_file(name: str) -> Path | None:
    """Return the file of the shipped configuration `name`, or None if there is no such."""
    return _FOLDER / f"{name}.yaml" if name in shipped_names() else None


def shipped_folder(name: str) -> Path | None:
    """Return the folder of the shipped set `name`, or None if there is no such."""
    return _FOLDER / name if name in shipped_sets() else None


def summary_of(name: str) -> str:
    """Return what the shipped configuration or set `name` is: the first line of the comment in its file."""
    file = shipped_file(name) or _FOLDER / name / f"{_BASE}.yaml"
    comments = re.findall(r"^# (?!yaml-language-server:)(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return str(comments[0])


def meant_file(given: Path) -> Path:
    """Return the file that `given` stands for: the shipped one where it is the name of one, else the file itself.

    A file of that name in the current folder, with .yaml or without, wins over the shipped one.
    """
    shipped = shipped_file(str(given))
    own = (given, Path(f"{given}.yaml"))
    return given if shipped is None else next((path for path in own if path.is_file()), shipped)


def set_folder(given: Path) -> Path:
    """Return the folder of the set `given`: a folder with variants, or the shipped one where it is the name of one.

    Raises a CommandError if there is no such, or no variants are in it.
    """
    folder = given if given.is_dir() else shipped_folder(str(given))
    if folder is None:
        raise CommandError(f"{unknown('set', str(given), shipped_sets())}, or give a folder of configurations")
    if not variant_files(folder):
        raise CommandError(f"{given}: holds no configurations (*.yaml) but base.yaml; add one for each variant")
    return folder


def hint_for(given: str) -> str:
    """Return what may have been meant by `given`, which is no shipped configuration, as the end of a message."""
    if folder := shipped_folder(given):
        variants = ", ".join(f"{given}/{path.stem}" for path in variant_files(folder))
        return f"; it is a set, which `attncli compare {given}` trains; choose one of its variants: {variants}"
    if near := _nearest_name(Path(given)):
        return f"; did you mean {near}? `attncli config new` lists what is shipped"
    return "" if given.endswith(".yaml") else "; `attncli config new` lists what is shipped"


def _nearest_name(given: Path) -> str | None:
    names, stem = shipped_names(), given.stem
    near = nearest(str(given.with_suffix("")), names) or nearest(stem, names)
    if near is None and not given.suffix:
        return next((name for name in names if name.endswith(f"/{stem}")), None)
    return near
