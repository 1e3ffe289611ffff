"""What is shown of several sources."""

from __future__ import annotations

from attncli.data.columns import Places
from attncli.data.direction import Backwards
from attncli.decoding.written import Written
from attncli.sources.joint.looks import Looks


def test_a_film_beside_a_question_is_named_with_its_direction() -> None:
    cell = {"film": Backwards("a.webp"), "question": "what ?"}
    looks = Looks(Written(cell, Places(), ()), forced=False)
    assert looks.sources == {"film": "a.webp (backwards)", "question": "what ?"}
