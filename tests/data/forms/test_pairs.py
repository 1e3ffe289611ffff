from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from attncli.config.data import Corpus, PairFile, ParallelFiles
from attncli.data.forms.example import Example
from attncli.data.forms.pairs import PairReader
from attncli.errors import DataError

PAIRS = [("ein Hund", "a dog"), ("zwei", "two"), ("drei Kühe", "three cows")]


def read_pairs(corpus: Corpus, root: Path) -> list[tuple[str, str]]:
    return [(example.cell, example.targets[0]) for example in PairReader(corpus, root)]


def parallel(folder: Path, source: bytes, target: bytes) -> Corpus:
    (folder / "x.de").write_bytes(source)
    (folder / "x.en").write_bytes(target)
    return ParallelFiles(source="x.de", target="x.en")


def pair_file(folder: Path, name: str, content: str | bytes, **fields: Any) -> Corpus:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return PairFile(pairs=name, **fields)


def message(corpus: Corpus, folder: Path, *, skip: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        list(PairReader(corpus, folder, bad_lines="skip" if skip else "error"))
    return str(caught.value).replace(f"{folder}/", "")


def test_parallel_files_are_read_line_by_line(tmp_path: Path) -> None:
    source, target = ("\n".join(side).encode() for side in zip(*PAIRS, strict=True))
    assert list(read_pairs(parallel(tmp_path, source, target), tmp_path)) == PAIRS
    (tmp_path / "y.de.gz").write_bytes(gzip.compress(source))
    mixed = ParallelFiles(source="y.de.gz", target="x.en")
    assert list(read_pairs(mixed, tmp_path)) == PAIRS


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("", {}),
        ("", {"source_field": 1, "target_field": 2}),
        ("de\ten\tid\n", {"source_field": "de", "target_field": "en"}),
        ("de\ten\tid\n", {"source_field": 1, "target_field": "en"}),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_columns_are_chosen_by_number_or_name(tmp_path: Path, header: str, fields: dict[str, Any], suffix: str) -> None:
    content = (header + "".join(f"{source}\t{target}\t7\n" for source, target in PAIRS)).encode()
    corpus = pair_file(tmp_path, f"x.tsv{suffix}", gzip.compress(content) if suffix else content, **fields)
    assert list(read_pairs(corpus, tmp_path)) == PAIRS


def test_columns_may_be_in_any_order(tmp_path: Path) -> None:
    corpus = pair_file(tmp_path, "x.tsv", "1\ta dog\tein Hund\n", source_field=3, target_field=2)
    assert list(read_pairs(corpus, tmp_path)) == [("ein Hund", "a dog")]


def test_json_lines_are_read_by_key(tmp_path: Path) -> None:
    default = "".join(json.dumps({"id": 1, "source": s, "target": t}) + "\n" for s, t in PAIRS)
    assert list(read_pairs(pair_file(tmp_path, "x.jsonl", default), tmp_path)) == PAIRS
    named = "".join(json.dumps({"de": s, "en": t}, ensure_ascii=False) + "\n" for s, t in PAIRS)
    corpus = pair_file(tmp_path, "y.jsonl", named, source_field="de", target_field="en")
    assert list(read_pairs(corpus, tmp_path)) == PAIRS


def test_pairs_know_their_line(tmp_path: Path) -> None:
    corpus = parallel(tmp_path, b"a\n\nc\n", b"x\ny\nz\n")
    assert list(PairReader(corpus, tmp_path, bad_lines="skip")) == [
        Example(1, {"source": "a"}, ("x",)),
        Example(3, {"source": "c"}, ("z",)),
    ]
    with_header = pair_file(tmp_path, "x.tsv", "s\tt\na\tx\n", source_field="s", target_field="t")
    assert list(PairReader(with_header, tmp_path)) == [Example(2, {"source": "a"}, ("x",))]


@pytest.mark.parametrize("skip", [True, False])
def test_files_of_different_lengths_are_refused_with_both_counts(tmp_path: Path, skip: bool) -> None:
    corpus = parallel(tmp_path, b"a\nb\nc\n", b"x\n")
    assert message(corpus, tmp_path, skip=skip) == (
        "x.de has 3 lines, but x.en has 1; line n of one must be the translation of line n of the other"
    )
    assert "x.de has 1 line, but x.en has 2" in message(parallel(tmp_path, b"a\n", b"x\ny\n"), tmp_path, skip=skip)


def test_every_bad_line_is_named_with_file_and_line(tmp_path: Path) -> None:
    corpus = parallel(tmp_path, b"a\n\nc\nd\xe9\n", b"x\ny\n \nz\n")
    assert message(corpus, tmp_path).split("\n") == [
        "x.de:2: empty line; the source of a pair must have at least one token",
        "x.en:3: nothing but white space; the target of a pair must have at least one token",
        "x.de:4: not UTF-8: byte 0xe9 at position 2",
        "mend these lines, or leave them out with data.bad_lines: skip (training pairs only)",
    ]


def test_a_null_character_far_into_a_text_is_a_bad_line(tmp_path: Path) -> None:
    corpus = parallel(tmp_path, b"a" * 9000 + b"\nb\0\n", b"x\ny\n")
    assert message(corpus, tmp_path).startswith("x.de:2: the source holds the character U+0000; not text")


def test_misaligned_files_name_their_bad_lines_too(tmp_path: Path) -> None:
    text = message(parallel(tmp_path, b"a\n\n", b"x\ny\nz\n"), tmp_path)
    assert text.startswith("x.de:2: empty line")
    assert "x.de has 2 lines, but x.en has 3" in text


def test_bad_pairs_are_left_out_and_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    corpus = parallel(tmp_path, b"a\n\nc\nd\xe9\n\n", b"x\ny\n\nz\n\xff\n")
    reader = PairReader(corpus, tmp_path, bad_lines="skip")
    for _ in range(2):  # counted anew each time
        assert [pair.number for pair in reader] == [1]
        assert reader.skipped == {"empty": 3, "not UTF-8": 1}


def test_a_binary_file_is_refused_even_when_bad_lines_are_skipped(tmp_path: Path) -> None:
    corpus = parallel(tmp_path, b"\x7fELF\0\0\n", b"x\n")
    assert message(corpus, tmp_path, skip=True) == "x.de: a binary file, not text: byte 5 is 0x00"


@pytest.mark.parametrize(
    ("name", "content", "fields", "expected"),
    [
        ("x.tsv", "a\tx\nb\n", {}, "x.tsv:2: 1 column, but column 2 is needed"),
        ("x.tsv", "a\t\n", {}, "x.tsv:1: empty line; the target of a pair"),
        ("x.tsv", "a\tx\n", {"source_field": 0}, "x.tsv: there is no column 0; the first is 1"),
        (
            "x.tsv",
            "german\tenglish\n",
            {"source_field": "germn"},
            "x.tsv:1: unknown column 'germn'; did you mean 'german'? choose from german, english",
        ),
        ("x.jsonl", '{"source": "a", "target": "x"}\n{"source"\n', {}, "x.jsonl:2: not JSON: Expecting"),
        ("x.jsonl", "\n", {}, "x.jsonl:1: empty line; expected a JSON object"),
        ("x.jsonl", '["a", "x"]\n', {}, "x.jsonl:1: not a JSON object such as"),
        ("x.jsonl", b'{"source": "\xff"}\n', {}, "x.jsonl:1: not UTF-8: byte 0xff at position 13"),
        (
            "x.jsonl",
            '{"source": "a", "traget": "x"}\n',
            {},
            "x.jsonl:1: the target is missing: unknown key 'target'; did you mean 'traget'? choose from source, traget",
        ),
        ("x.jsonl", '{"source": 7, "target": "x"}\n', {}, "x.jsonl:1: 'source' must be text, but is 7"),
        ("x.jsonl", '{"source": "a\\nb", "target": "x"}\n', {}, "x.jsonl:1: 'source' holds a line break"),
        ("x.jsonl", '{"source": "\\ud800", "target": "x"}\n', {}, "x.jsonl:1: the source holds half of a surrogate"),
        ("x.jsonl", "[" * 100_000, {}, "x.jsonl:1: not JSON: nested too deeply"),
        ("x.jsonl", '{"source": ' + "9" * 5000 + "}", {}, "x.jsonl:1: not JSON: Exceeds the limit (4300 digits)"),
        ("x.jsonl", '{"source": ["a"], "target": "x"}\n', {}, "x.jsonl:1: 'source' must be text, but is a list"),
        ("x.csv", "a,x\n", {}, "x.csv: unknown format; a file of pairs ends with .tsv or .jsonl"),
    ],
)
def test_what_is_wrong_with_a_pair_file_is_said(
    tmp_path: Path, name: str, content: str, fields: dict[str, Any], expected: str
) -> None:
    assert expected in message(pair_file(tmp_path, name, content, **fields), tmp_path)
