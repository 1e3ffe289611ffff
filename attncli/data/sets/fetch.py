"""Fetches a data set of the catalogue into a folder, whole and unaltered or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, cast

from attncli.data.cache import fingerprint
from attncli.data.sets.catalogue import DATA_SETS, Archive, DataSet, File
from attncli.errors import CommandError, DataError, unknown

_BLOCK = 1 << 16
_SECONDS_WITHOUT_AN_ANSWER = 30
_OTHER_WAY = "if you have the files already, or know another server, name the folder or URL with --from"


def fetch(name: str, folder: Path, *, origin: str | None = None, report: Callable[[str], None]) -> None:
    """Put the files of the data set `name` into `folder`, from `origin` (a folder or URL) or its own URL.

    Files that are there already and intact are kept. `report` hears of each file before it is fetched. Archives are
    unpacked and not kept. Raises DataError, and leaves `folder` as it was, if a file is missing, altered or
    out of reach.
    """
    if name not in DATA_SETS:
        raise CommandError(unknown("data set", name, DATA_SETS))
    data_set = DATA_SETS[name]
    missing = [file for file in data_set.files if not _is_there(folder / file, data_set.files[file])]
    archives = {} if _is_unpacked(folder, data_set) else data_set.archives
    if not missing and not archives:
        report(f"{folder}: complete already")
        return
    origin = _origin(name, data_set, origin)
    made = _make_folder(folder)
    temporary = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    try:
        for file in missing:
            report(f"{origin}/{file}")
            _bring(f"{origin}/{file}", temporary / file, data_set.files[file])
        for name, archive in archives.items():
            report(f"{origin}/{name}")
            _bring(f"{origin}/{name}", temporary / name, archive)
        for name, archive in archives.items():
            report(f"unpacking {name}")
            _unpack(temporary / name, folder, archive)
        for file in missing:
            (temporary / file).replace(folder / file)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)


def _is_there(path: Path, file: File) -> bool:
    if not path.exists():
        return False
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


def _make_folder(folder: Path) -> list[Path]:
    """Make `folder`, and return it and its parents as far as they are new, innermost first."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made: {error.strerror}") from None
    return made


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return  # not empty


def _bring(place: str, path: Path, wanted: File | Archive) -> None:
    name, expected = ("SHA-256", wanted.sha256) if isinstance(wanted, File) else ("MD5", wanted.md5)
    total, size = hashlib.sha256() if isinstance(wanted, File) else hashlib.md5(usedforsecurity=False), 0
    # Read little more than the expected size, whatever a server sends; the sizes of archives are approximate.
    most = wanted.size if isinstance(wanted, File) else 2 * wanted.size
    try:
        with _open(place) as received, path.open("wb") as written:
            while size <= most and (block := received.read(_BLOCK)):
                total.update(block)
                size += len(block)
                written.write(block)
            os.fsync(written.fileno())
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        # str() wraps the reason of a plain URLError in <urlopen error ...>; that of an HTTPError gives the status.
        reason = error.reason if type(error) is urllib.error.URLError else str(error)
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise DataError(f"{place}: cannot be downloaded: {reason}; {_OTHER_WAY}") from None
    if total.hexdigest() != expected:
        bytes_expected = f" ({wanted.size} bytes)" if isinstance(wanted, File) else ""
        raise DataError(
            f"{place}: broken or altered: expected {name} {expected}{bytes_expected}, found "
            f"{total.hexdigest()} ({'more' if size > most else f'{size} bytes'}); nothing was kept"
        )


def _is_unpacked(folder: Path, data_set: DataSet) -> bool:
    return all(len(list(folder.glob(pattern))) >= count for pattern, count in data_set.unpacked.items())


def _unpack(path: Path, folder: Path, archive: Archive) -> None:
    """Unpack the wanted members of the archive `path` into `folder`, each whole or not at all; remove the archive."""
    with zipfile.ZipFile(path) as opened:
        for member in opened.infolist():
            if (place := _place(member.filename, archive.members)) is None:
                continue
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name("member")
            with opened.open(member) as packed, partial.open("wb") as written:
                shutil.copyfileobj(packed, written)
            partial.replace(target)
    path.unlink()


def _place(member: str, members: Mapping[str, str]) -> str | None:
    """Return where `member` of an archive goes, always inside its folder, or None if it is not wanted."""
    if member.endswith("/"):
        return None
    if member in members:
        return members[member]
    before, _, name = member.rpartition("/")
    folder = members.get(f"{before}/")
    return f"{folder}{name}" if folder is not None and name and not name.startswith(".") else None


def _open(place: str) -> AbstractContextManager[IO[bytes]]:
    if "://" not in place:
        try:
            return open(place, "rb")  # noqa: PTH123 - the caller closes it
        except OSError as error:
            raise DataError(f"{place}: cannot be read: {error.strerror}") from None
    request = urllib.request.Request(place, headers={"User-Agent": "attncli"})
    return cast(AbstractContextManager[IO[bytes]], urllib.request.urlopen(request, timeout=_SECONDS_WITHOUT_AN_ANSWER))
