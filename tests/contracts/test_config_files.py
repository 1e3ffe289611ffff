"""Every configuration that is shipped is read without an error, builds, and says how it is launched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attncli.assembly.summary import summarise
from attncli.config.load import read_config

FOLDER = Path(__file__).parents[2] / "attncli" / "shipped"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
SETS = sorted(path.parent for path in FOLDER.glob("*/base.yaml"))
VARIANTS = sorted(path for path in FOLDER.glob("*/*.yaml") if path.name != "base.yaml")


def test_there_are_configurations() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_configuration_builds_and_says_how_it_is_launched(path: Path) -> None:
    assert summarise(read_config(path)).total > 0
    header = path.read_text(encoding="utf-8").split("\ntask:")[0]
    assert header.startswith("# ")
    assert re.search(rf"attncli train {path.stem}( --.*)?$", header, re.MULTILINE) or "make bench" in header


@pytest.mark.parametrize("folder", SETS, ids=lambda path: path.name)
def test_a_comparison_set_builds_and_says_how_it_is_launched(folder: Path) -> None:
    config = read_config(folder / "base.yaml")
    assert summarise(config).total > 0
    header = (folder / "base.yaml").read_text(encoding="utf-8").split("\ntask:")[0]
    assert header.startswith("# ")
    # Of several test sets the command names one.
    which = f" --test ({'|'.join(config.data.test)})" if len(config.data.test) > 1 else ""
    assert re.search(rf"attncli compare {folder.name}{which}$", header, re.MULTILINE)


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_variant_says_what_it_is_and_no_more_than_what_differs(path: Path) -> None:
    base, variant = (read_config(path.with_name(name)) for name in ("base.yaml", path.name))
    assert summarise(variant).total > 0
    assert re.match(r"(# .+\n)+base: base\.yaml\nmodel:", path.read_text(encoding="utf-8"))
    # Equal data and equal budgets; networks of another kind may want another learning rate.
    own = {"learning_rate": base.training.learning_rate}
    shared = {"model": base.model, "training": variant.training.model_copy(update=own)}
    assert variant.model_copy(update=shared) == base
