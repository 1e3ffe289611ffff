"""Whatever a data file holds: what is read is what a plain definition finds there, and the rest is told by name."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attncli.config.captions import CaptionFile, CaptioningData
from attncli.config.data import PairFile, ParallelFiles
from attncli.config.tasks.autoencoding import VectorData, VectorSet
from attncli.data.forms.caption_files import BadCaption, Caption, Found, read_captions
from attncli.data.forms.captions import read_split
from attncli.data.forms.pairs import PairReader
from attncli.errors import DataError
from attncli.files.reading import count_lines, read_lines
from attncli.sources.rows.examples import read_vectors

pytestmark = pytest.mark.attack

# What files are made of, so that odd bytes meet often.
PIECES = [b"a", b"b c", b"\n", b"\r", b"\t", b" ", b"\xff", b"\0", "ü".encode(), b"\xef\xbb\xbf", "\u2028".encode()]
CONTENTS = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
# Text that a sentence or a caption may hold in one line of a table.
CELLS = st.text(st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two images and a list of captions, where every test writes its files."""
    made = tmp_path_factory.mktemp("hostile")
    (made / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (made / "images" / name).touch()
    return made


def defined_lines(content: bytes) -> list[bytes]:
    """Return the lines of `content` by the definition: LF and CR LF end them; a mark at the start is no part of one."""
    *ended, last = content.split(b"\n")
    lines = [part.removesuffix(b"\r") for part in ended] + ([last] if last else [])
    return [line if at else line.removeprefix(b"\xef\xbb\xbf") for at, line in enumerate(lines)]


@given(content=CONTENTS)
@attack.attack_settings(150)
def test_lines_are_those_of_the_definition(folder: Path, content: bytes) -> None:
    for name, written in (("lines", content), ("lines.gz", gzip.compress(content))):
        (folder / name).write_bytes(written)
        try:
            expected = [line.decode() for line in defined_lines(content)] if b"\0" not in content else None
        except UnicodeDecodeError:
            expected = None
        if expected is None:
            with pytest.raises(DataError, match=rf"^{folder}/{name}: ?"):
                list(read_lines(folder / name))
        else:
            assert list(read_lines(folder / name)) == expected
            assert count_lines(folder / name) == len(expected)


def defined_sentence(raw: bytes) -> str | None:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if text.strip() and "\0" not in text else None


def usable(rows: list[tuple[str | None, str | None]]) -> list[tuple[int, str, str]]:
    return [(at, one, other) for at, (one, other) in enumerate(rows, start=1) if one is not None and other is not None]


def check_pairs(reader: Callable[[str], PairReader], rows: list[tuple[str | None, str | None]]) -> None:
    """Check that `reader` of bad lines skips those of `rows` that cannot be used, and names their lines else."""
    skipping = reader("skip")
    assert [(each.number, each.cell, each.targets[0]) for each in skipping] == usable(rows)
    bad = [at for at, row in enumerate(rows, start=1) if None in row]
    assert sum(skipping.skipped.values()) == len(bad)
    if not bad:
        assert len(list(reader("error"))) == len(rows)
        return
    with pytest.raises(DataError) as caught:
        list(reader("error"))
    for at in bad[:5]:
        assert f":{at}: " in str(caught.value)


@given(source=CONTENTS, target=CONTENTS)
@attack.attack_settings(150)
def test_parallel_pairs_are_those_of_the_definition(folder: Path, source: bytes, target: bytes) -> None:
    if b"\0" in source + target:
        source, target = (each.replace(b"\0", b"") for each in (source, target))
    (folder / "x.s").write_bytes(source)
    (folder / "x.t").write_bytes(target)
    corpus = ParallelFiles(source="x.s", target="x.t")
    sides = defined_lines(source), defined_lines(target)

    def reader(bad_lines: Any) -> PairReader:
        return PairReader(corpus, folder, bad_lines=bad_lines)

    if len(sides[0]) != len(sides[1]):
        for bad_lines in ("skip", "error"):
            with pytest.raises(DataError, match="line n of one must be the translation of line n of the other"):
                list(reader(bad_lines))
    else:
        check_pairs(
            reader, [(defined_sentence(one), defined_sentence(other)) for one, other in zip(*sides, strict=True)]
        )


@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=5))
@attack.attack_settings(60)
def test_tables_of_pairs_are_read_as_they_were_written(folder: Path, rows: list[tuple[str, str]]) -> None:
    text = "".join(f"{one}\t{other}\n" for one, other in rows)
    (folder / "x.tsv").write_bytes(text.encode())
    if rows and rows[0][0].startswith("\ufeff"):
        return
    check_pairs(
        lambda bad_lines: PairReader(PairFile(pairs="x.tsv"), folder, bad_lines=bad_lines),  # type: ignore[arg-type]
        [(one if one.strip() else None, other if other.strip() else None) for one, other in rows],
    )


