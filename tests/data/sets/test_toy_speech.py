"""Artificial speech: the same from the same seed, with words where the gold places say."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from attncli.data.gold_places import read_gold_places
from attncli.data.sets.toy_speech import RATE, WORDS, ToySpeechSizes, make_toy_speech


def made(folder: Path, *, train: int = 2, seed: int = 3) -> dict[str, bytes]:
    make_toy_speech(folder, ToySpeechSizes(train=train, dev=1, test=6), seed=seed)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_seeds_give_equal_files_and_the_size_of_training_changes_no_test(tmp_path: Path) -> None:
    first, again, other = made(tmp_path / "a"), made(tmp_path / "b"), made(tmp_path / "c", seed=4)
    assert first == again
    assert first["audio/test-00001.wav"] != other["audio/test-00001.wav"]
    larger = made(tmp_path / "d", train=4)
    assert all(larger[name] == content for name, content in first.items() if "test-" in name)
    assert len(larger) == len(first) + 2 == 14  # 11 recordings, the table and two files of places


def test_a_word_is_heard_where_its_place_is_and_nowhere_else(tmp_path: Path) -> None:
    made(tmp_path)
    rows = [line.split("\t") for line in (tmp_path / "recordings.tsv").read_text().splitlines()]
    assert rows[0] == ["recording", "text", "speaker", "split"]
    test = [row for row in rows[1:] if row[3] == "test"]
    assert {word for row in test for word in row[1].split()} <= set(WORDS)
    found = read_gold_places(
        tmp_path / "places-test.jsonl",
        sources=[row[0] for row in test],
        targets=[row[1] for row in test],
        noun="recording",
    )
    for row, places in zip(test, found, strict=True):
        assert [place.words for place in places] == [(at,) for at in range(len(row[1].split()))]
        with wave.open(str(tmp_path / "audio" / row[0])) as file:
            assert file.getframerate() == RATE
            sound = np.frombuffer(file.readframes(10**6), "<i2").astype(float)
        inside = np.zeros(len(sound), bool)
        for place in places:
            assert place.seconds is not None
            first, last = (round(at * RATE) for at in place.seconds)
            inside[first:last] = True
        assert np.square(sound[inside]).mean() > 50 * np.square(sound[~inside]).mean()
