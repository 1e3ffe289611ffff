"""A small table of films with labels, and the configuration of a classifier that learns them in seconds.

A film becomes lighter, or darker, or stays of one grey; half of the films are files and half are folders of frames.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from films import greys, write_animation

STEPS = {"lighter": 20, "darker": -20, "same": 0}
FRAMES = 5
CONFIG = """\
task: classification
data:
  root: {root}
  table: films.tsv
  columns: {{film: film, target: change, split: split, group: form}}
  folders: {{film: films}}
  train: {{split: train}}
  dev: {{split: dev}}
  test: {{test: {{split: test}}}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 60}}
model:
  embedding_size: 6
  dropout: 0.0
  encoder:
    kind: frames
    count: 4
    frame: {{kind: cnn, preprocessing: {{size: 8}}, widths: [4]}}
    network: {{hidden_size: 10}}
  attention: {{score: additive, size: 5}}
  decoder: {{hidden_size: 8}}
training:
  {{batch_sentences: 9, max_steps: 120, learning_rate: 0.03, validate_every: 60, log_every: 60}}
search: {{batch_size: 4}}
evaluation: {{bootstrap_samples: 20}}
"""


def labelled_films(root: Path) -> Path:
    """Make films in `root`, 24 to train on, 6 of dev and 9 of test; return the file of a configuration."""
    (root / "films").mkdir(parents=True)
    random, lines = Random(1), ["film\tchange\tform\tsplit"]
    for split, count in (("train", 8), ("dev", 2), ("test", 3)):
        for number in range(count):
            for change, step in STEPS.items():
                name = f"{split}-{change}-{number}" + (".webp" if number % 2 else "")
                write_film(root / "films" / name, ramp(random, step))
                lines.append(f"{name}\t{change}\t{'file' if number % 2 else 'folder'}\t{split}")
    (root / "films.tsv").write_text("\n".join(lines) + "\n")
    config = root / "films.yaml"
    config.write_text(CONFIG.format(root=root))
    return config


def ramp(random: Random, step: int) -> list[int]:
    """Return the grey of each frame."""
    start = random.randint(90, 150) - step * (FRAMES // 2)
    # Files of films join frames that are equal.
    return [start + step * frame + frame % 2 for frame in range(FRAMES)]


def write_film(path: Path, values: list[int]) -> None:
    """Write a film with a frame of each of the greys `values`, as a file if `path` has a suffix, or as a folder."""
    if path.suffix:
        write_animation(path, greys(values))
        return
    path.mkdir(parents=True)
    for number, frame in enumerate(greys(values)):
        frame.save(path / f"frame-{number + 8}.png")  # the tenth and later ones follow by their numbers alone
