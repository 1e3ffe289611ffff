"""`attncli translate`: files and pipes through a small run, and every way in which it is refused."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest
from command_line import Command, Result

from attncli.config.formats import FORMAT
from attncli.runs.writing import WritingRun

LINES = ["der Hund rennt .", "", "eine Kuh schläft nie .", "Hund", "   ", "der Elefant rennt , nie !", "nie nie nie ."]
TEXT = "".join(f"{line}\n" for line in LINES).encode()
EMPTY = [1, 4]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "x.de").write_bytes(TEXT)
    return tmp_path / "x.de"


@pytest.fixture(scope="module")
def run(trained: Path) -> WritingRun:
    return WritingRun.load(trained, device="cpu")


def texts(result: Result) -> list[str]:
    assert result.code == 0, result.err
    return result.out.removesuffix("\n").split("\n")


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in texts(result)]


def test_a_line_in_is_a_line_out_in_its_place(attncli: Command, trained: Path, source: Path, run: WritingRun) -> None:
    found = texts(attncli("translate", trained, source))
    assert len(found) == len(LINES)
    for at, line in enumerate(LINES):
        [alone] = run.writer().write([line])
        assert found[at] == " ".join(alone.hypotheses[0].text.split())
        assert (found[at] == "") >= (at in EMPTY)
    assert any(found)


def test_files_and_pipes_packed_or_not_give_the_same(
    attncli: Command, trained: Path, source: Path, tmp_path: Path
) -> None:
    expected = "".join(f"{line}\n" for line in texts(attncli("translate", trained, source)))
    assert attncli("translate", trained, given=TEXT).out == expected
    packed, written = tmp_path / "x.de.gz", tmp_path / "x.en.gz"
    packed.write_bytes(gzip.compress(TEXT))
    result = attncli("translate", trained, packed, "--output", written)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert gzip.decompress(written.read_bytes()).decode() == expected
    attncli("translate", trained, "-o", tmp_path / "x.en", given=TEXT.removesuffix(b"\n"))
    assert (tmp_path / "x.en").read_text() == expected


@pytest.mark.parametrize("read_ahead", [1, 2, 3])
def test_how_lines_come_changes_nothing(
    attncli: Command, trained: Path, source: Path, monkeypatch: pytest.MonkeyPatch, read_ahead: int
) -> None:
    expected = texts(attncli("translate", trained, source))
    monkeypatch.setattr("attncli.cli.lines.READ_AHEAD", read_ahead)
    assert texts(attncli("translate", trained, source)) == expected
    assert texts(attncli("translate", trained, given=TEXT)) == expected


def test_nothing_in_is_nothing_out(attncli: Command, trained: Path, tmp_path: Path) -> None:
    result = attncli("translate", trained)
    assert (result.code, result.out) == (0, "")
    attncli("translate", trained, "-o", tmp_path / "empty.en")
    assert (tmp_path / "empty.en").read_bytes() == b""


def test_a_folder_may_have_moved(attncli: Command, trained: Path, source: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    assert attncli("translate", tmp_path / "copy", source).out == attncli("translate", trained, source).out


def test_n_best_has_as_many_lines_for_every_sentence(
    attncli: Command, trained: Path, source: Path, run: WritingRun
) -> None:
    found = texts(attncli("translate", trained, source, "--n-best", 3))
    assert len(found) == 3 * len(LINES)
    for at, translation in enumerate(run.writer().write(LINES, n_best=3)):
        hypotheses = [" ".join(hypothesis.text.split()) for hypothesis in translation.hypotheses]
        assert found[3 * at : 3 * at + 3] == (hypotheses if at not in EMPTY else [""] * 3)


def test_search_options_take_the_place_of_the_runs_own(
    attncli: Command, trained: Path, source: Path, run: WritingRun
) -> None:
    options = ("--beam-size", 4, "--length-penalty", 0.25, "--max-length", 3, "--batch-size", 2)
    found = records(attncli("translate", trained, source, "--format", "jsonl", *options, "--n-best", 4))
    settings = run.config.search.model_copy(
        update={"beam_size": 4, "length_penalty": 0.25, "max_length": 3, "batch_size": 2}
    )
    expected = [found.as_json(name="source") for found in run.writer(settings).write(LINES, n_best=4)]
    for one, other in zip(found, expected, strict=True):
        assert one["source"] == other["source"]
        assert [h["tokens"] for h in one["hypotheses"]] == [h["tokens"] for h in other["hypotheses"]]
        assert all(len(h["tokens"]) <= 3 for h in one["hypotheses"])


def test_jsonl_says_everything(attncli: Command, trained: Path, source: Path) -> None:
    command = ("translate", trained, source, "--format", "jsonl", "--n-best", 2)
    found = records(attncli(*command))
    assert [record["source"] for record in found] == LINES
    assert "ä" in attncli(*command).out, "text is not escaped"
    for at, record in enumerate(found):
        if at in EMPTY:
            assert record["source_tokens"] == []
            assert record["hypotheses"] == [
                {"text": "", "score": 0.0, "log_prob": 0.0, "tokens": [], "token_log_probs": []}
            ]
            continue
        assert record["source_tokens"][-1] == "</s>"
        assert len(record["hypotheses"]) == 2
        for hypothesis in record["hypotheses"]:
            assert set(hypothesis) == {"text", "score", "log_prob", "tokens", "token_log_probs"}
            penalty = (5 + len(hypothesis["tokens"])) / 6  # the run's exponent is 1
            assert hypothesis["score"] == pytest.approx(hypothesis["log_prob"] / penalty)
        assert record["hypotheses"][0]["score"] >= record["hypotheses"][1]["score"]


def test_moses_says_the_line_and_the_scores(attncli: Command, trained: Path, source: Path) -> None:
    asked = ("translate", trained, source, "--n-best", 2, "--format")
    lines = [line.split(" ||| ") for line in attncli(*asked, "moses").out.splitlines()]
    expected = [
        (at, hypothesis)
        for at, record in enumerate(records(attncli(*asked, "jsonl")))
        for hypothesis in record["hypotheses"]
    ]
    assert len(lines) == len(expected)
    for (number, text, log_prob, score), (at, hypothesis) in zip(lines, expected, strict=True):
        assert (int(number), text) == (at, hypothesis["text"])
        assert float(log_prob) == pytest.approx(hypothesis["log_prob"], rel=1e-5)
        assert float(score) == pytest.approx(hypothesis["score"], rel=1e-5)


def test_attention_has_a_row_for_each_token_and_a_column_for_each_of_the_source(
    attncli: Command, trained: Path, source: Path
) -> None:
    for record in records(attncli("translate", trained, source, "--format", "jsonl", "--attention")):
        for hypothesis in record["hypotheses"]:
            if not record["source_tokens"]:
                assert "attention" not in hypothesis
                continue
            weights = np.array(hypothesis["attention"])
            assert weights.shape == (len(hypothesis["tokens"]), len(record["source_tokens"]))
            np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


def test_an_unknown_token_is_replaced_by_the_source_token_most_looked_at(
    attncli: Command, copied: Path, source: Path
) -> None:
    # The vocabulary has five words, so that the model writes ⁇ often where it may.
    config = copied / "config.yaml"
    config.write_text(config.read_text().replace("unknown: forbid", "unknown: allow"))
    command = ("translate", copied, source, "--format", "jsonl")
    replaced = 0
    for plain, found in zip(
        records(attncli(*command, "--attention")), records(attncli(*command, "--replace-unknown")), strict=True
    ):
        hypothesis, other = plain["hypotheses"][0], found["hypotheses"][0]
        assert "attention" not in other
        words = plain["source"].split()
        expected = [
            words[int(np.argmax(hypothesis["attention"][at][: len(words)]))] if token == "<unk>" else token
            for at, token in enumerate(hypothesis["tokens"])
        ]
        replaced += hypothesis["tokens"].count("<unk>")
        assert [token.strip("￭") for token in other["tokens"]] == [token.strip("￭") for token in expected]
        assert other["log_prob"] == hypothesis["log_prob"]
        assert "⁇" not in other["text"]
        assert ("⁇" in hypothesis["text"]) == ("<unk>" in hypothesis["tokens"])
    assert replaced > 0


def test_samples_depend_on_seed_and_line_alone(attncli: Command, trained: Path, source: Path) -> None:
    command = ("translate", trained, "--sample", "--n-best", 2, "--temperature", 2, "--seed", 2**64 - 1)
    expected = attncli(*command, source, "--batch-size", 1).out
    assert len(set(expected.splitlines())) > 3
    assert attncli(*command, source, "--batch-size", 3).out == expected
    assert attncli(*command, given=source.read_bytes()).out == expected


def test_draws_repeat_with_their_seed(attncli: Command, trained: Path, source: Path) -> None:
    command = ("translate", trained, source, "--sample", "--n-best", 5, "--temperature", 2)
    first, second, other = (attncli(*command, "--seed", seed) for seed in (1, 1, 2))
    assert len(texts(first)) == 5 * len(LINES)
    assert first.out == second.out
    assert first.out != other.out


def test_draws_may_be_cut_to_the_likeliest_tokens(attncli: Command, trained: Path, source: Path) -> None:
    greedy = attncli("translate", trained, source, "--beam-size", 1)
    for cut in (("--top-k", 1), ("--top-p", 1e-6)):
        assert attncli("translate", trained, source, "--sample", *cut).out == greedy.out
    assert attncli("translate", trained, source, "--sample", "--temperature", 2).out != greedy.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--top-k", 2), "--top-k is for drawing; add --sample"),
        (("--top-p", 0.5), "--top-p is for drawing; add --sample"),
        (("--temperature", 0.5), "--temperature is for drawing; add --sample"),
        (("--seed", 3), "--seed is for drawing; add --sample"),
        (("--sample", "--top-p", 0), "--top-p 0: must be a number over 0, and at most 1"),
        (("--sample", "--top-p", 1.5), "--top-p 1.5: must be a number over 0, and at most 1"),
        (("--min-length", 9, "--max-length", 8), "min_length 9 is over max_length 8"),
    ],
)
def test_what_does_not_go_together_is_refused(
    attncli: Command, trained: Path, options: tuple[Any, ...], message: str
) -> None:
    code, text = refused(attncli, trained, *options)
    assert (code, text) == (2, message)


def test_what_a_target_may_be_is_limited(attncli: Command, trained: Path, source: Path) -> None:
    command = ("translate", trained, source, "--format", "jsonl")
    for record in records(attncli(*command, "--min-length", 4, "--no-repeat-ngram-size", 3, "--prefix", "cow dog")):
        for hypothesis in record["hypotheses"] if record["source_tokens"] else []:
            written = hypothesis["tokens"]
            assert written[:2] == ["cow", "dog"]
            assert len(written) >= 4
            assert len(written) == len(hypothesis["token_log_probs"])
            n_grams = [tuple(written[at : at + 3]) for at in range(len(written) - 2)]
            assert len(n_grams) == len(set(n_grams))


def test_one_draw_is_not_the_best_of_several(attncli: Command, trained: Path) -> None:
    given = b"der Hund rennt .\n" * 40
    found = records(attncli("translate", trained, "--sample", "--format", "jsonl", given=given))
    assert all(len(record["hypotheses"]) == 1 for record in found)
    assert len({tuple(record["hypotheses"][0]["tokens"]) for record in found}) > 10


def test_too_long_a_source_is_refused_with_its_line_or_cut(attncli: Command, trained: Path, source: Path) -> None:
    command = ("translate", trained, "--max-source-length", 4)
    message = (
        "line 3: 5 tokens, but search.max_source_length is 4; raise it (--max-source-length) or have long sources cut "
        "(--too-long cut)\n"
    )
    result = attncli(*command, source)
    assert (result.code, result.err) == (1, f"attncli: {source}: {message}")
    result = attncli(*command, given=TEXT)
    assert (result.code, result.err) == (1, f"attncli: standard input: {message}")
    cut = attncli(*command, "--too-long", "cut", given="eine Kuh schläft nie . . .\n".encode())
    assert cut.code == 0, cut.err
    assert cut.out == attncli("translate", trained, given="eine Kuh schläft nie\n".encode()).out


def test_the_line_of_a_long_source_is_counted_over_all_that_is_read(
    attncli: Command, trained: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attncli.cli.lines.READ_AHEAD", 2)
    result = attncli("translate", trained, source, "--max-source-length", 5)
    assert result.err.startswith(f"attncli: {source}: line 6: 6 tokens, but ")
    assert len(result.out.splitlines()) == 5, "every line before it is answered"


def test_text_that_is_none_is_refused_with_its_line(attncli: Command, trained: Path, tmp_path: Path) -> None:
    bad = b"gut\nM\xe4nner\n"
    result = attncli("translate", trained, given=bad)
    assert (result.code, result.err) == (1, "attncli: standard input:2: not UTF-8: byte 0xe4 at position 2\n")
    (tmp_path / "bad.de").write_bytes(bad)
    result = attncli("translate", trained, tmp_path / "bad.de")
    assert result.err == f"attncli: {tmp_path}/bad.de:2: not UTF-8: byte 0xe4 at position 2\n"


def test_a_missing_input_leaves_no_output(attncli: Command, trained: Path, tmp_path: Path) -> None:
    result = attncli("translate", trained, tmp_path / "none.de", "-o", tmp_path / "none.en")
    assert (result.code, result.err) == (1, f"attncli: {tmp_path}/none.de: no such file\n")
    assert not (tmp_path / "none.en").exists()


def test_an_input_by_another_name_is_no_output(attncli: Command, trained: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "hard").hardlink_to(source)
    (tmp_path / "soft").symlink_to(source)
    for name in ("hard", "soft"):
        result = attncli("translate", trained, source, "-o", tmp_path / name)
        assert result.err == f"attncli: --output {tmp_path / name}: is the input; choose another file\n"
        with source.open() as lines, started(trained, "-o", str(tmp_path / name), stdin=lines, stderr=PIPE) as process:
            assert process.communicate()[1] == result.err
        assert process.returncode == 2
    assert source.read_bytes() == TEXT


def test_a_failure_leaves_the_old_output(attncli: Command, trained: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.en"
    output.write_text("old\n")
    source.write_bytes(TEXT * 900 + b"\xff\n")
    result = attncli("translate", trained, source, "-o", output, "--beam-size", 1)
    assert result.code == 1
    assert "not UTF-8" in result.err
    assert output.read_text() == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.en", "stdin", "x.de"]


def test_lines_of_another_language_are_told_once(attncli: Command, trained: Path) -> None:
    given = "Собака бежит .\n\nСобака . бежит\nСобака\nСобака бежит\n".encode()
    result = attncli("translate", trained, given=given)
    assert len(result.out.splitlines()) == 5
    # A full stop is known.
    assert result.err == (
        "attncli: standard input: no word of 2 lines is known to the model, the first is line 4; is this the "
        "language that it translates from?\n"
    )


def test_an_output_that_cannot_be_written_is_named(attncli: Command, trained: Path, tmp_path: Path) -> None:
    result = attncli("translate", trained, "-o", tmp_path / "no" / "x.en", given=TEXT)
    assert (result.code, result.err) == (
        1,
        f"attncli: {tmp_path}/no/x.en: cannot be written: No such file or directory\n",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attention"], "--attention writes weights into JSON; add --format jsonl"),
        (["--n-best", "4"], "--n-best 4: a beam of 3 has no more; add --beam-size 4"),
        (["--n-best", "3", "--beam-size", "2"], "--n-best 3: a beam of 2 has no more; add --beam-size 3"),
        (["--sample", "--temperature", "0"], "--temperature 0: must be a number from 1e-06 to 1e+06"),
        (["--sample", "--temperature", "nan"], "--temperature nan: must be a number from 1e-06 to 1e+06"),
        (["--sample", "--temperature", "1e300"], "--temperature 1e+300: must be a number from 1e-06 to 1e+06"),
        (["--sample", "--n-best", "9" * 20], f"--n-best: should be at most 1,000, but is {'9' * 20}"),
        (["--prefix", "a\udcff"], "--prefix 'a\\udcff': not UTF-8"),
        (["--sample", "--seed", "-1"], "--seed -1: must be from 0 to 18446744073709551615"),
        (["--length-penalty", "inf"], "--length-penalty: should be a finite number, but is Infinity"),
        (
            ["--sample", "--beam-size", "4"],
            "--sample draws each hypothesis on its own, without a beam; remove --beam-size",
        ),
        (["--device", "gpu"], "--device gpu: unknown device; choose from auto, cpu, cuda, cuda:N"),
        (["--output", "SOURCE"], "--output SOURCE: is the input; choose another file"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    attncli: Command, trained: Path, source: Path, options: list[str], message: str
) -> None:
    options = [str(source) if option == "SOURCE" else option for option in options]
    result = attncli("translate", trained, source, *options)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"attncli: {message.replace('SOURCE', str(source))}\n"
    assert source.read_bytes() == TEXT


@pytest.mark.parametrize(
    ("option", "value"), [("--format", "xml"), ("--beam-size", "0"), ("--too-long", "drop"), ("--n-best", "x")]
)
def test_values_that_are_no_choice_are_refused(attncli: Command, trained: Path, option: str, value: str) -> None:
    result = attncli("translate", trained, option, value)
    assert result.code == 2
    assert f"Invalid value for '{option}'" in result.err


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be damaged."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def refused(attncli: Command, run: Path, *options: object) -> tuple[int, str]:
    result = attncli("translate", run, *options, given=TEXT)
    assert result.out == ""
    assert "Traceback" not in result.err
    return result.code, result.err.removeprefix("attncli: ").removesuffix("\n")


def test_what_is_no_run_is_refused(attncli: Command, tmp_path: Path, copied: Path) -> None:
    assert refused(attncli, tmp_path / "rum") == (1, f"{tmp_path}/rum: no such folder; did you mean {copied}?")
    (tmp_path / "other").mkdir()
    assert refused(attncli, tmp_path / "other") == (
        1,
        f"{tmp_path}/other: not a run: missing metadata.json, config.yaml; found nothing",
    )


def test_a_newer_run_is_refused(attncli: Command, copied: Path) -> None:
    metadata = json.loads((copied / "metadata.json").read_text())
    (copied / "metadata.json").write_text(
        json.dumps({**metadata, "format": FORMAT + 1, "versions": {"attncli": "9.9"}})
    )
    code, message = refused(attncli, copied)
    assert code == 1
    assert message.startswith(f"{copied}: has run format {FORMAT + 1}, written by attncli 9.9; attncli ")


def test_a_cut_checkpoint_is_refused(attncli: Command, copied: Path) -> None:
    path = copied / "checkpoints" / "best" / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, message = refused(attncli, copied)
    assert code == 1
    assert message.startswith(f"{path}: damaged: its SHA-256 is not the one in checkpoint.json; restore the file")
    assert refused(attncli, copied, "--checkpoint", "lost") == (
        1,
        f"{copied}: unknown checkpoint 'lost'; did you mean 'last'? choose from best, kept/step-00000012, last",
    )


def test_a_run_of_another_task_or_another_model_is_refused(attncli: Command, copied: Path) -> None:
    config = copied / "config.yaml"
    whole = config.read_text()
    config.write_text(whole.replace("task: translation", "task: speech"))
    assert refused(attncli, copied) == (
        2,
        f"{config}: task: unknown task 'speech'; choose from translation, summarisation, answering, captioning, "
        "classification, transcription, autoencoding",
    )
    config.write_text(whole.replace("hidden_size: 8", "hidden_size: 7"))
    code, message = refused(attncli, copied)
    assert code == 1
    assert message.startswith(f"{copied}/checkpoints/best: does not fit the model of config.yaml: has ")


def test_weights_are_not_asked_of_a_model_without_attention(attncli: Command, config: Path, tmp_path: Path) -> None:
    options = ("--set", "model.attention=none", "--set", "model.decoder.input_feeding=false")
    attncli("train", config, "--run", tmp_path / "none", *options, "--set", "training.max_steps=1")
    for option, more in (("--attention", ["--format", "jsonl"]), ("--replace-unknown", [])):
        assert refused(attncli, tmp_path / "none", option, *more) == (
            2,
            f"{option}: {tmp_path}/none has model.attention: none, so there are no weights",
        )
    found = records(attncli("translate", tmp_path / "none", "--format", "jsonl", given=b"der Hund\n"))
    assert set(found[0]["hypotheses"][0]) == {"text", "score", "log_prob", "tokens", "token_log_probs"}


def started(run: Path, *options: str, **streams: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "attncli", "translate", str(run), "--device", "cpu", *options]
    return subprocess.Popen(command, env=environment, encoding="utf-8", **streams)


def test_a_slow_pipe_is_answered_line_by_line_in_utf8_whatever_the_locale(trained: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(trained, "--format", "jsonl", **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in ("der Hund schläft .", "", "eine Kuh ."):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["source"] == line
        process.stdin.close()
        assert process.stdout.read() == process.stderr.read() == ""
    assert process.returncode == 0


def test_a_reader_that_leaves_early_gets_no_traceback(trained: Path, source: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with started(trained, str(source), stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_closed_standard_input_asks_for_a_file(trained: Path) -> None:
    command = f'exec "{sys.executable}" -m attncli translate "{trained}" <&-'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "attncli: standard input is closed; name a file to translate\n")
