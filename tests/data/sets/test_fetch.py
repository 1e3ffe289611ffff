from __future__ import annotations

import functools
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from attncli.data.sets import catalogue
from attncli.data.sets.catalogue import DATA_SETS, Archive, DataSet, File, FileList
from attncli.data.sets.fetch import fetch
from attncli.errors import CommandError, DataError

CONTENTS = {"a.gz": b"first" * 40_000, "b.gz": b"second"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def url(served: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: File(hashlib.sha256(content).hexdigest(), len(content)) for name, content in CONTENTS.items()}
    small = DataSet(what="small", licence="none", files=files, url=None, made_by="made by hand")
    monkeypatch.setitem(catalogue.DATA_SETS, "small", small)


def get(folder: Path, origin: str | None) -> list[str]:
    reports: list[str] = []
    fetch("small", folder, origin=origin, report=reports.append)
    return reports


def failure(folder: Path, origin: str | None) -> str:
    with pytest.raises(DataError) as caught:
        get(folder, origin)
    return str(caught.value)


def found(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("way", ["folder", "folder/", "http", "file"])
def test_files_are_fetched_from_folders_and_urls(tmp_path: Path, served: Path, url: str, way: str) -> None:
    origin = {"folder": str(served), "folder/": f"{served}/", "http": url, "file": served.as_uri()}[way]
    to = tmp_path / "new" / "to"
    assert get(to, origin) == [f"{origin.rstrip('/')}/{name}" for name in CONTENTS]
    assert found(to) == CONTENTS


def test_the_second_time_nothing_is_fetched(tmp_path: Path, served: Path) -> None:
    get(tmp_path / "to", str(served))
    assert get(tmp_path / "to", None) == [f"{tmp_path}/to: complete already"]


def test_only_what_is_missing_is_fetched_and_the_rest_stays(tmp_path: Path, served: Path) -> None:
    to = tmp_path / "to"
    get(to, str(served))
    (to / "a.gz").unlink()
    (to / "notes").write_bytes(b"mine")
    assert get(to, str(served)) == [f"{served}/a.gz"]
    assert found(to) == {**CONTENTS, "notes": b"mine"}


@pytest.mark.parametrize("content", [b"secomd", b"secon", b"second and more"])
@pytest.mark.parametrize("by_url", [True, False])
def test_an_altered_file_is_refused_and_nothing_is_left(
    tmp_path: Path, served: Path, url: str, content: bytes, by_url: bool
) -> None:
    (served / "b.gz").write_bytes(content)
    text = failure(tmp_path / "new" / "to", url if by_url else str(served))
    assert (
        f"b.gz: broken or altered: expected SHA-256 {hashlib.sha256(b'second').hexdigest()} (6 bytes), found " in text
    )
    if len(content) <= 6:
        assert f"found {hashlib.sha256(content).hexdigest()} ({len(content)} bytes); nothing was kept" in text
    assert not (tmp_path / "new").exists()


def test_a_failure_leaves_an_existing_folder_as_it_was(tmp_path: Path, served: Path) -> None:
    (served / "b.gz").write_bytes(b"other")
    to = tmp_path / "to"
    to.mkdir()
    (to / "notes").write_bytes(b"mine")
    failure(to, str(served))
    assert found(to) == {"notes": b"mine"}


def test_a_cut_download_is_refused(tmp_path: Path, served: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(handler: Quiet, source: object, output: object) -> None:
        handler.wfile.write(CONTENTS["a.gz"][:1000])

    monkeypatch.setattr(Quiet, "copyfile", half)
    text = failure(tmp_path / "to", url)
    assert "a.gz: broken or altered" in text or "a.gz: cannot be downloaded" in text
    assert not (tmp_path / "to").exists()


def test_a_file_that_is_not_the_sets_is_not_overwritten(tmp_path: Path, served: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "a.gz").write_bytes(b"mine")
    text = failure(to, str(served))
    assert text.startswith(f"{to}/a.gz: is there, but is not the data set's: expected SHA-256 ")
    assert "remove it, or choose another folder with --to" in text
    assert found(to) == {"a.gz": b"mine"}


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:9", "Connection refused"),
        ("{url}/nowhere", "HTTP Error 404: File not found"),
        ("nonsense://x", "unknown url type"),
    ],
)
def test_a_failing_network_is_said_with_another_way(tmp_path: Path, url: str, origin: str, expected: str) -> None:
    text = failure(tmp_path / "to", origin.format(url=url))
    assert "/a.gz: cannot be downloaded: " in text
    assert expected in text
    assert text.endswith("name the folder or URL with --from")
    assert not (tmp_path / "to").exists()


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    assert failure(tmp_path / "to", str(tmp_path)) == f"{tmp_path}/a.gz: cannot be read: No such file or directory"


def test_a_set_that_nobody_serves_needs_a_folder(tmp_path: Path) -> None:
    assert failure(tmp_path / "to", None) == (
        "small: cannot be downloaded (made by hand); name a folder or URL that has a.gz, b.gz with --from"
    )


def test_a_target_that_is_no_folder_is_named(tmp_path: Path, served: Path) -> None:
    (tmp_path / "to").write_text("")
    assert failure(tmp_path / "to", str(served)) == f"{tmp_path}/to: cannot be made: File exists"


def test_an_unknown_set_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(
        CommandError, match=r"unknown data set 'multi30'; did you mean 'multi30k'\? choose from multi30k,"
    ):
        fetch("multi30", tmp_path, report=print)


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the archive of a data set of two pictures, a text and what nobody wants."""
    folder = tmp_path / "packed"
    folder.mkdir()
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        for name in ("Pictures/", "Pictures/a.jpg", "Pictures/b.jpg", "__MACOSX/Pictures/._a.jpg", "Pictures/.hidden"):
            archive.writestr(name, name)
        archive.writestr("captions.txt", b"a.jpg#0\tA dog .")
        archive.writestr("Pictures/../../escaped.jpg", b"out")
        archive.writestr("other.txt", b"not wanted")
    md5 = hashlib.md5((folder / "set.zip").read_bytes()).hexdigest()
    one = Archive(md5, 1000, {"Pictures/": "images/", "captions.txt": "captions.txt"})
    data_set = DataSet(
        what="pictures",
        licence="none",
        files={},
        url=None,
        made_by="packed by hand",
        archives={"set.zip": one},
        unpacked={"images/*.jpg": 2, "captions.txt": 1},
    )
    monkeypatch.setitem(catalogue.DATA_SETS, "packed", data_set)
    return folder


def test_archives_are_unpacked_and_what_nobody_wants_is_left(tmp_path: Path, packed: Path) -> None:
    to = tmp_path / "to"
    reports: list[str] = []
    fetch("packed", to, origin=str(packed), report=reports.append)
    assert reports == [f"{packed}/set.zip", "unpacking set.zip"]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "packed/set.zip",
        "to/captions.txt",
        "to/images/a.jpg",
        "to/images/b.jpg",
    ]
    fetch("packed", to, report=reports.append)
    assert reports[2:] == [f"{to}: complete already"]
    (to / "images" / "b.jpg").unlink()
    fetch("packed", to, origin=str(packed), report=reports.append)
    assert (to / "images" / "b.jpg").read_text() == "Pictures/b.jpg"


def test_an_altered_archive_is_refused_and_nothing_is_left(tmp_path: Path, packed: Path) -> None:
    for content, found in ((b"other", "5 bytes"), (bytes(5000), "more")):
        (packed / "set.zip").write_bytes(content)
        with pytest.raises(
            DataError, match=rf"set\.zip: broken or altered: expected MD5 .* \({found}\); nothing was kept"
        ):
            fetch("packed", tmp_path / "to", origin=str(packed), report=print)
        assert not (tmp_path / "to").exists()


def test_an_archive_that_cannot_be_unpacked_leaves_nothing(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (packed / "set.zip").read_bytes().replace(b"a.jpg#0", b"b.jpg#0")
    (packed / "set.zip").write_bytes(content)
    known = catalogue.DATA_SETS["packed"]
    altered = replace(known.archives["set.zip"], md5=hashlib.md5(content).hexdigest())
    monkeypatch.setitem(catalogue.DATA_SETS, "packed", replace(known, archives={"set.zip": altered}))
    with pytest.raises(DataError) as caught:
        fetch("packed", tmp_path / "to", origin=str(packed), report=print)
    assert str(caught.value) == (
        f"{packed}/set.zip: a damaged archive: Bad CRC-32 for file 'captions.txt'; nothing was kept"
    )
    assert not (tmp_path / "to").exists()


def test_an_unpacked_file_replaces_nothing(tmp_path: Path, packed: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "captions.txt").write_text("mine")
    with pytest.raises(DataError, match=r"to/captions\.txt: is there, but is not the data set's; remove it, or choose"):
        fetch("packed", tmp_path / "to", origin=str(packed), report=print)
    assert found(tmp_path / "to") == {"captions.txt": b"mine"}


def test_the_archives_of_a_set_are_named(tmp_path: Path, packed: Path) -> None:
    with pytest.raises(DataError, match=r"name a folder or URL that has set\.zip with --from"):
        fetch("packed", tmp_path / "to", report=print)


LISTED = {"clips/one.wav": b"one", "clips/three.wav": b"three", "clips/two.wav": b"two too"}
TABLES = {
    "dev.tsv": b"name\twords\nthree\tdrei\n",
    "train.tsv": b"name\twords\ntwo\tzwei\none\teins\n",
}


def join_clips(raw: Path, folder: Path) -> None:
    """Make of the clips that were fetched one file a table."""
    for table in TABLES:
        names = [line.split("\t")[0] for line in (raw / table).read_text().splitlines()[1:]]
        content = b"".join((raw / f"clips/{name}.wav").read_bytes() for name in names)
        (folder / table).with_suffix(".wavs").write_bytes(content)


@pytest.fixture
def listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that serves the set `clips`, whose tables list its files."""
    folder = tmp_path / "listing"
    (folder / "clips").mkdir(parents=True)
    for name, content in {**LISTED, **TABLES, "clips/none.wav": b"in no table"}.items():
        (folder / name).write_bytes(content)
    # As `sha256sum clips/*.wav | sha256sum` would print it.
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in LISTED.items())
    data_set = DataSet(
        what="clips",
        licence="none",
        files={name: File(hashlib.sha256(content).hexdigest(), len(content)) for name, content in TABLES.items()},
        url=None,
        made_by="made by hand",
        listed=FileList(tuple(TABLES), "clips/{}.wav", len(LISTED), hashlib.sha256(sums.encode()).hexdigest(), size=15),
        prepare=join_clips,
        unpacked={"*.wavs": 2},
    )
    monkeypatch.setitem(catalogue.DATA_SETS, "clips", data_set)
    return folder


