"""Classification from end to end: train, classify and eval on a few texts and images."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from command_line import Command
from toy_labels import COLOURS, labelled_images, labelled_texts
from typer.testing import CliRunner

from attncli.api import load
from attncli.cli.main import app
from attncli.runs.writing import WritingRun

LABELS = ("negative", "neutral", "positive")


def train(config: Path, run: Path, *overrides: str) -> str:
    sets = [part for override in overrides for part in ("--set", override)]
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(run), "--device", "cpu", *sets])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that reads texts, one that reads images, one without attention, and the data."""
    folder = tmp_path_factory.mktemp("classifiers")
    texts = labelled_texts(folder / "texts", train=25, dev=6, test=8)
    train(texts, folder / "reader")
    train(texts, folder / "pooled", "model.attention=none", "training.max_steps=2")
    train(labelled_images(folder / "images"), folder / "viewer")
    return folder


def rows(folder: Path, split: str = "test") -> list[dict[str, str]]:
    with (folder / "texts" / "reviews.tsv").open() as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == split]


def probabilities(run: Path, cell: str, labels: tuple[str, ...]) -> dict[str, float]:
    """Return the probability of each of `labels`, read as a given target, among all labels."""
    found = list(WritingRun.load(run, device="cpu").writer().align((cell, label) for label in labels))
    total = sum(math.exp(each.best.log_prob) for each in found)
    assert total < 0.995, "what tokens that are no labels have is seen"
    return {each.best.text: math.exp(each.best.log_prob) / total for each in found}


def test_lines_are_labelled_with_their_likeliest_labels(classifiers: Path, attncli: Command) -> None:
    texts = [row["text"] for row in rows(classifiers)][:3]
    given = "\n".join([texts[0], "", *texts[1:]]).encode()
    done = attncli("classify", classifiers / "reader", "--n-best", "4", "--device", "cpu", given=given)
    assert (done.code, done.err) == (0, "")
    lines = done.out.split("\n")[:-1]
    assert len(lines) == 4 * 4
    assert lines[4:8] == [""] * 4
    for text, written in zip(texts, (lines[:4], lines[8:12], lines[12:]), strict=True):
        expected = probabilities(classifiers / "reader", text, LABELS)
        ranked = sorted(expected, key=lambda label: -expected[label])
        assert [line.split("\t")[0] for line in written] == [*ranked, ""]
        assert sum(float(line.split("\t")[1]) for line in written[:3]) == pytest.approx(1, abs=2e-4)
        for line in written[:3]:
            label, probability = line.split("\t")
            assert float(probability) == pytest.approx(expected[label], abs=6e-5)


def test_a_file_of_lines_is_labelled_as_standard_input_is(classifiers: Path, attncli: Command, tmp_path: Path) -> None:
    lines = "".join(f"{row['text']}\n" for row in rows(classifiers))
    (tmp_path / "lines.txt").write_text(lines)
    piped = attncli("classify", classifiers / "reader", "--device", "cpu", given=lines.encode())
    named = attncli("classify", classifiers / "reader", tmp_path / "lines.txt", "--output", tmp_path / "out.tsv")
    assert named.code == 0
    assert (tmp_path / "out.tsv").read_text() == piped.out
    assert len(piped.out.splitlines()) == 8


def test_a_text_that_is_too_long_is_told_with_its_line_or_cut(classifiers: Path, attncli: Command) -> None:
    command = ("classify", classifiers / "reader", "--max-source-length", "4", "--device", "cpu")
    done = attncli(*command, given=b"The bed was dirty .\nThe bed\n")
    assert (done.code, done.out.count("\n"), done.out.startswith("\n")) == (1, 2, True)
    first, last = done.err.splitlines()
    assert first.startswith("attncli: standard input:1: 5 tokens, but search.max_source_length is 4; ")
    assert last == "attncli: 1 of 2 sentences could not be labelled"
    cut = attncli(*command, "--too-long", "cut", given=b"The bed was dirty .\n")
    assert (cut.code, cut.out) == (0, attncli(*command, given=b"The bed was dirty\n").out)


