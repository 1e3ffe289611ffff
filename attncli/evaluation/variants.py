"""Groups runs that differ only in their seeds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attncli.config.dump import to_yaml
from attncli.config.load import Config


def variant_names(names: Sequence[str], configs: Sequence[Config], *, others: Sequence[str] = ()) -> list[str]:
    """Return the name of the variant of each run, from the run's name and configuration; none is one of `others`.

    Runs whose configurations differ in `training.seed` alone are one variant, called as they are without their seeds:
    `dot-seed-1` and `dot-seed-2` are `dot`. Any other run is a variant of its own, by its own name.
    """
    found = list(names)
    for group in _groups(configs):
        seeds = [configs[at].training.seed for at in group]
        if len(group) > 1 and len(set(seeds)) == len(seeds):
            shared = _shared_name([names[at] for at in group], seeds)
            if shared in (*found, *others):
                shared = f"{names[group[0]]} and {len(group) - 1} more"
            for at in group:
                found[at] = shared
    return found


def _groups(configs: Sequence[Config]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for at, config in enumerate(configs):
        unseeded = config.model_copy(update={"training": config.training.model_copy(update={"seed": 0})})
        groups.setdefault(to_yaml(unseeded), []).append(at)
    return list(groups.values())


def _shared_name(names: Sequence[str], seeds: Sequence[int]) -> str:
    """Return what is left of all `names` without their seeds, or the first and a count where that differs."""
    bare = {re.sub(rf"[-_. ]*(seed)?[-_. ]*{seed}$", "", name) for name, seed in zip(names, seeds, strict=True)}
    return bare.pop() if len(bare) == 1 and "" not in bare else f"{names[0]} and {len(names) - 1} more"
