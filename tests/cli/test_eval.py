"""`attncli eval`: what it decodes, prints, writes and refuses. The model is a stand-in that answers from a table."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
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
from attncli.evaluation.test_set import EvaluationSet
from attncli.machine.progress import Advance
from attncli.metrics.metric import Metric, References, SentenceStatistics
from attncli.metrics.registry import ALL_METRICS, CAPTION_METRICS, METRICS
from attncli.runs.folder import RunFolder
from attncli.runs.writing import WritingRun

FILES = {"report.json", "report.md", "tables.tex", "scores.csv", "by_length.csv", "comparisons.csv", "sentences.jsonl"}
FILES |= {"by_length.png"}
SOURCES = ["ein Hund rennt schnell", "zwei Männer sitzen auf einer Bank", "sie liest"]
TARGETS = ["a dog is running fast", "two men sit on a bench", "she is reading"]


class FakeRun:
    """Answers with as many words of the reference as the folder's name has letters."""

    def __init__(self, folder: Path):
        self.folder, self.step, self.parameters, self.others = folder, 12, 345, ()
        self.config = read_config(folder / "config.yaml")
        self.searches: list[Search] = []

    def writer(self, search: Search) -> FakeRun:
        self.searches.append(search)
        return self

    def side_by_side(self, count: int | None) -> AbstractContextManager[FakeRun]:
        assert count is None
        return nullcontext(self)

    def write(self, sentences: Iterable[str], *, advance: Advance) -> Iterator[Written]:
        words = len(self.folder.name)
        for sentence in sentences:
            text = " ".join(TARGETS[SOURCES.index(sentence)].split()[:words])
            hypothesis = WrittenHypothesis(text, (*text.split(), "</s>"), -1.0, -1.0, None)
            advance(1)
            yield Written(sentence, Places(("x",)), (hypothesis,))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """Return the runs that are loaded, each a stand-in."""
    found: list[FakeRun] = []

    def load(folder: Path, *, device: str, checkpoint: str, ensemble: Sequence[Path]) -> FakeRun:
        assert (device, checkpoint, ensemble) == ("cpu", "last", ())
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


def run_eval(*arguments: object, where: tuple[str, ...] = ("--device", "cpu", "--checkpoint", "last")) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *where)])


def refused(result: Result, kind: type[UserError]) -> str:
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def write_lines(path: Path, lines: list[str]) -> None:
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_one_run_has_everything_in_its_folder(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    result = run_eval(run, "--beam-size", 3, "--length-penalty", 0.5, "--batch-size", 7)
    assert result.exit_code == 0, result.output
    folder = run / "evaluation" / "small"
    assert {p.name for p in folder.iterdir()} == {*FILES, "hypotheses.txt"}
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
    said = result.stdout.splitlines()[-1]
    assert said.startswith(f"wrote {folder}: report.json, report.md, ")
    assert set(said.split(": ")[1].split(", ")) == {*FILES, "hypotheses.txt"}
    assert f"{found['bleu']['score']:.2f} [" in result.stdout


def test_several_runs_share_a_report_and_keep_their_own(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name) for name in ("six", "fo", "fourteen")]
    result = run_eval(*runs, "--test", "small")
    assert result.exit_code == 0, result.output
    joint = report(runs[0] / "evaluation" / "small")
    assert [found["run"] for found in joint["runs"]] == ["six", "fo", "fourteen"]
    pairs = [("six", "fo"), ("six", "fourteen"), ("fo", "fourteen")]
    assert [(c["a"], c["b"], c["metric"]) for c in joint["comparisons"]] == [
        (*pair, metric) for pair in pairs for metric in ("bleu", "chrf")
    ]
    alone = report(runs[1] / "evaluation" / "small")
    assert (alone["runs"], alone["comparisons"]) == ([joint["runs"][1]], [])
    assert (runs[2] / "evaluation" / "small" / "hypotheses.txt").read_text().splitlines() == TARGETS


