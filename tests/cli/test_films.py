"""Films in commands: files of films, and folders of frames."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_films
from command_line import Command
from films import noise, write_animation
from PIL import Image
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.config.writing import WritingConfig
from attncli.data.direction import Backwards
from attncli.evaluation.test_set import configured_set
from attncli.runs.run import config_of
from attncli.sources.video.files import Film, film_at


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with labelled films, and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("films")
    config = toy_films.labelled_films(folder)
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(folder / "run"), "--device", "cpu"])
    assert result.exit_code == 0, (result.output, result.exception)
    return folder


def films_of(folder: Path) -> list[Path]:
    """Return the films in the order of the table."""
    with (folder / "films.tsv").open() as file:
        return [folder / "films" / row["film"] for row in csv.DictReader(file, delimiter="\t")]


def opened(path: Path) -> Film:
    return film_at(path, frame_height=None, frames_per_second=25.0)


def test_files_and_folders_of_frames_are_films_of_a_table(films: Path, attncli: Command) -> None:
    done = attncli("eval", films / "run", "--output", films / "report", "--device", "cpu")
    assert done.code == 0, done.err
    report = json.loads((films / "report" / "report.json").read_text())
    assert report["sources"] == 9
    assert report["runs"][0]["accuracy"]["score"] == 100.0
    assert {group["group"]: group["sources"] for group in report["runs"][0]["by_group"]} == {"file": 3, "folder": 6}


def test_a_folder_of_frames_is_one_film(films: Path, attncli: Command) -> None:
    film = films / "films" / "test-darker-0"
    done = attncli("classify", films / "run", film, "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    path, label, _ = done.out.split("\t")
    assert (path, label) == (str(film), "darker")


def test_a_folder_is_searched_for_files_and_folders_of_frames(films: Path, attncli: Command, tmp_path: Path) -> None:
    toy_films.write_film(tmp_path / "all" / "b" / "frames", [100, 100, 101])
    toy_films.write_film(tmp_path / "all" / "a.gif", [40, 80, 120])
    (tmp_path / "all" / "notes.txt").write_text("no film")
    done = attncli("classify", films / "run", tmp_path / "all", "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [
        str(tmp_path / "all" / name) for name in ("a.gif", "b/frames")
    ]


def test_a_pattern_names_folders_of_frames_too(films: Path, attncli: Command) -> None:
    done = attncli("classify", films / "run", films / "films" / "test-darker-*", "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    assert [(Path(path).name, label) for path, label, _ in map(str.split, done.out.splitlines())] == [
        ("test-darker-0", "darker"),
        ("test-darker-1.webp", "darker"),
        ("test-darker-2", "darker"),
    ]


def test_a_folder_with_frames_and_films_is_refused(films: Path, attncli: Command, tmp_path: Path) -> None:
    toy_films.write_film(tmp_path / "mixed", [40, 80, 120])
    (tmp_path / "mixed" / "more").mkdir()
    toy_films.write_film(tmp_path / "mixed" / "more" / "a.gif", [40, 80, 120])
    done = attncli("classify", films / "run", tmp_path, "--device", "cpu")
    assert done.code == 2
    assert done.err == (
        f"attncli: {tmp_path}/mixed: holds images, as a film of frames does, but also the film more/a.gif; give each "
        "a folder of its own, or name the films one by one\n"
    )


def test_a_folder_without_films_is_named(films: Path, attncli: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no film")
    done = attncli("classify", films / "run", tmp_path, "--device", "cpu")
    assert (done.code, done.err) == (2, f"attncli: {tmp_path}: there is no film in this folder\n")


def test_a_frame_that_cannot_be_read_is_named_and_other_films_are_labelled(
    films: Path, attncli: Command, tmp_path: Path
) -> None:
    toy_films.write_film(tmp_path / "one", [40, 80, 120])
    (tmp_path / "one" / "frame-9.png").write_text("broken")
    toy_films.write_film(tmp_path / "two", [80, 101, 120, 141, 160])
    done = attncli("classify", films / "run", tmp_path, "--device", "cpu")
    assert done.code == 1
    assert done.err.splitlines() == [
        f"attncli: {tmp_path}/one/frame-9.png: not an image of a known kind",
        "attncli: 1 of 2 films could not be labelled",
    ]
    assert done.out.startswith(f"{tmp_path}/two\tlighter\t")


def test_a_folder_of_frames_is_drawn(films: Path, attncli: Command, tmp_path: Path) -> None:
    film = films / "films" / "test-lighter-0"
    done = attncli("visualize", films / "run", "--image", film, "--format", "json", "-o", tmp_path)
    assert done.code == 0, done.err
    [drawn] = json.loads((tmp_path / "attention.json").read_text())
    assert (drawn["film"], drawn["frames"]) == (str(film), 4)


def test_reversed_films_are_read_from_their_end(films: Path, attncli: Command, tmp_path: Path) -> None:
    done = attncli("eval", films / "run", "--reversed", "--device", "cpu")
    assert done.code == 0, done.err
    folder = films / "run" / "evaluation" / "test-reversed"
    report = json.loads((folder / "report.json").read_text())
    assert (report["test"], report["runs"][0]["reversed"]) == ("test-reversed", True)
    assert "note: run: reads the films from their end to their start (--reversed)" in done.out
    recalls = {label["label"]: label["recall"] for label in report["runs"][0]["by_label"]}
    assert recalls == {"lighter": 0.0, "darker": 0.0, "same": 100.0}
    written = (folder / "hypotheses.txt").read_text().splitlines()
    films_of_test = [film for film in films_of(films) if film.name.startswith("test")]
    for film in films_of_test:
        frames = [frame.image().copy() for frame in opened(film).frames()]
        write_animation(tmp_path / f"{film.stem}.webp", frames[::-1])
    backwards = attncli("classify", films / "run", tmp_path, "--device", "cpu").out.splitlines()
    found = {Path(path).stem: label for path, label, _ in (line.split("\t") for line in backwards)}
    assert written == [found[film.stem] for film in films_of_test]


def test_gold_places_are_not_known_of_reversed_films(films: Path) -> None:
    config = config_of(films / "run", WritingConfig)
    test = replace(configured_set(config, None, where="run"), gold=((),) * 9)
    found = test.reversed(config.model.source)
    assert (found.name, found.gold) == ("test-reversed", None)
    assert found.cells == tuple(map(Backwards, test.cells))
    assert found.sources == tuple(f"{name} (backwards)" for name in test.sources or ())
    again = found.reversed(config.model.source)
    assert (again.cells, again.sources, again.is_reversed) == (test.cells, test.sources, False)


LIPS = """\
task: transcription
data:
  root: {root}
  table: films.tsv
  columns: {{source: film, target: text, split: split}}
  folders: {{source: films}}
  train: {{split: train}}
  dev: {{split: dev}}
  test: {{test: {{split: test, places: places.jsonl}}}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 20}}
