"""What a run must end with, however often it was broken off: all but the clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from attncli.runs.folder import RunFolder


def final(folder: Path) -> dict[str, Any]:
    """Return everything that the run in `folder` ended with, the clock left out."""
    run = RunFolder(folder)
    state = torch.load(folder / "checkpoints/last/training_state.pt", weights_only=True)
    for clock in (state["training"], state["training"]["window"]):
        clock["seconds"] = 0
    state["log_size"] = 0
    return {
        "last": run.load_weights("last"),
        "best": run.load_weights("best"),
        "facts": run.checkpoint_facts("best").model_dump(),
        "state": state,
        "kept": sorted(path.name for path in (folder / "checkpoints/kept").iterdir()),
        "checkpoints": sorted(path.name for path in (folder / "checkpoints").iterdir()),
        "facts of the run": run.facts().model_dump(exclude={"parts"}),
        "tokenizers": {path.name: path.read_bytes() for path in sorted(folder.glob("tokenizer*"))},
        "log": [record for record in log(folder) if record["event"] not in ("start", "resume", "stopped")],
    }


def log(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in ("seconds", "tokens_per_second")} for record in records]


def assert_same(found: object, expected: object, where: str = "") -> None:
    assert type(found) is type(expected), where
    if isinstance(found, dict) and isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in found:
            assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(found, torch.Tensor) and isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), where
    else:
        assert found == expected, where