def test_output_folder_takes_everything(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name) for name in ("six", "fo")]
    result = run_eval(*runs, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {*FILES, "hypotheses.six.txt", "hypotheses.fo.txt"}
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
    files = ("--hypotheses", "out.en", "--source", "small.de", "--reference", "small.en")
    result = run_eval(*files, "--metric", "chrf", where=())
    assert result.exit_code == 0, result.output
    found = report(tmp_path / "evaluation" / "small.de")
    assert {path.name for path in (tmp_path / "evaluation" / "small.de").iterdir()} == FILES
    assert found["runs"][0]["run"] == "out.en"
    assert found["runs"][0]["bleu"]["score"] == pytest.approx(100)
    assert found["runs"][0]["speed"] is None
    assert "ter" not in found["runs"][0]
    assert found["length_of"] == "source"


def test_files_without_sources_are_grouped_by_the_length_of_the_reference(tmp_path: Path) -> None:
    make_run(tmp_path / "unused")
    write_lines(tmp_path / "good.en.gz", TARGETS)
    write_lines(tmp_path / "bad.en", TARGETS[::-1])
    files = ("--hypotheses", tmp_path / "good.en.gz", "--hypotheses", tmp_path / "bad.en")
    asked = ("--reference", tmp_path / "small.en", "--test", "news", "--output", tmp_path / "out")
    result = run_eval(*files, *asked, where=())
    assert result.exit_code == 0, result.output
    found = report(tmp_path / "out")
    assert (found["test"], found["length_of"]) == ("news", "reference")
    assert [system["run"] for system in found["runs"]] == ["good.en", "bad.en"]
    assert "by words of the reference" in result.stdout
    first = json.loads((tmp_path / "out" / "sentences.jsonl").read_text().splitlines()[0])
    assert (first["source"], first["references"]) == (None, [TARGETS[0]])


def test_answers_in_files_are_scored_by_their_accuracy_and_compared(tmp_path: Path) -> None:
    write_lines(tmp_path / "answers", ["red", "two", "circle", "left"])
    write_lines(tmp_path / "others", ["crimson", "2", "a circle", "left"])
    write_lines(tmp_path / "good", ["crimson", " two", "square", "left"])
    write_lines(tmp_path / "bad", ["blue", "Two", "square", "left"])
    files = [f"--hypotheses={tmp_path / name}" for name in ("good", "bad")]
    references = [f"--reference={tmp_path / name}" for name in ("answers", "others")]
    result = run_eval(*files, *references, "--metric", "accuracy", "--output", tmp_path / "out", where=())
    assert result.exit_code == 0, result.output
    found = report(tmp_path / "out")
    assert [run["accuracy"]["score"] for run in found["runs"]] == [75, 25]
    assert all(run["accuracy"]["low"] <= run["accuracy"]["score"] <= run["accuracy"]["high"] for run in found["runs"])
    assert [(c["metric"], c["difference"]) for c in found["comparisons"] if c["metric"] == "accuracy"] == [
        ("accuracy", 50)
    ]
    assert "Accuracy" in result.stdout


def test_any_run_has_its_accuracy_when_asked_for(tmp_path: Path, loaded: list[FakeRun]) -> None:
    # It writes five words, the letters of its name, and the second reference has six.
    run = make_run(tmp_path / "three")
    result = run_eval(run, "--metric", "accuracy")
    assert result.exit_code == 0, result.output
    [found] = report(run / "evaluation" / "small")["runs"]
    words = [len(target.split()) <= 5 for target in TARGETS]
    assert found["accuracy"]["score"] == pytest.approx(100 * sum(words) / 3)
    assert "accuracy" not in _default_scores(run)


def _default_scores(run: Path) -> dict[str, object]:
    assert run_eval(run).exit_code == 0
    [found] = report(run / "evaluation" / "small")["runs"]
    return dict(found)


def test_runs_and_files_are_scored_together_and_compared_in_pairs(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name, tests=("small", "other")) for name in ("fourteen", "fo")]
    for name, lines in (("good.txt", TARGETS), ("bad.txt", TARGETS[::-1])):
        write_lines(tmp_path / name, lines)
    files = ("--hypotheses", tmp_path / "good.txt", "--hypotheses", tmp_path / "bad.txt")
    result = run_eval(*runs, "--test", "other", *files, "--length", "reference")
    assert result.exit_code == 0, result.output
    joint = report(runs[0] / "evaluation" / "other")
    names = ["fourteen", "fo", "good.txt", "bad.txt"]
    assert [system["run"] for system in joint["runs"]] == names
    assert joint["length_of"] == "reference"
    compared = {(c["a"], c["b"]): c["difference"] for c in joint["comparisons"] if c["metric"] == "bleu"}
    assert list(compared) == [(a, b) for at, a in enumerate(names) for b in names[at + 1 :]]
    assert compared["fourteen", "good.txt"] == 0
    assert compared["good.txt", "bad.txt"] > 20
    # What is given is not written again, and a run's own report is its own.
    assert {path.name for path in (runs[0] / "evaluation" / "other").iterdir()} == {*FILES, "hypotheses.txt"}
    assert [system["run"] for system in report(runs[1] / "evaluation" / "other")["runs"]] == ["fo"]


