"""Every configuration that is shipped is read without an error, builds, and says how it is launched."""

from __future__ import annotations

from pathlib import Path

import pytest

from attncli.config.load import read_config
from attncli.models.summary import summarise

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def test_there_are_configurations() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_configuration_builds_and_says_how_it_is_launched(path: Path) -> None:
    assert summarise(read_config(path)).total > 0
    header = path.read_text(encoding="utf-8").split("\ntask:")[0]
    assert header.startswith("# ")
    assert f"attncli train configs/{path.name}" in header or "make bench" in header
