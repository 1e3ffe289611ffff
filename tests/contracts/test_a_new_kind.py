"""A kind of source that the package does not know is registered in two tables, and then does what every kind does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from numbers_kind import Numbers, NumbersConfig, NumbersEncoder
from typer.testing import CliRunner, Result

from attncli.cli.main import app
from attncli.config.load import CONFIGS
from attncli.config.sources.encoder import EncoderSection
from attncli.runs.writing import WritingRun
from attncli.sources.kinds import KINDS

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
CONFIG = """\
task: numbers
data:
  root: {root}
  train: {{source: train.numbers, target: train.words}}
  dev: {{source: dev.numbers, target: dev.words}}
  test:
    test: {{source: test.numbers, target: test.words}}
tokenizer: {{kind: word, vocabulary_size: 14}}
model:
  embedding_size: 10
  encoder: {{kind: numbers, hidden_size: 12}}
  decoder: {{hidden_size: 24}}
training:
  {{batch_tokens: 120, max_steps: 30, learning_rate: 0.01, validate_every: 10, checkpoint_every: 7, log_every: 5}}
search: {{beam_size: 3, max_length: 9, batch_size: 4}}
evaluation: {{length_bins: [2, 3], bootstrap_samples: 20}}
"""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONFIGS, "numbers", NumbersConfig)
    section: type[EncoderSection] = NumbersEncoder
    monkeypatch.setitem(KINDS, section, Numbers)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(3)
    for name, count in (("train", 60), ("dev", 7), ("test", 9)):
        lists = [
            torch.randint(10, (int(torch.randint(1, 5, (), generator=generator)),), generator=generator).tolist()
            for _ in range(count)
        ]
        for suffix, lines in (
            ("numbers", [" ".join(map(str, found)) for found in lists]),
            ("words", [" ".join(WORDS[value] for value in found) for found in lists]),
        ):
            (tmp_path / f"{name}.{suffix}").write_text("".join(f"{line}\n" for line in lines))
    path = tmp_path / "numbers.yaml"
    path.write_text(CONFIG.format(root=tmp_path))
    return path


def invoke(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return result


def test_it_trains_and_resumes_to_the_same_weights(config: Path, tmp_path: Path) -> None:
    invoke("train", config, "--run", tmp_path / "whole")
    steps = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [found["step"] for found in steps if found.get("event") == "validation"] == [10, 20, 30]
    invoke("train", config, "--run", tmp_path / "parts", "--set", "training.max_steps=17")
    invoke("train", config, "--run", tmp_path / "parts", "--resume")
    whole, parts = (WritingRun.load(tmp_path / name, device="cpu", checkpoint="last") for name in ("whole", "parts"))
    for (name, one), other in zip(whole.model.named_parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(one, other), name


def test_it_is_searched_evaluated_by_length_and_drawn(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    invoke("train", config, "--run", run)
    loaded = WritingRun.load(run, device="cpu")
    found = list(loaded.writer().write(["1 2 3", "x", "", "7"], n_best=2, with_weights=True))
    assert [each.problem is not None for each in found] == [False, True, False, False]
    assert [len(each.hypotheses) for each in found] == [2, 0, 1, 2]
    assert found[2].best.text == ""
    assert found[0].best.weights is not None
    assert found[0].best.weights.shape == (len(found[0].best.tokens), 3)

    shown = invoke("eval", run)
    assert "test: 9 lists, 1 reference each" in shown.output
    report = json.loads((run / "evaluation" / "test" / "report.json").read_text())
    assert (report["sources"], report["noun"]) == (9, "list")
    assert sum(found["sources"] for found in report["runs"][0]["by_length"]) == 9

    drawn = invoke("visualize", run, "--image", "1 2 3", "--image", "7", "--output", tmp_path / "drawn")
    assert drawn.output == f"wrote {tmp_path}/drawn/numbers.json\n"
    told = json.loads((tmp_path / "drawn" / "numbers.json").read_text())
    assert [each["numbers"] for each in told["found"]] == ["1 2 3", "7"]
    assert (told["title"], told["forced"]) == ("run, step 10", False)


def test_a_line_that_cannot_be_read_is_named(config: Path, tmp_path: Path) -> None:
    lines = (tmp_path / "dev.numbers").read_text().splitlines()
    (tmp_path / "dev.numbers").write_text("\n".join(["three", *lines[1:]]) + "\n")
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(tmp_path / "run"), "--device", "cpu"])
    assert result.exit_code == 1
    assert "three: could not convert string to float: 'three'" in str(result.exception)


def test_a_bad_source_is_reported_by_the_command_and_the_others_are_drawn(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    invoke("train", config, "--run", run)
    arguments = ["visualize", run, "--image", "1 x", "--image", "7", "--device", "cpu"]
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.stderr == "attncli: 1 x: could not convert string to float: 'x'\n"
    assert str(result.exception) == "1 of 2 files could not be drawn"
    error = CliRunner().invoke(app, [*map(str, arguments), "--format", "png"]).exception
    assert str(error) == "--format: unknown value 'png'; choose from json"
    error = CliRunner().invoke(app, [*map(str, arguments), "--heads"]).exception
    assert str(error).startswith(f"{run}: there are no heads to draw: the decoder is of kind recurrent, which looks")
    error = CliRunner().invoke(app, [*map(str, arguments), "--self-attention"]).exception
    assert str(error).startswith(f"{run}: there is no self-attention to draw: the encoder is of kind numbers and the")