def test_python_labels_as_the_command_does(classifiers: Path, attncli: Command) -> None:
    images = sorted((classifiers / "images" / "images").glob("test-*.png"))
    written = attncli("classify", classifiers / "viewer", *images, "--device", "cpu").out.splitlines()
    found = load(classifiers / "viewer", device="cpu").classify(images, beam_size=1)
    assert [each.text for each in found] == [line.split("\t")[1] for line in written]


def test_json_has_probabilities_and_weights(classifiers: Path, attncli: Command) -> None:
    text = rows(classifiers)[0]["text"]
    options = ("--format", "jsonl", "--attention", "--n-best", "2", "--device", "cpu")
    record = json.loads(attncli("classify", classifiers / "reader", *options, given=text.encode()).out)
    assert record["source"] == text
    expected = probabilities(classifiers / "reader", text, LABELS)
    for label in record["hypotheses"]:
        assert label["probability"] == pytest.approx(expected[label["text"]], rel=1e-4)
        assert label["probability"] == pytest.approx(math.exp(label["log_prob"]))
        assert np.shape(label["attention"]) == (1, len(record["source_tokens"]))
    assert len(record["hypotheses"]) == 2


def test_a_folder_of_images_is_labelled_and_a_broken_one_costs_no_other(
    classifiers: Path, attncli: Command, tmp_path: Path
) -> None:
    good = sorted((classifiers / "images" / "images").glob("test-*.png"))
    for path in good:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = attncli("classify", classifiers / "viewer", tmp_path, "--device", "cpu")
    assert done.code == 1
    found = [line.split("\t") for line in done.out.splitlines()]
    assert [Path(line[0]).name for line in found] == [path.name for path in good]
    for cell, label, probability in found:
        expected = probabilities(classifiers / "viewer", cell, tuple(COLOURS))
        assert label == max(expected, key=lambda each: expected[each])
        assert float(probability) == pytest.approx(expected[label], abs=6e-5)
    first, last = done.err.splitlines()
    assert first.startswith(f"attncli: {tmp_path}/broken.png: ")
    assert last == "attncli: 1 of 7 images could not be labelled"


@pytest.mark.parametrize(
    ("run", "arguments", "problem"),
    [
        ("viewer", [], "nothing to label: RUN reads files; name some, or folders of them"),
        ("reader", ["a", "b"], "2 files given, but RUN reads the lines of one; give them one by one"),
        ("reader", ["--attention"], "--attention writes weights into JSON; add --format jsonl"),
        (
            "pooled",
            ["--attention", "--format", "jsonl"],
            "--attention: {run} has model.attention: none, so there are no weights",
        ),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    classifiers: Path, attncli: Command, run: str, arguments: list[str], problem: str
) -> None:
    folder = classifiers / run
    done = attncli("classify", folder, *arguments, "--device", "cpu", given=b"a\n")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"attncli: {problem.format(run=folder)}\n"


def test_eval_reports_labels_and_groups(classifiers: Path, attncli: Command) -> None:
    done = attncli("eval", classifiers / "reader", classifiers / "pooled", "--device", "cpu")
    assert done.code == 0, done.err
    folder, expected = classifiers / "reader" / "evaluation" / "test", rows(classifiers)
    report = json.loads((folder / "report.json").read_text())
    sentences = [json.loads(line) for line in (folder / "sentences.jsonl").read_text().splitlines()]
    for at, run in enumerate(report["runs"]):
        hypotheses = [sentence["runs"][at]["hypothesis"] for sentence in sentences]
        pairs = [(row["label"], label) for row, label in zip(expected, hypotheses, strict=True)]
        assert Counter({(each["reference"], each["hypothesis"]): each["sources"] for each in run["confusions"]}) == (
            Counter(pairs)
        )
        groups = {each["group"]: each for each in run["by_group"]}
        assert set(groups) == {row["kind"] for row in expected}
        for name, group in groups.items():
            right = [one == other for row, (one, other) in zip(expected, pairs, strict=True) if row["kind"] == name]
            assert group["sources"] == len(right)
            assert group["accuracy"] == pytest.approx(100 * sum(right) / len(right))
            assert group["low"] <= group["accuracy"] <= group["high"]
    assert "Accuracy by group" in done.out
    assert "reader: labels, in %" in done.out
    assert {"by_group.csv", "by_group.png", "by_label.csv", "confusions.csv"} <= {
        path.name for path in folder.iterdir()
    }
    assert "bleu" not in report["runs"][0]


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        ("viewer", "--reversed: plays films and recordings backwards, but {run} reads images; leave it out"),
        ("reader", "--reversed: plays films and recordings backwards, but {run} reads sentences; leave it out"),
    ],
)
def test_what_does_not_last_is_not_reversed(classifiers: Path, attncli: Command, run: str, problem: str) -> None:
    done = attncli("eval", classifiers / run, "--reversed", "--device", "cpu")
    assert (done.code, done.err) == (2, f"attncli: {problem.format(run=classifiers / run)}\n")


