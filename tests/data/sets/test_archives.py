"""Of a ZIP archive only what is wanted is unpacked, and nothing in it is trusted."""

from __future__ import annotations

import contextlib
import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import attack
import pytest

from attncli.data.sets.archives import unpack
from attncli.errors import DataError

MEMBERS = {"Pictures/": "images/", "captions.txt": "text/captions.txt"}
GOOD = {"Pictures/a.jpg": b"a" * 50, "Pictures/b.jpg": b"b", "captions.txt": b"c"}


def packed(contents: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def unpacked(folder: Path, content: bytes, *, most: int = 1000) -> dict[str, bytes]:
    (folder / "set.zip").write_bytes(content)
    (folder / "to").mkdir()
    unpack(folder / "set.zip", folder / "to", MEMBERS, most=most, origin="https://x/set.zip")
    return {
        str(path.relative_to(folder / "to")): path.read_bytes() for path in folder.rglob("to/**/*") if path.is_file()
    }


def failure(folder: Path, content: bytes, *, most: int = 1000) -> str:
    with pytest.raises(DataError) as caught:
        unpacked(folder, content, most=most)
    assert not any((folder / "to").iterdir())
    return str(caught.value)


def test_what_is_wanted_goes_to_its_place_and_nothing_leaves_the_folder(tmp_path: Path) -> None:
    others = (
        "Pictures/",
        "Pictures/.hidden",
        "Pictures/../../out",
        "/etc/out",
        "../out",
        "Pictures/sub/out",
        "C:\\out",
    )
    content = packed({**GOOD, **dict.fromkeys(others, b"out")})
    assert unpacked(tmp_path, content) == {
        "images/a.jpg": b"a" * 50,
        "images/b.jpg": b"b",
        "text/captions.txt": b"c",
    }
    assert not list(tmp_path.rglob("*out*"))


def test_what_is_missing_or_too_large_is_told(tmp_path: Path) -> None:
    for number, (content, most, expected) in enumerate(
        [
            (packed({"captions.txt": b"c"}), 1000, "https://x/set.zip: has no 'Pictures/'; nothing was kept"),
            (packed({"Pictures/a.jpg": b"c"}), 1000, "https://x/set.zip: has no 'captions.txt'; nothing was kept"),
            (packed(GOOD), 51, "https://x/set.zip: expands to 52 bytes, over the limit of 51; nothing was kept"),
            (
                packed({**GOOD, "Pictures/c.jpg": bytes(10_000_000)}),
                1000,
                "https://x/set.zip: expands to 10,000,052 bytes, over the limit of 1,000; nothing was kept",
            ),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        assert failure(tmp_path / str(number), content, most=most) == expected


def of_kind(mode: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
        link = zipfile.ZipInfo("Pictures/\x1b[31m.jpg")
        link.external_attr = mode << 16
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


def flagged(content: bytes) -> bytes:
    """Return the archive `content` with its first member marked as encrypted, in both of its headers."""
    changed = bytearray(content)
    directory = changed.index(b"PK\x01\x02")
    for at in (6, directory + 8):
        changed[at] |= 1
    return bytes(changed)


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    twice = packed({"Pictures/a.jpg": b"1", "Pictures/c.jpg": b"2", "captions.txt": b"3"}).replace(b"c.jpg", b"a.jpg")
    for number, (content, problem) in enumerate(
        [
            (of_kind(stat.S_IFLNK | 0o777), r"'Pictures/\x1b[31m.jpg' is a link or a device, not a file"),
            (of_kind(stat.S_IFCHR | 0o777), r"'Pictures/\x1b[31m.jpg' is a link or a device, not a file"),
            (flagged(packed(GOOD)), "'Pictures/a.jpg' is encrypted"),
            (packed(GOOD, method=zipfile.ZIP_BZIP2), "is packed by method 12; expected stored or deflated"),
            (twice, "'Pictures/a.jpg' is there twice"),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        text = failure(tmp_path / str(number), content)
        assert text.startswith("https://x/set.zip: its member '")
        assert text.endswith(f"{problem}; nothing was kept")


def test_a_size_that_lies_gives_no_more_than_it_says(tmp_path: Path) -> None:
    content = packed({**GOOD, "Pictures/c.jpg": bytes(5_000_000)})
    lying = content.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 7))
    assert lying != content
    with pytest.raises(DataError, match=r"a damaged archive: Bad CRC-32 for file 'Pictures/c\.jpg'"):
        unpacked(tmp_path, lying)
    assert (tmp_path / "to" / "images" / "c.jpg").stat().st_size <= 7


@pytest.mark.parametrize("content", [b"", b"hello", packed(GOOD)[:-30], packed(GOOD)[:40]], ids=["0", "1", "2", "3"])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    assert (
        failure(tmp_path, content) == "https://x/set.zip: a damaged archive: File is not a zip file; nothing was kept"
    )


@pytest.mark.attack
def test_no_flipped_bits_raise_anything_else(tmp_path: Path) -> None:
    draw: random.Random = attack.attack_random()
    for number in range(attack.scaled(150)):
        content = bytearray(packed(GOOD, method=draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
        for _ in range(draw.choice([1, 3, 20])):
            content[draw.randrange(len(content))] = draw.choice([0, 255, draw.randrange(256)])
        folder = tmp_path / str(number)
        folder.mkdir()
        with contextlib.suppress(DataError):
            assert set(unpacked(folder, bytes(content)).values()) <= set(GOOD.values())
