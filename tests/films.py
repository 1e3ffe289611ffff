"""Films for tests, whose frames are told apart by their grey."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from attncli.config.load import check_config
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.yaml_core import parse_yaml

CONFIG = """\
task: captioning
data: {{images: films, train: train, dev: dev, cache: {cache}}}
model:
  embedding_size: 6
  encoder:
    kind: frames
    count: 4
    frame: {{kind: cnn, preprocessing: {{size: 8}}, widths: [4, 5]}}
    network: {{hidden_size: 10}}
    {keys}
  attention: {attention}
  decoder: {{hidden_size: 8}}
training: {{max_steps: 1}}
"""


def configured(*keys: str, attention: str = "{score: additive}", cache: str = "cache") -> CaptioningConfig:
    text = CONFIG.format(keys="\n    ".join(keys), attention=attention, cache=cache)
    config = check_config(parse_yaml(text, where="films"), where="films")
    assert isinstance(config, CaptioningConfig)
    return config


def greys(values: list[int], *, size: tuple[int, int] = (12, 10)) -> list[Image.Image]:
    """Return an image of one grey for each of `values`."""
    return [Image.new("RGB", size, (value, value, value)) for value in values]


def noise(count: int, *, size: tuple[int, int] = (12, 10), seed: int = 1) -> list[Image.Image]:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, size[1], size[0], 3), np.uint8)
    return [Image.fromarray(each) for each in drawn]


def write_animation(path: Path, frames: list[Image.Image], *, milliseconds: int = 40) -> Path:
    # Without loss, and with every frame as it is: equal ones would be joined.
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=milliseconds, lossless=True, minimize_size=False
    )
    return path


def write_video(path: Path, frames: list[Image.Image], *, codec: str, rate: int = 25) -> Path:
    av: Any = importlib.import_module("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    return path
