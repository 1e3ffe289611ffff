"""COMET (Rei et al. 2020): a neural network's judgement of each translation, by the package `unbabel-comet`.

N sentences.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attncli.errors import UserError
from attncli.metrics.metric import Metric, References, SentenceStatistics, by_sentence, mean_of_scores

DEFAULT_MODEL = "Unbabel/wmt22-comet-da"


def comet(
    sources: Sequence[str], *, model: str = DEFAULT_MODEL, gpu: int | None = None, shows_progress: bool = False
) -> Metric:
    """Return the mean judgement of translations of `sources`, on the processor or the graphics card number `gpu`.

    `model` is a name that the package downloads when it is first used, or the path of a checkpoint. A translation with
    several references gets the mean of its scores against each. Raises UserError if there is no package or model.
    """
    network = _loaded(model)
    device: dict[str, Any] = {"gpus": 0} if gpu is None else {"gpus": 1, "devices": [gpu]}

    def measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
        texts = by_sentence(hypotheses, references)
        samples = [
            {"src": source, "mt": hypothesis, "ref": reference}
            for source, hypothesis, known in zip(sources, hypotheses, texts, strict=True)
            for reference in known
        ]
        scores = network.predict(samples, batch_size=16, progress_bar=shows_progress, **device).scores
        owners = np.repeat(np.arange(len(texts)), [len(known) for known in texts])
        means = np.bincount(owners, weights=scores) / np.bincount(owners)
        version = importlib.metadata.version("unbabel-comet")
        signature = f"nrefs:{len(references)}|model:{model}|version:{version}"
        return mean_of_scores(means.tolist(), signature)

    return Metric("COMET", lower_is_better=False, measure=measure, digits=4)


def package() -> Any:
    """Return the package, or raise a UserError that says what is missing."""
    if importlib.util.find_spec("comet") is None:
        raise UserError(
            "COMET needs the package unbabel-comet; install it with: pip install 'attncli[comet]', or leave out comet. "
            f"It downloads its model when it is first used, {DEFAULT_MODEL} (2.3 GB) or that of --comet-model"
        )
    found = importlib.import_module("comet")
    if not hasattr(found, "load_from_checkpoint"):
        raise UserError("COMET needs the package unbabel-comet, but another one called comet is installed")
    return found


def _loaded(model: str) -> Any:
    found = package()
    try:
        path = model if Path(model).is_file() else found.download_model(model)
        return found.load_from_checkpoint(path)
    except Exception as error:  # the package raises whatever it meets: of the network, of files, and plain ones
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"COMET: the model {model} cannot be loaded: {said}; choose one that the package knows, or the path of a "
            "checkpoint, with --comet-model"
        ) from None