def test_a_file_never_joins_the_seeds_of_a_variant(tmp_path: Path, loaded: list[FakeRun]) -> None:
    runs = [make_run(tmp_path / name) for name in ("a-1", "a-2")]
    for seed, run in enumerate(runs, start=1):
        path = run / "config.yaml"
        path.write_text(path.read_text().replace("max_steps: 1", f"max_steps: 1, seed: {seed}"))
    write_lines(tmp_path / "a", TARGETS)
    result = run_eval(*runs, "--hypotheses", tmp_path / "a", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = report(tmp_path / "out")["variants"]
    assert [(v["variant"], v["runs"]) for v in found] == [("a-1 and 1 more", ["a-1", "a-2"]), ("a", ["a"])]


def test_labels_name_runs_and_files_everywhere(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    write_lines(tmp_path / "x.txt", TARGETS)
    labels = ("--label", "我们的", "--label", "Moses & Co.txt")
    result = run_eval(run, "--hypotheses", tmp_path / "x.txt", *labels, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = report(tmp_path / "out")
    assert [system["run"] for system in found["runs"]] == ["我们的", "Moses & Co.txt"]
    assert {(c["a"], c["b"]) for c in found["comparisons"]} == {("我们的", "Moses & Co.txt")}
    assert "我们的: decoding 3 sentences of small" in result.stderr
    assert "\n我们的 " in result.stdout
    assert r"Moses \& Co.txt" in (tmp_path / "out" / "tables.tex").read_text()


def test_names_that_no_font_can_draw_are_told(tmp_path: Path, loaded: list[FakeRun]) -> None:
    result = run_eval(make_run(tmp_path / "four"), "--label", "\ue123 x")
    assert result.exit_code == 0, result.output
    assert (
        "warning: by_length.png: no installed font has a glyph for: \ue123 (U+E123); they appear as boxes. Install a "
        "font for this script, or give other names with --label"
    ) in result.stderr


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"], "--label: 1 for four, x.txt; give one for each, in this order"),
        (["a", "b", "c"], "--label: 3 for four, x.txt; give one for each, in this order"),
        (["a", "a "], "--label: 'a' is given twice; give each its own, in the order four, x.txt"),
        (["a", " "], "--label: empty; give a name for tables and figures"),
    ],
)
def test_labels_that_name_nothing_are_refused(
    tmp_path: Path, loaded: list[FakeRun], labels: list[str], message: str
) -> None:
    run = make_run(tmp_path / "four")
    options = [part for label in labels for part in ("--label", label)]
    assert refused(run_eval(run, "--hypotheses", tmp_path / "x.txt", *options), CommandError) == message
    assert not loaded


def test_every_sentence_has_its_scores(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    write_lines(tmp_path / "x.en", TARGETS[::-1])
    result = run_eval(run, "--hypotheses", tmp_path / "x.en", "--metric", "ter", "--metric", "chrf")
    assert result.exit_code == 0, result.output
    lines = (run / "evaluation" / "small" / "sentences.jsonl").read_text(encoding="utf-8").splitlines()
    for at, line in enumerate(map(json.loads, lines)):
        assert (line["index"], line["source"], line["references"]) == (at, SOURCES[at], [TARGETS[at]])
        assert [found["run"] for found in line["runs"]] == ["four", "x.en"]
        assert line["runs"][0]["hypothesis"] == " ".join(TARGETS[at].split()[:4])
        assert line["runs"][1]["hypothesis"] == TARGETS[2 - at]
        for found in line["runs"]:
            sides = found["hypothesis"], [TARGETS[at]]
            assert found["bleu"] == pytest.approx(sacrebleu.sentence_bleu(*sides).score)
            assert found["chrf"] == pytest.approx(sacrebleu.sentence_chrf(*sides).score)
            assert found["ter"] == pytest.approx(sacrebleu.sentence_ter(*sides).score)
    assert len(lines) == 3


def test_ter_is_measured_when_asked_for_and_says_so(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    assert "TER" not in run_eval(run).output
    result = run_eval(run, "--metric", "ter")
    assert "four: measuring TER of 3 sentences, which takes minutes where words are reordered" in result.stderr
    expected = sacrebleu.corpus_ter([" ".join(line.split()[:4]) for line in TARGETS], [TARGETS]).score
    [found] = report(run / "evaluation" / "small")["runs"]
    assert found["ter"]["score"] == pytest.approx(expected)
    assert f"{expected:.2f} [" in result.stdout


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
    assert [found["run"] for found in report(tmp_path / "out")["runs"]] == ["a/same", "b/same"]


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
    images = EvaluationSet("small", ("1.jpg",), (("a dog",),), "image", ("1.jpg",))
    monkeypatch.setattr("attncli.evaluation.test_set.configured_set", lambda *_, **__: images)
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
        (
            ["--hypotheses", "h"],
            "--hypotheses: without a RUN there is no test set; give --reference, and --source if known",
        ),
        (["--hypotheses", "h", "--source", "s"], "--source is given without --reference; give the references of its"),
        (
            ["r", "--source", "s"],
            "--source is given without --reference; give both, or --test for a test set of the run",
        ),
        (["r", "--reference", "s"], "--reference is given without --source, which RUN needs; give both, or"),
        (
            ["--hypotheses", "h", "--reference", "s", "--length", "source"],
            "--length source: the sources are not known; give --source, or group by the reference",
        ),
        (
            ["r", "--comet-model", "m"],
            "--comet-model: names the model of --metric comet; add that option or leave this one out",
        ),
        (
            ["--hypotheses", "h", "--reference", "s", "--metric", "comet"],
            "--metric comet: judges translations beside their sources; give --source",
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
    assert refused(run_eval(*arguments, where=()), CommandError).startswith(message)


def test_comet_judges_beside_the_sources(
    tmp_path: Path, loaded: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "four")

    def metric(sources: tuple[str, ...], *, model: str, gpu: int | None, shows_progress: bool) -> Metric:
        assert (sources, model, gpu, loaded) == (tuple(SOURCES), "some/model", None, [])

        def measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
            assert (tuple(references[0]), len(hypotheses)) == (tuple(TARGETS), 3)
            return SentenceStatistics(np.array([[0.5], [0.25], [0.125]]), "model:some/model", lambda row: float(row[0]))

        return Metric("COMET", lower_is_better=False, measure=measure, digits=4)

    monkeypatch.setattr("attncli.metrics.comet.package", lambda: None)
    monkeypatch.setattr("attncli.metrics.comet.comet", metric)
    write_lines(tmp_path / "x.en", TARGETS)
    result = run_eval(run, "--hypotheses", tmp_path / "x.en", "--metric", "comet", "--comet-model", "some/model")
    assert result.exit_code == 0, result.output
    assert "0.8750 [" in result.stdout
    assert "COMET by words of the source" in result.stdout
    assert "COMET: loading some/model" in result.stderr
    joint = report(run / "evaluation" / "small")
    assert [found["comet"]["score"] for found in joint["runs"]] == [0.875, 0.875]
    assert [c["difference"] for c in joint["comparisons"] if c["metric"] == "comet"] == [0]


def test_a_missing_package_is_told_before_anything_is_decoded(
    tmp_path: Path, loaded: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = refused(run_eval(make_run(tmp_path / "four"), "--metric", "comet"), UserError)
    assert message.startswith("COMET needs the package unbabel-comet; install it with: pip install 'attncli[comet]'")
    assert not loaded


@pytest.mark.parametrize(
    "option",
    [
        ("--beam-size", "3"),
        ("--length-penalty", "1"),
        ("--patience", "1"),
        ("--batch-size", "3"),
        ("--precision", "fp32"),
        ("--too-long", "cut"),
        ("--checkpoint", "last"),
        ("--device", "cpu"),
    ],
)
def test_options_of_decoding_are_refused_where_nothing_is_decoded(option: tuple[str, str]) -> None:
    result = run_eval("--hypotheses", "h", "--source", "s", "--reference", "s", *option, where=())
    assert refused(result, CommandError) == f"{option[0]}: nothing is decoded without a RUN; leave it out"


def test_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    assert refused(run_eval(tmp_path), RunError).startswith(
        f"{tmp_path}: not a run: missing metadata.json, config.yaml"
    )


def test_hypotheses_that_do_not_match_are_named(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run = make_run(tmp_path / "four")
    path = tmp_path / "out.en"
    path.write_text("one\ntwo\n")
    assert refused(run_eval(run, "--hypotheses", path), DataError) == (
        f"{path}: 2 lines, but the test set small has 3; they must match line by line"
    )
    assert not loaded, "nothing is decoded first"


def test_every_metric_is_named_in_the_help_and_can_be_chosen() -> None:
    app = typer.Typer()
    app.command()(evaluate)
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300", "NO_COLOR": "1"}).stdout
    [explained] = [line for line in text.splitlines() if "--metric  " in line]
    assert set(ALL_METRICS) - {"bleu"} <= set(re.findall(r"\w+", explained))
    assert (*METRICS, "comet") == TranslationConfig.metrics
    assert tuple(CAPTION_METRICS) == CaptioningConfig.metrics
