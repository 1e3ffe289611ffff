"""Every task is known wherever a task is looked up, and a command says so when it does not fit one."""

from __future__ import annotations

from attncli.assembly.summary import SIZES
from attncli.cli.eval import EVALUATIONS
from attncli.cli.visualize import LOSSES, VISUALIZATIONS
from attncli.config.load import CONFIGS
from attncli.tasks.launch import TASKS


def test_every_registry_knows_every_task() -> None:
    for registry in (TASKS, SIZES, EVALUATIONS, VISUALIZATIONS, LOSSES):
        assert set(registry) == set(CONFIGS)
