"""Conditions under which a test can run."""

from __future__ import annotations

import pytest
import torch

from attncli.machine.device import has_bf16

needs_bf16 = pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this CPU has no bfloat16 arithmetic")
