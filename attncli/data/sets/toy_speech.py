"""Artificial speech: words that are glides between two vowels, said by many voices with pauses between them.

A vowel is two tones, about its first two formants (Peterson and Barney 1952, rounded), under the pulse of a voice.
Voices differ in pitch, in the size of what resonates, and in speed; there is noise under all. When each word is said is
known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from attncli.data.sets.filling import filling
from attncli.data.sets.speech import Interval, Utterance, write_utterances, write_wav

RATE = 8000
_VOWELS = {"a": (730, 1090), "e": (530, 1840), "i": (270, 2290), "o": (570, 840), "u": (300, 870)}  # Hz
WORDS = {
    "eye": "ai",
    "how": "au",
    "oak": "oa",
    "owe": "ou",
    "oy": "oi",
    "wah": "ua",
    "way": "ue",
    "wee": "ui",
    "yah": "ia",
    "you": "iu",
}
_MOST_WORDS = 6
_LOUDEST = 12_000  # of 32,767
_FADE = 0.02  # seconds at both ends of a word


@dataclass(frozen=True)
class ToySpeechSizes:
    """How many recordings to make."""

    train: int = 1_500
    dev: int = 100
    test: int = 200


@dataclass(frozen=True)
class _Voice:
    """How somebody speaks."""

    pitch: float  # Hz
    size: float  # factor on formants
    slowness: float  # factor on durations

    @classmethod
    def drawn(cls, random: Random) -> _Voice:
        return cls(random.uniform(90, 220), random.uniform(0.9, 1.15), random.uniform(0.8, 1.3))


def make_toy_speech(folder: Path, sizes: ToySpeechSizes, *, seed: int) -> None:
    """Write `audio/`, `recordings.tsv` and files of gold places into `folder`; equal seeds and sizes give equal files.

    A line of the table has a recording, what is said, a name of the voice, and the split (train, dev or test);
    `places-dev.jsonl` and `places-test.jsonl` say when each word is said. Raises DataError if the files cannot be
    written, or would replace other files (`filling`).
    """
    random = Random(seed)
    # Unlike other generators of numpy its numbers never change with its versions.
    noise = np.random.RandomState(seed % 2**32)
    with filling(folder) as aside:
        (aside / "audio").mkdir()
        write_utterances(aside, _utterances(aside / "audio", sizes, random, noise))


def _utterances(
    folder: Path, sizes: ToySpeechSizes, random: Random, noise: np.random.RandomState
) -> Iterator[Utterance]:
    # Test comes first and train last, so that another number of training recordings does not change the test.
    for split, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
        for number in range(1, count + 1):
            words = random.choices(sorted(WORDS), k=random.randint(1, _MOST_WORDS))
            sound, times = spoken(words, random)
            sound = sound + noise.normal(0, 0.01, len(sound))
            file = f"{split}-{number:05}.wav"
            write_wav(folder / file, np.round(sound * _LOUDEST).clip(-32768, 32767).astype(np.int16), RATE)
            yield Utterance(file, " ".join(words), f"{split}-{number:05}", split, times)


def spoken(words: list[str], random: Random) -> tuple[npt.NDArray[np.float64], list[Interval]]:
    """Return the sound of `words` in one voice, from about -1 to 1, and from when to when each is said, in seconds."""
    voice = _Voice.drawn(random)
    pieces: list[npt.NDArray[np.float64]] = []
    times, at = [], 0
    for word in words:
        silence = np.zeros(round(random.uniform(0.04, 0.2) * RATE))
        sound = _word(word, voice, seconds=random.uniform(0.16, 0.26) * voice.slowness)
        pieces += [silence, sound]
        at += len(silence)
        times.append((at / RATE, (at + len(sound)) / RATE))
        at += len(sound)
    pieces.append(np.zeros(round(random.uniform(0.04, 0.2) * RATE)))
    return np.concatenate(pieces), times


def _word(word: str, voice: _Voice, *, seconds: float) -> npt.NDArray[np.float64]:
    first, last = (_VOWELS[vowel] for vowel in WORDS[word])
    count = round(seconds * RATE)
    share = np.linspace(0, 1, count)
    tones = np.zeros(count)
    for start, end, loudness in zip(first, last, (0.6, 0.3), strict=True):
        formant = voice.size * (start + (end - start) * share)
        tones += loudness * np.sin(2 * np.pi * np.cumsum(formant) / RATE)
    pulse = 0.7 + 0.3 * np.sin(2 * np.pi * voice.pitch * np.arange(count) / RATE)
    edge = round(_FADE * RATE)
    fade = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / edge)
    found: npt.NDArray[np.float64] = tones * pulse * fade
    return found
