"""A classifier that looks several times: every look is drawn and written, of sources of every kind."""

from __future__ import annotations

import base64
import csv
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from toy_answers import toy_answers
from toy_films import labelled_films
from toy_labels import labelled_images, labelled_texts
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.data.columns import Array
from attncli.models.decoders.classifier import ClassifierDecoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.runs.writing import WritingRun
from attncli.text.tokenizer import BOS

HOPS = ("model.decoder.hops=2", "training.max_steps=2", "training.validate_every=2")
TEXT = "the tea was bad"


@pytest.fixture(scope="module")
def hoppers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs of two hops, called by what they read, and their data."""
    folder = tmp_path_factory.mktemp("hoppers")
    configs = {
        "text": labelled_texts(folder / "texts", train=9, dev=3, test=3),
        "image": labelled_images(folder / "colours"),
        "film": labelled_films(folder / "moving"),
    }
    (folder / "asked").mkdir()
    configs["joint"] = toy_answers(folder / "asked", train=6, dev=3, test=3)
    for name, config in configs.items():
        train(config, folder / name, *(["data.test.test.places=places-test.jsonl"] if name == "joint" else []))
    hard = ("model.attention.selection=hard", "model.attention.estimator=reinforce", "model.attention.inference=sample")
    train(configs["joint"], folder / "hard", *hard)
    return folder


def train(config: Path, run: Path, *overrides: str) -> None:
    sets = [part for override in (*HOPS, *overrides) for part in ("--set", override)]
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(run), "--device", "cpu", *sets])
    assert result.exit_code == 0, (result.output, result.exception)


def sources(folder: Path) -> dict[str, tuple[Any, list[str]]]:
    """Return for each run a source, and the options that name it."""
    image, film = folder / "colours" / "images" / "test-red-1.png", folder / "moving" / "films" / "test-lighter-0"
    [first, *_] = sorted((folder / "asked" / "images").glob("*.png"))
    asked = {"image": str(first), "question": "what is left of the red square ?"}
    return {
        "text": (TEXT, ["--text", TEXT]),
        "image": (str(image), ["--image", str(image)]),
        "film": (str(film), ["--image", str(film)]),
        "joint": (asked, [part for name, value in asked.items() for part in ("--source", f"{name}={value}")]),
    }


@torch.inference_mode()
def seen(run: Path, cell: Any) -> tuple[str, Array]:
    """Return the likeliest label, and what each hop of the model sees of the one source `cell`, [hops, positions]."""
    loaded = WritingRun.load(run, device="cpu")
    writer, model = loaded.writer(), loaded.model
    assert isinstance(model, EncoderDecoder)
    assert isinstance(model.decoder, ClassifierDecoder)
    memory = model.encode(writer.reader.pack([writer.reader.read(cell)]))
    weights = model.decoder.cross_weights(torch.tensor([[BOS]]), model.decoder.prepare(memory))
    assert weights is not None
    [found] = writer.write([cell])
    return found.best.text, weights[0, :, 0, 0].numpy()


def rows_of(name: str, record: dict[str, Any]) -> Array:
    """Return the weights of a drawing as JSON, [rows, positions]."""
    if name == "joint":
        return np.concatenate([memory["weights"] for memory in record["memories"].values()], axis=1)
    return np.array(record["weights"])


@pytest.mark.parametrize("name", ["text", "image", "film", "joint"])
def test_every_look_is_drawn(hoppers: Path, attncli: Command, tmp_path: Path, name: str) -> None:
    cell, options = sources(hoppers)[name]
    label, weights = seen(hoppers / name, cell)
    looks = ["look 1", f"look 2 · {label}"]
    assert abs(weights[0] - weights[1]).max() > 1e-3, "the looks differ"
    for format in ("svg", "png", "json", *(() if name == "image" else ("html",))):
        done = attncli("visualize", hoppers / name, *options, "--format", format, "-o", tmp_path, "--device", "cpu")
        assert done.code == 0, done.err
    [drawn] = tmp_path.glob("*.svg")
    for look in looks:
        assert f">{look}<" in drawn.read_text()
    [path] = tmp_path.glob("*.json")
    [record] = json.loads(path.read_text())
    assert (record["looks"], record["target_tokens"]) == (looks, [label])
    np.testing.assert_allclose(rows_of(name, record), weights, atol=1e-6)
    for page in tmp_path.glob("*.html"):
        shown = html.unescape(page.read_text())
        figures = [part.split('"')[0] for part in shown.split("data:image/svg+xml;base64,")[1:]]
        text = shown + "".join(base64.b64decode(figure).decode() for figure in figures)
        for look in looks:
            assert look in text


def test_a_given_label_is_drawn_with_the_same_looks(hoppers: Path, attncli: Command, tmp_path: Path) -> None:
    _, weights = seen(hoppers / "text", TEXT)
    given = ("--text", TEXT, "--target", "neutral", "--format", "json", "-o", tmp_path, "--device", "cpu")
    assert attncli("visualize", hoppers / "text", *given).code == 0
    [record] = json.loads((tmp_path / "alignments.json").read_text())
    assert record["looks"] == ["look 1", "look 2 · neutral"]
    np.testing.assert_allclose(record["weights"], weights, atol=1e-6)


def test_hard_choices_of_every_look_are_drawn(hoppers: Path, attncli: Command, tmp_path: Path) -> None:
    _, options = sources(hoppers)["joint"]
    for format in ("png", "json"):
        where = ("--format", format, "-o", tmp_path, "--device", "cpu")
        assert attncli("visualize", hoppers / "hard", *options, *where).code == 0
    [record] = json.loads((tmp_path / "attention.json").read_text())
    sizes = {name: len(memory["weights"][0]) for name, memory in record["memories"].items()}
    assert [at < sizes[name] for name, at in record["chosen"]] == [True, True]


def test_labels_are_written_with_the_weights_of_every_look(hoppers: Path, attncli: Command) -> None:
    cell, _ = sources(hoppers)["joint"]
    label, weights = seen(hoppers / "joint", cell)
    options = ("--format", "jsonl", "--attention", "--n-best", "2", "--device", "cpu")
    done = attncli("answer", hoppers / "joint", cell["image"], cell["question"], *options)
    assert done.code == 0, done.err
    first, second = json.loads(done.out)["hypotheses"]
    assert first["text"] == label
    for each in (first, second):
        assert each["looks"] == ["look 1", f"look 2 · {each['text']}"]
        over = [np.reshape(rows, (2, -1)) for rows in each["attention"].values()]
        np.testing.assert_allclose(np.concatenate(over, axis=1), weights, atol=2e-6)


def test_the_weight_of_every_look_inside_the_box_is_measured(hoppers: Path, attncli: Command) -> None:
    assert attncli("eval", hoppers / "joint", "--device", "cpu").code == 0
    [found] = json.loads((hoppers / "joint/evaluation/test/report.json").read_text())["runs"]
    with (hoppers / "asked/questions.tsv").open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == "test"]
    places = [json.loads(line)["places"] for line in (hoppers / "asked/places-test.jsonl").read_text().splitlines()]
    shares = []
    for row, [place] in ((row, found) for row, found in zip(rows, places, strict=True) if found):
        cell = {"image": str(hoppers / "asked/images" / row["image"]), "question": row["question"]}
        _, weights = seen(hoppers / "joint", cell)
        left, top, right, bottom = (8 * edge for edge in place["box"])  # 8 × 8 regions
        area = np.zeros((8, 8))
        for at_row, at_column in np.ndindex(8, 8):
            width = max(0, min(at_column + 1, right) - max(at_column, left))
            area[at_row, at_column] = width * max(0, min(at_row + 1, bottom) - max(at_row, top))
        over_image = weights[:, :64]
        shares.append(over_image @ area.ravel() / over_image.sum(1))
    first, second = 100 * np.mean(shares, axis=0)
    assert abs(first - second) > 1e-3
    assert found["weight_inside"]["score"] == pytest.approx(second, abs=1e-3)
    [earlier] = found["weight_inside"]["earlier_looks"]
    assert earlier["score"] == pytest.approx(first, abs=1e-3)


def test_looks_of_an_ensemble_are_those_of_its_first_run(hoppers: Path) -> None:
    cell, _ = sources(hoppers)["joint"]
    _, weights = seen(hoppers / "joint", cell)
    both = WritingRun.load(hoppers / "joint", device="cpu", ensemble=[hoppers / "hard"])
    [found] = both.writer().write([cell], with_weights=True)
    assert found.best.weights is not None
    np.testing.assert_allclose(found.best.weights, weights, atol=1e-6)
