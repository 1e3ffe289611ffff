"""Recordings made for tests, and a transcriber small enough to be built by the dozen."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from attncli.config.load import check_config
from attncli.config.tasks.transcription import TranscriptionConfig
from attncli.config.yaml_core import parse_yaml

RATE = 1000
CONFIG = """\
task: transcription
data:
  columns: {source: recording, target: text}
  folders: {source: audio}
  train: {table: train.tsv}
  dev: {table: dev.tsv}
tokenizer: {kind: word, vocabulary_size: 30}
model:
  embedding_size: 6
  encoder:
    features: {sample_rate: 1000, window: 0.02, hop: 0.01, bands: 5}
  attention: {score: additive}
  decoder: {hidden_size: 8}
training: {max_steps: 1TRAINING}
"""
TINY = "{subsampling: {channels: 3}, network: {hidden_size: 10}}"


def configured(encoder: str = TINY, training: str = "") -> TranscriptionConfig:
    """Return a configuration of a tiny transcriber with these keys of its encoder and its training."""
    values = parse_yaml(CONFIG.replace("TRAINING", training), where="test")
    values["model"]["encoder"].update(parse_yaml(encoder, where="test"))
    config = check_config(values, where="test")
    assert isinstance(config, TranscriptionConfig)
    return config


def tone(seconds: float, hertz: float = 100.0, *, rate: int = RATE) -> npt.NDArray[np.int16]:
    """Return a tone that gets louder."""
    at = np.arange(round(seconds * rate)) / rate
    return np.round(np.sin(2 * np.pi * hertz * at) * 8000 * (0.5 + at / (2 * seconds))).astype(np.int16)


def write_wav(
    path: Path, samples: npt.NDArray[np.int16], *, rate: int = RATE, channels: int = 1, width: int = 2
) -> Path:
    """Write `samples`, those of all channels in turn, as PCM of `width` bytes, and return `path`."""
    scaled = samples.astype(np.int64)
    if width == 1:
        content = ((scaled >> 8) + 128).astype(np.uint8).tobytes()
    else:
        wide = (scaled << 8 * (width - 2)).astype("<i4") if width > 2 else scaled.astype("<i2")
        content = wide.tobytes() if width in (2, 4) else wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)
    return path


def recorded_words(root: Path) -> Path:
    """Write recordings and a table of what is said in each into `root`; return the file of a configuration."""
    (root / "audio").mkdir(parents=True)
    for split, count in (("train", 6), ("dev", 2), ("test", 2)):
        lines = ["recording\ttext"]
        for at in range(count):
            write_wav(root / "audio" / f"{split}{at}.wav", tone(0.3 + 0.03 * at, 300 if at % 2 else 80))
            lines.append(f"{split}{at}.wav\t{'high' if at % 2 else 'low tone'}")
        (root / f"{split}.tsv").write_text("".join(f"{line}\n" for line in lines))
    path = root / "small.yaml"
    text = CONFIG.replace("TRAINING", "").replace("data:\n", f"data:\n  root: {root}\n  cache: {root}/cache\n")
    path.write_text(text)
    return path
