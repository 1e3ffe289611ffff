"""Answering from end to end: train, resume, answer, eval and visualize on a few questions about toy images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command
from finished import assert_same, final
from toy_answers import IN_WORDS, toy_answers
from typer.testing import CliRunner

from attncli.api import load
from attncli.cli.main import app
from attncli.errors import CommandError, UserError

BLIND = ("model.encoders={question: {kind: recurrent, hidden_size: 10}}", "model.attention=none")


def train(config: Path, run: Path, *overrides: str) -> None:
    sets = [part for override in overrides for part in ("--set", override)]
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(run), "--device", "cpu", *sets])
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.fixture(scope="module")
def answerers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs that answer with labels and in words, pooled and blind, and the data."""
    folder = tmp_path_factory.mktemp("answerers")
    config = toy_answers(folder, train=12, dev=3, test=4)
    train(config, folder / "labels")
    few = "training.max_steps=2"
    train(config, folder / "words", *IN_WORDS, few)
    train(config, folder / "pooled", "model.attention=none", few)
    train(config, folder / "blind", *BLIND, few)
    hard = ("model.attention.selection=hard", "model.attention.estimator=straight_through", few)
    train(config, folder / "hard", *hard)
    train(config, folder / "asking", "model.attended=[image]", few)
    transformer = "model.decoder={kind: transformer, hidden_size: 6, heads: 2, layers: 2, feed_forward_size: 9}"
    train(config, folder / "transformer", *IN_WORDS, transformer, "model.attention={score: scaled_dot}", few)
    return folder


def rows(folder: Path, split: str = "test") -> list[list[str]]:
    lines = [line.split("\t") for line in (folder / "questions.tsv").read_text().splitlines()]
    return [line for line in lines if line[4] == split]


def table(folder: Path, to: Path, split: str = "test") -> Path:
    """Write the questions of a split into a table of their own."""
    to.write_text("".join("\t".join(row) + "\n" for row in (["image", "question", *"abcd"], *rows(folder, split))))
    return to


