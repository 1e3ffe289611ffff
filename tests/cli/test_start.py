"""What a command does not need, it does not wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {
    # Seconds each, or tens of MiB: figures, metrics, images, PyTorch's compiler and the mathematics behind it.
    *("matplotlib", "sacrebleu", "PIL", "torch._dynamo", "torch._inductor", "sympy", "mpmath", "scipy", "pandas"),
    *("torch.utils.tensorboard", "tensorboard", "pycocoevalcap", "jinja2", "rich"),
}
OURS = {"drawing", "evaluation", "metrics", "reports", "sources.images", "tasks", "training", "visualization"}
CODE = """\
import sys
from attncli.cli.main import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_one_sentence_waits_for_nothing_but_what_translates_it(trained: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", CODE, "translate", trained, "--device", "cpu"],
        input="die kuh schläft\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.count("\n") == 1
    imported = set(found.stderr.split())
    assert {"torch", "sentencepiece", "attncli.decoding.search"} <= imported
    assert imported & (HEAVY | {f"attncli.{name}" for name in OURS}) == set()