model:
  embedding_size: 6
  encoder:
    kind: frames
    frame_height: 10
    rate: 12.5
    frame: {{kind: cnn, preprocessing: {{size: 8}}, widths: [4]}}
    network: {{hidden_size: 8}}
    KEYS
  attention: {{score: additive}}
  decoder: {{hidden_size: 8}}
training: {{batch_sentences: 4, max_steps: 3, validate_every: 3}}
search: {{beam_size: 2, max_length: 5}}
evaluation: {{bootstrap_samples: 20}}
"""


@pytest.fixture(scope="module", params=["positions: none", "regions: true"])
def lips(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that transcribes films of frames one below the other, and these films."""
    folder = tmp_path_factory.mktemp("lips")
    (folder / "films").mkdir()
    lines = ["film\ttext\tsplit"]
    for split, count in (("train", 4), ("dev", 2), ("test", 2)):
        for at in range(count):
            column = np.concatenate([np.asarray(frame) for frame in noise(15 + 5 * at, seed=at)])
            Image.fromarray(column).save(folder / "films" / f"{split}{at}.png")
            lines.append(f"{split}{at}.png\t{'bin blue' if at % 2 else 'set'}\t{split}")
    (folder / "films.tsv").write_text("".join(f"{line}\n" for line in lines))
    places = [
        {"source": "test0.png", "places": []},
        {"source": "test1.png", "places": [{"words": [1], "seconds": [0.2, 0.4]}]},
    ]
    (folder / "places.jsonl").write_text("".join(f"{json.dumps(place)}\n" for place in places))
    config = folder / "lips.yaml"
    config.write_text(LIPS.format(root=folder).replace("KEYS", request.param))
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(folder / "run"), "--device", "cpu"])
    assert result.exit_code == 0, (result.output, result.exception)
    return folder


def test_films_are_transcribed_with_times(lips: Path, attncli: Command) -> None:
    folder, run = lips / "films", lips / "run"
    done = attncli("transcribe", run, folder, "--format", "jsonl", "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [Path(each["path"]).name for each in found] == sorted(path.name for path in folder.iterdir())
    for each in found:
        # Of 15, 20, 25 or 30 frames, 25 a second, every other one is read.
        seconds = 0.08 * -(-(15 + 5 * int(Path(each["path"]).stem[-1])) // 2)
        for word in each["hypotheses"][0]["words"]:
            assert 0 <= word["start"] < word["end"] <= seconds + 1e-3
    timed = attncli("transcribe", run, folder / "test1.png", "--format", "ctm", "--device", "cpu")
    assert timed.code == 0
    words = next(each for each in found if each["path"].endswith("test1.png"))["hypotheses"][0]["words"]
    assert [line.split()[4] for line in timed.out.splitlines()] == [word["word"] for word in words]


def test_transcripts_of_films_are_scored_with_the_weight_inside_their_words(lips: Path, attncli: Command) -> None:
    done = attncli("eval", lips / "run", "--device", "cpu")
    assert done.code == 0, done.err
    report = json.loads((lips / "run" / "evaluation" / "test" / "report.json").read_text())
    assert (report["sources"], report["noun"]) == (2, "film")
    assert {"wer", "cer"} <= set(report["runs"][0])
    inside = report["runs"][0]["weight_inside"]
    # 20 frames are 10 positions of 0.08 seconds, of which 2.5 lie between 0.2 and 0.4.
    assert (inside["words"], inside["uniform"]) == (1, pytest.approx(25.0))
    assert 0 < inside["score"] < 100


def test_commands_say_what_reads_films(lips: Path, attncli: Command) -> None:
    wrong = attncli("caption", lips / "run", lips / "films")
    assert (wrong.code, wrong.err) == (
        2,
        f"attncli: {lips}/run: this run reads films; use attncli transcribe\n",
    )
    nothing = attncli("visualize", lips / "run")
    assert nothing.err == "attncli: nothing to draw; give --image PATH (a film or a folder), or --curves\n"
