"""Measures what layers read and give in a translator, at the start and after some updates.

    python benchmarks/sizes.py compare-attention/additive --updates 100

Each row of the table differs from the configuration in what its name says; Transformers also learn at a lower rate.
What is measured is an unseen batch without dropout: root mean squares over real positions, or deviations, where the
mean says nothing. All rows see the same batches.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import astuple, dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attncli.config.load import read_config
from attncli.config.shipped import meant_file
from attncli.machine.device import arithmetic
from attncli.models.encoder_decoder import EncoderDecoder, prefix_of
from attncli.models.encoders.recurrent import RecurrentEncoder
from attncli.models.recurrence import Layers
from attncli.tasks.launch import open_task
from attncli.training.schedules import build_schedule
from attncli.training.updates import Updater

_CPU = torch.device("cpu")
_TRANSFORMER = "{kind: transformer, hidden_size: 256, layers: 2, heads: 4, feed_forward_size: 512}"

KINDS: dict[str, list[str]] = {
    "additive": [],
    "content": ["model.attention={score: content}"],
    "location": ["model.attention={score: location, maximum_source_length: 80}"],
    "general": ["model.attention={score: general}"],
    "dot": ["model.attention={score: dot}"],
    "scaled_dot, projected": ["model.attention={score: scaled_dot}"],
    "scaled_dot, bare": ["model.attention={score: scaled_dot, projections: none}"],
    "GRU, general": ["model.attention={score: general}", "model.encoder.cell=gru", "model.decoder.cell=gru"],
    "plain cells, general": ["model.attention={score: general}", "model.encoder.cell=rnn", "model.decoder.cell=rnn"],
    "input feeding": ["model.decoder.input_feeding=true"],
    "asks before the word": ["model.decoder.query=previous_state", "model.decoder.readout=deep"],
    "convolutional encoder": ["model.encoder={kind: convolutional, hidden_size: 256}"],
    "LSTMN": ["model.encoder={kind: lstmn, hidden_size: 256}", "model.decoder={kind: lstmn, hidden_size: 256}"],
    "Transformer": [
        f"model.encoder={_TRANSFORMER}",
        f"model.decoder={_TRANSFORMER}",
        "model.attention={score: scaled_dot}",
        "training.learning_rate=1e-3",
    ],
    "no attention": ["model.attention=none", "model.decoder.context=every_step"],
    "embeddings not scaled": ["model.encoder.embedding_scale=none", "model.decoder.embedding_scale=none"],
}


@dataclass(frozen=True)
class Sizes:
    """Root mean squares and deviations of one model; None where it has no such thing."""

    inputs: float  # placed embeddings, which the encoder's first layer reads
    gates: float | None  # deviation over words of their share of that layer's gates
    states: float  # of the memory
    scores: float | None  # deviation over the positions of a source
    largest_weight: float | None  # mean over target positions
    features: float  # what the output layer reads: the attentional vector, if there is one
    logits: float  # deviation over the vocabulary
    loss: float  # nats a token


def main() -> None:
    """Train each kind, and print the table."""
    options = _options()
    torch.set_num_threads(options.threads)
    names = [field.name.replace("_", " ") for field in fields(Sizes)]
    print(f"| updates: 0, {options.updates} | {' | '.join(names)} |")
    print(f"| --- |{' ---: |' * len(names)}")
    for name in options.only or KINDS:
        print(row(name, *measured(options.config, KINDS[name], options.updates)), flush=True)


def row(name: str, start: Sizes, end: Sizes) -> str:
    """Return the line of the table with every size at both points."""
    pairs = zip(astuple(start), astuple(end), strict=True)
    cells = ["" if before is None else f"{before:.2f}, {after:.2f}" for before, after in pairs]
    return f"| {name} | {' | '.join(cells)} |"


def measured(name: str, overrides: Sequence[str], updates: int) -> tuple[Sizes, Sizes]:
    """Return the sizes of a model of the configuration `name` at the start and after `updates`."""
    config: Any = read_config(meant_file(Path(name)), ["training.precision=fp32", *overrides])
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        task = open_task(config, _CPU, None)
    updater, batches = Updater(task, config.training, _CPU), task.epoch(1)
    if updates >= len(batches):
        sys.exit(f"sizes.py: --updates is {updates}, but a pass has {len(batches)} batches; make it smaller")
    schedule = build_schedule(config.training)
    model: Any = task.model
    start = sizes(model, batches[updates])
    with arithmetic("fp32", _CPU):
        for number in range(updates):
            updater.update([batches[number]], config.training.learning_rate * schedule(number + 1, ()))
    return start, sizes(model, batches[updates])


@torch.no_grad()
def sizes(model: EncoderDecoder, batch: Any) -> Sizes:
    """Return the sizes in `model`, which comes back in training mode, over the source and target of `batch`."""
    model.eval()
    source, target = batch.source, batch.target
    encoder: Any = model.encoder
    placed = encoder.place(encoder.embedding.read(source).states)
    scores: list[Tensor] = []
    score = getattr(getattr(model.decoder, "attention", None), "score", None)
    hook = score and score.register_forward_hook(lambda module, inputs, output: scores.append(output))
    memory = model.encode(source)
    forced = model.force_memory(memory, target)
    if hook:
        hook.remove()
    loss = model.loss(source, target, label_smoothing=0.0)
    looked = torch.cat(scores, 1) if scores else _log_weights(model, memory, target)
    found = Sizes(
        inputs=_size(placed[source.mask]),
        gates=_gates(encoder, placed[source.mask]),
        states=_size(memory.states[source.mask]),
        scores=None if looked is None else _spread(looked, batch),
        largest_weight=None if forced.weights is None else float(forced.weights.amax(-1)[target.mask].mean()),
        features=_size(forced.features[target.mask]),
        logits=float(model.decoder.output(forced.features)[target.mask].std(-1).mean()),
        loss=float(loss.reported) / loss.terms,
    )
    model.train()
    return found


def _size(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def _gates(encoder: Any, words: Tensor) -> float | None:
    """Return how the share of `words` [n, E] in the gates of the first layer deviates over them; biases do not."""
    if not isinstance(encoder, RecurrentEncoder):
        return None
    layers = encoder.forwards[0]
    assert isinstance(layers, Layers)
    return float(layers.steps().first_gates(words).var(0).mean().sqrt())


def _log_weights(model: EncoderDecoder, memory: Any, target: Any) -> Tensor | None:
    """Return the weights of heads as scores [B, n * T, S], which they are up to a constant."""
    weights = model.decoder.cross_weights(prefix_of(target), model.decoder.prepare(memory))
    return None if weights is None else weights.flatten(1, -2).log()


def _spread(scores: Tensor, batch: Any) -> float:
    """Return how far `scores` [B, n * T, S] deviate over real positions, for real targets."""
    copies = scores.shape[1] // batch.target.ids.shape[1]
    variances = [
        each[rows.repeat(copies)][:, :length].var(1, correction=0)
        for each, rows, length in zip(scores, batch.target.mask, batch.source.lengths.tolist(), strict=True)
    ]
    return float(torch.cat(variances).mean().sqrt())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="configuration of a translator, as attncli train takes it")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--only", action="append", choices=KINDS, metavar="KIND", help="one row; repeat for more")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
