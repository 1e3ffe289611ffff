"""Speech as it is read: strings of digits joined by their lists, features cut apart, tables and gold places."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from attncli.data.gold_places import read_gold_places
from attncli.data.sets.speech import prepare_an4, prepare_fsdd_strings, prepare_grid_s1, prepare_grid_s1_lips


def table(folder: Path, name: str, *rows: str) -> None:
    (folder / name).write_text("".join(f"{row}\n" for row in rows).replace("|", "\t"))


def samples_of(path: Path) -> tuple[int, list[int]]:
    with wave.open(str(path)) as file:
        return file.getframerate(), np.frombuffer(file.readframes(1000), "<i2").tolist()


def test_digits_are_joined_with_their_gaps_and_known_to_the_sample(tmp_path: Path) -> None:
    raw, made = tmp_path / "raw", tmp_path / "made"
    raw.mkdir()
    made.mkdir()
    np.savez(raw / "recordings.npz", samples=np.arange(1, 10, dtype=np.int16), offsets=np.array([0, 2, 5, 9]))
    table(raw, "recordings.tsv", "name|digit|speaker|index|samples", "a|0|x|1|2", "b|1|x|1|3", "c|2|x|1|4")
    header = "id|speaker|text|recordings|gaps"
    table(raw, "train.tsv", header, "train-0|x|one|b|1 0")
    for name in ("dev", "test"):
        table(raw, f"{name}.tsv", header, f"{name}-0|x|two zero|c a|2 3 1")
    table(raw, "test_long.tsv", header, "long-0|y|zero|a|0 0")
    prepare_fsdd_strings(raw, made)
    assert samples_of(made / "audio" / "train-0.wav") == (8000, [0, 3, 4, 5])
    assert samples_of(made / "audio" / "test-0.wav") == (8000, [0, 0, 6, 7, 8, 9, 0, 0, 0, 1, 2, 0])
    assert (made / "recordings.tsv").read_text().splitlines() == [
        "recording\ttext\tspeaker\tsplit",
        "train-0.wav\tone\tx\ttrain",
        "dev-0.wav\ttwo zero\tx\tdev",
        "test-0.wav\ttwo zero\tx\ttest",
        "long-0.wav\tzero\ty\ttest_long",
    ]
    assert sorted(path.name for path in made.glob("places-*")) == [
        "places-dev.jsonl",
        "places-test.jsonl",
        "places-test_long.jsonl",
    ]
    [places] = read_gold_places(
        made / "places-test.jsonl", sources=["test-0.wav"], targets=["two zero"], noun="recording"
    )
    # Rounded to a tenth of a millisecond: 2 to 6 and 9 to 11 samples of 8,000 a second.
    assert [(place.words, place.seconds) for place in places] == [((0,), (0.0003, 0.0008)), ((1,), (0.0011, 0.0014))]


def test_features_are_a_matrix_for_each_utterance(tmp_path: Path) -> None:
    raw, made = tmp_path / "raw", tmp_path / "made"
    raw.mkdir()
    made.mkdir()
    values = np.arange(10, dtype=np.float16).reshape(5, 2)
    for name in ("train", "dev", "test"):
        np.savez(raw / f"{name}.npz", features=values, offsets=np.array([0, 2, 5]))
        table(raw, f"{name}.tsv", "id|speaker|frames|text", f"{name}-a|x|2|YES", f"{name}-b|y|3|A B")
    prepare_an4(raw, made)
    np.testing.assert_array_equal(np.load(made / "features" / "test-b.npy"), values[2:])
    lines = (made / "recordings.tsv").read_text().splitlines()
    assert (len(lines), lines[1], lines[-1]) == (7, "train-a.npy\tYES\tx\ttrain", "test-b.npy\tA B\ty\ttest")
    assert not list(made.glob("places-*"))


def test_sounds_are_kept_as_they_are_with_the_times_of_their_words(tmp_path: Path) -> None:
    raw, made = tmp_path / "raw", tmp_path / "made"
    (raw / "audio").mkdir(parents=True)
    made.mkdir()
    for name in ("train", "dev", "test"):
        table(raw, f"{name}.tsv", "id|seconds|text|word_times", f"{name}1|0.9|bin blue|0.200-0.430 0.430-0.610")
        (raw / "audio" / f"{name}1.ogg").write_bytes(name.encode())
    prepare_grid_s1(raw, made)
    assert (made / "audio" / "dev1.ogg").read_bytes() == b"dev"
    line = json.loads((made / "places-dev.jsonl").read_text())
    assert line == {
        "source": "dev1.ogg",
        "places": [{"words": [0], "seconds": [0.2, 0.43]}, {"words": [1], "seconds": [0.43, 0.61]}],
    }


def test_films_are_kept_as_they_are_with_the_times_of_their_words(tmp_path: Path) -> None:
    raw, made = tmp_path / "raw", tmp_path / "made"
    (raw / "lips").mkdir(parents=True)
    made.mkdir()
    for name in ("train", "dev", "test"):
        table(raw, f"{name}.tsv", "id|frames|text|word_frames", f"{name}1|20|bin blue|5-10 9-17")
        # A column of 20 frames of 7 × 40 pixels, each of one grey.
        greys = np.repeat(np.arange(20, dtype=np.uint8), 40)[:, None].repeat(7, 1)
        Image.fromarray(greys).save(raw / "lips" / f"{name}1.webp", lossless=True)
    before = (raw / "lips" / "dev1.webp").read_bytes()
    prepare_grid_s1_lips(raw, made)
    assert (made / "films" / "dev1.webp").read_bytes() == before
    with Image.open(made / "speech" / "dev1.webp") as spoken:
        found = np.asarray(spoken.convert("L"))
    # From the first frame of the first word to the one before the end of the last.
    np.testing.assert_array_equal(found, np.repeat(np.arange(5, 17), 40)[:, None].repeat(7, 1))
    assert (made / "films.tsv").read_text().splitlines()[:2] == [
        "film\ttext\tspeaker\tsplit",
        "train1.webp\tbin blue\ts1\ttrain",
    ]
    # Of 25 frames a second; the last number is the first frame behind the word.
    assert json.loads((made / "places-test.jsonl").read_text()) == {
        "source": "test1.webp",
        "places": [{"words": [0], "seconds": [0.2, 0.4]}, {"words": [1], "seconds": [0.36, 0.68]}],
    }
    assert not (made / "places-train.jsonl").exists()