def defined_value(value: object) -> str | None:
    is_text = isinstance(value, str) and not {"\n", "\r", "\0"} & {*value} and bool(value.strip())
    return str(value) if is_text and not any("\ud800" <= each <= "\udfff" for each in str(value)) else None


@given(records=st.lists(st.fixed_dictionaries({}, optional={"source": JSON, "target": JSON}) | JSON, max_size=4))
@attack.attack_settings(100)
def test_json_lines_of_pairs_are_those_of_the_definition(folder: Path, records: list[object]) -> None:
    (folder / "x.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    rows = [
        (defined_value(record.get("source")), defined_value(record.get("target")))
        if isinstance(record, dict)
        else (None, None)
        for record in records
    ]
    check_pairs(
        lambda bad_lines: PairReader(PairFile(pairs="x.jsonl"), folder, bad_lines=bad_lines),  # type: ignore[arg-type]
        rows,
    )


CAPTIONS = st.lists(
    st.tuples(
        st.from_regex(r"[a-z]{1,4}\.jpg", fullmatch=True),
        CELLS.map(lambda text: " ".join(text.split())).filter(bool),
    ),
    min_size=1,
    max_size=4,
)


def as_csv(rows: list[tuple[str, str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([("image", "caption"), *rows])
    return file.getvalue()


def as_coco(rows: list[tuple[str, str]]) -> str:
    return json.dumps(
        {
            "images": [{"id": at, "file_name": image} for at, (image, _) in enumerate(rows)],
            "annotations": [{"image_id": at, "caption": text} for at, (_, text) in enumerate(rows)],
        }
    )


def as_karpathy(rows: list[tuple[str, str]]) -> str:
    return json.dumps({"images": [{"filename": image, "sentences": [{"raw": text}]} for image, text in rows]})


WRITERS: dict[str, Callable[[list[tuple[str, str]]], str]] = {
    "c.token": lambda rows: "".join(f"{image}#{at}\t{text}\n" for at, (image, text) in enumerate(rows)),
    "c.tsv": lambda rows: "image\tcaption\n" + "".join(f"{image}\t{text}\n" for image, text in rows),
    "c.csv": as_csv,
    "c.jsonl": lambda rows: "".join(json.dumps({"image": image, "caption": text}) + "\n" for image, text in rows),
    "coco.json": as_coco,
    "karpathy.json": as_karpathy,
}


@pytest.mark.parametrize("name", list(WRITERS))
@given(rows=CAPTIONS)
@attack.attack_settings(30)
def test_captions_of_every_format_are_read_as_they_were_written(
    folder: Path, name: str, rows: list[tuple[str, str]]
) -> None:
    (folder / name).write_text(WRITERS[name](rows), encoding="utf-8", newline="")
    assert list(read_captions(CaptionFile(file=name), folder)) == [Caption(image, text, None) for image, text in rows]


def check_captions(config: CaptionFile, folder: Path) -> None:
    """Check that a file gives captions, places that are none, or a DataError that names it."""
    found: list[Found] = []
    problem = f"{folder}/"
    try:
        found += read_captions(config, folder)
    except DataError as error:
        problem = str(error)
    assert problem.startswith(f"{folder}/")
    for each in found:
        if isinstance(each, BadCaption):
            assert each.where.startswith(f"{folder}/{config.file}"), each
        else:
            assert each.image.strip()
            assert each.text == " ".join(each.text.split()) != ""
            each.text.encode()
            assert isinstance(each.split, str | None)


@given(
    content=st.fixed_dictionaries(
        {
            "images": JSON
            | st.lists(
                st.fixed_dictionaries(
                    {}, optional=dict.fromkeys(("id", "file_name", "filename", "filepath", "split", "sentences"), JSON)
                ),
                max_size=3,
            )
        },
        optional={
            "annotations": JSON
            | st.lists(
                st.fixed_dictionaries({}, optional=dict.fromkeys(("image_id", "caption", "id"), JSON)), max_size=3
            )
        },
    )
)
@attack.attack_settings(150)
def test_any_json_of_captions_gives_captions_or_says_where_there_are_none(folder: Path, content: object) -> None:
    (folder / "any.json").write_text(json.dumps(content))
    check_captions(CaptionFile(file="any.json"), folder)


def vectors(folder: Path, name: str, size: int) -> np.ndarray:
    found = VectorSet(file=name)
    data = VectorData(root=str(folder), cache=str(folder / "cache"), size=size, train=found, dev=found)
    return read_vectors(data, found).values


@given(
    rows=st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), min_size=1, max_size=4),
    kind=st.sampled_from(["csv", "csv.gz", "npy"]),
)
@attack.attack_settings(60)
def test_vectors_are_read_as_they_were_written(folder: Path, rows: list[list[float]], kind: str) -> None:
    path = folder / f"v.{kind}"
    text = "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()
    if kind == "npy":
        np.save(path, np.array(rows))
    else:
        path.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)
    if np.isfinite(rows).all():
        assert np.array_equal(vectors(folder, path.name, 3), np.array(rows, np.float32))
    else:
        with pytest.raises(DataError, match=rf"^{path}: row [0-9]+ has a component that is not a finite float32"):
            vectors(folder, path.name, 3)


