"""`attncli train`: whole runs of a few updates, and every way in which one is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Command
from safetensors.torch import load_file

from attncli.config.formats import FORMAT
from attncli.config.load import read_config
from attncli.config.tasks.translation import TranslationConfig


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def weights(run: Path, checkpoint: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / checkpoint / "model.safetensors")


def test_a_run_has_everything_in_its_folder(attncli: Command, config: Path, tmp_path: Path) -> None:
    result = attncli("train", config, "--run", tmp_path / "run", "--set", "training.seed=3")
    assert result.code == 0, result.err
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "metadata.json", "log.jsonl", "checkpoints", ".lock"),
        *("tokenizer.json", "tokenizer.source.model", "tokenizer.target.model", "shortlist.safetensors"),
    }
    assert read_config(run / "config.yaml") == read_config(config, ["training.seed=3"])
    metadata = json.loads((run / "metadata.json").read_text())
    assert metadata["format"] == FORMAT
    assert set(metadata["scores"]) == {"loss", "bleu"}
    assert metadata["signatures"]["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    validations = [event for event in events(run) if event["event"] == "validation"]
    assert [event["step"] for event in validations] == [6, 12]
    best = max(validations, key=lambda event: event["bleu"])
    assert metadata["step"] == best["step"]
    assert result.out == (
        f"{run}: ended by max_steps at step 12, best on dev: loss {best['loss']:.4g}, bleu {best['bleu']:.4g}\n"
    )


def test_what_is_trained_on_is_told(attncli: Command, config: Path, tmp_path: Path) -> None:
    result = attncli("train", config, "--run", tmp_path / "run")
    parameters = sum(tensor.numel() for tensor in weights(tmp_path / "run").values())
    lines = result.err.splitlines()
    assert lines[0] == "source tokenizer: word, 9 entries"
    assert lines[1] == "target tokenizer: word, 9 entries"
    assert re.fullmatch(r"train: 36 pairs, \d+ source and \d+ target tokens", lines[2])
    assert re.fullmatch(r"dev: 5 pairs, \d+ source and \d+ target tokens", lines[3])
    assert lines[4] == f"{parameters:,} parameters; 36 training pairs"


def test_the_run_is_named_after_the_configuration(
    attncli: Command, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = attncli("train", config, "--set", "training.max_steps=1")
    assert result.out.startswith("runs/small: ended by max_steps at step 1, ")
    assert (tmp_path / "runs" / "small" / "checkpoints" / "best").is_dir()


def test_the_seed_decides_the_weights(attncli: Command, config: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        attncli("train", config, "--run", tmp_path / name, "--set", f"training.seed={seed}")
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_a_resumed_run_ends_as_an_unbroken_one(attncli: Command, config: Path, tmp_path: Path) -> None:
    attncli("train", config, "--run", tmp_path / "whole", "--set", "model.dropout=0.2")
    part = ("train", config, "--run", tmp_path / "parts", "--set", "model.dropout=0.2")
    attncli(*part, "--set", "training.max_steps=7")
    result = attncli(*part, "--resume")
    assert result.code == 0, result.err
    assert "ended by max_steps at step 12" in result.out
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert read_config(tmp_path / "parts" / "config.yaml").training.max_steps == 12


LSTMN = ["model.encoder={kind: lstmn, hidden_size: 10}", "model.decoder={kind: lstmn, hidden_size: 8}"]
STACK = "kind: transformer, hidden_size: 6, layers: 2, heads: 2, feed_forward_size: 9"
TRANSFORMER = [f"model.encoder={{{STACK}}}", f"model.decoder={{{STACK}}}", "model.attention={score: scaled_dot}"]


@pytest.mark.parametrize("kind", [LSTMN, TRANSFORMER], ids=["lstmn", "transformer"])
def test_runs_of_every_kind_resume_exactly(attncli: Command, config: Path, tmp_path: Path, kind: list[str]) -> None:
    sets = [part for override in (*kind, "model.dropout=0.2") for part in ("--set", override)]
    attncli("train", config, "--run", tmp_path / "whole", *sets)
    attncli("train", config, "--run", tmp_path / "parts", *sets, "--set", "training.max_steps=7")
    result = attncli("train", config, "--run", tmp_path / "parts", *sets, "--resume")
    assert result.code == 0, result.err
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_run_that_has_ended_is_left_alone_on_resuming(attncli: Command, config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = attncli("train", config, "--run", run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    (config.parent / "train.de").unlink()  # nothing of the data is read again
    result = attncli("train", config, "--run", run, "--resume")
    assert result.code == 0, result.err
    assert result.out == first.out.replace("at step 12,", "at step 12 already,")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize("change", ["cut", "killed"])
def test_a_run_without_its_end_goes_on(attncli: Command, config: Path, tmp_path: Path, change: str) -> None:
    run = tmp_path / "run"
    attncli("train", config, "--run", run)
    log = (run / "log.jsonl").read_text()
    lines = log.splitlines(keepends=True)[:-1]
    (run / "log.jsonl").write_text(log[:-9] if change == "cut" else "".join(lines))
    result = attncli("train", config, "--run", run, "--resume")
    assert "ended by max_steps at step 12, best" in result.out
    assert events(run)[-1]["event"] == "end"


def test_a_run_in_the_way_is_neither_lost_nor_mixed(attncli: Command, config: Path, tmp_path: Path) -> None:
    command = ("train", config, "--run", tmp_path / "run", "--set", "training.max_steps=1")
    assert attncli(*command).code == 0
    before = weights(tmp_path / "run")
    result = attncli(*command)
    assert result.code == 1
    assert result.err == (
        f"attncli: {tmp_path}/run: exists; go on with --resume, replace it with --overwrite, or choose another\n"
    )
    assert attncli(*command, "--overwrite", "--set", "training.seed=9").code == 0
    after = weights(tmp_path / "run")
    assert not all(torch.equal(before[name], after[name]) for name in before)
    assert [event["event"] for event in events(tmp_path / "run")].count("start") == 1


@pytest.mark.parametrize("option", [[], ["--overwrite"]])
def test_a_folder_that_is_no_run_is_never_touched(
    attncli: Command, config: Path, tmp_path: Path, option: list[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("precious")
    result = attncli("train", config, "--run", tmp_path / "mine", *option)
    assert result.code == 1
    assert result.err == (
        f"attncli: {tmp_path}/mine: exists and is not a run: missing metadata.json; found config.yaml; choose another "
        "folder\n"
    )
    assert (tmp_path / "mine" / "config.yaml").read_text() == "precious"


def test_resuming_with_other_keys_is_refused_and_names_each(attncli: Command, config: Path, tmp_path: Path) -> None:
    command = ("train", config, "--run", tmp_path / "run")
    attncli(*command, "--set", "training.max_steps=1")
    before = (tmp_path / "run" / "config.yaml").read_text()
    changes = ["model.decoder.input_feeding=false", "training.learning_rate=0.5", "training.max_steps=4"]
    result = attncli(*command, "--resume", *(part for change in changes for part in ("--set", change)))
    assert result.code == 2
    assert result.err.splitlines() == [
        f"attncli: {tmp_path}/run: was begun with other settings, and cannot go on with these:",
        "  model.decoder.input_feeding: was true, now false",
        "  training.learning_rate: was 0.03, now 0.5",
        "give what it was begun with, or start a new run; only data.cache, data.root, data.test, evaluation, search, "
        "training.average_best, training.checkpoint_every, training.early_stopping, training.keep_best, "
        "training.log_every, training.max_epochs, training.max_minutes, training.max_steps, training.tensorboard may "
        "change",
    ]
    assert (tmp_path / "run" / "config.yaml").read_text() == before


def test_another_kind_of_section_is_a_change(attncli: Command, config: Path, tmp_path: Path) -> None:
    command = ("train", config, "--run", tmp_path / "run", "--set", "training.max_steps=1")
    attncli(*command)
    result = attncli(*command, "--resume", "--set", "training.optimizer={kind: sgd}")
    assert result.code == 2
    # What only one of the kinds has goes without saying.
    assert result.err.splitlines()[1:-1] == ["  training.optimizer.kind: was adam, now sgd"]


def test_what_training_never_reads_may_change_on_resuming(attncli: Command, config: Path, tmp_path: Path) -> None:
    command = ("train", config, "--run", tmp_path / "run", "--set", "training.max_steps=1")
    attncli(*command)
    result = attncli(*command, "--resume", "--set", "evaluation.length_bins=[2, 3]", "--set", "data.test={}")
    assert result.code == 0, result.err
    resumed = read_config(tmp_path / "run" / "config.yaml")
    assert isinstance(resumed, TranslationConfig)
    assert resumed.evaluation.length_bins == (2, 3)


def test_the_end_of_a_cosine_stays_on_resuming(attncli: Command, config: Path, tmp_path: Path) -> None:
    command = ("train", config, "--run", tmp_path / "run", "--set", "training.schedule={kind: cosine}")
    attncli(*command, "--set", "training.max_steps=1")
    result = attncli(*command, "--resume", "--set", "training.max_steps=2")
    assert result.code == 2
    assert result.err.splitlines()[1] == (
        "  training.max_steps: was 1, now 2; schedule: cosine ends there, so that another one would change the "
        "learning rates; give the same, or start a run with training.schedule.steps"
    )


@pytest.mark.parametrize(
    ("begun", "changed", "said"),
    [
        (
            [],
            "search.max_length=8",
            "was 9, now 8; validation decodes with it, which decides between checkpoints; give",
        ),
        (["training.validation.metric=loss"], "search.max_length=8", None),
        ([], "search.length_penalty=0.5", None),
        (["training.validation.beam_size=2"], "search.length_penalty=0.5", "was 1.0, now 0.5; validation decodes"),
        ([], "search.beam_size=4", None),
        (["training.average_best=true"], "training.keep_best=3", "was 1, now 3; training.average_best would miss"),
        (["training.average_best=true", "training.keep_best=3"], "training.keep_best=2", None),
        ([], "training.keep_best=3", None),
    ],
)
def test_what_may_change_depends_on_what_it_decides(
    attncli: Command, config: Path, tmp_path: Path, begun: list[str], changed: str, said: str | None
) -> None:
    sets = [part for each in ["training.max_steps=1", *begun] for part in ("--set", each)]
    attncli("train", config, "--run", tmp_path / "run", *sets)
    result = attncli("train", config, "--run", tmp_path / "run", *sets, "--set", changed, "--resume")
    key = changed.partition("=")[0]
    if said is None:
        assert result.code == 0, result.err
        assert result.err.startswith(f"changed: {key}: was ")
    else:
        assert result.code == 2
        assert result.err.splitlines()[1].startswith(f"  {key}: {said}")


def test_training_starts_from_the_weights_of_another_run(
    attncli: Command, config: Path, trained: Path, tmp_path: Path
) -> None:
    start = ("--set", f"training.start_from={trained}", "--set", "training.learning_rate=1e-6")
    result = attncli("train", config, "--run", tmp_path / "run", *start, "--set", "training.max_steps=1")
    assert result.code == 0, result.err
    facts = json.loads((trained / "checkpoints/best/checkpoint.json").read_text())
    assert result.err.startswith(
        f"starting from {trained}: its best weights, of step {facts['step']}, and its tokenizers\n"
    )
    before, after = weights(trained, "best"), weights(tmp_path / "run")
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)
    assert not all(torch.equal(before[name], after[name]) for name in before)
    started = json.loads((tmp_path / "run" / "metadata.json").read_text())["started_from"]
    assert started == {
        "folder": str(trained),
        "checkpoint": "best",
        "step": facts["step"],
        "sha256": facts["sha256"]["model.safetensors"],
    }
    # Resumed, it needs the other run no more, and still names it.
    gone = ("--set", f"training.start_from={tmp_path}/gone")
    (tmp_path / "gone").symlink_to(trained)
    attncli("train", config, "--run", tmp_path / "other", *gone, "--set", "training.max_steps=1")
    (tmp_path / "gone").unlink()
    again = attncli("train", config, "--run", tmp_path / "other", *gone, "--set", "training.max_steps=2", "--resume")
    assert again.code == 0, again.err
    assert "starting from" not in again.err
    assert json.loads((tmp_path / "other" / "metadata.json").read_text())["started_from"]["step"] == facts["step"]


def test_coverage_is_learned_on_top_of_a_run_without_it(attncli: Command, config: Path, tmp_path: Path) -> None:
    score = ("--set", "model.attention={score: additive, size: 5}", "--set", "training.max_steps=2")
    result = attncli("train", config, "--run", tmp_path / "before", *score)
    assert result.code == 0, result.err
    start = ("--set", f"training.start_from={tmp_path / 'before'}", "--set", "training.learning_rate=1e-6")
    coverage = ("--set", "model.attention.coverage=true")
    result = attncli("train", config, "--run", tmp_path / "after", *score, *start, *coverage)
    assert result.code == 0, result.err
    before, after = weights(tmp_path / "before", "best"), weights(tmp_path / "after")
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)
    added = {"decoder.attention.score.history.weight", "decoder.attention.score.memory.bias"}
    assert set(after) - set(before) == added
    # It began as it was, and has learned two steps.
    assert all(0 < float(after[name].abs().max()) < 1e-5 for name in added)
    filters = ("--set", "model.attention.location_aware=true")
    result = attncli("train", config, "--run", tmp_path / "filtered", *score, *start, *coverage, *filters)
    assert result.code == 2
    assert "  model.attention.coverage: there false, here true" in result.err.splitlines()


def test_each_difference_from_the_run_to_start_from_is_said(
    attncli: Command, config: Path, trained: Path, tmp_path: Path
) -> None:
    other = ("--set", "model.encoder.hidden_size=12", "--set", "tokenizer.vocabulary_size=8")
    free = ("--set", "model.dropout=0.3", "--set", "model.initial_weights=uniform")
    result = attncli(
        "train", config, "--run", tmp_path / "run", "--set", f"training.start_from={trained}", *other, *free
    )
    assert result.code == 2
    assert result.err.splitlines() == [
        f"attncli: training.start_from: {trained} has another tokenizer or model, so its weights do not fit:",
        "  tokenizer.vocabulary_size: there 9, here 8",
        "  model.encoder.hidden_size: there 10, here 12",
        "give what it was trained with; only model.attention.coverage_loss, model.ctc.weight, "
        "model.decoder.doubly_stochastic, model.dropout, model.encoder.fine_tune_from, "
        "model.encoder.learning_rate_factor, model.encoder.weights, model.initial_weights may differ",
    ]
    assert not (tmp_path / "run").exists()


def test_a_run_killed_before_it_had_tokenizers_can_be_resumed(attncli: Command, config: Path, tmp_path: Path) -> None:
    command = ("train", config, "--set", "training.max_steps=1", "--run")
    attncli(*command, tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    for name in ("config.yaml", "metadata.json"):
        shutil.copy(tmp_path / "whole" / name, tmp_path / "killed" / name)
    result = attncli(*command, tmp_path / "killed", "--resume")
    assert result.code == 0, result.err
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_sources_that_a_location_score_cannot_see_are_refused_before_a_run_is_begun(
    attncli: Command, config: Path, tmp_path: Path
) -> None:
    score = ["--set", "model.attention={score: location, maximum_source_length: 2}"]
    result = attncli("train", config, "--run", tmp_path / "run", *score)
    assert result.code == 1
    longest = max(len(line.split()) + 1 for line in (config.parent / "train.de").read_text().splitlines())
    assert result.err.endswith(
        f"attncli: data.train: a source has {longest} positions, the end symbol counted, but score 'location' sees 2; "
        "raise model.attention.maximum_source_length or set its longer_sources: ignore, or leave out longer training "
        "pairs with data.maximum_length.source\n"
    )
    assert not (tmp_path / "run").exists()


def test_the_longest_source_that_fits_is_trained_on(attncli: Command, config: Path) -> None:
    longest = max(len(line.split()) + 1 for line in (config.parent / "train.de").read_text().splitlines())
    for most, code in ((longest - 1, 1), (longest, 0)):
        score = ["--set", f"model.attention={{score: location, maximum_source_length: {most}}}"]
        result = attncli("train", config, "--dry-run", *score)
        assert result.code == code, result.err


@pytest.mark.parametrize(("side", "part", "suffix"), [("source", "encoder", "de"), ("target", "decoder", "en")])
def test_sentences_without_learned_positions_are_refused_before_a_run_is_begun(
    attncli: Command, config: Path, tmp_path: Path, side: str, part: str, suffix: str
) -> None:
    learned = f"{STACK}, positions: learned, maximum_length: 4"
    sets = [*TRANSFORMER, f"model.{part}={{{learned}}}", "search.max_length=4"]
    arguments = [item for override in sets for item in ("--set", override)]
    result = attncli("train", config, "--run", tmp_path / "run", *arguments)
    assert result.code == 1
    longest = max(len(line.split()) + 1 for line in (config.parent / f"train.{suffix}").read_text().splitlines())
    assert result.err.endswith(
        f"attncli: data.train: a {side} has {longest} positions, the end symbol counted, but model.{part}."
        f"maximum_length is 4; raise it or set model.{part}.positions: sinusoidal, or leave out longer training pairs "
        f"with data.maximum_length.{side}\n"
    )
    assert not (tmp_path / "run").exists()


def test_nothing_cannot_be_resumed(attncli: Command, config: Path, tmp_path: Path) -> None:
    result = attncli("train", config, "--run", tmp_path / "none", "--resume")
    assert (result.code, result.err) == (1, f"attncli: {tmp_path}/none: no such folder\n")


def test_resume_and_overwrite_exclude_each_other(attncli: Command, config: Path) -> None:
    result = attncli("train", config, "--resume", "--overwrite")
    assert result.code == 2
    assert result.err == ("attncli: --resume continues a run and --overwrite replaces it; give only one of them\n")


def test_a_dry_run_computes_the_largest_batch_and_writes_no_run(
    attncli: Command, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = attncli("train", config, "--dry-run")
    assert result.code == 0, result.err
    found = re.fullmatch(
        r"(\d+) batches an epoch; the largest \((\d+) pairs, (\d+) tokens\) took \d+\.\d\d s; loss (\d\.\d+); "
        r"peak memory [\d,]+ MiB\n",
        result.out,
    )
    assert found, result.out
    batches, sentences, tokens = (int(found[at]) for at in (1, 2, 3))
    assert batches * 60 >= sum(len(line.split()) + 1 for line in (config.parent / "train.de").read_text().splitlines())
    assert sentences <= tokens <= 2 * 60
    assert abs(float(found[4]) - 2.2) < 0.6  # log 9 = 2.2 for a model that knows nothing
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--set", "training.max_step=3"],
            2,
            "--set training.max_step: unknown key 'max_step'; did you mean 'max_steps'? choose from ",
        ),
        (
            ["--set", "task=speech"],
            2,
            "--set task: unknown task 'speech'; choose from translation, summarisation, answering, ",
        ),
        (["--set", "data.train.source=train.xx"], 1, "{corpus}/train.xx: no such file\n"),
        (["--set", "data.dev.target=train.en"], 1, "{corpus}/dev.de has 5 lines, but {corpus}/train.en has 36; line n"),
        (["--device", "gpu"], 2, "--device gpu: unknown device; choose from auto, cpu, cuda, cuda:N\n"),
        (
            ["--device", "cpu", "--set", "training.precision=tf32"],
            2,
            "training.precision: 'tf32' is for CUDA devices, but the device is cpu; choose fp32 or bf16\n",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(
    attncli: Command, config: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    result = attncli("train", config, "--run", tmp_path / "run", *arguments)
    assert result.code == code
    last = result.err[result.err.index("attncli: ") :]
    assert last.startswith("attncli: " + message.format(corpus=config.parent))
    assert "Traceback" not in result.err
    assert not (tmp_path / "run").exists()


def test_wrong_text_leaves_no_run(attncli: Command, config: Path, tmp_path: Path) -> None:
    with (config.parent / "train.en").open("a") as file:
        file.write("one more\n")
    result = attncli("train", config, "--run", tmp_path / "run")
    assert (result.code, "train.de has 36 lines" in result.err) == (1, True)
    assert not (tmp_path / "run").exists()


def test_a_missing_configuration_is_refused(attncli: Command, tmp_path: Path) -> None:
    result = attncli("train", tmp_path / "none.yaml")
    assert (result.code, result.err) == (2, f"attncli: {tmp_path}/none.yaml: no such file\n")


def test_a_run_may_move_between_its_parts(attncli: Command, config: Path, tmp_path: Path) -> None:
    attncli("train", config, "--run", tmp_path / "here", "--set", "training.max_steps=5")
    shutil.move(tmp_path / "here", tmp_path / "there")
    result = attncli("train", config, "--run", tmp_path / "there", "--resume")
    assert result.code == 0, result.err
    assert result.out.startswith(f"{tmp_path}/there: ended by max_steps at step 12")