@pytest.mark.parametrize("overrides", [(), IN_WORDS])
def test_a_resumed_run_ends_as_one_that_was_not_stopped(
    answerers: Path, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    sets = [part for override in overrides for part in ("--set", override)]
    for name, steps in (("whole", 12), ("parts", 7)):
        train(answerers / "small.yaml", tmp_path / name, *overrides, f"training.max_steps={steps}")
    again = ["train", answerers / "small.yaml", "--run", tmp_path / "parts", "--resume", "--device", "cpu", *sets]
    assert CliRunner().invoke(app, [str(each) for each in again]).exit_code == 0
    parts, whole = (final(tmp_path / name) for name in ("parts", "whole"))
    assert_same(parts["last"], whole["last"])
    assert_same(parts["state"]["optimizer"], whole["state"]["optimizer"])


def test_validation_measures_accuracy(answerers: Path) -> None:
    records = [json.loads(line) for line in (answerers / "labels" / "log.jsonl").read_text().splitlines()]
    found = [record for record in records if record["event"] == "validation"]
    right = 100 / len(rows(answerers, "dev"))
    for record in found:
        assert record["accuracy"] / right == pytest.approx(round(record["accuracy"] / right))


def test_a_question_is_answered(answerers: Path, attncli: Command) -> None:
    [image, question, *_], *_ = rows(answerers)
    done = attncli("answer", answerers / "labels", answerers / "images" / image, question, "--device", "cpu")
    assert (done.code, done.err) == (0, "")
    labels = (answerers / "labels" / "labels.txt").read_text().split("\n")
    assert done.out.removesuffix("\n") in labels


def test_a_table_and_standard_input_are_answered_as_each_question_alone(
    answerers: Path, attncli: Command, tmp_path: Path
) -> None:
    questions, images = table(answerers, tmp_path / "q.tsv"), ("--root", answerers / "images", "--device", "cpu")
    done = attncli("answer", answerers / "words", questions, *images)
    assert done.code == 0, done.err
    alone = load(answerers / "words", device="cpu").answer(
        {"image": answerers / "images" / image, "question": question} for image, question, *_ in rows(answerers)
    )
    assert done.out.splitlines() == [output.text for output in alone]
    piped = attncli("answer", answerers / "words", "-", *images, given=questions.read_bytes())
    assert piped.out == done.out
    lines = [json.dumps({"question": row[1], "image": row[0], "more": 1}) for row in rows(answerers)]
    piped = attncli("answer", answerers / "words", "-", *images, given="\n".join(lines).encode())
    assert piped.out == done.out


def test_answers_are_written_as_a_table_and_as_json(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    questions, images = table(answerers, tmp_path / "q.tsv"), ("--root", answerers / "images", "--device", "cpu")
    text = attncli("answer", answerers / "labels", questions, *images, "--n-best", "2").out.splitlines()
    out = attncli("answer", answerers / "labels", questions, *images, "--n-best", "2", "--format", "tsv").out
    header, *found = [line.split("\t") for line in out.splitlines()]
    assert header == ["image", "question", "answer"]
    given = [[str(answerers / "images" / row[0]), row[1]] for row in rows(answerers) for _ in range(2)]
    assert [line[:2] for line in found] == given
    assert [line[2] for line in found] == text
    done = attncli("answer", answerers / "labels", questions, *images, "--format", "jsonl", "--attention")
    for line, (image, question, *_) in zip(done.out.splitlines(), rows(answerers), strict=True):
        record = json.loads(line)
        assert (record["image"], record["question"]) == (str(answerers / "images" / image), question)
        assert record["source_tokens"] == {"question": [*question.split(), "</s>"]}
        [best] = record["hypotheses"]
        regions, words = best["attention"]["image"], best["attention"]["question"]
        assert np.shape(regions) == (1, 8, 8)
        assert np.shape(words) == (1, len(question.split()) + 1)
        assert np.sum(regions) + np.sum(words) == pytest.approx(1, abs=1e-4)


def test_a_bad_row_costs_no_other(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    [good, *_], where = rows(answerers), tmp_path / "q.jsonl"
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    image = str(answerers / "images" / good[0])
    lines = [
        json.dumps({"image": image, "question": good[1]}),
        json.dumps({"image": "none.png", "question": good[1]}),
        json.dumps({"image": image, "question": " "}),
        json.dumps({"image": "broken.png", "question": good[1]}),
        json.dumps({"image": image}),
        "{",
        json.dumps({"image": image, "question": good[1]}),
    ]
    where.write_text("\n".join(lines) + "\n")
    done = attncli("answer", answerers / "labels", where, "--root", tmp_path, "--device", "cpu")
    answer, *between, last = done.out.split("\n")[:-1]
    assert (answer == last, between) == (True, [""] * 5)
    assert done.code == 1
    problems = done.err.splitlines()
    assert problems[0] == f"attncli: {where}:2: image: {tmp_path}/none.png: no such file"
    assert problems[1] == f"attncli: {where}:3: the column 'question' is empty"
    assert problems[2].startswith(f"attncli: {where}:4: image: {tmp_path}/broken.png: ")
    assert problems[3] == f"attncli: {where}:5: unknown key 'question'; choose from image"
    assert problems[4].startswith(f"attncli: {where}:6: not JSON: ")
    assert problems[5] == "attncli: 5 of 7 questions could not be answered"


def test_a_question_that_is_too_long_is_told_or_cut(answerers: Path, attncli: Command) -> None:
    [image, question, *_], *_ = rows(answerers)
    given = ("answer", answerers / "labels", answerers / "images" / image)
    limit = ("--max-source-length", "2", "--device", "cpu")
    done = attncli(*given, question, *limit)
    assert done.err.splitlines()[0] == (
        f"attncli: question: {len(question.split())} tokens, but search.max_source_length is 2; raise it "
        "(--max-source-length) or have long sources cut (--too-long cut)"
    )
    cut = attncli(*given, question, *limit, "--too-long", "cut")
    assert cut.out == attncli(*given, " ".join(question.split()[:2]), "--device", "cpu").out


def test_a_question_of_thousands_of_words_is_answered(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    [image, question, *_], *_ = rows(answerers)
    where = tmp_path / "q.tsv"
    where.write_text(f"image\tquestion\n{image}\t{' '.join([question] * 700)}\n")
    done = attncli("answer", answerers / "labels", where, "--root", answerers / "images", "--device", "cpu")
    assert (done.code, len(done.out.splitlines())) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["photo.png"],
            "1 source given, but RUN reads image, question: give one of each, in this order, or a table (.tsv, .csv, "
            ".jsonl, or - for standard input)",
        ),
        (["photo.png", " "], "question: is empty; give one"),
        (["photo.png", "why ?", "--attention"], "--attention writes weights into JSON; add --format jsonl"),
        (["none.tsv"], "none.tsv: no such file"),
    ],
)
def test_a_wrong_command_line_is_explained(
    answerers: Path, attncli: Command, arguments: list[str], problem: str
) -> None:
    done = attncli("answer", answerers / "labels", *arguments, "--device", "cpu")
    assert done.err == f"attncli: {problem}\n"
    assert done.code


def test_a_table_without_a_column_leaves_no_output(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    where, out = tmp_path / "q.tsv", tmp_path / "out.txt"
    where.write_text("image\tqestion\na.png\twhy ?\n")
    done = attncli("answer", answerers / "labels", where, "--output", out, "--device", "cpu")
    assert done.err == (
        f"attncli: {where}:1: unknown column 'question'; did you mean 'qestion'? choose from image, qestion\n"
    )
    assert not out.exists()


def test_runs_of_other_tasks_are_pointed_to_their_commands(answerers: Path, captioners: Path, attncli: Command) -> None:
    done = attncli("answer", captioners / "trained", "a.png", "why ?")
    assert done.err == (
        f"attncli: {captioners}/trained: is a run of task captioning, and answers nothing; give one of answering\n"
    )
    for command, argument in (("translate", None), ("caption", "a.png")):
        done = attncli(command, answerers / "labels", *([argument] if argument else []))
        assert done.err == f"attncli: {answerers}/labels: this run reads sources; use attncli answer\n"


def test_eval_reports_accuracy_by_the_length_of_the_question(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    runs = [answerers / name for name in ("labels", "pooled", "blind")]
    done = attncli("eval", *runs, "--output", tmp_path / "out", "--device", "cpu")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    questions = rows(answerers)
    assert (report["sources"], report["length_of"]) == (len(questions), "source")
    for name, run in zip(("labels", "pooled", "blind"), report["runs"], strict=True):
        answers = (tmp_path / "out" / f"hypotheses.{name}.txt").read_text().splitlines()
        right = [answer == row[2] for answer, row in zip(answers, questions, strict=True)]
        assert run["accuracy"]["score"] == pytest.approx(100 * np.mean(right))
        assert run["accuracy"]["low"] <= run["accuracy"]["score"] <= run["accuracy"]["high"]
        assert "bleu" not in run
        lengths = [len(row[1].split()) for row in questions]
        assert sum(found["sources"] for found in run["by_length"]) == len(questions)
        [first, *_] = run["by_length"]
        here = [each for each, length in zip(right, lengths, strict=True) if length <= first["to"]]
        assert (first["sources"], first["accuracy"]) == (len(here), pytest.approx(100 * np.mean(here)))
    assert len(report["comparisons"]) == 3
    assert "BLEU" not in done.out
    assert "length ratio" not in done.out


def test_answers_in_words_are_scored_by_bleu_too(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    done = attncli("eval", answerers / "words", "--output", tmp_path / "out", "--device", "cpu")
    [run] = json.loads((tmp_path / "out" / "report.json").read_text())["runs"]
    assert {"accuracy", "bleu", "chrf"} <= set(run), done.err


def test_weights_are_drawn_by_source(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    [first, second, *_] = rows(answerers)
    given: list[Any] = []
    for row in (first, second):
        given += ["--source", f"image={answerers / 'images' / row[0]}", "--source", f"question={row[1]}"]
    for format, names in (
        ("png", ["attention-1.png", "attention-2.png"]),
        ("svg", ["attention-1.svg", "attention-2.svg"]),
        ("html", ["attention.html"]),
        ("json", ["attention.json"]),
    ):
        to = tmp_path / format
        done = attncli("visualize", answerers / "words", *given, "--format", format, "--output", to, "--device", "cpu")
        assert done.out.splitlines() == [f"wrote {to / name}" for name in names], done.err
    drawn = (tmp_path / "svg" / "attention-1.svg").read_text()
    for word in first[1].split():
        assert f">{word}<" in drawn
    assert "question: " in drawn
    assert "image: " in drawn
    assert "http" not in (tmp_path / "html" / "attention.html").read_text().replace("http://www.w3.org", "")
    found = json.loads((tmp_path / "json" / "attention.json").read_text())
    assert [each["sources"]["question"] for each in found] == [first[1], second[1]]
    tokens = found[0]["target_tokens"]
    image, question = (np.array(found[0]["memories"][name]["weights"]) for name in ("image", "question"))
    assert (image.shape, question.shape) == ((len(tokens), 64), (len(tokens), len(first[1].split()) + 1))
    np.testing.assert_allclose(image.sum(1) + question.sum(1), 1, atol=1e-5)
    assert found[0]["memories"]["image"]["grid"] == [8, 8]


def test_the_question_may_ask_without_being_looked_at(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    [image, question, *_], *_ = rows(answerers)
    run = load(answerers / "asking", device="cpu")
    [output] = run.answer([{"image": str(answerers / "images" / image), "question": question}], attention=True)
    assert list(output.best.attention_over) == ["image"]
    assert output.best.attention_over["image"].values.sum() == pytest.approx(1, abs=1e-5)
    given = ("--source", f"image={answerers / 'images' / image}", "--source", f"question={question}")
    for format in ("svg", "html", "json"):
        where = ("--format", format, "--output", tmp_path, "--device", "cpu")
        assert attncli("visualize", answerers / "asking", *given, *where).code == 0
    drawn = (tmp_path / "attention-1.svg").read_text()
    assert "question: what" in drawn  # below the image, in lines of its width
    assert "image: 100 % of the weight" in drawn
    [found] = json.loads((tmp_path / "attention.json").read_text())
    assert list(found["memories"]) == ["image"]


def test_a_hard_choice_is_a_source_and_a_position(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    questions = table(answerers, tmp_path / "q.tsv")
    given = ("--input", questions, "--root", answerers / "images", "--output", tmp_path, "--device", "cpu")
    attncli("visualize", answerers / "hard", *given, "--format", "json")
    found = json.loads((tmp_path / "attention.json").read_text())
    assert len(found) == len(rows(answerers))
    for each in found:
        [[name, at]] = each["chosen"]
        weights = {source: memory["weights"][0] for source, memory in each["memories"].items()}
        assert weights[name][at] == max(map(max, weights.values()))
    assert attncli("visualize", answerers / "hard", *given).code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "nothing to draw; give --source NAME=VALUE for each of image, question, --input TABLE, or --curves"),
        (["--source", "image"], "--source 'image': expected NAME=VALUE, with a name of image, question"),
        (
            ["--source", "picture=a.png"],
            "--source 'picture=a.png': unknown source 'picture'; choose from image, question",
        ),
        (["--source", "image=a.png"], "--source: 1 of image, 0 of question; give as many of each"),
        (["--text", "a"], "--text: means nothing for runs of task answering; leave it out"),
    ],
)
def test_what_is_drawn_is_named(answerers: Path, attncli: Command, arguments: list[str], problem: str) -> None:
    done = attncli("visualize", answerers / "labels", *arguments)
    assert done.err == f"attncli: {problem}\n"


def test_self_attention_of_the_decoder_is_drawn_but_no_heads_over_sources(
    answerers: Path, attncli: Command, tmp_path: Path
) -> None:
    questions = table(answerers, tmp_path / "q.tsv")
    given = ("--input", questions, "--root", answerers / "images", "--output", tmp_path, "--device", "cpu")
    done = attncli("visualize", answerers / "transformer", *given, "--self-attention", "--format", "json")
    assert done.out == f"wrote {tmp_path}/heads.json\n", done.err
    found = json.loads((tmp_path / "heads.json").read_text())
    assert {each["kind"] for each in found} == {"decoder-self-attention"}
    done = attncli("visualize", answerers / "transformer", *given, "--heads")
    assert done.err == (
        f"attncli: {answerers}/transformer: heads are drawn over one source, but this run reads several "
        "(model.encoders); leave out --heads to draw where it looks in each\n"
    )


def test_score_reads_single_sources(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    given = ("--source", tmp_path / "a.txt", "--target", tmp_path / "a.txt", "--device", "cpu")
    assert attncli("score", answerers / "labels", *given).err == (
        f"attncli: {answerers}/labels: this run reads several sources (image, question), of which a line is one; its "
        "answers are scored by attncli eval\n"
    )


def test_there_is_nothing_to_draw_without_attention(answerers: Path, attncli: Command) -> None:
    done = attncli("visualize", answerers / "blind", "--source", "question=why ?", "--device", "cpu")
    assert done.err.startswith(
        f"attncli: {answerers}/blind: there are no weights to draw: the model has attention: none"
    )


def test_python_answers_and_aligns(answerers: Path) -> None:
    run = load(answerers / "words", device="cpu")
    [image, question, answer, *_], *_ = rows(answerers)
    asked = {"image": str(answerers / "images" / image), "question": question}
    [output] = run.answer([asked], attention=True)
    assert output.attention is not None
    assert output.attention.axes == ("target", "position")
    over = output.best.attention_over
    assert over["image"].axes == ("target", "row", "column")
    assert over["question"].source == (*question.split(), "</s>")
    parts = [over[name].values.reshape(len(output.best.tokens), -1) for name in ("image", "question")]
    np.testing.assert_array_equal(np.concatenate(parts, 1), output.attention.values)
    assert output.figure("svg").startswith(b"<?xml")
    assert question in str(output._repr_html_())
    [given] = run.align([(asked, answer)])
    assert given.text == answer
    [encoded] = run.encode([asked])
    assert (encoded.states.shape, encoded.tokens, encoded.grid) == ((64 + len(question.split()) + 1, 7), None, None)


def test_python_says_what_is_missing(answerers: Path) -> None:
    run = load(answerers / "labels", device="cpu")
    with pytest.raises(CommandError, match="reads question, but the source has image; give it"):
        run.answer([{"image": "a.png"}])
    with pytest.raises(CommandError, match=r"this run reads sources; use answer\(\)"):
        run.translate(["why ?"])
    with pytest.raises(UserError, match=r"source 1: image: a\.png: no such file"):
        run.answer([{"image": "a.png", "question": "why ?"}])


def test_an_ensemble_answers(answerers: Path, attncli: Command, tmp_path: Path) -> None:
    questions, images = table(answerers, tmp_path / "q.tsv"), ("--root", answerers / "images", "--device", "cpu")
    done = attncli("answer", answerers / "labels", questions, *images, "--with", answerers / "pooled")
    assert (done.code, len(done.out.splitlines())) == (0, len(rows(answerers)))
    done = attncli("answer", answerers / "labels", questions, *images, "--with", answerers / "blind")
    assert done.err == (
        f"attncli: {answerers}/blind: no ensemble with {answerers}/labels: it reads sentences as 'question' and not "
        "images as 'image', sentences as 'question'; name runs that read the same\n"
    )


def test_a_training_row_that_cannot_be_read_is_named(answerers: Path, tmp_path: Path) -> None:
    config = toy_answers(tmp_path / "data", train=3, dev=2, test=1)
    (tmp_path / "data" / "images" / "train-00002.png").write_text("broken")
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(tmp_path / "run"), "--device", "cpu"])
    lines = (tmp_path / "data" / "questions.tsv").read_text().splitlines()
    numbers = [at for at, line in enumerate(lines, start=1) if line.startswith("train-00002.png")]
    for number, problem in zip(numbers, str(result.exception).splitlines(), strict=False):
        where = f"{tmp_path}/data/questions.tsv:{number}: image: {tmp_path}/data/images/train-00002.png: not an image"
        assert problem.startswith(where)
