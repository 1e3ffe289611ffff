"""Examples from tables: what is read, and every row that cannot be used by its file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attncli.config.tables import TableData
from attncli.data.direction import Backwards
from attncli.data.forms.example import Example
from attncli.data.forms.forms import open_form
from attncli.data.forms.table import TableForm
from attncli.errors import DataError

HEADER = ("id", "file", "question", "answer", "part", "type")
ROWS = [
    ("1", "a.png", 'what is "left" ?', "red", "train", "colour"),
    ("2", "b.png", "how many, now ?", "two dogs", "dev", "number"),
    ("3", "in/c.png", "und größer ?", "no", "train", "yes or no"),
]
COLUMNS = {"image": "file", "question": "question", "target": "answer", "split": "part", "group": "type"}
TEXT_ONLY = {"question": "question", "target": "answer", "split": "part"}


def text_of(suffix: str, rows: Sequence[tuple[str, ...]], header: tuple[str, ...] = HEADER) -> str:
    if suffix == ".jsonl":
        return "".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows)
    if suffix == ".tsv":
        return "".join("\t".join(row) + "\n" for row in (header, *rows))
    stream = io.StringIO()
    csv.writer(stream).writerows((header, *rows))
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images/in").mkdir(parents=True)
    for name in ("a.png", "b.png", "in/c.png"):
        (tmp_path / "images" / name).write_bytes(b"")
    return tmp_path


def form(
    folder: Path, text: str, *, name: str = "t.tsv", key: str = "train", split: str | None = None, **changes: Any
) -> TableForm:
    (folder / name).write_text(text)
    values = {
        "root": str(folder),
        "table": name,
        "columns": COLUMNS,
        "folders": {"image": "images"},
        "train": {"split": "train"},
        "dev": {"split": "dev"},
        **changes,
    }
    data = TableData.model_validate(values)
    section = (
        (data.train if key == "train" else data.dev)
        if split is None
        else data.train.model_copy(update={"split": split})
    )
    return TableForm(data, section, key=key, bad_lines=data.bad_lines if key == "train" else "error")


def problems(read: TableForm) -> list[str]:
    with pytest.raises(DataError) as caught:
        list(read)
    return str(caught.value).split("\n")


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_rows_of_a_split_are_examples_with_all_their_sources(folder: Path, suffix: str) -> None:
    read = form(folder, text_of(suffix, ROWS), name=f"t{suffix}")
    first = 1 if suffix == ".jsonl" else 2
    expected = [
        Example(first, {"image": f"{folder}/images/a.png", "question": ROWS[0][2]}, ("red",), "colour"),
        Example(first + 2, {"image": f"{folder}/images/in/c.png", "question": ROWS[2][2]}, ("no",), "yes or no"),
    ]
    assert list(read) == expected
    assert list(read) == expected, "again"
    assert [example.number for example in form(folder, text_of(suffix, ROWS), name=f"t{suffix}", key="dev")] == [
        first + 1
    ]
    assert read.place("target", first) == f"{folder}/t{suffix}:{first}"
    assert read.notes == ()


def test_a_compressed_table_is_read(folder: Path) -> None:
    read = form(folder, "", name="t.tsv.gz")
    (folder / "t.tsv.gz").write_bytes(gzip.compress(text_of(".tsv", ROWS).encode()))
    assert len(list(read)) == 2


def test_a_split_may_have_a_table_of_its_own_and_no_name(folder: Path) -> None:
    (folder / "own.csv").write_text(text_of(".csv", ROWS))
    data = TableData.model_validate(
        {"root": str(folder), "columns": TEXT_ONLY, "train": {"table": "own.csv"}, "dev": {"table": "x"}}
    )
    found = list(TableForm(data, data.train, key="train"))
    assert [(example.cell, example.group) for example in found] == [(row[2], None) for row in ROWS]


def test_json_lines_may_have_several_targets(folder: Path) -> None:
    line = json.dumps({"question": "q", "answer": ["yes", "yeah"], "part": "train"})
    read = form(folder, line + "\n", name="t.jsonl", columns=TEXT_ONLY, folders={})
    assert [example.targets for example in read] == [("yes", "yeah")]


BAD = [
    (("4", "b.png", " ", "red", "train", "x"), "empty", "the column 'question' is empty"),
    (("5", "b.png", "q", "", "train", "x"), "empty", "the column 'answer' is empty"),
    (("6", "none.png", "q", "a", "train", "x"), "missing file", "there is no file 'none.png' in {folder}/images"),
    (
        ("7", "../secret.png", "q", "a", "train", "x"),
        "outside",
        "'../secret.png' leads out of {folder}/images; only files inside it are read",
    ),
    (
        ("8", "/etc/passwd", "q", "a", "train", "x"),
        "outside",
        "'/etc/passwd' leads out of {folder}/images; only files inside it are read",
    ),
    (
        ("9", "a.png", "q" * 10_001, "a", "train", "x"),
        "not text",
        "the column 'question' holds a word of 10,001 characters; at most 10,000",
    ),
    (("10", "a.png", "q", "a", "", "x"), "no split", "the column 'part' is empty"),
    (("11", "a.png", "q", "a", "train", ""), "empty", "the column 'type' is empty"),
    (
        ("12", "link.png", "q", "a", "train", "x"),
        "outside",
        "'link.png' leads out of {folder}/images; only files inside",
    ),
]


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_bad_rows_are_told_with_file_and_line_or_left_out(folder: Path, suffix: str) -> None:
    (folder / "secret.png").write_bytes(b"")
    (folder / "images/link.png").symlink_to(folder / "secret.png")
    text = text_of(suffix, [ROWS[0], *(row for row, _, _ in BAD), ROWS[2]])
    first = 2 if suffix == ".jsonl" else 3
    found = problems(form(folder, text, name=f"t{suffix}"))
    assert len(found) == len(BAD) + 1
    for at, (line, (_, _, message)) in enumerate(zip(found, BAD, strict=False)):
        assert line.startswith(f"{folder}/t{suffix}:{first + at}: {message.format(folder=folder)}")
    assert found[-1] == "mend these rows, or leave them out with data.bad_lines: skip (training rows only)"
    read = form(folder, text, name=f"t{suffix}", bad_lines="skip")
    assert len(list(read)) == 2
    assert read.notes == ("train: left out 9 bad rows (3 empty, 1 missing file, 1 no split, 1 not text, 3 outside)",)


def test_a_broken_line_costs_no_other(folder: Path) -> None:
    text = text_of(".csv", ROWS)
    lines = text.splitlines()
    broken = [lines[0], '4,b.png,"how many,red,train,x', lines[1], '5,b.png,"a"b,c,train,x', "6,a.png,q", lines[3]]
    read = form(folder, "\n".join(broken) + "\n", name="t.csv")
    assert problems(read)[:-1] == [
        f"{folder}/t.csv:2: a quote is not closed on its line; cells hold no line breaks",
        f"{folder}/t.csv:4: not CSV: ',' expected after '\"'",
        f"{folder}/t.csv:5: 3 columns, but line 1 names 6",
    ]
    skipping = form(folder, "\n".join(broken) + "\n", name="t.csv", bad_lines="skip")
    assert [example.number for example in skipping] == [3, 6]
    assert skipping.notes == ("train: left out 3 bad rows (2 broken quotes, 1 wrong number of columns)",)


def test_what_is_no_text_or_no_record_is_told(folder: Path) -> None:
    good = json.dumps({"question": "q", "answer": "a", "part": "train"})
    lines = [
        b'{"question": "q"',
        b"[]",
        b'{"question": "q", "answr": "a", "part": "train"}',
        b'{"question": 3, "answer": "a", "part": "train"}',
        b'{"question": "a\\nb", "answer": "a", "part": "train"}',
        b'{"question": "q", "answer": [], "part": "train"}',
        b'{"question": "q", "answer": ["a", ""], "part": "train"}',
        b'{"question": "\xff", "answer": "a", "part": "train"}',
        b"",
    ]
    read = form(folder, good, name="t.jsonl", columns=TEXT_ONLY, folders={})
    (folder / "t.jsonl").write_bytes(b"\n".join([good.encode(), *lines]) + b"\n")
    expected = [
        "not JSON: ",
        "not a JSON object, but a list",
        "unknown key 'answer'; did you mean 'answr'? choose from question, answr, part",
        "the column 'question' must be text, but is 3",
        "the column 'question' holds a line break; a cell is one line",
        "the column 'answer' is empty",
        "the column 'answer' is empty",
        "not UTF-8: byte 0xff at position 15",
        "empty line; expected a JSON object",
    ]
    for number, (found, message) in enumerate(zip(problems(read), expected, strict=False), start=2):
        assert found.startswith(f"{folder}/t.jsonl:{number}: {message}")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (("id", "file", "qestion", "answer", "part", "type"), "unknown column 'question'; did you mean 'qestion'?"),
        (
            ("id", "file", "question", "answer", "part", "question"),
            "there are 2 columns 'question'; rename all but one",
        ),
    ],
)
def test_a_table_without_its_columns_is_refused(folder: Path, header: tuple[str, ...], message: str) -> None:
    [problem] = problems(form(folder, text_of(".csv", ROWS, header), name="t.csv", columns=COLUMNS, bad_lines="skip"))
    assert problem.startswith(f"{folder}/t.csv:1: {message}")


def test_a_split_that_no_row_has_is_told_with_those_there_are(folder: Path) -> None:
    [problem] = problems(form(folder, text_of(".tsv", ROWS), split="trian"))
    assert (
        problem
        == f"{folder}/t.tsv: no row is of it: unknown split 'trian'; did you mean 'train'? choose from dev, train"
    )
    [problem] = problems(form(folder, text_of(".tsv", [])))
    assert problem == f"{folder}/t.tsv: no row is of the split 'train'; the table is empty"


def test_a_name_without_a_known_end_is_refused(folder: Path) -> None:
    assert problems(form(folder, "", name="t.txt")) == [
        f"{folder}/t.txt: unknown format; a table ends with .tsv, .csv, .jsonl, or one of these with .gz"
    ]


def test_rows_that_may_be_of_any_split_are_told_once(folder: Path) -> None:
    text = text_of(".tsv", ROWS) + "broken\n"
    assert len(problems(form(folder, text, key="dev"))) == 2
    assert len(list(form(folder, text, key="dev", bad_lines="skip"))) == 1
    skipping = form(folder, text, bad_lines="skip")
    assert len(list(skipping)) == 2
    assert skipping.notes == ("train: left out 1 bad row (1 wrong number of columns)",)


def test_files_decide_what_is_read_unless_their_cells_are_files(folder: Path) -> None:
    text = form(folder, text_of(".tsv", ROWS), columns=TEXT_ONLY, folders={})
    facts = text.facts
    assert facts is not None
    assert form(folder, text_of(".tsv", ROWS), columns=TEXT_ONLY, folders={}).facts == facts
    assert form(folder, text_of(".tsv", ROWS[:2]), columns=TEXT_ONLY, folders={}).facts != facts
    assert form(folder, text_of(".tsv", ROWS), columns=TEXT_ONLY, folders={}, key="dev").facts != facts
    assert form(folder, text_of(".tsv", ROWS)).facts is None


def test_a_long_question_is_read_and_memory_stays_bounded(folder: Path) -> None:
    long = "word " * 100_000
    rows = [("1", "a.png", long, "yes", "train", "x")] * 60
    read = form(folder, text_of(".csv", rows), name="t.csv")
    assert len(next(iter(read)).cells["question"]) == len(long)
    tracemalloc.start()
    assert sum(1 for _ in read) == 60
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(long), "a third of the table"


def test_only_training_rows_may_be_left_out(folder: Path) -> None:
    values: dict[str, Any] = {"columns": TEXT_ONLY, "bad_lines": "skip", "root": str(folder), "table": "t.tsv"}
    data = TableData.model_validate({**values, "train": {"split": "train"}, "dev": {"split": "dev"}})
    (folder / "t.tsv").write_text(text_of(".tsv", [*ROWS, ("4", "a.png", "", "a", "dev", "x")]))
    assert len(list(open_form(data, "train"))) == 2
    with pytest.raises(DataError, match=r"t\.tsv:5: the column 'question' is empty"):
        list(open_form(data, "dev"))


def test_a_byte_order_mark_and_ends_of_other_systems_change_nothing(folder: Path) -> None:
    expected = list(form(folder, text_of(".tsv", ROWS)))
    (folder / "other.tsv").write_bytes(b"\xef\xbb\xbf" + text_of(".tsv", ROWS).replace("\n", "\r\n").encode())
    data = TableData.model_validate(
        {
            "root": str(folder),
            "table": "other.tsv",
            "columns": COLUMNS,
            "folders": {"image": "images"},
            "train": {"split": "train"},
            "dev": {"split": "dev"},
        }
    )
    assert list(open_form(data, "train")) == expected


def test_a_null_character_and_an_endless_word_cost_no_other_row(folder: Path) -> None:
    rows = [ROWS[0], ("8", "a.png", "a\0b", "a", "train", "x"), ("9", "a.png", "q", "x" * (1 << 24), "train", "x")]
    # What is no text at its very beginning is refused as a whole.
    text = text_of(".tsv", [*[ROWS[0]] * 400, *rows, ROWS[2]])
    assert problems(form(folder, text))[:-1] == [
        f"{folder}/t.tsv:403: the column 'question' holds the character U+0000; not text",
        f"{folder}/t.tsv:404: the column 'answer' holds a word of 16,777,216 characters; at most 10,000",
    ]
    assert len(list(form(folder, text, bad_lines="skip"))) == 402


def test_a_table_without_a_header_is_refused(folder: Path) -> None:
    [found] = problems(form(folder, text_of(".tsv", ROWS[1:], header=ROWS[0])))
    assert found.startswith(f"{folder}/t.tsv:1: unknown column 'file'; ")
    [found] = problems(form(folder, ""))
    assert found.startswith(f"{folder}/t.tsv:1: unknown column 'file'")


def test_by_the_arrow_of_time_each_row_is_played_both_ways(folder: Path) -> None:
    columns = {"film": "file", "split": "part", "group": "type"}
    rows = (*ROWS, ("4", "missing.png", "-", "-", "train", "-"))
    found = form(
        folder,
        text_of(".tsv", rows),
        columns=columns,
        folders={"film": "images"},
        labels="arrow_of_time",
        bad_lines="skip",
    )
    one, other = f"{folder}/images/a.png", f"{folder}/images/in/c.png"
    assert list(found) == [
        Example(2, {"film": one}, ("forwards",), "colour"),
        Example(2, {"film": Backwards(one)}, ("backwards",), "colour"),
        Example(4, {"film": other}, ("forwards",), "yes or no"),
        Example(4, {"film": Backwards(other)}, ("backwards",), "yes or no"),
    ]
    assert found.skipped == {"missing file": 1}, "a bad row is one row"
    assert found.place("target", 4) == f"{folder}/t.tsv:4"
