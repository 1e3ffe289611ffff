"""Several sources as one: lengths and columns in which equal ones are read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from torch import nn
from toy_answers import SECTIONS

from attncli.assembly.model import build_model
from attncli.config.load import check_config
from attncli.config.sources.joint import JointEncoder as Section
from attncli.config.tasks.answering import AnsweringConfig
from attncli.config.yaml_core import parse_yaml
from attncli.data.columns import Array, Seeds
from attncli.data.packs import Packs, Shared
from attncli.errors import DataError
from attncli.models.encoders.joint import JointEncoder
from attncli.sources.joint.column import JointColumn, Member
from attncli.sources.joint.kind import Joint
from attncli.sources.kinds import kind_of
from attncli.sources.source import SourceKind

CELLS = [
    {"image": "b", "question": "one two"},
    {"image": "a", "question": "three"},
    {"image": "b", "question": "one two"},
    {"image": "b", "question": "four five six"},
]


class Counting(SourceKind[Any]):
    """A kind that notes what it is asked for; a position is a word."""

    def __init__(self) -> None:
        self.measured: list[str] = []

    reader = encoder = drawer = None  # type: ignore[assignment]

    def lengths(self, cells: Sequence[str], section: Any, shared: Any, encoder: Any) -> list[int | DataError]:
        self.measured += cells
        return [DataError(f"{cell}: broken") if cell == "a" else len(cell.split()) for cell in cells]

    def column(self, cells: Sequence[str], *_arguments: Any, varies: bool) -> Any:
        return Cells(cells)


class Cells:
    """A column that gives its cells."""

    def __init__(self, cells: Sequence[str]):
        self.cells = cells

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Any]:
        drawn: Sequence[Any] = seeds or [None] * len(rows)
        return lambda: [(self.cells[row], seed) for row, seed in zip(rows, drawn, strict=True)]


def small() -> AnsweringConfig:
    config = check_config(parse_yaml(SECTIONS.format(root="."), where="small"), where="small")
    assert isinstance(config, AnsweringConfig)
    return config


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.setattr(Counting, "__abstractmethods__", frozenset())
    return Counting()


ENCODERS = type("Encoders", (), {"encoders": {"image": None, "question": None}})()


def test_every_source_is_measured_once_and_what_is_broken_is_named(counting: Counting) -> None:
    section = small().model.source
    assert isinstance(section, Section)
    found = Joint(lambda _section: counting).lengths(CELLS, section, None, ENCODERS)  # type: ignore[arg-type]
    assert counting.measured == ["b", "a", "one two", "three", "four five six"]
    assert [found[0], found[2], found[3]] == [3, 3, 4]
    assert str(found[1]) == "image: a: broken"


def test_a_column_reads_each_value_once_and_gives_it_to_all_that_share_it(counting: Counting) -> None:
    section = small().model.source
    assert isinstance(section, Section)
    column = Joint(lambda _section: counting).column(
        CELLS,
        [3, 2, 3, 4],
        section,
        None,  # type: ignore[arg-type]
        ENCODERS,
        varies=True,
    )
    assert isinstance(column, JointColumn)
    assert column.lengths.tolist() == [3, 2, 3, 4]
    images, questions = column.members.values()
    assert images.column.cells == ["b", "a"]  # type: ignore[attr-defined]
    assert questions.column.cells == ["one two", "three", "four five six"]  # type: ignore[attr-defined]
    read = column.start(np.array([3, 1, 2]), [(1,), (2,), (3,)])()
    assert isinstance(read, Packs)
    first, second = (list[Any](member) for member in read.members)  # type: ignore[call-overload]
    assert first == [("b", (1,)), ("a", (2,)), ("b", (3,))]
    assert second == [("four five six", (1,)), ("three", (2,)), ("one two", (3,))]


def test_a_question_beyond_learned_positions_is_refused(counting: Counting) -> None:
    values = parse_yaml(SECTIONS.format(root="."), where="small")
    values["model"]["encoders"]["question"] |= {"positions": "learned", "maximum_length": 3}
    config = check_config(values, where="small")
    assert isinstance(config, AnsweringConfig)
    section = config.model.source
    assert isinstance(section, Section)
    found = Joint(lambda _section: counting).lengths(CELLS, section, None, ENCODERS)  # type: ignore[arg-type]
    assert str(found[3]) == (
        "question: 4 positions, the end symbol counted, but model.encoders.question.maximum_length is 3; raise it, or "
        "choose positions: sinusoidal"
    )
    assert found[0] == 3


def test_a_configured_model_is_the_encoders_as_one() -> None:
    config = small()
    model = build_model(config, source_vocabulary=11, target_vocabulary=9)
    assert isinstance(model.encoder, JointEncoder)
    assert list(model.encoder.encoders) == ["image", "question"]
    assert model.encoder.memory_size == 7
    assert isinstance(model.encoder.project, nn.ModuleDict)
    sizes = {name: tensor.shape for name, tensor in model.encoder.project.state_dict().items() if "weight" in name}
    assert sizes == {"image.weight": (7, 6), "question.weight": (7, 10)}
    assert type(kind_of(config.model.source)) is Joint


def test_members_of_a_column_are_values_with_their_examples() -> None:
    member = Member(Cells(["x", "y"]), np.array([1, 0, 1]))  # type: ignore[arg-type]
    column = JointColumn({"letter": member}, np.array([1, 1, 1]))
    assert column.start(np.array([0, 1]), None)().members == ([("y", None), ("x", None)],)  # type: ignore[attr-defined]


def test_a_shared_member_reads_the_values_of_a_batch_once_and_says_whose_they_are() -> None:
    letters = Member(Cells(["x", "y", "z"]), np.array([2, 1, 2, 0]))  # type: ignore[arg-type]
    others = Member(Cells(["a", "b", "c", "d"]), np.arange(4))  # type: ignore[arg-type]
    column = JointColumn({"letter": letters, "other": others}, np.ones(4)).sharing("letter")
    read = column.start(np.array([2, 1, 0]), [(9, 5), (9, 6), (9, 7)])()
    assert isinstance(read, Packs)
    shared, each = read.members
    assert isinstance(shared, Shared)
    values: Any = shared.values
    assert values == [("y", (9, 1)), ("z", (9, 2))]  # augmented by their own numbers, whichever examples ask
    assert shared.value_of.tolist() == [1, 0, 1]
    assert each == [("c", (9, 5)), ("b", (9, 6)), ("a", (9, 7))]  # type: ignore[comparison-overlap]