def get_clips(folder: Path, origin: Path) -> list[str]:
    reports: list[str] = []
    fetch("clips", folder, origin=str(origin), report=reports.append)
    return reports


def test_files_that_tables_list_are_fetched_and_what_is_made_of_them_stays(tmp_path: Path, listing: Path) -> None:
    to = tmp_path / "to"
    wanted = [f"{listing}/{name}" for name in (*TABLES, "clips/*.wav")]
    assert get_clips(to, listing) == [*wanted, "preparing"]
    assert found(to) == {"dev.wavs": b"three", "train.wavs": b"two tooone"}
    assert get_clips(to, listing) == [f"{to}: complete already"]
    (to / "dev.wavs").unlink()
    assert get_clips(to, listing) == [*wanted, "preparing"]
    assert found(to) == {"dev.wavs": b"three", "train.wavs": b"two tooone"}


@pytest.mark.parametrize("content", [b"tow too", b"two", b"two too " * 1000])
def test_an_altered_file_of_a_list_is_refused_and_nothing_is_left(
    tmp_path: Path, listing: Path, content: bytes
) -> None:
    (listing / "clips/two.wav").write_bytes(content)
    with pytest.raises(DataError) as caught:
        get_clips(tmp_path / "new/to", listing)
    expected = catalogue.DATA_SETS["clips"].listed
    assert expected is not None
    said = str(caught.value)
    assert said.startswith(f"{listing}/clips/*.wav: at least one of 3 files is broken or altered: the SHA-256 of ")
    assert said.endswith(f", but {expected.sha256} was expected; nothing was kept")
    assert not (tmp_path / "new").exists()


