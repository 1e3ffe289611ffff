"""Test sets of pictures, out of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from attncli.config.tasks.captioning import CaptioningConfig
from attncli.data.captioning import reference_sets
from attncli.data.forms.captions import read_split
from attncli.evaluation.test_set import EvaluationSet, chosen_test_set


@dataclass(frozen=True)
class CaptionTest:
    """Pictures, and what people say of them."""

    data: EvaluationSet  # whose sources are the names of the files
    paths: tuple[Path, ...]


def caption_test(config: CaptioningConfig, name: str | None, *, where: str) -> CaptionTest:
    """Return the test set `name` of `config`, or its only one where `name` is None; `where` begins the messages."""
    name = chosen_test_set(config.data.test, name, where=where)
    pictures = read_split(config.data, config.data.test[name], key=f"test.{name}").pictures
    references = tuple(tuple(stream) for stream in reference_sets([picture.captions for picture in pictures]))
    paths = tuple(picture.path for picture in pictures)
    return CaptionTest(EvaluationSet(name, tuple(path.name for path in paths), references), paths)
