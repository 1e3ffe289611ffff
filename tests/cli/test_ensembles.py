"""`--with` of the commands that write: what they write has the mean of the runs' probabilities."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from PIL import Image
from typer.testing import CliRunner

import attncli as package
from attncli.cli.main import app
from attncli.data.tokens import pad_tokens
from attncli.runs.writing import WritingRun
from attncli.text.tokenizer import EOS

SENTENCES = ["der Hund rennt .", "eine Kuh schläft nie .", "Hund", "nie nie nie ."]
TRANSLATORS = {
    "none": ["model.attention=none", "model.decoder={hidden_size: 8}"],
    "transformer": [
        "model.attention={score: scaled_dot}",
        "model.encoder={kind: transformer, hidden_size: 6, heads: 2, layers: 1, feed_forward_size: 9}",
        "model.decoder={kind: transformer, hidden_size: 6, heads: 2, layers: 1, feed_forward_size: 9, "
        "positions: learned, maximum_length: 12}",
    ],
}


def train(config: Path, folder: Path, changes: list[str]) -> Path:
    sets = [part for change in ["training.max_steps=1", *changes] for part in ("--set", change)]
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(folder), "--device", "cpu", *sets])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def translators(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return runs of one vocabulary with other networks: recurrent, without attention, and a Transformer."""
    folder = tmp_path_factory.mktemp("translators")
    others = [train(trained.parent / "small.yaml", folder / name, changes) for name, changes in TRANSLATORS.items()]
    return [trained, *others]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_text("".join(f"{sentence}\n" for sentence in SENTENCES), encoding="utf-8")
    return tmp_path / "source"


def with_(others: list[Path]) -> list[object]:
    return [part for other in others for part in ("--with", other)]


def mean_log_probs(folders: list[Path], source: str, target: list[int]) -> list[float]:
    """Return the logarithm of the mean probability of each token, each run read by itself."""
    found = []
    for folder in folders:
        run = WritingRun.load(folder, device="cpu")
        with torch.inference_mode():
            packed = pad_tokens([np.array([*run.tokenizers.source.encode(source), EOS])])
            given = pad_tokens([np.array(target)])
            found.append(run.model.log_probs_of(run.model.force(packed, given), given)[0].exp().tolist())
    return [math.log(sum(each) / len(folders)) for each in zip(*found, strict=True)]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_translations_have_the_mean_of_the_probabilities_and_the_attention_of_the_first(
    attncli: Command, translators: list[Path], source: Path
) -> None:
    asked = ("--format", "jsonl", "--n-best", 2, "--attention", "--device", "cpu")
    result = attncli("translate", translators[0], source, *with_(translators[1:]), *asked)
    assert result.code == 0, result.err
    first = WritingRun.load(translators[0], device="cpu")
    entries = first.tokenizers.target.entries
    ids = {first.tokenizers.target.tokens([number])[0]: number for number in range(len(entries))}
    for record, sentence in zip(records(result.out), SENTENCES, strict=True):
        for hypothesis in record["hypotheses"]:
            target = [ids[token] for token in hypothesis["tokens"]]
            expected = mean_log_probs(translators, sentence, target)
            assert hypothesis["token_log_probs"] == pytest.approx(expected, abs=1e-4)
            if target[-1] != EOS:
                continue
            [aligned] = first.writer().align([(sentence, hypothesis["text"])])
            assert aligned.best.weights is not None
            np.testing.assert_allclose(hypothesis["attention"], aligned.best.weights, atol=1e-4)
    alone = attncli("translate", translators[0], source, *asked).out
    assert records(alone)[0]["hypotheses"][0]["log_prob"] != records(result.out)[0]["hypotheses"][0]["log_prob"]


def test_score_gives_what_translate_says(
    attncli: Command, translators: list[Path], source: Path, tmp_path: Path
) -> None:
    asked = (*with_(translators[1:]), "--device", "cpu")
    lines = attncli("translate", translators[0], source, *asked, "--format", "moses", "--max-length", 12).out
    written = [line.split(" ||| ") for line in lines.splitlines()]
    (tmp_path / "target").write_text("".join(f"{text}\n" for _, text, _, _ in written))
    files = ("--source", source, "--target", tmp_path / "target")
    result = attncli("score", translators[0], *files, *asked)
    closed = [at for at, (_, text, _, _) in enumerate(written) if len(text.split()) < 12]
    assert closed
    found = [float(line) for line in result.out.split()]
    assert [found[at] for at in closed] == pytest.approx([float(written[at][2]) for at in closed], rel=1e-4)
    alone = [float(line) for line in attncli("score", translators[0], *files).out.split()]
    assert found != pytest.approx(alone, rel=1e-3)


