"""`attncli eval`: what it decodes, prints, writes and refuses. The model is a stand-in that answers from a table."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from attncli.cli.eval import evaluate
from attncli.config.load import read_config
from attncli.config.search import Search
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.tasks.translation import TranslationConfig
from attncli.data.columns import Places
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.errors import CommandError, DataError, RunError, UserError
from attncli.metrics.registry import ALL_METRICS, CAPTION_METRICS, METRICS
from attncli.runs.folder import RunFolder
from attncli.runs.writing import WritingRun

SOURCES = ["ein Hund rennt schnell", "zwei Männer sitzen auf einer Bank", "sie liest"]
TARGETS = ["a dog is running fast", "two men sit on a bench", "she is reading"]


class FakeRun:
    """Answers with as many words of the reference as the folder's name has letters."""

    def __init__(self, folder: Path):
        self.folder, self.step, self.parameters = folder, 12, 345
        self.config = read_config(folder / "config.yaml")
        self.searches: list[Search] = []
        self.cuts: list[bool] = []

    def writer(self, search: Search, *, cuts_sources: bool) -> FakeRun:
        self.searches.append(search)
        self.cuts.append(cuts_sources)
        return self

    def write(self, sentences: Iterable[str]) -> Iterator[Written]:
        words = len(self.folder.name)
        for sentence in sentences:
            text = " ".join(TARGETS[SOURCES.index(sentence)].split()[:words])
            hypothesis = WrittenHypothesis(text, (*text.split(), "</s>"), -1.0, -1.0, None)
            yield Written(sentence, Places(("x",)), (hypothesis,))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """Return the runs that are loaded, each a stand-in."""
    found: list[FakeRun] = []

    def load(folder: Path, *, device: str, checkpoint: str) -> FakeRun:
        assert (device, checkpoint) == ("cpu", "last")
        found.append(FakeRun(folder))
        return found[-1]

    monkeypatch.setattr(WritingRun, "load", load)
    return found


def make_run(folder: Path, *, tests: tuple[str, ...] = ("small",), extra: str = "") -> Path:
    data = folder.parent
    for name in tests:
        (data / f"{name}.de").write_text("".join(f"{line}\n" for line in SOURCES), encoding="utf-8")
        (data / f"{name}.en").write_text("".join(f"{line}\n" for line in TARGETS), encoding="utf-8")
    sets = "".join(f"    {name}: {{source: {name}.de, target: {name}.en}}\n" for name in tests)
    RunFolder(folder).create(
        f"task: translation\ndata:\n  root: {data}\n"
        f"  train: {{source: a, target: b}}\n  dev: {{source: a, target: b}}\n"
        f"  test:\n{sets}training: {{max_steps: 1}}\n"
        f"evaluation: {{length_bins: [2, 4], bootstrap_samples: 20, seed: 3}}\n{extra}"
    )
    return folder


