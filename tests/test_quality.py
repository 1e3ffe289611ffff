"""The benchmark of the time to a BLEU: which checkpoints count, and when."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from benchmark_modules import benchmark_module


@pytest.fixture(scope="module")
def quality() -> ModuleType:
    return benchmark_module("quality")


def test_checkpoints_of_a_run_have_the_time_of_their_validation(quality: ModuleType, tmp_path: Path) -> None:
    records = [
        {"event": "start", "step": 0, "seconds": 0.0},
        {"event": "train", "step": 10, "seconds": 4.0},
        {"event": "validation", "step": 10, "seconds": 5.5},
        {"event": "validation", "step": 20, "seconds": 11.0},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for step in (20, 10):
        (tmp_path / f"checkpoints/kept/step-{step:08}").mkdir(parents=True)
    found = quality.saved_by_attncli(tmp_path)
    assert [(saved.step, saved.seconds) for saved in found] == [(10, 5.5), (20, 11.0)]


def test_checkpoints_of_eole_have_the_time_of_their_validation_from_the_start_of_the_loop(
    quality: ModuleType, tmp_path: Path
) -> None:
    lines = [
        "8.5\t0.1\t[INFO] Start training loop and validate every 9 steps...",
        "20.0\t0.1\t[INFO] Step 5/ 20; acc: 18.6; ppl: 437.65",
        "30.5\t0.1\t[INFO] Validation perplexity: 26.5",
        "31.0\t0.1\t[INFO] Saving config and vocab to model",
        "31.5\t0.1\t[INFO] Saving checkpoint model/step_9",
        "52.5\t0.1\t[INFO] Validation perplexity: 11.5",
        "53.5\t0.1\t[INFO] Saving checkpoint model/step_18",
    ]
    (tmp_path / "log").write_text("\n".join(lines) + "\n")
    for step in (18, 9):
        (tmp_path / f"model/step_{step}").mkdir(parents=True)
    found = quality.saved_by_eole(tmp_path)
    assert [(saved.step, saved.seconds) for saved in found] == [(9, 22.0), (18, 44.0)]


def test_the_first_checkpoint_whose_dev_bleu_reaches_a_target_decodes_the_test_set_once(quality: ModuleType) -> None:
    references = {"dev": ["one two three four five"], "test": ["six seven eight nine ten"]}
    written = {
        "a": {"dev": "nothing of that kind at all"},
        "b": {"dev": "one two three four six", "test": "six seven eight nine ten"},
        "c": {"dev": "one two three four five", "test": "other words are written here"},
        "d": {},
    }
    asked = []

    def translate(path: Path, split: str) -> list[str]:
        asked.append((str(path), split))
        return [written[str(path)][split]]

    saved = [quality.Saved(step, 60.0 * step, Path(name)) for step, name in enumerate(written, 1)]
    found = list(quality.reached(saved, translate, references, targets=(30.0, 60.0, 90.0)))
    assert [(one.target, one.saved.step) for one in found] == [(30.0, 2), (60.0, 2), (90.0, 3)]
    assert found[0].dev == pytest.approx(66.87, abs=0.01)  # (4/5 · 3/4 · 2/3 · 1/2)^(1/4)
    assert [round(one.test) for one in found] == [100, 100, 0]
    assert asked == [("a", "dev"), ("b", "dev"), ("b", "test"), ("c", "dev"), ("c", "test")]
