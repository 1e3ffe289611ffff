"""Options that are declared once, and what is said where an option or a run does not belong to a command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from attncli.cli.eval_options import EvaluationOptions
from attncli.cli.tasks import Only, Runs, check_alone, check_meaning, runs_in, takes
from attncli.cli.visualize_options import VisualizationOptions
from attncli.errors import CommandError
from attncli.runs.folder import RunFolder

TRANSLATION = (
    "task: translation\ndata: {train: {source: a, target: b}, dev: {source: a, target: b}}\ntraining: {max_steps: 1}\n"
)
CAPTIONING = "task: captioning\ndata: {images: i, train: {list: a}, dev: {list: b}}\ntraining: {max_steps: 1}\n"
AUTOENCODING = """\
task: autoencoding
data: {kind: vectors, train: {file: a.npy}, dev: {file: b.npy}, size: 3}
model: {kind: dense, bottleneck: 2}
training: {max_steps: 1}
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    name: Annotated[str, typer.Argument(help="Who sings.")]
    beam_size: Annotated[int | None, typer.Option(help="How wide."), Only(("text",))] = None
    loud: Annotated[list[str] | None, typer.Option(help="How loud."), Only(("text", "files"))] = None
    high: Annotated[bool, typer.Option("--high", help="How high."), Only(("files",))] = False
    output: Annotated[str | None, typer.Option(help="Where.")] = None


def run(folder: Path, config: str) -> Path:
    RunFolder(folder).create(config)
    return folder


def test_a_command_has_the_options_of_its_dataclass() -> None:
    seen: list[Options] = []

    @takes(Options)
    def sing(options: Options) -> None:
        """Sing a song."""
        seen.append(options)

    app = typer.Typer(rich_markup_mode=None)
    app.command()(sing)
    result = CliRunner().invoke(app, ["Anna", "--loud", "very", "--loud", "too", "--high"])
    assert result.exit_code == 0, result.output
    assert seen == [Options(name="Anna", loud=["very", "too"], high=True)]
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).output
    assert all(text in shown for text in ("Sing a song.", "Who sings.", "--beam-size", "How loud.", "How high."))
    assert CliRunner().invoke(app, []).exit_code == 2


@pytest.mark.parametrize(
    ("config", "family", "task"),
    [
        (TRANSLATION, "text", "translation"),
        (CAPTIONING, "files", "captioning"),
        (AUTOENCODING, "autoencoding", "autoencoding"),
    ],
)
def test_the_family_is_that_of_the_run(tmp_path: Path, config: str, family: str, task: str) -> None:
    found = runs_in([tmp_path / "none", run(tmp_path / "a", config)])
    assert (found.family, found.task) == (family, task)
    assert found.config is not None


def test_a_folder_that_is_no_run_is_left_to_the_command(tmp_path: Path) -> None:
    assert runs_in([tmp_path, tmp_path / "none"]) == Runs("text", "translation", None)


def test_runs_of_several_tasks_are_refused(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", TRANSLATION), run(tmp_path / "b", CAPTIONING)]
    with pytest.raises(CommandError) as error:
        runs_in(folders)
    assert str(error.value) == (
        f"{tmp_path}/b: is a run of task captioning, but {tmp_path}/a of task translation; give runs of one task"
    )


def test_an_option_of_another_family_is_refused() -> None:
    runs = Runs("files", "singing", None)
    check_meaning(Options(name="Anna", loud=["very"], high=True, output="out"), runs)
    with pytest.raises(CommandError) as error:
        check_meaning(Options(name="Anna", beam_size=0), runs)
    assert str(error.value) == "--beam-size: means nothing for runs of task singing; leave it out"


def test_what_draws_by_itself_names_the_first_option_that_it_has_no_use_for() -> None:
    check_alone("--high", Options(name="Anna", high=True), draws="breath", takes={"name", "high"})
    with pytest.raises(CommandError) as error:
        check_alone(
            "--loud",
            Options(name="Anna", beam_size=2, loud=["very"], high=True),
            draws="breath",
            takes={"name", "loud", "beam_size"},
        )
    assert str(error.value) == "--loud: draws breath, so --high means nothing here; leave one of them out"


@pytest.mark.parametrize("options", [EvaluationOptions, VisualizationOptions])
@pytest.mark.parametrize("config", [TRANSLATION, CAPTIONING, AUTOENCODING])
def test_what_is_not_given_is_never_refused(tmp_path: Path, options: type, config: str) -> None:
    folder = run(tmp_path / "a", config)
    check_meaning(options(runs=[folder]), runs_in([folder]))
