"""Runs commands in this process."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from command_line import Command, Result
from toy_captions import toy_captions
from typer.testing import CliRunner

from attncli.cli.main import app, main

CAPTIONER = """\
model:
  embedding_size: 6
  encoder: {kind: cnn, preprocessing: {size: 32}, widths: [4, 6]}
  attention: {score: additive, size: 7}
  decoder: {hidden_size: 8, query: previous_state, bridge: mean_mlp, gate: true, readout: deep}
training:
  batch_sentences: 9
  max_steps: 12
  learning_rate: 0.02
  validate_every: 6
  checkpoint_every: 5
  log_every: 4
  augmentation: {smallest_crop: 0.8}
search: {beam_size: 3, max_length: 12, batch_size: 4}
"""
FEW = ["training.max_steps=1", "search.length_penalty=0"]
CAPTIONERS: dict[str, list[str]] = {
    "trained": [],
    "recurrent": ["model.attention={score: additive, size: 7}", "model.decoder={hidden_size: 8}", *FEW],
    "lstmn": ["model.attention={score: general}", "model.decoder={kind: lstmn, hidden_size: 8}", *FEW],
    "transformer": [
        "model.attention={score: scaled_dot}",
        "model.decoder={kind: transformer, hidden_size: 6, heads: 2, layers: 2, feed_forward_size: 9}",
        *FEW,
    ],
    "none": ["model.attention=none", "model.decoder={hidden_size: 8}", *FEW],
}


@pytest.fixture
def attncli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Return a function that runs `attncli` with its arguments, and `given` on standard input, to its very end."""

    def run(*arguments: object, given: bytes = b"") -> Result:
        (tmp_path / "stdin").write_bytes(given)
        monkeypatch.setattr(sys, "argv", ["attncli", *map(str, arguments)])
        with (tmp_path / "stdin").open("rb") as stream:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def captioners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of toy images, their configuration `small.yaml`, and runs of it, which tests leave as they are.

    `trained` has learned a little; of each other decoder there is a run of a single update, named after it.
    """
    folder = tmp_path_factory.mktemp("captioners")
    (folder / "small.yaml").write_text(toy_captions(folder, train=20, dev=4, test=6) + CAPTIONER)
    for name, changes in CAPTIONERS.items():
        sets = [part for change in changes for part in ("--set", change)]
        arguments = ["train", str(folder / "small.yaml"), "--run", str(folder / name), "--device", "cpu", *sets]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert "train: 20 images, " in result.output
    return folder
