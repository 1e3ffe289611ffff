"""Which runs are taken together, and what a run's log says of its cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny import configured

from attncli.config.formats import FORMAT
from attncli.errors import RunError
from attncli.evaluation.cost import training_cost
from attncli.evaluation.report import TrainingCost
from attncli.evaluation.variants import variant_names
from attncli.runs.parts import begun_part


def names(*runs: tuple[str, str]) -> list[str]:
    """Return the variants of runs, each given as its name and overrides between spaces."""
    return variant_names([name for name, _ in runs], [configured(*overrides.split()) for _, overrides in runs])


def test_runs_that_differ_in_the_seed_alone_are_one_variant_without_it() -> None:
    dot, two = "model.encoder.hidden_size=12", "training.seed=2"
    assert names(("none-seed-1", ""), ("dot-seed-1", dot), ("none-seed-2", two), ("dot-seed-2", f"{dot} {two}")) == [
        *("none", "dot", "none", "dot")
    ]


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [("a1", "a2", "a"), ("a.1", "a.2", "a"), ("1", "2", "1 and 1 more"), ("one", "two", "one and 1 more")],
)
def test_the_name_of_a_variant_is_what_its_runs_share(first: str, second: str, shared: str) -> None:
    assert names((first, ""), (second, "training.seed=2")) == [shared, shared]


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    runs = ("a-1", ""), ("a-2", "training.seed=2"), ("a", "model.encoder.hidden_size=12")
    assert names(*runs) == ["a-1 and 1 more", "a-1 and 1 more", "a"]


def test_runs_of_one_seed_and_other_runs_stay_apart() -> None:
    assert names(("a", ""), ("b", ""), ("c", "training.seed=2 search.beam_size=4")) == ["a", "b", "c"]


def test_cost_is_the_median_speed_and_the_last_time(tmp_path: Path) -> None:
    speeds = [100.0, 900.0, 200.0]
    lines = [
        f'{{"event": "train", "step": {step}, "tokens_per_second": {speed}, "seconds": {step}.5}}'
        for step, speed in enumerate(speeds, start=1)
    ]
    lines.append('{"event": "validation", "step": 3, "loss": 1.0, "seconds": 7.25}')
    (tmp_path / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "metadata.json").write_text(json.dumps({"format": FORMAT}))
    assert training_cost(tmp_path) == TrainingCost(200.0, 7.25)
    begun = begun_part(torch.device("cpu")).model_dump(mode="json")
    parts = [{**begun, "peak_memory_bytes": peak} for peak in (5 << 20, 7 << 20, None)]
    (tmp_path / "metadata.json").write_text(json.dumps({"format": FORMAT, "parts": parts}))
    assert training_cost(tmp_path) == TrainingCost(200.0, 7.25, 7 << 20)


def test_cost_is_not_known_without_a_log_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    assert training_cost(tmp_path) is None
    (tmp_path / "log.jsonl").write_text("damaged\n")
    with pytest.raises(RunError, match="damaged"):
        training_cost(tmp_path)
