"""Files of an evaluation: every system's own, whatever it is called."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from attack import attack_settings
from hypothesis import given
from hypothesis import strategies as st

from attncli.evaluation.evaluate import System
from attncli.reports.output import _file_names

HOSTILE = st.text(st.sampled_from("aAä/.\0 _-\n漢\u0301"), max_size=4) | st.text(max_size=300)


@pytest.mark.attack
@attack_settings(100)
@given(st.lists(HOSTILE, min_size=2, max_size=6))
def test_no_two_systems_share_a_file_on_any_file_system(names: list[str]) -> None:
    found = _file_names([System(name, ()) for name in names])
    assert len({unicodedata.normalize("NFD", name).lower() for name in found}) == len(names)
    for name in found:
        assert Path(name).name == name
        assert "\0" not in name
        assert len(name.encode()) <= 255


def test_no_suffix_is_doubled() -> None:
    assert _file_names([System(name, ()) for name in ("a.txt", "a", "b.en")]) == [
        "hypotheses.a.txt",
        "hypotheses.a-2.txt",
        "hypotheses.b.en.txt",
    ]