ROWS = [("a.jpg", "A dog runs ."), ("b.jpg", 'The "cow" sleeps, ü .'), ("a.jpg", "漢字 one two")]
LINES = "".join(f"{text}\n" for _, text in ROWS)
PAIRS_JSONL = "".join(json.dumps({"source": text, "target": image}) + "\n" for image, text in ROWS)
HOSTILE: list[Any] = [
    *(None, True, -1, 0, 1e308, [], {}, [[]], "", " ", "\ud800", "a\0b", "x\ny", "../../etc/passwd", "x" * 5000),
    10**400,
    [{"raw": 1}],
    "\x1b[31m",
]


def changed_json(value: Any, draw: random.Random) -> Any:
    """Return JSON in which one value is replaced, removed or put under another key."""
    value = copy.deepcopy(value)
    inner = value
    while isinstance(inner, dict | list) and inner:
        key = draw.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if not isinstance(inner[key], dict | list) or not inner[key] or draw.random() < 0.2:
            if draw.random() < 0.2:
                del inner[key]
            else:
                inner[key] = draw.choice(HOSTILE)
            break
        inner = inner[key]
    return value


TOKENS = [
    b"\n",
    b"\r\n",
    b"\t",
    b'"',
    b"\\",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"[" * 30_000,
    b"9" * 5000,
    b"x" * 140_000,
]
TOKENS += [b"NaN", b"1e999", b"{", b"}", b",", b"\xef\xbb\xbf", "\u2028\u202e".encode(), b"#", b"-", b"\x1f\x8b"]


