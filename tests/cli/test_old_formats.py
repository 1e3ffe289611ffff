"""Runs of older formats, whose configurations lack keys that were added since, are what they were."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import films
import pytest
import torch
from command_line import Command
from safetensors.torch import load_file

from attncli.config.attention import Attention
from attncli.config.decoders import ClassifierDecoder, Decoder, RecurrentDecoder
from attncli.config.formats import FORMAT, as_meant
from attncli.config.load import read_config
from attncli.config.sources.images import CNN
from attncli.config.sources.video import Frames
from attncli.config.tasks.answering import AnsweringConfig
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.writing import WritingConfig
from attncli.runs.folder import RunFolder

TESTS = Path(__file__).parents[1]
DATA = ("pairs", "images", "captions.jsonl")  # of all runs, beside those of format 1
MACHINE = json.loads((TESTS / "format_1/machine.json").read_text())
# Kernels of other processors, or other versions, may round otherwise.
SAME_MACHINE = {"torch": torch.__version__, "processor": torch.backends.cpu.get_cpu_capability()} == MACHINE
TOLERANCE = 0.0 if SAME_MACHINE else 1e-4
# Where every channel is normalised by itself, what is added to one changes nothing: the gradient of this bias is
# rounding, of which Adam makes steps like any other.
ROUNDING = () if SAME_MACHINE else ("encoder.backbone.layers.2.bias",)
TRANSLATE = ("translate", "--checkpoint", "last", "--attention", "pairs/dev.source")
CAPTION = ("caption", "images/dev-00001.png", "images/dev-00002.png", "images/dev-00003.png")
COMMANDS = {
    "format_1/translator": TRANSLATE,
    "format_1/mixture": TRANSLATE,
    "format_1/captioner": CAPTION,
    # Greedily: what beams hold has changed since, in that finished hypotheses are never lost.
    "format_2/translator": (*TRANSLATE, "--beam-size", "1"),
    "format_2/captioner": CAPTION,
}
EVERY_RUN = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the runs and their data, which is the current one."""
    for name in COMMANDS:
        shutil.copytree(TESTS / name, tmp_path / name)
    for name in DATA:
        source = TESTS / "format_1" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(run: Path) -> WritingConfig:
    config = RunFolder(run).config()
    assert isinstance(config, WritingConfig)
    return config


def activation(decoder: Decoder) -> str | None:
    assert isinstance(decoder, RecurrentDecoder)
    return decoder.readout_activation


def scale(decoder: Decoder) -> str:
    assert not isinstance(decoder, ClassifierDecoder)
    return decoder.embedding_scale


