"""Small sets of generated images with captions, and the sections of a configuration that read them."""

from __future__ import annotations

from pathlib import Path

from attncli.data.sets.toy_captioning import ToyPictureSizes, make_toy_captioning

SECTIONS = """\
task: captioning
data:
  root: {root}
  images: images
  captions: captions.jsonl
  train: {{split: train}}
  dev: {{split: dev}}
  test: {{test: {{split: test}}}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 60}}
"""


def toy_captions(root: Path, *, train: int, dev: int, test: int) -> str:
    """Make a set in `root` with as many images in each split; return the sections of the task, data and tokenizer."""
    make_toy_captioning(root, ToyPictureSizes(train=train, dev=dev, test=test), seed=2)
    return SECTIONS.format(root=root)