def run_eval(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(
        app, [str(argument) for argument in (*arguments, "--device", "cpu", "--checkpoint", "last")]
    )


def refused(result: Result, kind: type[UserError]) -> str:
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_one_run_has_everything_in_its_folder(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    result = run_eval(run, "--beam-size", 3, "--length-penalty", 0.5, "--batch-size", 7)
    assert result.exit_code == 0, result.output
    folder = run / "evaluation" / "small"
    assert {p.name for p in folder.iterdir()} == {"report.json", "report.md", "by_length.png", "hypotheses.txt"}
    assert (folder / "hypotheses.txt").read_text() == "a dog is running\ntwo men sit on\nshe is reading\n"
    [found] = report(folder)["runs"]
    assert (found["run"], found["step"], found["parameters"]) == ("four", 12, 345)
    assert (found["beam_size"], found["length_penalty"]) == (3, 0.5)
    assert [(b["from"], b["to"], b["sources"]) for b in found["by_length"]] == [(1, 2, 1), (3, 4, 1), (5, None, 1)]
    assert found["speed"]["sources_per_second"] == pytest.approx(3 / found["speed"]["seconds"])
    assert found["speed"]["tokens_per_second"] == pytest.approx(14 / found["speed"]["seconds"])
    [search] = loaded[0].searches
    assert (search.beam_size, search.length_penalty, search.batch_size) == (3, 0.5, 7)
    assert "four: decoding 3 sentences of small" in result.stderr
    assert f"wrote {folder / 'report.json'}" in result.stdout
    assert f"{found['bleu']['score']:.2f} [" in result.stdout


def test_several_runs_share_a_report_and_keep_their_own(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name) for name in ("six", "fo", "fourteen")]
    result = run_eval(*runs, "--test", "small")
    assert result.exit_code == 0, result.output
    joint = report(runs[0] / "evaluation" / "small")
    assert [found["run"] for found in joint["runs"]] == ["six", "fo", "fourteen"]
    pairs = [("six", "fo"), ("six", "fourteen"), ("fo", "fourteen")]
    assert [(c["a"], c["b"], c["metric"]) for c in joint["comparisons"]] == [
        (*pair, metric) for pair in pairs for metric in ("bleu", "chrf", "ter")
    ]
    alone = report(runs[1] / "evaluation" / "small")
    assert (alone["runs"], alone["comparisons"]) == ([joint["runs"][1]], [])
    assert (runs[2] / "evaluation" / "small" / "hypotheses.txt").read_text().splitlines() == TARGETS


def test_output_folder_takes_everything(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name) for name in ("six", "fo")]
    result = run_eval(*runs, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    names = {"report.json", "report.md", "by_length.png", "hypotheses.six.txt", "hypotheses.fo.txt"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert not (runs[0] / "evaluation").exists()


def test_same_input_gives_the_same_report(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    reports = []
    for _ in range(2):
        run_eval(run)
        found = report(run / "evaluation" / "small")
        found["runs"][0].pop("speed")
        reports.append(found)
    assert reports[0] == reports[1]


def test_file_is_scored_without_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "unused")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out.en").write_text("".join(f"{line}\n" for line in TARGETS))
    result = run_eval("--hypotheses", "out.en", "--source", "small.de", "--reference", "small.en", "--metric", "chrf")
    assert result.exit_code == 0, result.output
    found = report(tmp_path / "evaluation" / "small.de")
    assert found["runs"][0]["run"] == "out.en"
    assert found["runs"][0]["bleu"]["score"] == pytest.approx(100)
    assert found["runs"][0]["speed"] is None
    assert "ter" not in found["runs"][0]


def test_file_is_scored_on_the_test_set_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "four", tests=("small", "other"))
    for name in ("good.txt", "bad.txt"):
        lines = TARGETS if name == "good.txt" else TARGETS[::-1]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    files = ("--hypotheses", tmp_path / "good.txt", "--hypotheses", tmp_path / "bad.txt")
    result = run_eval(run, "--test", "other", *files, "--length", "reference")
    assert result.exit_code == 0, result.output
    found = report(run / "evaluation" / "other")
    assert [system["run"] for system in found["runs"]] == ["good.txt", "bad.txt"]
    assert found["length_of"] == "reference"
    assert found["comparisons"][0]["difference"] > 20


def test_several_references_count_as_one_set(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "fourteen")
    (tmp_path / "second.en").write_text("x\ny\nz\n")
    files = (
        "--source",
        tmp_path / "small.de",
        "--reference",
        tmp_path / "small.en",
        "--reference",
        tmp_path / "second.en",
    )
    result = run_eval(run, *files)
    assert result.exit_code == 0, result.output
    assert report(run / "evaluation" / "small.de")["references"] == 2


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path, loaded: list[FakeRun]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    runs = [make_run(tmp_path / parent / "same") for parent in ("a", "b")]
    result = run_eval(*runs, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert [found["run"] for found in report(tmp_path / "out")["runs"]] == [str(run) for run in runs]


def test_no_two_runs_share_a_file(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name) for name in ("ä", "ö", "a b", "a+b", "A_b")]
    result = run_eval(*runs, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").glob("hypotheses*")} == {
        *("hypotheses.ä.txt", "hypotheses.ö.txt"),
        *("hypotheses.a_b.txt", "hypotheses.a_b-2.txt", "hypotheses.A_b-3.txt"),
    }


def test_long_names_are_cut(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / ("漢" * 80 + name)) for name in ("1", "2")]
    result = run_eval(*runs, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "out").glob("hypotheses*"))) == 2


