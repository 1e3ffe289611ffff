"""`attncli config`: check, show and schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import Command

from attncli.assembly.summary import summarise
from attncli.config.load import read_config
from attncli.config.schema import json_schema
from attncli.config.shipped import shipped_names, summary_of


def test_check_tells_the_parameters_and_memory_of_each_part(attncli: Command, config: Path) -> None:
    result = attncli("config", "check", config, "--set", "model.encoder.hidden_size=2000")
    assert (result.code, result.err) == (0, "")
    summary = summarise(read_config(config, ["model.encoder.hidden_size=2000"]))
    lines = [line.rsplit(maxsplit=1) for line in result.out.splitlines()]
    total = f"{summary.total:,} parameters"
    assert result.out.splitlines()[0] == f"{config}: ok, {total}, up to 60 tokens an update"
    counts = {name: int(count.replace(",", "")) for name, count in lines[2 : 3 + len(summary.parameters)]}
    assert {name.strip(): count for name, count in counts.items()} == {**summary.parameters, "total": summary.total}
    assert f"{summary.parameters['encoder']:,}" in result.out, "with thousands apart"
    memory = {line[:24].strip(): line.split()[-2] for line in result.out.splitlines()[-len(summary.bytes) :]}
    assert {name: f"{size / 2**20:,.0f}" for name, size in summary.bytes.items()} == {
        name: memory[name[:24].strip()] for name in summary.bytes
    }


def test_check_refuses_what_train_would(attncli: Command, config: Path) -> None:
    config.write_text(config.read_text().replace("score: additive, size: 7", "score: dot"))
    result = attncli("config", "check", config)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"attncli: {config}: model.attention.score: 'dot' needs query and memory of equal width, but "
        "model.decoder.hidden_size is 8 and model.encoder.hidden_size is 10; make them equal or choose 'general'\n"
    )


def test_check_names_files_that_are_missing(attncli: Command, config: Path) -> None:
    folder = config.parent
    (folder / "dev.de").rename(folder / "dav.de")
    result = attncli("config", "check", config, "--set", "data.test.new={pairs: none.tsv}")
    assert result.code == 1
    assert re.match(rf"{config}: the keys are ok, [\d,]+ parameters, up to 60 tokens an update\nparameters", result.out)
    assert result.err == (
        f"attncli: {config}: data.dev.source: {folder}/dev.de: no such file or folder\n"
        f"{config}: data.test.new.pairs: {folder}/none.tsv: no such file or folder\n"
    )
    result = attncli("config", "check", config, "--set", "data.root=nowhere")
    assert (result.code, result.err) == (1, f"attncli: {config}: data.root: nowhere: no such folder\n")


def test_show_prints_what_is_read_as_the_same(attncli: Command, config: Path, tmp_path: Path) -> None:
    result = attncli("config", "show", config, "--set", "training.seed=5", "--set", "search.beam_size=7")
    assert (result.code, result.err) == (0, "")
    (tmp_path / "shown.yaml").write_text(result.out)
    assert read_config(tmp_path / "shown.yaml") == read_config(config, ["training.seed=5", "search.beam_size=7"])
    assert attncli("config", "show", tmp_path / "shown.yaml").out == result.out


def test_schema_prints_json(attncli: Command) -> None:
    result = attncli("config", "schema")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == json_schema()
    assert json.loads(attncli("config", "schema", "captioning").out) == json_schema("captioning")
    result = attncli("config", "schema", "captionning")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "attncli: unknown task 'captionning'; did you mean 'captioning'? choose from translation, summarisation, "
        "answering, captioning, classification, transcription, autoencoding\n"
    )


def test_check_and_show_read_a_file_over_its_base(attncli: Command, config: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text(f"base: {config}\ntraining: {{seed: 5}}\n")
    result = attncli("config", "check", changed)
    assert result.code == 0
    assert result.out.startswith(f"{changed}: ok, ")
    assert attncli("config", "show", changed).out == attncli("config", "show", config, "--set", "training.seed=5").out


def test_new_lists_every_configuration_with_what_it_is(attncli: Command) -> None:
    result = attncli("config", "new")
    assert (result.code, result.err) == (0, "")
    listed = dict(re.findall(r"^  (\S+) +(\S.*)$", result.out, re.MULTILINE))
    assert listed == {name: summary_of(name) for name in shipped_names()}
    assert "`attncli compare compare-length`: What attention is worth when sentences are long: " in result.out


@pytest.mark.parametrize("name", shipped_names())
def test_new_writes_a_file_that_means_the_same_and_needs_no_other(
    attncli: Command, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = attncli("config", "new", name, "mine.yaml")
    assert (result.code, result.out, result.err) == (0, "wrote mine.yaml\n", "")
    text = (tmp_path / "mine.yaml").read_text()
    assert read_config(tmp_path / "mine.yaml") == read_config(Path(name))
    assert "\nbase:" not in text
    comment = text.split("\ntask:")[0].splitlines()
    assert all(line.startswith("#") for line in comment)
    assert f"# {summary_of(name)}" in comment
    assert "attncli train mine.yaml" in text or name == "benchmark"
    assert f"runs/{name} " not in text, "commands are about the run of the new file"


def test_new_names_the_file_after_the_configuration_and_never_overwrites(
    attncli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert attncli("config", "new", "compare-attention/dot").out == "wrote dot.yaml\n"
    (tmp_path / "dot.yaml").write_text("mine")
    result = attncli("config", "new", "compare-attention/dot")
    assert (result.code, result.err) == (2, "attncli: dot.yaml: exists; remove it, or name another FILE\n")
    assert (tmp_path / "dot.yaml").read_text() == "mine"


def test_new_tells_the_nearest_name(attncli: Command) -> None:
    result = attncli("config", "new", "toy-tranlation")
    assert result.code == 2
    assert result.err == (
        "attncli: toy-tranlation: no shipped configuration; did you mean toy-translation? `attncli config new` lists "
        "what is shipped\n"
    )


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("toy-translation", "data/toy-translation: no such folder; `attncli data make toy-translation` makes it"),
        ("flickr8k", "data/flickr8k: no such folder; `attncli data get flickr8k` fetches it"),
        ("laws-en-fr", "data/laws-en-fr: no such folder; `attncli data get laws-en-fr --from FOLDER` fetches it"),
        ("flickr8k-de", "data: no such folder"),
    ],
)
def test_check_and_train_tell_how_to_get_missing_data(
    attncli: Command, tmp_path: Path, name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("config", "check"), ("train",)):
        result = attncli(*command, name)
        assert (result.code, result.err) == (1, f"attncli: {name}: data.root: {way}\n")
    assert not list(tmp_path.glob("runs/*"))


def test_check_tells_the_way_to_a_known_data_set_elsewhere(attncli: Command, tmp_path: Path) -> None:
    folder = tmp_path / "multi30k"
    result = attncli("config", "check", "benchmark", "--set", f"data.root={folder}")
    assert result.err.endswith(f"; `attncli data get multi30k --to {folder}` fetches it\n")


def test_check_finds_data_in_a_folder_below_the_current_one(
    attncli: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent.parent)
    result = attncli("config", "check", config, "--set", f"data.root={config.parent.name}")
    assert (result.code, result.err) == (0, "")


def test_check_tells_what_an_update_reads(attncli: Command, config: Path) -> None:
    def told(*overrides: str, name: Path | str = config) -> str:
        result = attncli("config", "check", name, *(f"--set={each}" for each in overrides))
        return result.out.splitlines()[0].rpartition("parameters, ")[2]

    assert told("training.batch_tokens=1500", "training.accumulate=4") == "up to 6,000 tokens an update"
    assert told("training.batch_size=20", "training.accumulate=3", name="autoencoder-linear") == (
        "up to 60 examples an update"
    )
    assert told("training.accumulate=2", name="flickr8k-self-critical") == "up to 128 sources an update"
