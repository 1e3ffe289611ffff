"""`attncli config`: check, show and schema."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import Command

from attncli.assembly.summary import summarise
from attncli.config.dump import json_schema
from attncli.config.load import read_config


def test_check_tells_the_parameters_and_memory_of_each_part(attncli: Command, config: Path) -> None:
    result = attncli("config", "check", config, "--set", "model.encoder.hidden_size=2000")
    assert (result.code, result.err) == (0, "")
    summary = summarise(read_config(config, ["model.encoder.hidden_size=2000"]))
    lines = [line.rsplit(maxsplit=1) for line in result.out.splitlines()]
    assert result.out.splitlines()[0] == f"{config}: ok"
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
    assert result.out.startswith(f"{config}: the keys are ok\nparameters")
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


def test_check_and_show_read_a_file_over_its_base(attncli: Command, config: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text(f"base: {config}\ntraining: {{seed: 5}}\n")
    result = attncli("config", "check", changed)
    assert (result.code, result.out.splitlines()[0]) == (0, f"{changed}: ok")
    assert attncli("config", "show", changed).out == attncli("config", "show", config, "--set", "training.seed=5").out
