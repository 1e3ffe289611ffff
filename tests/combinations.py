"""The decoders that a configuration can ask for, as overrides of the tiny one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, product

from tiny import configured

from attncli.errors import ConfigError
from attncli.models.recurrence import CELLS
from attncli.models.scores import SCORES
from attncli.models.selections import ESTIMATORS
from attncli.models.windows import WINDOWS

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


# What an additive score sees of earlier weights.
HISTORY: dict[str, Overrides] = {
    "coverage": ("model.attention={score: additive, coverage: true}",),
    "aware": ("model.attention={score: additive, location_aware: true, filters: 3, filter_width: 5}",),
    "both": (
        "model.attention={score: additive, location_aware: true, filters: 2, filter_width: 3, coverage: true, "
        "coverage_loss: 0.7, normalisation: sigmoid, temperature: 0.6}",
    ),
}


def score_overrides(name: str) -> Overrides:
    if name == "location":
        return ("model.attention={score: location, maximum_source_length: 12}",)
    same_width = ("model.encoder.hidden_size=8",) if "dot" in name else ()
    return (f"model.attention={{score: {name}}}", *same_width)


READERS: dict[str, Overrides] = {
    **WITHOUT_ATTENTION,
    **{f"{query}-{score}": (*QUERIES[query], *score_overrides(score)) for query in QUERIES for score in SCORES},
    **{f"{query}-{name}": (*QUERIES[query], *HISTORY[name]) for query in QUERIES for name in HISTORY},
}
CELL: dict[str, Overrides] = {name: (f"model.encoder.cell={name}", f"model.decoder.cell={name}") for name in CELLS}
# Windows so narrow that some positions of every test's sources lie outside.
WINDOW: dict[str, Overrides] = {
    name: () if name == "global" else (f"model.attention.window={name}", "model.attention.half_width=1")
    for name in WINDOWS
}
SELECTION: dict[str, Overrides] = {
    "soft": (),
    **{name: ("model.attention.selection=hard", f"model.attention.estimator={name}") for name in ESTIMATORS},
}
_OPTIONS: list[dict[str, Overrides]] = [
    READERS,
    CELL,
    WINDOW,
    SELECTION,
    {
        **{name: (f"model.decoder.bridge={name}",) for name in ("final", "mean", "mean_mlp", "zero")},
        "copy": ("model.decoder.bridge=copy", "model.encoder.hidden_size=8"),
    },
    {f"ends-{name}": (f"model.decoder.readout_activation={name}",) for name in ("null", "tanh", "none")},
    {
        "scaled": (),
        "unscaled": ("model.encoder.embedding_scale=none", "model.decoder.embedding_scale=none"),
        "placed": ("model.encoder.positions=sinusoidal",),
    },
    {name: (f"model.decoder.readout={name}",) for name in ("null", "attentional", "maxout", "deep", "state")},
    {f"layers{n}": (f"model.encoder.layers={3 - n}", f"model.decoder.layers={n}") for n in (1, 2)},
    {f"tied-{name}": (f"model.tied_embeddings={name}",) for name in ("none", "target", "all")},
    {"open": (), "gate": ("model.decoder.gate=true",)},
    {"once": (), "again": ("model.decoder.context=every_step",)},
    {"plain": (), "doubly": ("model.decoder.doubly_stochastic=0.5",)},
    {
        "both-ways": (),
        "one-way": ("model.encoder.bidirectional=false",),
        "reversed": ("model.encoder.reverse_source=true",),
    },
]


def attentions() -> dict[str, Overrides]:
    """Return score × window × selection × query × cell, and each history with them all but one cell, by name."""
    return {
        **_product({f"{query}-{score}": READERS[f"{query}-{score}"] for query in QUERIES for score in SCORES}, CELL),
        **_product(
            {f"{query}-{name}": READERS[f"{query}-{name}"] for query in QUERIES for name in HISTORY},
            {"lstm": CELL["lstm"]},
        ),
    }


def _product(readers: dict[str, Overrides], cells: dict[str, Overrides]) -> dict[str, Overrides]:
    options: list[dict[str, Overrides]] = [readers, WINDOW, SELECTION, cells]
    return {"-".join(names): _joined(options, names) for names in product(*options)}


_TRANSFORMER = "hidden_size: 6, feed_forward_size: 9, heads: 2"
ENCODER_KINDS: dict[str, Overrides] = {
    "recurrent": ("model.encoder={kind: recurrent, hidden_size: 10, cell: gru}",),
    "lstmn": ("model.encoder={kind: lstmn, hidden_size: 10, layers: 2, reverse_source: true}",),
    "lstmn_one_way": ("model.encoder={kind: lstmn, hidden_size: 5, bidirectional: false}",),
    "transformer": (f"model.encoder={{kind: transformer, {_TRANSFORMER}, layers: 2}}",),
    "transformer_post": (
        f"model.encoder={{kind: transformer, {_TRANSFORMER}, layers: 1, norm: post, activation: gelu, "
        "positions: learned, maximum_length: 6}",
    ),
    "convolutional": ("model.encoder={kind: convolutional, hidden_size: 7, layers: 2}",),
}
DECODER_KINDS: dict[str, Overrides] = {
    **{
        f"{kind}-{name}": (f"model.decoder={{kind: {kind}, hidden_size: 8, layers: {layers}}}", *overrides)
        for kind in ("recurrent", "lstmn")
        for (name, overrides), layers in zip({**WITHOUT_ATTENTION, **QUERIES}.items(), (2, 1, 2, 1, 2), strict=True)
    },
    "transformer": (
        f"model.decoder={{kind: transformer, {_TRANSFORMER}, layers: 2}}",
        "model.attention={score: scaled_dot}",
    ),
    "transformer_post": (
        f"model.decoder={{kind: transformer, {_TRANSFORMER}, layers: 2, norm: post, activation: gelu, "
        "positions: learned, maximum_length: 9}",
        "model.attention={score: scaled_dot}",
        "model.tied_embeddings=target",
    ),
}
LABEL_TARGETS: Overrides = ("tokenizer.target={kind: label}",)
CLASSIFIER: Overrides = ("model.decoder={kind: classifier, hidden_size: 8}", *LABEL_TARGETS)
# A search for labels has one step, after which all that a classifier writes is a tie.
CLASSIFIERS: dict[str, Overrides] = {
    "recurrent-classifier-none": (*ENCODER_KINDS["recurrent"], *CLASSIFIER, *WITHOUT_ATTENTION["none"]),
    "lstmn-classifier": (*ENCODER_KINDS["lstmn"], *CLASSIFIER, "model.decoder.hops=2"),
    "transformer-classifier": (
        *ENCODER_KINDS["transformer"],
        *CLASSIFIER,
        "model.attention={score: scaled_dot, projections: learned}",
    ),
}
# Every kind of encoder with every kind of decoder.
MIXTURES: dict[str, Overrides] = {
    f"{encoder}-{decoder}": (*ENCODER_KINDS[encoder], *DECODER_KINDS[decoder])
    for encoder, decoder in product(ENCODER_KINDS, DECODER_KINDS)
}


def covering() -> dict[str, Overrides]:
    """Return combinations that the configuration accepts, by name, in which any two options meet that can meet."""
    draw = random.Random(1)
    accepted = {
        (one, other)
        for first, second in combinations(_OPTIONS, 2)
        for one, other in product(first, second)
        if _can_meet((*first[one], *second[other]), readers=[()] if first is READERS else list(READERS.values()))
    }
    missing = sorted(accepted)
    draw.shuffle(missing)
    found: dict[str, Overrides] = {}
    while missing:
        names = _completed(missing[0], accepted, set(missing), draw)
        overrides = _joined(_OPTIONS, names)
        assert _is_accepted(overrides), names
        found["-".join(names)] = overrides
        missing = [pair for pair in missing if not set(pair) <= set(names)]
    return found


def _completed(
    pair: tuple[str, str], accepted: set[tuple[str, str]], missing: set[tuple[str, str]], draw: random.Random
) -> list[str]:
    """Return options that go together, one a list, `pair` among them, with many of the missing pairs."""
    chosen = {at: name for at, options in enumerate(_OPTIONS) for name in pair if name in options}
    # The reader, on which the most depends, first.
    for at in (0, *draw.sample(range(1, len(_OPTIONS)), len(_OPTIONS) - 1)):
        if at not in chosen:
            met = {name: [(chosen[i], name) if i < at else (name, chosen[i]) for i in chosen] for name in _OPTIONS[at]}
            fitting = [name for name in met if accepted.issuperset(met[name])]
            chosen[at] = max(fitting, key=lambda name: (len(missing.intersection(met[name])), draw.random()))
    return [chosen[at] for at in range(len(_OPTIONS))]


def _can_meet(overrides: Overrides, *, readers: Sequence[Overrides]) -> bool:
    return any(_is_accepted((*reader, *overrides)) for reader in readers)


def _joined(options: Sequence[dict[str, Overrides]], names: Sequence[str]) -> Overrides:
    return tuple(one for choices, name in zip(options, names, strict=True) for one in choices[name])


def _is_accepted(overrides: Overrides) -> bool:
    if "model.attention=none" in overrides and any(one.startswith("model.attention.") for one in overrides):
        return False
    try:
        configured(*overrides)
    except ConfigError:
        return False
    return True
