"""What training data are known by, so that a run is not resumed on other data than it was started with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from attncli.config.load import Config
from attncli.config.paths import named_paths
from attncli.config.section import DataSection, Section
from attncli.data.cache import fingerprint

_SPLITS = ("train", "dev")


def data_fingerprints(config: Config, sources: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    """Return a sum for every file that the training and the dev data of `config` name, by its place.

    `sources` are the files of the splits that are sources themselves, such as images. They share one sum of their names
    and sizes: reading all of them at each start would take too long. Paths are relative to `data.root`, so that the
    data may be moved.
    """
    root, found = Path(config.data.root), {}
    sum_of = cache(fingerprint)  # splits may share a file
    for key in _SPLITS:
        for name in _files(config.data, getattr(config.data, key), root):
            found[f"data.{key}: {name}"] = sum_of(root / name)
        if key in sources:
            found[f"data.{key}: {len(sources[key]):,} sources"] = _listing(sources[key], root)
    return found


def changed_data(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the places of data whose fingerprints differ; those that were not taken `before` count as the same."""
    return [place for place in now if before and now[place] != before.get(place)]


def _files(data: DataSection, split: Section, root: Path) -> Iterator[str]:
    """Yield the paths of the files that `split` is read from; what its folders hold are the `sources`."""
    paths = (path for section in (*data.files(split), split) for _, path in named_paths(section))
    yield from (path for path in dict.fromkeys(paths) if not (root / path).is_dir())


def _listing(paths: Iterable[Path], root: Path) -> str:
    total = hashlib.sha256()
    for path in paths:
        # A kind of source may have names that are no files.
        size = path.stat().st_size if path.exists() else 0
        total.update(os.fsencode(os.path.relpath(path, root)) + b"\0%d\0" % size)
    return total.hexdigest()
