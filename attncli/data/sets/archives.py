"""Unpacks wanted members of a ZIP archive, of which nothing is trusted: not its names, kinds, sizes or bytes."""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from attncli.errors import DataError

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1  # of the general purpose flags (APPNOTE.TXT, 4.4.4)
# What zipfile and zlib raise for bytes that are not an archive.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError)


def unpack(path: Path, folder: Path, members: Mapping[str, str], *, most: int, origin: str) -> None:
    """Write the `members` of the archive `path` into `folder`: files, or folders ending with /, and where each goes.

    Everything is checked before the first byte is written. Raises DataError, which names the archive by its `origin`,
    if it is damaged, if the wanted members expand to more than `most` bytes, or if one of them is missing, encrypted,
    packed in an unusual way, not a regular file, or there twice.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for place, member in _wanted(archive, members, most, origin).items():
                target = folder / place
                target.parent.mkdir(parents=True, exist_ok=True)
                # zipfile gives no more bytes than the size that was checked, and compares their checksum.
                with archive.open(member) as packed, target.open("xb") as written:
                    shutil.copyfileobj(packed, written)
    except _DAMAGED as error:
        raise DataError(f"{origin}: a damaged archive: {error or type(error).__name__}; nothing was kept") from None


def _wanted(archive: zipfile.ZipFile, members: Mapping[str, str], most: int, origin: str) -> dict[str, zipfile.ZipInfo]:
    """Return the wanted members by the places they go to."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        place = _place(member.filename, members)
        if place is None:
            continue
        if problem := "is there twice" if place in found else _problem(member):
            raise DataError(f"{origin}: its member {member.filename!r} {problem}; nothing was kept")
        found[place] = member
    for name, place in members.items():
        if not any(each == place or (place.endswith("/") and each.startswith(place)) for each in found):
            raise DataError(f"{origin}: has no {name!r}; nothing was kept")
    size = sum(member.file_size for member in found.values())
    if size > most:
        raise DataError(f"{origin}: expands to {size:,} bytes, over the limit of {most:,}; nothing was kept")
    return found


def _place(member: str, members: Mapping[str, str]) -> str | None:
    """Return where `member` of an archive goes, always inside its folder, or None if it is not wanted."""
    if member.endswith("/"):
        return None
    if member in members:
        return members[member]
    before, _, name = member.rpartition("/")
    folder = members.get(f"{before}/")
    return f"{folder}{name}" if folder is not None and name and not name.startswith(".") else None


def _problem(member: zipfile.ZipInfo) -> str | None:
    if member.header_offset < 0:
        return "begins before the archive does"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in _METHODS:
        return f"is packed by method {member.compress_type}; expected stored or deflated"
    # The upper half has the mode of Unix, and is 0 where the archive was made elsewhere.
    kind = stat.S_IFMT(member.external_attr >> 16)
    return None if kind in (0, stat.S_IFREG) else "is a link or a device, not a file"
