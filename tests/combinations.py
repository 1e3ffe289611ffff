"""The decoders that a configuration can ask for, as overrides of the tiny one."""

from __future__ import annotations

import random
from itertools import combinations, product

from tiny import configured

from attncli.errors import ConfigError
from attncli.models.recurrence import CELLS
from attncli.models.scores import SCORES

Overrides = tuple[str, ...]

# When the attention is asked and what enters a step.
QUERIES: dict[str, Overrides] = {
    "current": (),
    "feeding": ("model.decoder.input_feeding=true",),
    "previous": ("model.decoder.query=previous_state",),
}
WITHOUT_ATTENTION: dict[str, Overrides] = {
    "none": ("model.attention=none",),
    "none-every_step": ("model.attention=none", "model.decoder.context=every_step"),
}


def _score(name: str) -> Overrides:
    if name == "location":
        return ("model.attention={score: location, maximum_source_length: 12}",)
    same_width = ("model.encoder.hidden_size=8",) if "dot" in name else ()
    return (f"model.attention={{score: {name}}}", *same_width)


READERS: dict[str, Overrides] = {
    **WITHOUT_ATTENTION,
    **{f"{query}-{score}": (*QUERIES[query], *_score(score)) for query in QUERIES for score in SCORES},
}
CELL = {name: (f"model.encoder.cell={name}", f"model.decoder.cell={name}") for name in CELLS}
_OPTIONS: list[dict[str, Overrides]] = [
    READERS,
    CELL,
    {name: (f"model.decoder.bridge={name}",) for name in ("final", "mean", "mean_mlp", "zero")},
    {name: (f"model.decoder.readout={name}",) for name in ("null", "attentional", "maxout", "deep", "state")},
    {f"layers{n}": (f"model.encoder.layers={3 - n}", f"model.decoder.layers={n}") for n in (1, 2)},
    {f"tied-{name}": (f"model.tied_embeddings={name}",) for name in ("none", "target", "all")},
    {"open": (), "gate": ("model.decoder.gate=true",)},
    {"plain": (), "doubly": ("model.decoder.doubly_stochastic=0.5",)},
    {
        "both-ways": (),
        "one-way": ("model.encoder.bidirectional=false",),
        "reversed": ("model.encoder.reverse_source=true",),
    },
]


def covering() -> dict[str, Overrides]:
    """Return combinations that the configuration accepts, by name, in which any two options meet that can meet."""
    everything = list(product(*_OPTIONS))
    random.Random(1).shuffle(everything)
    found: dict[str, Overrides] = {}
    met: set[tuple[str, str]] = set()
    for names in everything:
        pairs = set(combinations(names, 2))
        if pairs <= met:
            continue
        overrides = tuple(one for options, name in zip(_OPTIONS, names, strict=True) for one in options[name])
        if _is_accepted(overrides):
            found["-".join(names)] = overrides
            met |= pairs
    return found


def _is_accepted(overrides: Overrides) -> bool:
    try:
        configured(*overrides)
    except ConfigError:
        return False
    return True
