"""Small tables of texts and of images with labels, and configurations of classifiers of them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from attncli.data.sets.toy_reviews import ToyReviewSizes, make_toy_reviews

_SECTIONS = """\
task: classification
data:
  root: {root}
  table: {table}
  columns: {columns}
  {folders}
  train: {{split: train}}
  dev: {{split: dev}}
  test: {{test: {{split: test}}}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 60}}
model:
  embedding_size: 6
  encoder: {encoder}
  attention: {{score: additive, size: 5}}
  decoder: {{hidden_size: 8}}
training:
  {{batch_sentences: 9, max_steps: 12, learning_rate: 0.02, validate_every: 6, checkpoint_every: 5, log_every: 4}}
search: {{batch_size: 4}}
evaluation: {{length_bins: [30, 50], bootstrap_samples: 20}}
"""
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def labelled_texts(root: Path, *, train: int, dev: int, test: int) -> Path:
    """Make as many reviews of each split in `root`; return the file of a configuration."""
    make_toy_reviews(root, ToyReviewSizes(train=train, dev=dev, test=test), seed=2)
    columns, encoder = "{text: text, target: label, split: split, group: kind}", "{hidden_size: 10}"
    return _written(root, table="reviews.tsv", columns=columns, folders="folders: {}", encoder=encoder)


def labelled_images(root: Path) -> Path:
    """Make images of one colour each in `root`; return the file of a configuration."""
    (root / "images").mkdir(parents=True)
    lines = ["file\tcolour\tsplit"]
    for split, count in (("train", 4), ("dev", 2), ("test", 2)):
        for name, colour in COLOURS.items():
            for number in range(count):
                file = f"{split}-{name}-{number}.png"
                Image.new("RGB", (16 + number, 16), colour).save(root / "images" / file)
                lines.append(f"{file}\t{name}\t{split}")
    (root / "images.tsv").write_text("\n".join(lines) + "\n")
    columns, encoder = (
        "{image: file, target: colour, split: split}",
        "{kind: cnn, preprocessing: {size: 16}, widths: [4]}",
    )
    return _written(root, table="images.tsv", columns=columns, folders="folders: {image: images}", encoder=encoder)


def _written(root: Path, **values: str) -> Path:
    path = root / "small.yaml"
    path.write_text(_SECTIONS.format(root=root, **values))
    return path
