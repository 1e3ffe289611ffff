"""`attncli visualize`: what it draws, writes and refuses. The model is a stand-in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from attncli.cli.visualize import visualize
from attncli.config.search import Search
from attncli.config.sources.text import RecurrentEncoder
from attncli.data.columns import Places
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.errors import CommandError, DataError, RunError, UserError, escaped
from attncli.runs.writing import WritingRun
from attncli.sources.text.drawing import TextDrawer


def written(source: str, target: str, *, attends: bool) -> Written:
    tokens = tuple(f"▁{word}" for word in source.split()), tuple(f"▁{word}" for word in target.split())
    weights = np.full((len(tokens[1]), len(tokens[0])), 1 / len(tokens[0]), dtype=np.float32) if attends else None
    return Written(source, Places(tokens[0]), (WrittenHypothesis(target, tokens[1], -2.0, -1.0, weights),))


class FakeRun:
    """Translates by writing everything backwards."""

    def __init__(self, folder: Path, attention: object):
        self.folder, self.caption, self.attends = folder, f"{escaped(folder.name)}, step 7", attention != "none"
        self.config = SimpleNamespace(
            model=SimpleNamespace(attention=attention, source=RecurrentEncoder()), search=Search()
        )
        self.searches: list[Search] = []

    def drawer(self) -> TextDrawer:
        return TextDrawer()

    def writer(self, search: Search) -> FakeRun:
        self.search = search
        return self

    def write(self, sentences: Iterable[str], *, with_weights: bool) -> Iterator[Written]:
        assert with_weights
        self.searches.append(self.search)
        for sentence in sentences:
            yield written(sentence, " ".join(sentence.split()[::-1]), attends=self.attends)

    def align(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Written]:
        for source, target in pairs:
            yield written(source, target, attends=self.attends)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """Return the runs that are loaded; those in a folder called `none` have no attention."""
    found: list[FakeRun] = []

    def load(folder: Path, *, device: str, checkpoint: str) -> FakeRun:
        assert (device, checkpoint) == ("cpu", "last")
        found.append(FakeRun(folder, "none" if folder.name == "none" else object()))
        return found[-1]

    monkeypatch.setattr(WritingRun, "load", load)
    return found


def run_visualize(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(visualize)
    # The training log is of no checkpoint, and nothing is computed from it.
    where = () if "--curves" in arguments else ("--device", "cpu", "--checkpoint", "last")
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *where)])


def refused(result: Result, kind: type[UserError]) -> str:
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def test_each_sentence_has_a_picture_in_the_run(tmp_path: Path, loaded: list[FakeRun]) -> None:
    (tmp_path / "in.txt").write_text("drei vier\nfünf\n", encoding="utf-8")
    result = run_visualize(tmp_path, "--text", "eins zwei", "--input", tmp_path / "in.txt", "--beam-size", 3)
    assert result.exit_code == 0, result.output
    paths = [tmp_path / "visualization" / f"alignment-{number}.png" for number in (1, 2, 3)]
    assert result.stdout.splitlines() == [f"wrote {path}" for path in paths]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert [search.beam_size for search in loaded[0].searches] == [3]


def test_json_gives_tokens_and_weights_of_all_sentences(tmp_path: Path, loaded: list[FakeRun]) -> None:
    out = tmp_path / "out"
    result = run_visualize(tmp_path, "--text", "a b", "--text", "c", "--format", "json", "--output", out)
    assert result.stdout == f"wrote {out / 'alignments.json'}\n"
    first, second = json.loads((out / "alignments.json").read_text())
    assert first["source_tokens"] == ["▁a", "▁b"]
    assert first["target_tokens"] == ["▁b", "▁a"]
    assert first["weights"] == [[0.5, 0.5], [0.5, 0.5]]
    assert second["weights"] == [[1.0]]


def test_hostile_text_is_shown_as_escapes(tmp_path: Path, loaded: list[FakeRun]) -> None:
    folder = tmp_path / os.fsdecode(b"r\xff\x1b[2J")
    text = "a\x1b[2J \u202eb <script>"
    for suffix in ("png", "svg", "html", "json"):
        result = run_visualize(folder, "--text", text, "--format", suffix, "--output", tmp_path / "out")
        assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "alignments.html").read_text(encoding="utf-8")
    assert "<h1>r\\udcff\\x1b[2J, step 7: attention</h1>" in page
    assert "<bdi>a\\x1b[2J \\u202eb &lt;script&gt;</bdi>" in page
    written = (tmp_path / "out" / "alignments.json").read_text(encoding="utf-8")
    assert json.loads(written)[0]["source"] == text
    for shown in (page, written, (tmp_path / "out" / "alignment-1.svg").read_text(encoding="utf-8")):
        assert not set(shown) & set("\x1b\u202e")


def test_curves_of_a_hostile_name_can_be_drawn(tmp_path: Path) -> None:
    run = tmp_path / os.fsdecode(b"r\xff\x1b[2J")
    run.mkdir()
    (run / "log.jsonl").write_text('{"event": "validation", "step": 5, "loss": 2.0, "bleu": 3.0}\n')
    for suffix in ("png", "svg"):
        result = run_visualize(run, "--curves", "--format", suffix, "--output", tmp_path)
        assert result.exit_code == 0, result.output
    assert "r\\udcff\\x1b[2J" in (tmp_path / "curves.svg").read_text()


def test_given_target_is_aligned_instead(tmp_path: Path, loaded: list[FakeRun]) -> None:
    run_visualize(tmp_path, "--text", "a b c", "--target", "x y", "--format", "json")
    [found] = json.loads((tmp_path / "visualization" / "alignments.json").read_text())
    assert (found["target"], found["forced"]) == ("x y", True)
    assert not loaded[0].searches


@pytest.mark.parametrize("suffix", ["svg", "pdf", "html"])
def test_other_formats_are_written(tmp_path: Path, loaded: list[FakeRun], suffix: str) -> None:
    result = run_visualize(tmp_path, "--text", "a b", "--format", suffix)
    assert result.exit_code == 0, result.output
    [path] = (tmp_path / "visualization").iterdir()
    assert path.suffix == f".{suffix}"


def test_drawings_name_their_run_and_may_share_a_scale(tmp_path: Path, loaded: list[FakeRun]) -> None:
    asked = ("--text", "a b", "--text", "c", "--format", "html", "--output", tmp_path)
    for more, shares in ([], {"1.000"}), (["--scale", "shared"], {"0.500"}):
        assert run_visualize(tmp_path / "run", *asked, *more).exit_code == 0
        page = (tmp_path / "alignments.html").read_text(encoding="utf-8")
        first, _ = page.split("<h2>2</h2>")
        assert {*re.findall(r"--w:([0-9.]+)", first)} == shares
        assert "<h1>run, step 7: attention</h1>" in page


def test_missing_glyphs_are_told_on_standard_error(tmp_path: Path, loaded: list[FakeRun]) -> None:
    result = run_visualize(tmp_path, "--text", "a \U000f0000")
    assert "warning: no installed font has a glyph for: \U000f0000 (U+F0000)" in result.stderr
    assert "warning" not in result.stdout


@pytest.mark.parametrize("more", [[], ["--target", "b"]])
def test_run_without_attention_has_nothing_to_draw(tmp_path: Path, loaded: list[FakeRun], more: list[str]) -> None:
    folder = tmp_path / "none"
    result = run_visualize(folder, "--text", "a", *more)
    assert refused(result, RunError) == (
        f"{folder}: there are no weights to draw: the model has attention: none, so its decoder looks at no part of "
        "the source in particular; choose a run trained with an attention"
    )
    assert RunError.exit_code == 1


def test_curves_are_drawn_from_the_log_alone(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"event": "validation", "step": 5, "loss": 2.0, "bleu": 3.0}\n')
    result = run_visualize(tmp_path, "--curves", "--format", "svg")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote {tmp_path / 'visualization' / 'curves.svg'}\n"
    assert "dev BLEU, best 3.00 at step 5" in (tmp_path / "visualization" / "curves.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ([], CommandError, "nothing to draw; give --text TEXT, --input FILE with at least one line, or --curves"),
        (["--text", " "], DataError, "--text ' ': empty; an alignment needs at least one token"),
        (["--input", "in.txt"], DataError, "in.txt:2: empty; an alignment needs at least one token"),
        (
            ["--text", "a", "--format", "pgn"],
            CommandError,
            "--format: unknown value 'pgn'; did you mean 'png'? choose from",
        ),
        (
            ["--text", "a", "--text", "b", "--target", "c"],
            CommandError,
            "--target: 1 for 2 sources; give one for each, in their order",
        ),
        (["--text", "a\udcff"], CommandError, "--text 'a\\udcff': not UTF-8"),
        (["--text", "a", "--target", "\udcff"], CommandError, "--target '\\udcff': not UTF-8"),
        (["--text", "a", "--target", ""], CommandError, "--target: empty; an alignment needs at least one token"),
        (
            ["--curves", "--text", "a"],
            CommandError,
            "--curves: draws the training log, so --text means nothing here; leave one of them out",
        ),
        (
            ["--curves", "--format", "json"],
            CommandError,
            "--curves: drawn as png, svg or pdf, not json; the numbers are in",
        ),
        (
            ["--gradients", "--input", "in.txt"],
            CommandError,
            "--gradients: draws the encoder's states over a dev or test set, so --input means nothing here; leave one",
        ),
        (
            ["--gradients", "--heads"],
            CommandError,
            "--gradients: draws the encoder's states over a dev or test set, so --heads means nothing here; leave one",
        ),
        (
            ["--text", "a", "--scale", "shared", "--format", "json"],
            CommandError,
            "--scale: says how to draw, but json has the weights as they are; leave it out",
        ),
        (["--text", "a", "--colormap", "viridis"], CommandError, "--colormap: means nothing for runs of task translat"),
        (["--curves", "--scale", "shared"], CommandError, "--curves: draws the training log, so --scale means nothing"),
        (["--curves", "--layer", "1"], CommandError, "--curves: draws the training log, so --layer means nothing here"),
        (["--gradients", "--format", "html"], CommandError, "--gradients: drawn as png, svg, pdf or json, not html"),
        (
            ["--text", "a", "--test", "x"],
            CommandError,
            "--test: names the sentences for --gradients; add that option or remove --test",
        ),
        (["--curves", "--test", "x"], CommandError, "--curves: draws the training log, so --test means nothing here;"),
        (["--curves", "--gradients"], CommandError, "--curves: draws the training log, so --gradients means nothing"),
        (["--text", "a", "--image", "a.png"], CommandError, "--image or --recording: means nothing for runs of "),
        (
            ["other", "--text", "a"],
            CommandError,
            "RUN: 2 are given, but only --gradients draws several together; give one",
        ),
        (["--curves"], RunError, "run: not a run with a log: missing log.jsonl"),
    ],
)
def test_wrong_command_lines_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], kind: type[UserError], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("a\n\nb\n")
    assert refused(run_visualize("run", *arguments), kind).startswith(message)


def test_commands_import_nothing_heavy() -> None:
    code = (
        "import sys, attncli.cli.eval, attncli.cli.visualize; "
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'sacrebleu', 'pydantic') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