def changed_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return `content` with bytes replaced, cut out, doubled or put in."""
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 5, 30])):
        at = draw.randrange(len(changed) + 1)
        to = min(len(changed), at + draw.choice([1, 1, 4, 40]))
        changed[at:to] = draw.choice(
            [b"", draw.choice(TOKENS), bytes(changed[at:to]) * 2, draw.randbytes(to - at), draw.choice(TOKENS)]
        )
    return bytes(changed)


def mutated(name: str, content: bytes, draw: random.Random) -> bytes:
    if name.endswith(".json") and draw.random() < 0.5:
        return json.dumps(changed_json(json.loads(content), draw)).encode()
    if name.endswith(".jsonl") and draw.random() < 0.5:
        records = [json.loads(line) for line in content.splitlines()]
        return "".join(json.dumps(changed_json(record, draw)) + "\n" for record in records).encode()
    if name.endswith(".gz") and draw.random() < 0.5:
        return gzip.compress(mutated(name.removesuffix(".gz"), gzip.decompress(content), draw))
    return changed_bytes(content, draw)


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(12, dtype=np.float32).reshape(4, 3))
    return file.getvalue()


FILES: dict[str, bytes] = {
    **{name: write(ROWS).encode() for name, write in WRITERS.items()},
    "c.jsonl.gz": gzip.compress(WRITERS["c.jsonl"](ROWS).encode()),
    "coco.json.gz": gzip.compress(as_coco(ROWS).encode()),
    "p.s": LINES.encode(),
    "p.s.gz": gzip.compress(LINES.encode()),
    "p.tsv": LINES.replace(" ", "\t", 6).encode(),
    "p.jsonl": PAIRS_JSONL.encode(),
    "p.jsonl.gz": gzip.compress(PAIRS_JSONL.encode()),
    "v.csv": b"a,b,c\n1,2,3\n4,5e3,-6\n",
    "v.csv.gz": gzip.compress(b"1,2,3\n4,5e3,-6\n"),
    "v.npy": npy(),
    "list": b"a.jpg\nb.jpg\n",
}


def check_file(folder: Path, name: str, draw: random.Random) -> None:
    """Read the file `name` as its kind is read, and check what comes out of it."""
    if name == "list" or (name.startswith("c") and draw.random() < 0.3):
        captions = "good.tsv" if name == "list" else name
        train: object = "list" if name == "list" else {"captions": name}
        given = {"root": str(folder), "images": "images", "captions": captions, "train": train, "dev": train}
        skips = {"bad_captions": draw.choice(["skip", "error"]), "missing": draw.choice(["skip", "error"])}
        data = CaptioningData.model_validate_json(json.dumps({**given, **skips}))
        for image in read_split(data, data.train, key="train").images:
            assert image.path.parent == folder / "images"
            assert image.captions
    elif name.startswith(("c", "k")):
        check_captions(CaptionFile(file=name), folder)
    elif name.startswith("v"):
        assert np.isfinite(vectors(folder, name, 3)).all()
    else:
        corpus = ParallelFiles(source=name, target="good.t") if name.startswith("p.s") else PairFile(pairs=name)
        bad_lines = "skip" if draw.random() < 0.5 else "error"
        for example in PairReader(corpus, folder, bad_lines=bad_lines):  # type: ignore[arg-type]
            assert example.cell.strip()
            assert example.targets[0].strip()
            (example.cell + example.targets[0]).encode()


def test_no_mutated_data_file_raises_anything_but_a_message(folder: Path) -> None:
    draw = attack.attack_random()
    (folder / "good.t").write_text(LINES)
    (folder / "good.tsv").write_text(WRITERS["c.tsv"](ROWS))
    told: list[str] = []
    for number in range(attack.scaled(500)):
        name = draw.choice(list(FILES))
        content = mutated(name, FILES[name], draw)
        (folder / name).write_bytes(content)
        try:
            check_file(folder, name, draw)
        except DataError as error:
            told.append(f"{name}: {error}")
        except Exception as error:
            raise AssertionError(f"case {number}, {name}: {content[:300]!r}") from error
    assert len(told) > 100
    for text in told:
        name, _, message = text.partition(": ")
        assert message.startswith((f"{folder}/{name}", "data.train: no image with a caption in ")), text
