"""What a configuration may say but probably does not mean, as `key: what and why`.

These are warnings and not errors, because each is also done on purpose: training and dev set are the same to see
whether a network can learn a few examples by heart, source and target are the same to learn to copy, and a training is
cut short to try something out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attncli.config.data import PairFile, ParallelFiles, TranslationData
from attncli.config.training import Training


def warnings_of_data(data: Any) -> Iterator[str]:
    """Yield warnings about the splits of the section `data` of any task."""
    if data.train == data.dev:
        yield (
            "data.dev: is the same data as data.train, so that validation measures what was learned by heart; give "
            "data that are not trained on"
        )
    if isinstance(data, TranslationData):
        splits = {"train": data.train, "dev": data.dev, **{f"test.{name}": split for name, split in data.test.items()}}
        for key, split in splits.items():
            if isinstance(split, ParallelFiles) and split.source == split.target:
                yield f"data.{key}: source and target are the same file, {split.source}"
            elif isinstance(split, PairFile) and split.source_field == split.target_field is not None:
                yield f"data.{key}: source_field and target_field are the same, {split.source_field}"


def warnings_of_schedule(training: Training) -> Iterator[str]:
    """Yield a warning about a warm-up that training does not reach the end of."""
    warmup, most = training.schedule.warmup, training.max_steps
    if most is not None and most <= warmup:
        yield (
            f"training.schedule.warmup: {warmup} updates, but training.max_steps ends training after {most}, before "
            "the learning rate has reached its peak; lower one or raise the other"
        )
