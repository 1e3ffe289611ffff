"""Lets the tests here, and the processes they start, import `tiny_task`."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _unflushed(monkeypatch):
    """Waiting for the disk guards against a loss of power, which no test can cause, and takes most of their time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
