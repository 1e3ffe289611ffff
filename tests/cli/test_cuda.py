"""Commands on a CUDA device, from training to drawings, emulated and real.

Resuming promises less there than on a CPU: kernels of CUDA add up in an order that varies, so a resumed run and an
unbroken one end with the same weights up to rounding only. The emulated device adds up as the CPU does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from command_line import Command
from cuda_cards import CARDS, Card, opened_card

from attncli.data.sets.toy_images import ToyPictureSizes, make_toy_pictures
from attncli.runs.folder import RunFolder

FEW = ["training.max_steps=2", "training.validate_every=2"]
AUTOENCODING = """\
task: autoencoding
data:
  kind: pictures
  root: {root}
  height: 8
  width: 12
  train: {{folder: train}}
  dev: {{folder: dev}}
  test: {{test: {{folder: test}}}}
  cache: {root}/cache
model: {{{model}}}
training: {{max_steps: 2, batch_size: 5, validate_every: 2, corruption: {{kind: masking, share: 0.3}}}}
evaluation: {{bootstrap_samples: 20}}
"""
SETS = ["model.dropout=0.1", "training.max_steps=4", "training.validate_every=2", "training.checkpoint_every=2"]


@pytest.fixture(params=CARDS)
def card(request: pytest.FixtureRequest) -> Iterator[Card]:
    with opened_card(request.param) as card:
        yield card


def sets(*overrides: str) -> list[str]:
    return [argument for override in overrides for argument in ("--set", override)]


def run_on_cuda(attncli: Command, *arguments: object) -> str:
    result = attncli(*arguments, "--device", "cuda")
    assert result.code == 0, result.err
    return result.out


def assert_same_weights(one: Path, other: Path, card: Card) -> None:
    weights = [RunFolder(run).load_weights("last") for run in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        if card.emulation is None:
            torch.testing.assert_close(tensor, weights[1][name], atol=2e-3, rtol=2e-3)
        else:
            assert torch.equal(tensor, weights[1][name]), name


def test_a_translator_is_trained_resumed_and_asked(attncli: Command, config: Path, tmp_path: Path, card: Card) -> None:
    asked = sets(*SETS, f"training.precision={card.precision}")
    run_on_cuda(attncli, "train", config, "--run", tmp_path / "whole", *asked)
    run_on_cuda(attncli, "train", config, "--run", tmp_path / "parts", *asked, *sets("training.max_steps=2"))
    run_on_cuda(attncli, "train", config, "--run", tmp_path / "parts", *asked, "--resume")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts", card)

    run, precision = tmp_path / "whole", "bf16" if card.precision == "bf16" else "fp32"
    search = ["--precision", precision, "--max-length", "5"]
    written = run_on_cuda(
        attncli, "translate", run, config.parent / "dev.de", *search, "--format", "jsonl", "--attention"
    )
    assert all(json.loads(line)["hypotheses"][0]["attention"] for line in written.splitlines())
    assert run_on_cuda(attncli, "translate", run, config.parent / "dev.de", *search, "--sample")
    for option in (["--gradients"], ["--text", "der Hund rennt"]):
        run_on_cuda(attncli, "visualize", run, *option, "--output", tmp_path / "drawn")
    assert list((tmp_path / "drawn").iterdir())


def test_a_captioner_is_trained_and_asked(attncli: Command, captioners: Path, tmp_path: Path, card: Card) -> None:
    asked = sets(f"training.precision={card.precision}", *FEW)
    run_on_cuda(attncli, "train", captioners / "small.yaml", "--run", tmp_path / "run", *asked)
    images = sorted((captioners / "images").iterdir())[:3]
    written = run_on_cuda(attncli, "caption", tmp_path / "run", *images, "--format", "jsonl", "--attention")
    assert all(json.loads(line)["hypotheses"][0]["attention"] for line in written.splitlines())


@pytest.mark.parametrize("model", ["kind: dense, bottleneck: 2", "kind: convolutional, bottleneck: 2, channels: [4]"])
def test_an_autoencoder_is_trained_measured_and_drawn(attncli: Command, tmp_path: Path, card: Card, model: str) -> None:
    make_toy_pictures(tmp_path / "pictures", ToyPictureSizes(train=6, dev=4, test=2), seed=1)
    config, run = tmp_path / "small.yaml", tmp_path / "run"
    config.write_text(AUTOENCODING.format(root=tmp_path / "pictures", model=model))
    run_on_cuda(attncli, "train", config, "--run", run, *sets(f"training.precision={card.precision}"))
    run_on_cuda(attncli, "eval", run)
    image = next((tmp_path / "pictures" / "test").iterdir())
    run_on_cuda(attncli, "visualize", run, "--image", image, "--image", image, "--output", tmp_path / "drawn")
    assert list((tmp_path / "drawn").iterdir())


def test_a_reward_is_learned_on_it(attncli: Command, config: Path, tmp_path: Path, card: Card) -> None:
    asked = sets(*FEW, f"training.precision={card.precision}")
    run_on_cuda(attncli, "train", config, "--run", tmp_path / "start", *asked)
    objective = f"{{kind: self_critical, start_from: {tmp_path}/start, reward: gleu, samples: 2}}"
    asked += sets(f"training.objective={objective}", "training.batch_sentences=7", "model.dropout=0")
    run_on_cuda(attncli, "train", config, "--run", tmp_path / "run", *asked)


def test_a_dry_run_waits_for_the_device_and_tells_its_memory(attncli: Command, config: Path, card: Card) -> None:
    card.take_waits()
    told = run_on_cuda(attncli, "train", config, "--dry-run", *sets(f"training.precision={card.precision}"))
    assert re.search(r"took \d+\.\d\d s; loss \d\.\d+; peak memory [\d,]+ MiB on cuda:0\n$", told)
    if card.emulation is not None:
        assert card.take_waits()["synchronize"] == 2
        assert "peak memory 123 MiB" in told
