"""`search.shortlist`: where it is learned and kept, what is written with it, and every way in which it is refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from command_line import Command
from safetensors.numpy import load_file, save_file

import attncli as package
from attncli.assembly.shortlists import shortlist_of
from attncli.runs.shortlists import SHORTLIST, read_shortlist, write_shortlist
from attncli.runs.writing import WritingRun
from attncli.tasks.writing import open_writing
from attncli.text.shortlist import Shortlist
from attncli.text.tokenizer import BOS, EOS, PAD, Tokenizers

LINES = ["der Hund rennt .", "eine Kuh schläft nie .", "", "Hund", "nie nie nie ."]
ALLOWED = ("▁dog", "▁runs")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "x.de").write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return tmp_path / "x.de"


def narrow(run: Path, words: tuple[str, ...], *, by_source: Mapping[str, str] | None = None) -> None:
    """Write a shortlist into the folder `run` that has only `words`, and translations `by_source`."""
    tokenizers = Tokenizers.load(run)
    ids = {entry: number for number, entry in enumerate(tokenizers.target.entries)}
    translations = np.full((tokenizers.source.size, 1), PAD, np.int32)
    for word, translation in (by_source or {}).items():
        translations[tokenizers.source.entries.index(word)] = ids[translation]
    write_shortlist(Shortlist(translations, np.array([ids[word] for word in words], np.int32)), run)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of a run, whose shortlist has few words."""
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    narrow(folder, ALLOWED)
    return folder


def written(text: str) -> list[str]:
    found = (token for line in text.splitlines() for token in json.loads(line)["hypotheses"][0]["tokens"])
    return ["▁" + token.removeprefix("▁") for token in found if token != "</s>"]


def test_training_leaves_the_shortlist_of_its_corpus(trained: Path) -> None:
    found = WritingRun.load(trained, device="cpu")
    task = open_writing(found.config, found.model.device, trained)
    expected = shortlist_of(task.corpora.train, found.tokenizers)
    kept = read_shortlist(trained, found.tokenizers)
    assert np.array_equal(kept.translations, expected.translations)
    assert np.array_equal(kept.frequent, expected.frequent)
    words = {token for row in range(len(task.corpora.train)) for token in task.corpora.train.target.row(row).tolist()}
    assert set(kept.frequent.tolist()) == words - {EOS}


def test_a_shortlist_of_the_whole_vocabulary_changes_nothing(attncli: Command, trained: Path, source: Path) -> None:
    asked = ("translate", trained, source, "--format", "jsonl", "--n-best", 3, "--attention")
    for more in ((), ("--sample", "--seed", 3), ("--beam-size", 3, "--no-repeat-ngram-size", 1, "--min-length", 3)):
        every, some = (attncli(*asked, *more, "--shortlist", count).out.splitlines() for count in (0, 5))
        assert len(every) == len(some) == len(LINES)
        for one, other in zip(every, some, strict=True):
            for each, same in zip(json.loads(one)["hypotheses"], json.loads(other)["hypotheses"], strict=True):
                assert each["tokens"] == same["tokens"]
                assert each["token_log_probs"] == pytest.approx(same["token_log_probs"], abs=1e-5)


def test_nothing_else_is_written_in_any_search(attncli: Command, run: Path, source: Path) -> None:
    searches: tuple[tuple[object, ...], ...] = (
        (),
        ("--beam-size", 1),
        ("--sample", "--temperature", 3),
        ("--no-repeat-ngram-size", 1, "--min-length", 3),
        ("--batch-size", 1),
        ("--workers", 2),
    )
    for more in searches:
        result = attncli("translate", run, source, "--format", "jsonl", "--shortlist", 1, "--device", "cpu", *more)
        assert result.code == 0, result.err
        assert set(written(result.out)) <= set(ALLOWED)
    everything = attncli("translate", run, source, "--format", "jsonl", "--sample", "--temperature", 3).out
    assert not set(written(everything)) <= set(ALLOWED)