def test_a_test_set_whose_name_is_a_path_needs_a_folder(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    files = ("--source", tmp_path / "small.de", "--reference", tmp_path / "small.en")
    for name in ("..", ".", "a/b", "x" * 300):
        message = refused(run_eval(run, "--test", name, *files), CommandError)
        assert message.endswith(": no name for the folder of its reports; rename the test set, or give --output FOLDER")
        assert len(message) < 200
    result = run_eval(run, "--test", "a/b", *files, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert report(tmp_path / "out")["test"] == "a/b"
    assert not (run / "report.json").exists()


def test_a_failure_leaves_the_old_reports(
    tmp_path: Path, loaded: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = make_run(tmp_path / "four"), tmp_path / "out"
    assert run_eval(run, "--output", out).exit_code == 0
    before = {path: path.read_bytes() for path in out.iterdir()}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("attncli.reports.output.save_figure", fail)
    message = refused(run_eval(run, "--output", out, "--beam-size", 1), DataError)
    assert message == f"{out}: cannot be written: No space left on device"
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_hostile_names_of_runs_are_shown_as_escapes(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / os.fsdecode(b"a\x1b[2J\xff"))
    result = run_eval(run, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "a\\x1b[2J\\udcff" in result.stdout
    assert report(tmp_path / "out")["runs"][0]["run"] == "a\\x1b[2J\\udcff"
    for name in ("report.json", "report.md"):
        assert b"\x1b" not in (tmp_path / "out" / name).read_bytes()


def test_values_that_no_configuration_may_have_are_refused(tmp_path: Path, loaded: list[FakeRun]) -> None:
    message = refused(run_eval(make_run(tmp_path / "four"), "--length-penalty", "inf"), CommandError)
    assert message == "--length-penalty: should be a finite number, but is Infinity"


def test_a_missing_program_is_told_before_anything_is_decoded(
    tmp_path: Path, loaded: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "four")
    config = run / "config.yaml"
    config.write_text(
        config.read_text()
        .replace("task: translation", "task: captioning")
        .replace("{source: a, target: b}", "{list: a}")
        .replace("{source: small.de, target: small.en}", "{list: a}")
        .replace("data:\n", "data:\n  images: i\n")
    )
    monkeypatch.setattr("shutil.which", lambda program: None)
    message = refused(run_eval(run, "--metric", "meteor"), UserError)
    assert message.startswith("METEOR is a Java program, but 'java' was not found")
    assert not loaded


def test_lower_cased_run_is_noted(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four", extra="tokenizer: {lowercase: true}\n")
    result = run_eval(run)
    note = "four: writes lower case (tokenizer.lowercase), but BLEU and chrF tell cases apart"
    assert f"note: {note}" in result.stdout
    assert report(run / "evaluation" / "small")["notes"] == [note]


def test_what_a_damaged_log_leaves_unknown_is_noted(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    (run / "log.jsonl").write_text("damaged\n")
    result = run_eval(run)
    note = f"four: what its training took is not known: {run}/log.jsonl:1: damaged: expected a JSON record"
    assert f"note: {note}" in result.stdout
    assert report(run / "evaluation" / "small")["runs"][0]["training"] is None


def test_seeds_of_a_configuration_are_one_variant(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name) for name in ("a-1", "a-2", "other")]
    for run, seed in zip(runs, (1, 2, 1), strict=True):
        path = run / "config.yaml"
        layers = "model: {encoder: {layers: 2}}\n" if run.name == "other" else ""
        path.write_text(path.read_text().replace("max_steps: 1", f"max_steps: 1, seed: {seed}") + layers)
    result = run_eval(*runs, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = report(tmp_path / "out")
    assert [(v["variant"], v["runs"]) for v in found["variants"]] == [("a", ["a-1", "a-2"]), ("other", ["other"])]
    assert [(c["a"], c["b"]) for c in found["comparisons"] if c["metric"] == "bleu"] == [("a", "other")]


def test_choice_between_test_sets_is_asked_for(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four", tests=("small", "large"))
    message = refused(run_eval(run), CommandError)
    assert message == f"{run}: has 2 test sets; choose one with --test: small, large"


def test_runs_with_other_sentences_are_not_compared(tmp_path: Path, loaded: list[FakeRun]) -> None:
    first = make_run(tmp_path / "four")
    (tmp_path / "elsewhere").mkdir()
    second = make_run(tmp_path / "elsewhere" / "five")
    (tmp_path / "elsewhere" / "small.en").write_text("something\nquite\ndifferent\n")
    assert refused(run_eval(first, second), CommandError) == (
        f"{second}: its test set 'small' is not the 'small' of {first}; "
        "give the same sentences to all runs with --source and --reference"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to score; give at least one RUN, or --hypotheses FILE"),
        (["--hypotheses", "h"], "--hypotheses: without a RUN there is no test set; give --source and --reference"),
        (
            ["r", "--source", "s"],
            "--source is given without --reference; give both, or --test for a test set of the run",
        ),
        (["r", "--reference", "s"], "--reference is given without --source; give both, or"),
        (
            ["r", "q", "--hypotheses", "h"],
            "--hypotheses: nothing is decoded, so at most one RUN lends its test sets, but 2",
        ),
        (["r", "./r"], "RUN: r is given twice"),
        (
            ["r", "--length", "refrence"],
            "--length: unknown value 'refrence'; did you mean 'reference'? choose from source",
        ),
        (["r", "--metric", "blue"], "--metric: unknown value 'blue'; did you mean 'bleu'? choose from bleu, chrf, ter"),
        (["r", "--too-long", "drop"], "--too-long: unknown value 'drop'; choose from error, cut"),
        (
            ["r", "--precision", "fp16"],
            "--precision: unknown value 'fp16'; did you mean 'bf16'? choose from fp32, bf16",
        ),
    ],
)
def test_wrong_command_lines_are_explained(arguments: list[str], message: str) -> None:
    assert refused(run_eval(*arguments), CommandError).startswith(message)


def test_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    assert refused(run_eval(tmp_path), RunError).startswith(
        f"{tmp_path}: not a run: missing metadata.json, config.yaml"
    )


def test_hypotheses_that_do_not_match_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "four")
    path = tmp_path / "out.en"
    path.write_text("one\ntwo\n")
    assert refused(run_eval(run, "--hypotheses", path), DataError) == (
        f"{path}: 2 lines, but the test set small has 3; they must match line by line"
    )


def test_every_metric_is_named_in_the_help_and_can_be_chosen() -> None:
    app = typer.Typer()
    app.command()(evaluate)
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300", "NO_COLOR": "1"}).stdout
    [explained] = [line for line in text.splitlines() if "--metric " in line]
    assert set(ALL_METRICS) - {"bleu"} <= set(re.findall(r"\w+", explained))
    assert tuple(METRICS) == TranslationConfig.metrics
    assert tuple(CAPTION_METRICS) == CaptioningConfig.metrics
