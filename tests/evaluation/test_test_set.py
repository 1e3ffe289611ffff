"""Test sets out of configurations and files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from attncli.config.load import check_config
from attncli.config.tasks.translation import TranslationConfig
from attncli.errors import CommandError, DataError
from attncli.evaluation.test_set import configured_set, read_aligned, set_of_files


def config(root: Path, *names: str) -> TranslationConfig:
    dev = {"source": "val.de", "target": "val.en"}
    (root / "val.de").write_text("eine Katze\n")
    (root / "val.en").write_text("a cat\n")
    tests = {name: {"source": f"{name}.de", "target": f"{name}.en"} for name in names}
    for name in names:
        (root / f"{name}.de").write_text("ein Hund\nzwei\n")
        (root / f"{name}.en").write_text(f"a dog\n{name}\n")
    data = {"root": str(root), "train": dev, "dev": dev, "test": tests}
    values = {"task": "translation", "data": data, "training": {"max_steps": 1}}
    found = check_config(values, where="config.yaml")
    assert isinstance(found, TranslationConfig)
    return found


def test_only_set_of_a_configuration_needs_no_name(tmp_path: Path) -> None:
    found = configured_set(config(tmp_path, "one"), None, where="runs/a")
    assert (found.name, found.sources, found.references) == ("one", ("ein Hund", "zwei"), (("a dog", "one"),))
    assert len(found) == 2


def test_set_is_chosen_by_name(tmp_path: Path) -> None:
    assert configured_set(config(tmp_path, "one", "two"), "two", where="runs/a").references == (("a dog", "two"),)


@pytest.mark.parametrize("names", [(), ("one",), ("one", "two")])
def test_the_dev_set_is_chosen_by_its_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = configured_set(config(tmp_path, *names), "dev", where="runs/a")
    assert (found.name, found.sources, found.references) == ("dev", ("eine Katze",), (("a cat",),))


def test_a_test_set_called_dev_hides_the_dev_set(tmp_path: Path) -> None:
    found = configured_set(config(tmp_path, "one", "dev"), "dev", where="runs/a")
    assert (found.name, found.references) == ("dev", (("a dog", "dev"),))


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (["one", "two"], None, "runs/a: has 2 test sets; choose one with --test: one, two"),
        (["one", "two"], "tow", "runs/a: unknown test set 'tow'; did you mean 'two'? choose from one, two, dev"),
        (["one", "dev"], "tow", "runs/a: unknown test set 'tow'; choose from one, dev"),
        (
            [],
            None,
            "runs/a: the configuration names no test sets; give --source and --reference, or choose the dev set: "
            "--test dev",
        ),
    ],
)
def test_missing_choice_is_asked_for(tmp_path: Path, names: list[str], wanted: str | None, message: str) -> None:
    with pytest.raises(CommandError) as error:
        configured_set(config(tmp_path, *names), wanted, where="runs/a")
    assert str(error.value) == message


def test_empty_set_is_refused(tmp_path: Path) -> None:
    found = config(tmp_path, "one")
    for suffix in ("de", "en"):
        (tmp_path / f"one.{suffix}").write_text("")
    with pytest.raises(DataError, match="runs/a: the test set 'one' holds no sentences"):
        configured_set(found, "one", where="runs/a")


def test_files_make_a_set_with_several_references(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "test.de.gz", "wt") as file:
        file.write("ein\nzwei\ndrei\n")
    (tmp_path / "a.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "b.en").write_text("1\n2\n3\n")
    found = set_of_files(tmp_path / "test.de.gz", [tmp_path / "a.en", tmp_path / "b.en"])
    assert found.name == "test.de"
    assert found.references == (("one", "two", "three"), ("1", "2", "3"))
    assert set_of_files(tmp_path / "test.de.gz", [tmp_path / "a.en"], name="mine").name == "mine"


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.en"
    path.write_text("one\ntwo\n")
    with pytest.raises(DataError) as error:
        read_aligned(path, 3, beside="test.de")
    assert str(error.value) == f"{path}: 2 lines, but test.de has 3; they must match line by line"


def test_empty_source_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.de"
    path.write_text("")
    with pytest.raises(DataError) as error:
        set_of_files(path, [path])
    assert str(error.value) == f"{path}: empty; a test set needs at least one sentence"
