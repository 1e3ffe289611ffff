"""Run folders that a stranger made or a disk has damaged: what reads them says so, and does nothing else."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from attack import attack_settings
from hypothesis import given
from hypothesis import strategies as st

from attncli.config.load import read_config
from attncli.errors import RunError, UserError
from attncli.runs.folder import RunFolder
from attncli.runs.log import read_log
from attncli.runs.writing import WritingRun
from attncli.tasks.launch import ending, resumed_run, settled
from attncli.training.trainer import train

CPU = torch.device("cpu")
DEEP = b"[" * 100_000
NUMBERS: list[Any] = [0, -5, 2**70, 1e308, -0.5]
JUNK: list[Any] = [*NUMBERS, None, True, "", "x", "\x1b[31m", "a\0b", "../x", [], [1], {}, {"a": {}}]
TEXTS = [b"", b"[]", b"null", b"1e999", b"NaN", b"{", b"\xff\xfe", b"9" * 5000, DEEP, b'{"a":' * 50_000]

Mutation = Callable[[Path], None]


def flipped(draw: st.DrawFn) -> Mutation:
    places = draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=3))

    def mutate(path: Path) -> None:
        data = bytearray(path.read_bytes())
        for share, bit in places:
            data[int(share * len(data))] ^= 1 << bit
        path.write_bytes(data)

    return mutate


def cut(draw: st.DrawFn) -> Mutation:
    share = draw(st.floats(0, 1, exclude_max=True))
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def replaced(draw: st.DrawFn) -> Mutation:
    content = draw(st.sampled_from(TEXTS) | st.binary(max_size=60))

    def mutate(path: Path) -> None:
        path.write_bytes(content)

    return mutate


def with_another_value(draw: st.DrawFn) -> Mutation:
    """Put junk in the place of a value in JSON, however deep; of a log, in one of its records."""
    value = draw(st.sampled_from(JUNK))
    share = draw(st.floats(0, 1, exclude_max=True))

    def mutate(path: Path) -> None:
        if path.suffix not in (".json", ".jsonl"):
            return
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        at = int(share * len(lines))
        found = json.loads(lines[at])
        places = list(_places(found))
        parent, key = places[int(share * len(places))]
        parent[key] = value
        path.write_text("\n".join([*lines[:at], json.dumps(found), *lines[at + 1 :]]) + "\n")

    return mutate


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def another_kind(draw: st.DrawFn) -> Mutation:
    """Put something in the place of a file that is none."""
    kind = draw(st.sampled_from(["nothing", "folder", "pipe", "/dev/zero", "/etc/passwd", "loop", "."]))

    def mutate(path: Path) -> None:
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind != "nothing":
            path.symlink_to(path.name if kind == "loop" else kind)

    return mutate


KINDS: list[Callable[[st.DrawFn], Mutation]] = [flipped, cut, replaced, with_another_value, another_kind]


@st.composite
def mutations(draw: st.DrawFn) -> tuple[float, bool, Mutation]:
    """Draw which file of a run is mutated, whether the sums of its checkpoints go first, and how."""
    return draw(st.floats(0, 1, exclude_max=True)), draw(st.booleans()), draw(st.sampled_from(KINDS))(draw)


@contextmanager
def mutated(run: Path, mutation: tuple[float, bool, Mutation]) -> Iterator[Path]:
    share, without_sums, mutate = mutation
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        shutil.copytree(run, folder)
        for facts in folder.glob("checkpoints/**/checkpoint.json") if without_sums else ():
            values = json.loads(facts.read_text())
            del values["sha256"]
            facts.unlink()  # `best` and a kept one may be one file
            facts.write_text(json.dumps(values))
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
        path = files[int(share * len(files))]
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        mutate(path)
        yield folder


@pytest.mark.attack
@attack_settings(50)
@given(mutation=mutations())
def test_a_hostile_run_is_read_or_refused(trained: Path, mutation: tuple[float, bool, Mutation]) -> None:
    with mutated(trained, mutation) as folder:
        for read in (
            lambda: WritingRun.load(folder, device="cpu"),
            lambda: RunFolder(folder).config(),
            lambda: RunFolder(folder).facts(),
            lambda: read_log(folder).curve("train", "loss"),
        ):
            with suppress(UserError):
                read()


@pytest.mark.attack
@attack_settings(15)
@given(mutation=mutations())
def test_a_hostile_run_is_resumed_or_refused(trained: Path, mutation: tuple[float, bool, Mutation]) -> None:
    config = settled(read_config(trained.parent / "small.yaml", ["training.max_steps=13"]), CPU)
    with mutated(trained, mutation) as folder, suppress(UserError):
        run = RunFolder(folder)
        if ending(config, run) is None:
            with resumed_run(config, run, CPU, tell=lambda line: None) as task:
                outcome = train(task, config.training, run, device=CPU, resume=True, progress=False)
            assert outcome.step == 13


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_sizes_are_compared_with_the_file_before_anything_is_allocated(
    trained: Path, tmp_path: Path, part: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    config = RunFolder(run).config().model_dump(mode="json")
    config["model"][part]["hidden_size"] = 65_536  # of 64 GiB
    (run / "config.yaml").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"does not fit the model of config\.yaml: has .* of size \[.*\], the model of"):
        WritingRun.load(run, device="cpu")
    with (
        pytest.raises(RunError, match=r"checkpoints/last: does not fit the model of config\.yaml"),
        resumed_run(settled(read_config(run / "config.yaml"), CPU), RunFolder(run), CPU, tell=lambda line: None),
    ):
        pass
