"""What tests of training share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk guards against a loss of power, which no test can cause, and takes most of their time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