def test_what_is_written_for_a_source_does_not_depend_on_what_shares_its_batch(
    attncli: Command, run: Path, source: Path
) -> None:
    narrow(run, ("▁runs",), by_source={"▁Hund": "▁dog", "▁Kuh": "▁cow"})
    asked = ("translate", run, source, "--format", "jsonl", "--min-length", 3, "--n-best", 2, "--shortlist", 1)
    together, alone = (attncli(*asked, "--batch-size", size).out for size in (5, 1))
    for one, other in zip(together.splitlines(), alone.splitlines(), strict=True):
        for each, same in zip(json.loads(one)["hypotheses"], json.loads(other)["hypotheses"], strict=True):
            assert each["tokens"] == same["tokens"]
            assert each["score"] == pytest.approx(same["score"], abs=1e-4)
    of_cow, of_dog = (set(written(together.splitlines()[at])) for at in (1, 3))
    assert "▁dog" not in of_cow
    assert "▁cow" not in of_dog


def test_a_prefix_is_written_whatever_is_listed(attncli: Command, run: Path, source: Path) -> None:
    result = attncli("translate", run, source, "--shortlist", 1, "--prefix", "cow sleeps")
    assert result.code == 0, result.err
    assert all(line.startswith("cow sleeps") for line in result.out.splitlines() if line)


def test_the_lists_of_an_ensemble_are_joined(attncli: Command, run: Path, trained: Path, source: Path) -> None:
    other = Path(shutil.copytree(trained, run.parent / "other"))
    narrow(other, ("▁cow",))
    asked = ("translate", run, source, "--with", other, "--format", "jsonl", "--sample", "--temperature", 9)
    result = attncli(*asked, "--n-best", 1, "--seed", 2, "--shortlist", 1)
    assert result.code == 0, result.err
    assert set(written(result.out)) == {*ALLOWED, "▁cow"}


def test_given_targets_are_scored_exactly(attncli: Command, run: Path, source: Path, tmp_path: Path) -> None:
    text = (run / "config.yaml").read_text().replace("shortlist: 0", "shortlist: 1")
    (tmp_path / "x.en").write_text("the dog runs .\n")
    (tmp_path / "one.de").write_text("der Hund rennt .\n")
    asked = ("score", run, "--source", tmp_path / "one.de", "--target", tmp_path / "x.en")
    expected = attncli(*asked).out
    (run / "config.yaml").write_text(text)
    (run / SHORTLIST).unlink()
    assert attncli(*asked).out == expected
    assert math.isfinite(float(expected))


def test_eval_and_python_take_it_too(attncli: Command, run: Path, trained: Path, tmp_path: Path, source: Path) -> None:
    (tmp_path / "x.en").write_text("".join(f"{line or 'x'}\n" for line in LINES))
    files = ("--source", source, "--reference", tmp_path / "x.en", "--output", tmp_path / "out", "--metric", "bleu")
    scored = attncli("eval", run, *files, "--shortlist", 1)
    assert scored.code == 0
    assert f"{run.name}: writes only frequent tokens and likely translations (search.shortlist: 1)" in scored.out
    [system] = json.loads((tmp_path / "out" / "report.json").read_text())["runs"]
    assert system["shortlist"] == 1
    [hypotheses] = (tmp_path / "out").rglob("hypotheses*.txt")
    assert set(hypotheses.read_text().split()) <= {word.removeprefix("▁") for word in ALLOWED}
    found = package.load(run, device="cpu").translate(LINES, shortlist=1)
    assert {token for each in found for token in each.hypotheses[0].tokens} <= {*ALLOWED, "</s>"}
    refused = attncli("eval", "--hypotheses", tmp_path / "x.en", "--reference", tmp_path / "x.en", "--shortlist", 1)
    assert "--shortlist: nothing is decoded without a RUN; leave it out" in refused.err


def test_an_older_run_learns_it_by_going_on_and_keeps_its_weights(
    attncli: Command, trained: Path, tmp_path: Path, source: Path
) -> None:
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    (old / SHORTLIST).unlink()
    weights = (old / "checkpoints" / "best" / "model.safetensors").read_bytes()
    refused = attncli("translate", old, source, "--shortlist", 5)
    assert refused.code == 1
    command = f"train {old / 'config.yaml'} --run {old} --resume --set search.shortlist=5"
    assert refused.err == (
        f"attncli: {old}: has no {SHORTLIST}, since it was begun by an earlier version; learn it from the "
        f"training data with attncli {command}\n"
    )
    assert attncli("translate", old, source).code == 0
    resumed = attncli(*command.split(), "--device", "cpu")
    assert resumed.code == 0, resumed.err
    assert (old / SHORTLIST).read_bytes() == (trained / SHORTLIST).read_bytes()
    assert (old / "checkpoints" / "best" / "model.safetensors").read_bytes() == weights
    assert attncli("translate", old, source).code == 0