def test_a_missing_file_of_a_list_is_named_and_nothing_is_left(tmp_path: Path, listing: Path) -> None:
    (listing / "clips/two.wav").unlink()
    with pytest.raises(DataError) as caught:
        get_clips(tmp_path / "new/to", listing)
    assert str(caught.value) == f"{listing}/clips/two.wav: cannot be read: No such file or directory"
    assert not (tmp_path / "new").exists()


def test_an_altered_table_is_refused_before_the_files_that_it_lists(tmp_path: Path, listing: Path) -> None:
    (listing / "train.tsv").write_bytes(b"name\twords\n../../secret\teins\n")
    reports: list[str] = []
    with pytest.raises(DataError, match=r"train\.tsv: broken or altered"):
        fetch("clips", tmp_path / "to", origin=str(listing), report=reports.append)
    assert reports == [f"{listing}/dev.tsv", f"{listing}/train.tsv"]
    assert not (tmp_path / "to").exists()


def test_the_files_of_a_list_count_among_what_is_to_be_fetched(listing: Path) -> None:
    clips = catalogue.DATA_SETS["clips"]
    assert (clips.count, clips.size) == (5, sum(map(len, TABLES.values())) + 15)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("multi30k", "multi30k"),
        ("laws-en-fr", "canada_laws_en_fr"),
        ("debian-descriptions", "debian_descriptions"),
        ("flickr8k-qa", "flickr8k_qa"),
    ],
)
def test_the_sums_of_the_catalogue_are_right(shared_data: Path, tmp_path: Path, name: str, folder: str) -> None:
    fetch(name, tmp_path / "to", origin=str(shared_data / folder), report=lambda text: None)
    assert set(found(tmp_path / "to")) == set(DATA_SETS[name].files)
    assert {path.name: path.stat().st_size for path in (tmp_path / "to").iterdir()} == {
        name: file.size for name, file in DATA_SETS[name].files.items()
    }
