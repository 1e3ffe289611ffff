"""Fetches a data set of the catalogue into a folder, whole and unaltered or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, cast

from attncli.data.cache import fingerprint
from attncli.data.sets.archives import unpack
from attncli.data.sets.catalogue import DATA_SETS, Archive, DataSet, File, FileList
from attncli.data.sets.filling import filling
from attncli.errors import CommandError, DataError, unknown
from attncli.files.reading import read_lines, unreadable

_BLOCK = 1 << 16
_FETCHED = ".fetched"
_MOST_EXPANDED = 10  # times the size of the archive
_SECONDS_WITHOUT_AN_ANSWER = 30
_OTHER_WAY = "if you have the files already, or know another server, name the folder or URL with --from"


def fetch(name: str, folder: Path, *, origin: str | None = None, report: Callable[[str], None]) -> None:
    """Put the files of the data set `name` into `folder`, from `origin` (a folder or URL) or its own URL.

    Files that are there already and intact are kept. `report` hears of each file before it is fetched. Archives are
    unpacked and not kept; nor are files of which others are made. Raises DataError, and leaves `folder` as it was, if a
    file is missing, altered or out of reach.
    """
    if name not in DATA_SETS:
        raise CommandError(unknown("data set", name, DATA_SETS))
    data_set = DATA_SETS[name]
    if data_set.prepare is not None:
        _fetch_prepared(name, folder, data_set.prepare, origin=origin, report=report)
        return
    missing = [file for file in data_set.files if not _is_there(folder / file, data_set.files[file])]
    archives = {} if _is_unpacked(folder, data_set) else data_set.archives
    if not missing and not archives:
        report(f"{folder}: complete already")
        return
    origin = _origin(name, data_set, origin)
    with filling(folder) as aside:
        for file in missing:
            report(f"{origin}/{file}")
            _bring(f"{origin}/{file}", aside / file, data_set.files[file])
        for name, archive in archives.items():
            report(f"{origin}/{name}")
            _bring(f"{origin}/{name}", aside / name, archive)
        for name, archive in archives.items():
            report(f"unpacking {name}")
            most = _MOST_EXPANDED * archive.size
            unpack(aside / name, aside, archive.members, most=most, origin=f"{origin}/{name}")
            (aside / name).unlink()


def _fetch_prepared(
    name: str,
    folder: Path,
    prepare: Callable[[Path, Path], None],
    *,
    origin: str | None,
    report: Callable[[str], None],
) -> None:
    data_set = DATA_SETS[name]
    if _is_unpacked(folder, data_set):
        report(f"{folder}: complete already")
        return
    origin = _origin(name, data_set, origin)
    with filling(folder) as aside:
        raw = aside / _FETCHED
        raw.mkdir()
        for file, wanted in data_set.files.items():
            report(f"{origin}/{file}")
            _bring(f"{origin}/{file}", raw / file, wanted)
        if data_set.listed is not None:
            report(f"{origin}/{data_set.listed.name.format('*')}")
            _bring_listed(origin, raw, data_set.listed)
        report("preparing")
        prepare(raw, aside)
        shutil.rmtree(raw)


def _bring_listed(origin: str, folder: Path, listed: FileList) -> None:
    """Bring the files that the tables of `listed`, which are in `folder` and intact, name."""
    rows = (line for table in listed.tables for line in list(read_lines(folder / table))[1:])
    names = sorted(listed.name.format(line.split("\t")[0]) for line in rows)
    total = hashlib.sha256()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        own = hashlib.sha256()
        _copy(f"{origin}/{name}", folder / name, own, most=listed.size)
        total.update(f"{own.hexdigest()}  {name}\n".encode())
    if total.hexdigest() != listed.sha256:
        raise DataError(
            f"{origin}/{listed.name.format('*')}: at least one of {len(names):,} files is broken or altered: the "
            f"SHA-256 of their sums is {total.hexdigest()}, but {listed.sha256} was expected; nothing was kept"
        )


def _is_there(path: Path, file: File) -> bool:
    try:
        if not path.exists():
            return False
    except OSError as error:
        raise unreadable(path, error) from None
    found = fingerprint(path)
    if found != file.sha256:
        raise DataError(
            f"{path}: is there, but is not the data set's: expected SHA-256 {file.sha256}, found {found}; "
            "remove it, or choose another folder with --to"
        )
    return True


def _origin(name: str, data_set: DataSet, origin: str | None) -> str:
    if origin is not None:
        return origin.rstrip("/") or "/"
    if data_set.url is None:
        raise DataError(
            f"{name}: cannot be downloaded ({data_set.made_by}); name a folder or URL that has "
            f"{', '.join([*data_set.files, *data_set.archives])} with --from"
        )
    return data_set.url


def _bring(place: str, path: Path, wanted: File | Archive) -> None:
    name, expected = ("SHA-256", wanted.sha256) if isinstance(wanted, File) else ("MD5", wanted.md5)
    total = hashlib.sha256() if isinstance(wanted, File) else hashlib.md5(usedforsecurity=False)
    # Read little more than the expected size, whatever a server sends; the sizes of archives are approximate.
    most = wanted.size if isinstance(wanted, File) else 2 * wanted.size
    size = _copy(place, path, total, most=most)
    if total.hexdigest() != expected:
        bytes_expected = f" ({wanted.size} bytes)" if isinstance(wanted, File) else ""
        raise DataError(
            f"{place}: broken or altered: expected {name} {expected}{bytes_expected}, found "
            f"{total.hexdigest()} ({'more' if size > most else f'{size} bytes'}); nothing was kept"
        )


def _copy(place: str, path: Path, total: hashlib._Hash, *, most: int) -> int:
    """Copy what is at `place` to `path`, little more than `most` bytes, and to `total`; return their number."""
    size = 0
    try:
        with _open(place) as received, path.open("wb") as written:
            while size <= most and (block := received.read(_BLOCK)):
                total.update(block)
                size += len(block)
                written.write(block)
            os.fsync(written.fileno())
        return size
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        # str() wraps the reason of a plain URLError in <urlopen error ...>; that of an HTTPError gives the status.
        reason = error.reason if type(error) is urllib.error.URLError else str(error)
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise DataError(f"{place}: cannot be downloaded: {reason}; {_OTHER_WAY}") from None


def _is_unpacked(folder: Path, data_set: DataSet) -> bool:
    return all(len(list(folder.glob(pattern))) >= count for pattern, count in data_set.unpacked.items())


def _open(place: str) -> AbstractContextManager[IO[bytes]]:
    if "://" not in place:
        try:
            return open(place, "rb")  # noqa: PTH123 - the caller closes it
        except OSError as error:
            raise DataError(f"{place}: cannot be read: {error.strerror}") from None
    request = urllib.request.Request(place, headers={"User-Agent": "attncli"})
    return cast(AbstractContextManager[IO[bytes]], urllib.request.urlopen(request, timeout=_SECONDS_WITHOUT_AN_ANSWER))
