"""Names of shipped configurations: what they stand for, what wins over them, what is said of unknown ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from attncli.config.load import read_config
from attncli.config.shipped import meant_file, set_folder, shipped_names, shipped_sets, summary_of, variant_files
from attncli.errors import CommandError, ConfigError

FOLDER = Path(__file__).parents[2] / "attncli" / "shipped"


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_file_has_a_name_but_bases_of_sets() -> None:
    files = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml")}
    assert set(shipped_names()) == {name for name in files if not name.endswith("/base")}
    assert len(shipped_names()) == len(set(shipped_names()))
    sets = ["attention", "captions", "length", "questions", "speech", "summaries"]
    assert shipped_sets() == [f"compare-{name}" for name in sets]


@pytest.mark.parametrize("name", [*shipped_names(), *shipped_sets()])
def test_what_a_configuration_is_fits_on_a_line_and_ends_there(name: str) -> None:
    what = summary_of(name)
    assert what.endswith(".")
    assert 10 < len(what) <= 105


def test_the_variant_without_attention_is_the_first() -> None:
    names = [path.stem for path in variant_files(FOLDER / "compare-captions")]
    assert names == ["none", "hard_reinforce", "hard_straight_through", "show_attend_tell", "soft"]


def test_a_name_is_read_as_its_file() -> None:
    for name in ("toy-translation", "compare-attention/additive"):
        assert read_config(Path(name)) == read_config(FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("own", ["toy-translation", "toy-translation.yaml"])
def test_an_own_file_of_the_name_wins(own: str) -> None:
    Path(own).write_text("own")
    assert meant_file(Path("toy-translation")) == Path(own)


def test_a_folder_of_the_name_does_not_win() -> None:
    Path("toy-translation").mkdir()
    assert meant_file(Path("toy-translation")) == FOLDER / "toy-translation.yaml"


def test_a_base_may_be_a_shipped_name_and_its_own_file_wins() -> None:
    Path("mine.yaml").write_text("base: compare-attention/dot\ntraining: {seed: 7}\n")
    found = read_config(Path("mine.yaml"))
    assert found == read_config(FOLDER / "compare-attention/dot.yaml", ["training.seed=7"])
    Path("compare-attention").mkdir()
    Path("compare-attention/dot").write_text((FOLDER / "toy-transformer.yaml").read_text())
    assert read_config(Path("mine.yaml")) == read_config(FOLDER / "toy-transformer.yaml", ["training.seed=7"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("toy-tranlation", "; did you mean toy-translation? `attncli config new` lists what is shipped"),
        ("configs/toy-captioning.yaml", "; did you mean toy-captioning? `attncli config new` lists what is shipped"),
        ("sat.yaml", ""),
        ("show_attend_tell", "; did you mean compare-captions/show_attend_tell? `attncli config new` lists what is "
         "shipped"),
        ("zz", "; `attncli config new` lists what is shipped"),
        ("compare-length", "; it is a set, which `attncli compare compare-length` trains; choose one of its variants: "
         "compare-length/none, compare-length/additive, compare-length/general, compare-length/local_m, "
         "compare-length/local_p, compare-length/transformer"),
    ],
)  # fmt: skip
def test_the_message_about_a_missing_file_tells_what_may_be_meant(given: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(Path(given))
    assert str(caught.value) == f"{given}: no such file{said}"


def test_a_set_is_a_folder_of_ones_own_or_a_shipped_one() -> None:
    assert set_folder(Path("compare-length")) == FOLDER / "compare-length"
    Path("compare-length").mkdir()
    Path("compare-length/base.yaml").touch()
    with pytest.raises(CommandError) as caught:
        set_folder(Path("compare-length"))
    assert str(caught.value) == (
        "compare-length: holds no configurations (*.yaml) but base.yaml; add one for each variant"
    )
    Path("compare-length/x.yaml").touch()
    assert set_folder(Path("compare-length")) == Path("compare-length")


def test_an_unknown_set_is_told_with_the_nearest() -> None:
    with pytest.raises(CommandError) as caught:
        set_folder(Path("compare-lenght"))
    assert str(caught.value) == (
        "unknown set 'compare-lenght'; did you mean 'compare-length'? choose from compare-attention, compare-captions, "
        "compare-length, compare-questions, compare-speech, compare-summaries, or give a folder of configurations"
    )
