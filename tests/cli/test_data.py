from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from attncli.cli.data import app
from attncli.errors import CommandError


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.mark.parametrize("command", [[], ["list"], ["get"], ["make"]])
def test_every_command_shows_an_example(command: list[str]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert f"Example:\n  attncli data {' '.join(command)}".rstrip() in result.stdout


def test_list_shows_every_set_and_how_to_get_it() -> None:
    text = invoke("list").stdout
    for line in (
        "multi30k",
        "    size:    2.0 MB in 15 files",
        "    get it:  attncli data get multi30k",
        "laws-en-fr",
        "    size:    20.4 MB in 8 files",
        "    licence: Open Government Licence - Canada; name the source",
        "debian-descriptions",
        "    size:    4.7 MB in 6 files",
        "flickr8k",
        "    size:    1,117.3 MB in 2 files",
        "flickr8k-qa",
        "    size:    3.2 MB in 3 files",
        "toy-translation",
        "    get it:  attncli data make toy-translation",
        "toy-captioning",
        "    get it:  attncli data make toy-captioning",
    ):
        assert line in text.splitlines()
    assert "attncli data get laws-en-fr --from FOLDER" in text


def test_make_writes_a_toy_language_of_the_sizes_asked_for(tmp_path: Path) -> None:
    sizes = ("--train", "30", "--dev", "20", "--test", "10")
    result = invoke("make", "toy-translation", "--to", str(tmp_path / "toy"), "--seed", "7", *sizes)
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path}/toy\n"
    for split, count in (("train", 30), ("dev", 20), ("test", 10)):
        assert len((tmp_path / "toy" / f"{split}.source").read_text().splitlines()) == count


def test_make_asks_about_toy_images_of_the_numbers_asked_for(tmp_path: Path) -> None:
    result = invoke("make", "toy-questions", "--to", str(tmp_path / "toy"), "--train", "3", "--dev", "2", "--test", "1")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "toy" / "images").iterdir())) == 6
    assert (tmp_path / "toy" / "questions.tsv").read_text().startswith("image\tquestion\tanswer\ttype\tsplit\tbox\n")


def test_make_draws_toy_pictures_of_the_numbers_asked_for(tmp_path: Path) -> None:
    result = invoke(
        "make", "toy-captioning", "--to", str(tmp_path / "toy"), "--train", "3", "--dev", "2", "--test", "1"
    )
    assert result.exit_code == 0
    assert len(list((tmp_path / "toy" / "images").iterdir())) == 6
    assert len((tmp_path / "toy" / "captions.jsonl").read_text().splitlines()) == 6


def test_make_writes_into_a_folder_of_its_name_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("make", "toy-translation", "--train", "4", "--dev", "3", "--test", "2").exit_code == 0
    assert (tmp_path / "data" / "toy-translation" / "train.source").exists()


def test_unknown_names_are_answered_with_the_nearest() -> None:
    made = invoke("make", "toy-translations").exception
    assert isinstance(made, CommandError)
    assert str(made) == (
        "unknown data set to make 'toy-translations'; did you mean 'toy-translation'? choose from toy-translation, "
        "toy-paragraphs, toy-captioning, toy-questions, toy-reviews, toy-speech, toy-clips, toy-actions, "
        "toy-arrow-of-time, toy-pictures"
    )
    got = invoke("get", "multi30").exception
    assert isinstance(got, CommandError)
    assert "unknown data set 'multi30'; did you mean 'multi30k'?" in str(got)


@pytest.mark.shared_data
def test_get_brings_a_set_from_a_folder(shared_data: Path, tmp_path: Path) -> None:
    result = invoke("get", "multi30k", "--from", str(shared_data / "multi30k"), "--to", str(tmp_path / "to"))
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path}/to\n"
    assert result.stderr.splitlines()[0] == f"{shared_data}/multi30k/train.de.gz"
    assert len(list((tmp_path / "to").iterdir())) == 15


def test_the_commands_are_known_without_heavy_imports() -> None:
    program = (
        "import sys, attncli.cli.data; print([m for m in ('torch', 'numpy', 'sentencepiece') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
