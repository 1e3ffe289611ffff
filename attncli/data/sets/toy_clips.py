"""Short films of a coloured shape that moves or changes its size, with captions such as "a red circle moves left".

Every frame of a clip could be a frame of a clip with another motion: only their order tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from attncli.data.sets.filling import filling
from attncli.data.sets.toy_films import Drawn, start_of, write_film
from attncli.data.sets.toy_shapes import COLOURS, SHAPES, ToyObject
from attncli.files.writing import open_output

FRAMES = 8
MOTIONS: dict[str, tuple[float, float]] = {
    "moves left": (-1, 0),
    "moves right": (1, 0),
    "moves up": (0, -1),
    "moves down": (0, 1),
    "grows": (0, 0),
    "shrinks": (0, 0),
}
_SMALL, _LARGE = (4.0, 5.0), (7.0, 9.0)  # radii in pixels
_WAY = (9.0, 13.0)  # pixels from the first frame to the last


@dataclass(frozen=True)
class ToyClipSizes:
    """How many clips to make."""

    train: int = 2_400
    dev: int = 120
    test: int = 300


def make_toy_clips(folder: Path, sizes: ToyClipSizes, *, seed: int) -> None:
    """Write `films/` and `captions.jsonl` into `folder`; equal seeds and sizes give equal files.

    A line of `captions.jsonl` has a film, its caption and its split (train, dev or test). Raises DataError if the files
    cannot be written, or would replace or mix with other files (`filling`).
    """
    random = Random(seed)
    with filling(folder, exactly=True) as aside, open_output(aside / "captions.jsonl") as captions:
        (aside / "films").mkdir()
        # Test comes first and train last, so that another number of training clips does not change the test.
        for split, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
            for number in range(1, count + 1):
                name, motion = f"{split}-{number:05}.webp", sorted(MOTIONS)[number % len(MOTIONS)]
                shown = list(motion_of(random, motion))
                pictures = [[Drawn(each.colour, each.corners)] for each in shown]
                write_film(aside / "films" / name, pictures, [random.randint(200, 255)] * FRAMES)
                caption = f"a {shown[0].colour} {shown[0].shape} {motion}"
                captions.write(json.dumps({"image": name, "captions": [caption], "split": split}) + "\n")


def motion_of(random: Random, motion: str) -> Iterator[ToyObject]:
    """Yield one object as it is in each frame of a clip with this motion."""
    across, down = MOTIONS[motion]
    radii = [random.uniform(*(_SMALL if across or down else _LARGE))] * 2
    if not (across or down):
        small = random.uniform(*_SMALL)
        radii = [small, radii[0]] if motion == "grows" else [radii[0], small]
    way, largest = random.uniform(*_WAY), max(radii)
    start = ToyObject(
        "",
        random.choice(sorted(COLOURS)),
        random.choice(sorted(SHAPES)),
        start_of(random, across * way, largest),
        start_of(random, down * way, largest),
        radii[0],
    )
    for frame in range(FRAMES):
        share = frame / (FRAMES - 1)
        x, y = start.x + across * way * share, start.y + down * way * share
        yield replace(start, x=x, y=y, radius=radii[0] + (radii[1] - radii[0]) * share)
