"""Transcription from the command line: training, transcripts in every format, scores, drawings, and bad files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from recordings import tone, write_wav
from typer.testing import CliRunner, Result

from attncli.cli.main import app

CONFIG = """\
task: transcription
data:
  root: {root}
  table: recordings.tsv
  columns: {{source: recording, target: text, split: split}}
  folders: {{source: audio}}
  train: {{split: train}}
  dev: {{split: dev}}
  test: {{test: {{split: test, places: places.jsonl}}}}
  cache: {root}/cache
tokenizer: {{kind: char, vocabulary_size: 20}}
model:
  embedding_size: 6
  encoder:
    features: {{sample_rate: 1000, window: 0.02, bands: 5}}
    subsampling: {{channels: 3}}
    network: {{hidden_size: 8}}
  attention: ATTENTION
  decoder: {{hidden_size: 8}}
training: {{batch_tokens: 200, max_steps: 2, validate_every: 2, spec_augment: {{time_masks: 1}}, workers: 1}}
search: {{beam_size: 2, max_length: 8}}
evaluation: {{bootstrap_samples: 20, duration_bins: [0.3, 0.34]}}
"""


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    (folder / "audio").mkdir()
    lines = ["recording\ttext\tsplit"]
    for split, count in (("train", 6), ("dev", 2), ("test", 3)):
        for at in range(count):
            low = at % 2 == 0
            write_wav(folder / "audio" / f"{split}{at}.wav", tone(0.3 + 0.03 * at, 80 if low else 300))
            lines.append(f"{split}{at}.wav\t{'low tone' if low else 'high'}\t{split}")
    (folder / "recordings.tsv").write_text("".join(f"{line}\n" for line in lines))
    places = [{"words": [0], "seconds": [0.02, 0.1]}, {"words": [1], "seconds": [0.12, 0.25]}]
    of_each = ({"source": f"test{at}.wav", "places": places[: 2 - at % 2]} for at in range(3))
    (folder / "places.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in of_each))
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(data, tmp_path_factory.mktemp("runs") / "run", "{score: additive, location_aware: true}")


def trained(data: Path, run: Path, attention: str) -> Path:
    path = run.with_suffix(".yaml")
    path.write_text(CONFIG.format(root=data).replace("ATTENTION", attention))
    result = invoke("train", path, "--run", run)
    assert result.exit_code == 0, (result.output, result.exception)
    assert "train: 6 recordings, 6 transcripts" in result.output + result.stderr
    return run


def test_features_are_kept_and_the_second_training_computes_none(data: Path, run: Path, tmp_path: Path) -> None:
    kept = sorted((data / "cache" / "recordings").rglob("*.npz"))
    assert len(kept) == 6  # the two recordings of dev have the content of two of training
    before = [path.stat().st_mtime_ns for path in kept]
    trained(data, tmp_path / "again", "none")
    assert [path.stat().st_mtime_ns for path in kept] == before


def test_transcripts_are_a_line_each_and_a_bad_file_is_named(data: Path, run: Path, tmp_path: Path) -> None:
    shutil.copy(data / "audio" / "test1.wav", tmp_path / "a.WAV")
    (tmp_path / "b.wav").write_text("no sound")
    (tmp_path / "c.txt").write_text("not looked at")
    write_wav(tmp_path / "d.wav", np.zeros(400, np.int16))
    result = invoke("transcribe", run, tmp_path, data / "audio" / "test0.wav")
    [first, second] = [line.split("\t") for line in result.stdout.splitlines()]
    assert [first[0], second[0]] == [str(tmp_path / "a.WAV"), str(data / "audio" / "test0.wav")]
    told = result.stderr.splitlines()
    assert told[0].startswith(f"attncli: {tmp_path}/b.wav: not a recording of a known kind, or a damaged one: ")
    assert told[1] == f"attncli: {tmp_path}/d.wav: silent: every sample is 0"
    assert str(result.exception) == "2 of 4 files could not be transcribed"


def test_json_has_words_in_time_and_weights_only_if_asked(data: Path, run: Path) -> None:
    path = data / "audio" / "test2.wav"
    plain = json.loads(invoke("transcribe", run, path, "--format", "jsonl", "--n-best", "2").stdout)
    assert plain["path"] == str(path)
    assert len(plain["hypotheses"]) == 2
    full = json.loads(invoke("transcribe", run, path, "--format", "jsonl", "--attention").stdout)
    for found in plain["hypotheses"]:
        assert "attention" not in found
        assert [word["word"] for word in found["words"]] == found["text"].split()
        # 35 frames of 0.36 s are 9 positions of 0.04 s.
        assert all(0 <= word["start"] < word["end"] <= 9 * 0.04 for word in found["words"])
    weights = np.array(full["hypotheses"][0]["attention"])
    assert weights.shape == (len(full["hypotheses"][0]["tokens"]), 9)
    assert {**full["hypotheses"][0], "attention": None} == {**plain["hypotheses"][0], "attention": None}


def test_ctm_has_a_line_for_each_word(data: Path, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "a memo.wav"
    shutil.copy(data / "audio" / "test2.wav", path)
    found = json.loads(invoke("transcribe", run, path, "--format", "jsonl").stdout)["hypotheses"][0]["words"]
    lines = [line.split(" ") for line in invoke("transcribe", run, path, "--format", "ctm").stdout.splitlines()]
    assert [(name, channel, word) for name, channel, _, _, word in lines] == [
        ("a_memo", "1", word["word"]) for word in found
    ]
    for (_, _, start, length, _), word in zip(lines, found, strict=True):
        assert float(start) == pytest.approx(word["start"], abs=0.006)
        assert float(length) == pytest.approx(word["end"] - word["start"], abs=0.006)


def test_wrong_uses_are_told(data: Path, run: Path, tmp_path: Path) -> None:
    without = trained(data, tmp_path / "none", "none")
    path = data / "audio" / "test0.wav"
    (tmp_path / "empty").mkdir()
    uses: list[tuple[list[str | Path], str]] = [
        (["transcribe", without, path, "--format", "ctm"], "model.attention: none, so no word has a time"),
        (["transcribe", run, path, "--format", "ctm", "--n-best", "2"], "has one transcript of a recording; leave out"),
        (["transcribe", run, path, "--attention"], "--attention writes weights into JSON; add --format jsonl"),
        (["transcribe", run, tmp_path / "empty"], f"{tmp_path}/empty: there is no recording in this folder"),
        (["caption", run, path], f"{run}: this run reads recordings; use attncli transcribe"),
        (["translate", run, path], f"{run}: this run reads recordings; use attncli transcribe"),
        (["visualize", run], "nothing to draw; give --recording PATH (a recording or a folder), or --curves"),
    ]
    for arguments, message in uses:
        result = invoke(*arguments)
        assert message in str(result.exception), arguments
    words = json.loads(invoke("transcribe", without, path, "--format", "jsonl").stdout)["hypotheses"][0]
    assert "words" not in words


def test_a_bad_row_is_named_with_its_line_and_can_be_left_out(data: Path, run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "data"
    shutil.copytree(data, broken)
    (broken / "audio" / "train1.wav").write_bytes(b"")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(root=broken).replace("ATTENTION", "none"))
    result = invoke("train", path, "--run", tmp_path / "run")
    where = f"{broken}/recordings.tsv:3: {broken}/audio/train1.wav: an empty file, not a recording"
    assert where in str(result.exception)
    with (broken / "recordings.tsv").open("a") as table:
        table.write("gone.wav\tlow tone\ttrain\n")
    left_out = invoke("train", path, "--run", tmp_path / "run", "--set", "data.bad_lines=skip")
    assert left_out.exit_code == 0, (left_out.output, left_out.exception)
    for said in (
        "train: left out 1 bad row (1 missing file)\n",
        f"train: left out 1 bad recording, such as {where}\n",
        "train: 5 recordings, 5 transcripts, ",
        "dev: 2 recordings, 2 transcripts, ",
    ):
        assert said in left_out.output + left_out.stderr


def test_error_rates_are_scored(run: Path) -> None:
    result = invoke("eval", run)
    assert result.exit_code == 0, result.exception
    report = json.loads((run / "evaluation" / "test" / "report.json").read_text())
    assert (report["sources"], report["noun"]) == (3, "recording")
    assert all(report["runs"][0][key]["score"] >= 0 for key in ("wer", "cer"))
    assert 0 < report["runs"][0]["weight_inside"]["score"] < 100
    assert (report["length_of"], report["length_unit"]) == ("source", "seconds")
    # Of 0.3, 0.33 and 0.36 seconds, less what the last frame reaches beyond a step.
    bins = [(each["from"], each["to"], each["sources"]) for each in report["runs"][0]["by_length"]]
    assert bins == [(0, 0.3, 1), (0.3, 0.34, 1), (0.34, None, 1)]
    assert "WER by seconds of the recording" in result.stdout


def test_error_rates_may_be_told_by_words_instead(run: Path, tmp_path: Path) -> None:
    result = invoke("eval", run, "--length", "reference", "--output", tmp_path)
    assert result.exit_code == 0, result.exception
    assert "WER by words of the reference" in result.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["length_of"], report["length_unit"]) == ("reference", "words")
    assert [each["sources"] for each in report["runs"][0]["by_length"]] == [3]


def test_recordings_are_drawn_with_their_words(data: Path, run: Path, tmp_path: Path) -> None:
    for format, name in (("png", "attention-1-test0.png"), ("html", "attention.html"), ("json", "attention.json")):
        arguments: list[str | Path] = [
            "--recording",
            data / "audio" / "test0.wav",
            "--target",
            "low tone",
            "--format",
            format,
        ]
        result = invoke("visualize", run, *arguments, "--output", tmp_path)
        assert result.output == f"wrote {tmp_path}/{name}\n", result.exception
    [told] = json.loads((tmp_path / "attention.json").read_text())
    assert told["text"] == "low tone"
    assert [word["word"] for word in told["words"]] == ["low", "tone"]
    assert told["seconds_per_position"] == pytest.approx(0.04)
    # Places of a test set are known of a recording that is in it.
    assert told["gold_words"] == [
        {"word": "low", "start": 0.02, "end": 0.1},
        {"word": "tone", "start": 0.12, "end": 0.25},
    ]
    page = (tmp_path / "attention.html").read_text()
    assert page.count("<button") == 2
    assert "data:audio/wav;base64," in page
    assert "http" not in page.replace("http-equiv", "")
