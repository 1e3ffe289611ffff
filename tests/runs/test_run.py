from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attncli.errors import CommandError, RunError
from attncli.runs.weights import weights_of
from attncli.runs.writing import WritingRun


def test_a_run_knows_its_name_step_and_size(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = WritingRun.load(trained, device="cpu")
    metadata = json.loads((trained / "metadata.json").read_text())
    assert (run.name, run.step) == ("run", metadata["step"])
    assert run.parameters == sum(tensor.numel() for tensor in weights_of(run.model).values())
    assert not run.model.training
    assert run.model.device == torch.device("cpu")
    monkeypatch.chdir(trained)
    assert WritingRun.load(Path(os.curdir), device="cpu").name == "run"


def test_any_checkpoint_can_be_loaded(trained: Path) -> None:
    last = WritingRun.load(trained, device="cpu", checkpoint="last")
    assert last.step == 12
    best = WritingRun.load(trained, device="cpu")
    kept = WritingRun.load(trained, device="cpu", checkpoint=f"kept/step-{best.step:08d}")
    assert kept.step == best.step
    for name, tensor in weights_of(best.model).items():
        assert torch.equal(tensor, weights_of(kept.model)[name])


def test_a_run_translates_by_its_own_settings_unless_given_others(trained: Path) -> None:
    run = WritingRun.load(trained, device="cpu")
    [found] = run.writer().write(["der Hund rennt ."], n_best=3)
    assert len(found.hypotheses) == run.config.search.beam_size == 3
    [short] = run.writer(run.config.search.model_copy(update={"max_length": 2})).write(["der Hund rennt ."])
    assert len(short.hypotheses[0].tokens) <= 2
    [aligned] = run.writer().align([("der Hund", "the dog")])
    assert aligned.hypotheses[0].weights is not None


def test_what_cannot_be_loaded_says_why(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--device gpu: unknown device; choose from auto, cpu, cuda, cuda:N"):
        WritingRun.load(trained, device="gpu")
    with pytest.raises(RunError, match="no such folder"):
        WritingRun.load(tmp_path / "nothing")


def test_loading_a_run_does_not_import_the_compiler_of_pytorch(trained: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from attncli.runs.writing import WritingRun; "
        "WritingRun.load(Path(sys.argv[1]), device='cpu'); "
        "print('torch._dynamo' in sys.modules, 'sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(trained)], check=True, capture_output=True, text=True)
    assert done.stdout == "False False\n"