def test_images_have_no_length(classifiers: Path, attncli: Command) -> None:
    run = classifiers / "viewer"
    done = attncli("eval", run, "--length", "source", "--device", "cpu")
    problem = f"--length source: {run} reads images, which have no length; group by the reference"
    assert (done.code, done.err) == (2, f"attncli: {problem}\n")


def test_rows_that_cannot_be_used_are_told_with_file_and_line_or_left_out(attncli: Command, tmp_path: Path) -> None:
    config, table = labelled_images(tmp_path / "images"), tmp_path / "images" / "images.tsv"
    (tmp_path / "images" / "images" / "train-red-0.png").write_bytes(b"broken")
    (tmp_path / "secret.png").write_bytes(b"secret")
    with table.open("a") as file:
        file.write("../../secret.png\tred\ttrain\ntrain-red-1.png\t\ttrain\nnone.png\tred\ttrain\n")
    done = attncli("train", config, "--run", tmp_path / "run", "--device", "cpu")
    assert done.code == 1
    images = table.parent / "images"
    assert done.err.removeprefix("attncli: ").splitlines() == [
        f"{table}:26: '../../secret.png' leads out of {images}; only files inside it are read",
        f"{table}:27: the column 'colour' is empty",
        f"{table}:28: there is no file 'none.png' in {images}",
        "mend these rows, or leave them out with data.bad_lines: skip (training rows only)",
    ]
    with table.open("a") as file:
        file.write("train-red-1.png\tred\n")
    done = attncli("train", config, "--run", tmp_path / "run", "--device", "cpu")
    assert f"{table}:29: 2 columns, but line 1 names 3" in done.err
    output = train(config, tmp_path / "run", "data.bad_lines=skip", "training.max_steps=1")
    assert "train: left out 4 bad rows (1 empty, 1 missing file, 1 outside, 1 wrong number of columns)" in output
    assert f"train: left out 1 bad image, such as {table}:2: " in output


def test_a_label_that_training_lacks_is_told_by_train_and_eval(attncli: Command, tmp_path: Path) -> None:
    config = labelled_texts(tmp_path / "texts", train=9, dev=3, test=2)
    table = tmp_path / "texts" / "reviews.tsv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, "The bed was odd.\tmixed\tplain\tdev", "It was odd.\tmixed\tplain\ttest", ""]))
    output = train(config, tmp_path / "run", "training.max_steps=1")
    assert (
        f"dev: 1 target outside of the 3 labels of training, and so never written, such as {table}:16: 'mixed'"
        in output
    )
    done = attncli("eval", tmp_path / "run", "--device", "cpu")
    assert (
        f"run: 1 target outside of the 3 labels of training, and so never written, such as {table}:17: 'mixed'"
        in done.out
    )