def test_a_copy_changes_nothing(attncli: Command, trained: Path, source: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    asked = (source, "--format", "jsonl", "--n-best", 3)
    alone, together = (
        [
            found
            for record in records(attncli("translate", trained, *asked, *more).out)
            for found in record["hypotheses"]
        ]
        for more in ((), ("--with", tmp_path / "copy"))
    )
    assert [found["text"] for found in together] == [found["text"] for found in alone]
    assert [found["score"] for found in together] == pytest.approx([found["score"] for found in alone], rel=1e-5)


def test_captioners_read_images_each_in_its_own_size(attncli: Command, captioners: Path, tmp_path: Path) -> None:
    small = train(captioners / "small.yaml", tmp_path / "small", ["model.encoder.preprocessing.size=16"])
    folders = [captioners / "trained", small, captioners / "transformer", captioners / "none"]
    images = sorted(captioners.rglob("test-*.png"))[:3]
    result = attncli("caption", folders[0], *images, *with_(folders[1:]), "--format", "jsonl", "--attention")
    assert result.code == 0, result.err
    alone = [WritingRun.load(folder, device="cpu") for folder in folders]
    for record in records(result.out):
        [found] = record["hypotheses"]
        text = found["text"]
        each = [next(run.writer().align([(record["path"], text)])).best.token_log_probs for run in alone]
        steps = len(found["tokens"])
        expected = [math.log(sum(map(math.exp, at)) / len(at)) for at in zip(*each, strict=True)][:steps]
        assert found["token_log_probs"] == pytest.approx(expected, abs=1e-4)
        assert np.array(found["attention"]).shape[1:] == (8, 8)


def test_an_ensemble_is_evaluated_as_one_system(
    attncli: Command, translators: list[Path], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reference").write_text("the dog runs .\na cow sleeps never .\ndog\nnever never never .\n")
    test = ("--source", source, "--reference", tmp_path / "reference", "--device", "cpu")
    translated = attncli("translate", translators[0], source, *with_(translators[1:])).out
    result = attncli("eval", translators[0], *with_(translators[1:]), *test, "--hypotheses", tmp_path / "reference")
    assert result.code == 0, result.err
    assert "run+none+transformer: decoding 4 sentences of source" in result.err
    folder = tmp_path / "evaluation" / "source"
    assert (folder / "hypotheses.txt").read_text() == translated
    found, given = json.loads((folder / "report.json").read_text())["runs"]
    runs = [WritingRun.load(each, device="cpu") for each in translators]
    assert (found["run"], given["run"], found["folder"]) == (
        "run+none+transformer",
        "reference",
        str(translators[0]),
    )
    assert found["with"] == [
        {"folder": str(run.folder), "step": run.step, "parameters": run.parameters} for run in runs[1:]
    ]
    assert found["parameters"] == sum(run.parameters for run in runs)
    assert found["training"] is None
    labelled = attncli("eval", translators[0], *with_(translators[1:]), *test, "--label", "all three")
    assert labelled.code == 0, labelled.err
    assert json.loads((folder / "report.json").read_text())["runs"][0]["run"] == "all three"


def test_python_loads_an_ensemble(attncli: Command, translators: list[Path], source: Path) -> None:
    expected = attncli("translate", translators[0], source, *with_(translators[1:]), "--device", "cpu").out
    run = package.load(translators[0], ensemble=translators[1:], device="cpu")
    assert [found.text for found in run.translate(SENTENCES)] == expected.splitlines()
    with pytest.raises(package.UserError) as caught:
        run.encode(["Hund"])
    assert str(caught.value) == f"{translators[0]}: each run of an ensemble encodes sources its own way; load one alone"
    with pytest.raises(package.UserError, match="ensemble 'runs/b': should be a list of folders"):
        package.load(translators[0], ensemble="runs/b")


def test_what_makes_no_ensemble_is_refused(
    attncli: Command, translators: list[Path], captioners: Path, source: Path, tmp_path: Path
) -> None:
    trained, none, transformer = translators
    images = tmp_path / "x.png"
    Image.new("RGB", (9, 9)).save(images)
    scored = ("--source", source, "--target", source)
    for arguments, message in (
        (
            ("translate", trained, source, "--with", trained),
            f"{trained}: no ensemble with {trained}: it is named twice",
        ),
        (("score", trained, *scored, "--with", captioners / "none"), "it reads images and not sentences; name runs"),
        (("caption", captioners / "none", images, "--with", none), "it reads sentences and not images; name runs that"),
        (
            ("eval", trained, none, "--with", transformer),
            "--with: makes one ensemble, of one RUN and those that it names",
        ),
        (("eval", "--hypotheses", source, "--reference", source, "--with", none), "--with: nothing is decoded without"),
        (
            ("translate", trained, source, "--with", transformer, "--max-length", 13),
            f"--max-length 13: the decoder of {transformer} has learned positions for 12 tokens",
        ),
        (
            ("translate", none, source, "--with", trained, "--format", "jsonl", "--attention"),
            f"--attention: {none} has model.attention: none, so there are no weights",
        ),
    ):
        result = attncli(*arguments)
        assert result.code == 2
        assert message in result.err