def assert_near(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(found, dict):
        assert found.keys() == expected.keys()
        for key in found:
            assert_near(found[key], expected[key])
    elif isinstance(found, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_near(one, other)
    elif isinstance(found, float):
        assert abs(found - expected) <= TOLERANCE
    else:
        assert found == expected


@EVERY_RUN
def test_it_writes_what_it_wrote(attncli: Command, runs: Path, name: str) -> None:
    command, *rest = COMMANDS[name]
    result = attncli(command, name, *rest, "--format", "jsonl", "--device", "cpu")
    assert result.code == 0, result.err
    expected = (runs / name / "expected/written.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in result.out.splitlines()]
    for hypothesis in (hypothesis for line in found for hypothesis in line["hypotheses"]):
        assert len(hypothesis.pop("token_log_probs")) == len(hypothesis["tokens"])  # told since then
    assert_near(found, [json.loads(line) for line in expected])


@EVERY_RUN
def test_it_resumes_to_the_weights_it_would_have_had(attncli: Command, runs: Path, name: str) -> None:
    # The file that the run began with says nothing of the new keys either.
    shutil.copy(runs / name / "config.yaml", runs / "begun.yaml")
    more = ("--set", f"data.cache={runs / 'cache'}", "--device", "cpu")
    result = attncli(
        "train",
        "begun.yaml",
        "--run",
        name,
        "--resume",
        "--set",
        f"training.max_steps={7 if 'captioner' in name else 9}",
        *more,
    )
    assert result.code == 0, result.err
    found = load_file(runs / name / "checkpoints/last/model.safetensors")
    expected = load_file(runs / name / "expected/resumed.safetensors")
    assert found.keys() == expected.keys()
    for key in found.keys() - ROUNDING:
        assert (found[key] - expected[key]).abs().max() <= TOLERANCE, key
    # What was resumed says all keys, in the new format, and is still resumed by the old file.
    folder = RunFolder(runs / name)
    assert folder.facts().format == FORMAT
    assert folder.config() == read_config(folder.path / "config.yaml")
    again = attncli("train", "begun.yaml", "--run", name, "--resume", "--set", "training.max_steps=10", *more)
    assert again.code == 0, again.err


def test_what_it_leaves_unsaid_is_what_was_done_then(runs: Path) -> None:
    of_format_1 = [config_of(runs / "format_1" / name) for name in ("translator", "mixture", "captioner")]
    translator, mixture, captioner = (config.model for config in of_format_1)
    assert (translator.encoder.embedding_scale, scale(translator.decoder)) == ("none", "none")
    assert (mixture.encoder.embedding_scale, scale(mixture.decoder)) == ("root", "none")
    assert scale(captioner.decoder) == "none"
    assert (activation(translator.decoder), activation(captioner.decoder)) == ("tanh", "tanh")
    assert activation(mixture.decoder) is None  # a maxout has none
    assert isinstance(mixture.attention, Attention)
    assert isinstance(translator.attention, Attention)
    assert mixture.attention.projections == "none"
    assert translator.attention.projections is None
    assert (translator.encoder.positions, captioner.encoder.positions) == ("none", "none")
    assert not captioner.encoder.normalises
    assert [config.training.output_rate_factor for config in of_format_1] == [1.0] * 3
    assert {config_of(runs / name).search.unknown for name in COMMANDS} == {"allow"}


def test_regions_were_not_normalised_unless_it_said_so() -> None:
    film = as_meant(films.configured("regions: true"), format=3).model.encoder
    assert isinstance(film, Frames)
    assert not film.frame.normalises
    said = read_config(Path("toy-captioning"), overrides=["model.encoder.normalises=true"])
    assert isinstance(said, CaptioningConfig)
    assert isinstance(said.model.encoder, CNN)
    assert as_meant(said, format=3).model.encoder == said.model.encoder
    several = as_meant(read_config(Path("toy-questions")), format=3)
    assert isinstance(several, AnsweringConfig)
    image = several.model.encoders["image"]
    assert isinstance(image, CNN)
    assert not image.normalises


@pytest.mark.parametrize(
    ("format", "keys", "alignment", "width"),
    [
        (4, "{location_aware: true}", "zeros", 31),
        (4, "{location_aware: true, initial_alignment: uniform}", "uniform", 31),
        (4, "{location_aware: true, filter_width: null}", "zeros", 31),
        (4, "{location_aware: true, filter_width: 7}", "zeros", 7),
        (4, "{coverage: true}", None, None),
        (5, "{location_aware: true}", None, None),
    ],
)
def test_location_aware_attention_saw_little_unless_it_said_so(
    format: int, keys: str, alignment: str | None, width: int | None
) -> None:
    config = as_meant(read_config(Path("toy-translation"), overrides=[f"model.attention={keys}"]), format=format)
    assert isinstance(config, TranslationConfig)
    assert isinstance(config.model.attention, Attention)
    assert config.model.attention.initial_alignment == alignment
    assert config.model.attention.filter_width == width


def test_tied_embeddings_learned_at_three_times_the_rate_unless_it_said_otherwise() -> None:
    said, unsaid = (
        read_config(Path("toy-translation"), overrides=["model.tied_embeddings=target", *more])
        for more in (["training.output_rate_factor=2"], [])
    )
    for config, expected in ((said, 2.0), (unsaid, 3.0)):
        meant = as_meant(config, format=5)
        assert isinstance(meant, TranslationConfig)
        assert meant.training.output_rate_factor == expected
    captioning = read_config(Path("toy-captioning"))
    assert as_meant(captioning, format=5) == captioning


def test_what_it_says_is_kept(runs: Path) -> None:
    path = runs / "format_1/translator/config.yaml"
    path.write_text(
        path.read_text().replace("encoder: {kind: recurrent,", "encoder: {embedding_scale: root, kind: recurrent,")
    )
    model = config_of(runs / "format_1/translator").model
    assert (model.encoder.embedding_scale, scale(model.decoder)) == ("root", "none")


def test_a_new_run_is_not_resumed_by_what_an_old_file_meant(attncli: Command, runs: Path) -> None:
    more = ("--set", f"data.cache={runs / 'cache'}", "--device", "cpu")
    result = attncli("train", "format_1/translator/config.yaml", "--run", "new", *more)
    assert result.code == 0, result.err
    assert config_of(runs / "new").model.encoder.embedding_scale == "root"