@pytest.mark.parametrize("damage", ["cut", "missing", "rows", "range", "negative", "type", "axes"])
def test_a_damaged_file_is_refused(attncli: Command, run: Path, source: Path, damage: str) -> None:
    path = run / SHORTLIST
    tables = load_file(path)
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-3])
        case "missing":
            save_file({"frequent": tables["frequent"]}, path)
        case "rows":
            save_file({**tables, "translations": tables["translations"][1:]}, path)
        case "range":
            save_file({**tables, "frequent": np.array([Tokenizers.load(run).target.size], np.int32)}, path)
        case "negative":
            save_file({**tables, "translations": tables["translations"] - 1}, path)
        case "type":
            save_file({**tables, "frequent": tables["frequent"].astype(np.float32)}, path)
        case "axes":
            save_file({**tables, "frequent": tables["frequent"][None]}, path)
    result = attncli("translate", run, source, "--shortlist", 1)
    assert result.code == 1
    told = "cut short" if damage == "cut" else "holds no tables for the vocabularies of the run; restore the file"
    assert f"{path}: damaged" in result.err
    assert told in result.err


def test_more_translations_than_are_kept_are_refused(attncli: Command, trained: Path, source: Path) -> None:
    result = attncli("translate", trained, source, "--shortlist", 21)
    assert result.code == 2
    assert "--shortlist: should be at most 20, but is 21" in result.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["tokenizer.target={kind: label}"],
            "search.shortlist: lists translations of the tokens of a text, but targets are labels (tokenizer.target); "
            "remove it",
        ),
        (
            ["model.ctc={}"],
            "search.shortlist: limits what is written, but model.ctc scores every token; set search.ctc_weight: 0",
        ),
    ],
)
def test_configurations_that_have_no_use_for_it_say_so(
    attncli: Command, trained: Path, changes: list[str], message: str
) -> None:
    sets = [part for change in ("search.shortlist=5", *changes) for part in ("--set", change)]
    result = attncli("config", "check", trained.parent / "small.yaml", *sets)
    assert result.code == 2
    assert message in result.err


def test_captioners_have_none(attncli: Command, captioners: Path) -> None:
    assert not (captioners / "trained" / SHORTLIST).exists()
    result = attncli("train", captioners / "small.yaml", "--run", captioners / "no", "--set", "search.shortlist=5")
    assert result.code == 2
    assert (
        "search.shortlist: lists translations of the tokens of a text, but model.encoder.kind 'cnn' reads images; "
        "remove it" in result.err
    )
    captioner = package.load(captioners / "trained", device="cpu")
    with pytest.raises(package.UserError) as caught:
        captioner.caption([captioners / "x.png"], shortlist=5)
    assert str(caught.value) == (
        "--shortlist 5: lists translations of the tokens of a text, but model.encoder.kind 'cnn' reads images; leave "
        "it out"
    )


def test_ctc_in_the_search_is_refused(attncli: Command, trained: Path, tmp_path: Path, source: Path) -> None:
    config = trained.parent / "small.yaml"
    sets = ("--set", "model.ctc={}", "--set", "training.max_steps=1", "--device", "cpu")
    trained_run = attncli("train", config, "--run", tmp_path / "ctc", *sets)
    assert trained_run.code == 0, trained_run.err
    refused = attncli("translate", tmp_path / "ctc", source, "--shortlist", 5)
    assert "--shortlist 5: CTC scores every token; leave it out, or add --ctc-weight 0" in refused.err
    assert attncli("translate", tmp_path / "ctc", source, "--shortlist", 5, "--ctc-weight", 0).code == 0


def test_special_symbols_are_always_among_the_candidates(trained: Path) -> None:
    tokenizers = Tokenizers.load(trained)
    found = read_shortlist(trained, tokenizers).candidates([np.array([4])], vocabulary=tokenizers.target.size)
    assert found[0, [PAD, BOS, EOS]].all()
