"""What the options of `caption`, `eval` and `visualize` do with captioners, whose weights are random."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command, Result
from marks import needs_bf16
from PIL import Image

from attncli.data.columns import Places
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.machine.progress import Advance
from attncli.runs.writing import WritingRun

IMAGES = 6  # of the test set


def captions_of(captioners: Path) -> dict[Path, list[str]]:
    """Return the captions of every image of the test set, in its order."""
    records = [json.loads(line) for line in (captioners / "captions.jsonl").read_text().splitlines()]
    return {captioners / "images" / each["image"]: each["captions"] for each in records if each["split"] == "test"}


def captioned(attncli: Command, captioners: Path, *options: object, run: str = "recurrent") -> list[dict[str, Any]]:
    """Return the records that `caption` writes for the test set."""
    result = attncli(
        "caption", captioners / run, *captions_of(captioners), "--format", "jsonl", "--device", "cpu", *options
    )
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def texts_of(records: Iterable[dict[str, Any]]) -> list[str]:
    return [record["hypotheses"][0]["text"] for record in records]


def test_n_best_has_as_many_lines_for_every_image(attncli: Command, captioners: Path) -> None:
    records = captioned(attncli, captioners, "--n-best", 3)
    assert [record["path"] for record in records] == [str(path) for path in captions_of(captioners)]
    for record in records:
        scores = [found["score"] for found in record["hypotheses"]]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
    result = attncli("caption", captioners / "recurrent", *captions_of(captioners), "--n-best", 3, "--device", "cpu")
    expected = [f"{record['path']}\t{found['text']}" for record in records for found in record["hypotheses"]]
    assert result.out.splitlines() == expected


def test_one_draw_is_not_the_best_of_several(attncli: Command, captioners: Path) -> None:
    found = [record for seed in range(4) for record in captioned(attncli, captioners, "--sample", "--seed", seed)]
    assert all(len(record["hypotheses"]) == 1 for record in found)
    assert len({tuple(record["hypotheses"][0]["tokens"]) for record in found}) > 10


def test_the_temperature_goes_from_the_likeliest_token_to_any(attncli: Command, captioners: Path) -> None:
    greedy = texts_of(captioned(attncli, captioners, "--beam-size", 1))
    assert texts_of(captioned(attncli, captioners, "--sample", "--temperature", 1e-6)) == greedy
    draws = {
        temperature: captioned(attncli, captioners, "--sample", "--n-best", 20, "--temperature", temperature)
        for temperature in (0.3, 3)
    }
    sharp, flat = (
        np.mean([found["log_prob"] / len(found["tokens"]) for record in records for found in record["hypotheses"]])
        for records in draws.values()
    )
    assert sharp > flat


@needs_bf16
def test_half_precision_changes_little(attncli: Command, captioners: Path) -> None:
    exact, rounded, plain = (
        [record["hypotheses"][0] for record in captioned(attncli, captioners, *options)]
        for options in (["--precision", "fp32"], ["--precision", "bf16"], [])
    )
    assert exact == plain
    assert exact != rounded
    # Another caption may come first where two are nearly as likely.
    same = [(one, other) for one, other in zip(exact, rounded, strict=True) if one["tokens"] == other["tokens"]]
    assert len(same) >= IMAGES / 2
    for one, other in same:
        assert other["log_prob"] == pytest.approx(one["log_prob"], rel=0.1)


def test_half_precision_is_refused_where_the_device_has_none(
    attncli: Command, captioners: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attncli.machine.device.has_bf16", lambda device: False)
    result = attncli(
        "caption", captioners / "recurrent", *captions_of(captioners), "--precision", "bf16", "--device", "cpu"
    )
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("attncli: precision: 'bf16' is not supported by this cpu device")


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        ("recurrent", ["--sample", "--temperature", "0"], "--temperature 0: must be a number from 1e-06 to 1e+06"),
        ("recurrent", ["--sample", "--temperature", "nan"], "--temperature nan: must be a number from 1e-06 to 1e+06"),
        (
            "recurrent",
            ["--sample", "--beam-size", "4"],
            "--sample draws each hypothesis on its own, without a beam; remove --beam-size",
        ),
        ("recurrent", ["--n-best", "3", "--beam-size", "2"], "--n-best 3: a beam of 2 has no more; add --beam-size 3"),
        (
            "none",
            ["--attention", "--format", "jsonl"],
            "--attention: RUN has model.attention: none, so there are no weights",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(
    attncli: Command, captioners: Path, run: str, options: list[str], message: str
) -> None:
    result = attncli("caption", captioners / run, *captions_of(captioners), *options, "--device", "cpu")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"attncli: {message.replace('RUN', str(captioners / run))}\n"


@pytest.mark.parametrize(
    ("option", "value"), [("--format", "xml"), ("--precision", "fp16"), ("--n-best", "0"), ("--seed", "x")]
)
def test_values_that_are_no_choice_are_refused(attncli: Command, captioners: Path, option: str, value: str) -> None:
    result = attncli("caption", captioners / "recurrent", *captions_of(captioners), option, value)
    assert result.code == 2
    assert f"Invalid value for '{option}'" in result.err


def test_an_output_that_is_an_image_to_be_read_is_refused(attncli: Command, captioners: Path, tmp_path: Path) -> None:
    image, *_ = captions_of(captioners)
    (tmp_path / "link.png").hardlink_to(image)
    before = image.read_bytes()
    result = attncli("caption", captioners / "recurrent", image, "-o", tmp_path / "link.png")
    assert (result.code, result.err) == (
        2,
        f"attncli: --output {tmp_path}/link.png: is the input; choose another file\n",
    )
    assert image.read_bytes() == before


def test_hostile_names_are_written_as_escapes(attncli: Command, captioners: Path, tmp_path: Path) -> None:
    image, *_ = captions_of(captioners)
    name = os.fsdecode(b"a\tb\n\x1b[2J\xff.png")
    shutil.copy(image, tmp_path / name)
    run, output = captioners / "recurrent", tmp_path / "out"
    arguments = ("caption", run, tmp_path / name, "--device", "cpu")
    shown = f"{tmp_path}/a\\tb\\n\\x1b[2J\\udcff.png"
    line = attncli(*arguments).out
    assert line.split("\t")[0] == shown
    assert line.count("\n") == 1
    assert attncli(*arguments, "-o", output).code == 0
    assert output.read_text(encoding="utf-8") == line
    assert attncli(*arguments, "-o", output, "--format", "jsonl").code == 0
    assert json.loads(output.read_text(encoding="utf-8"))["path"] == str(tmp_path / name)
    result = drawn(attncli, run, [tmp_path / name], tmp_path / "drawn", "--format", "json")
    assert result.code == 0, result.err
    assert json.loads((tmp_path / "drawn" / "attention.json").read_text())[0]["image"] == str(tmp_path / name)
    result = drawn(attncli, run, [tmp_path / name], tmp_path / "drawn")
    assert result.out == f"wrote {tmp_path}/drawn/attention-1-{shown.rpartition('/')[2]}\n"


class Oracle:
    """Writes for each image the first caption that people wrote."""

    def __init__(self, captions: dict[Path, list[str]]):
        self.captions = captions

    def side_by_side(self, count: int | None) -> AbstractContextManager[Oracle]:
        assert count is None
        return nullcontext(self)

    def write(self, cells: Iterable[str], *, advance: Advance) -> Iterator[Written]:
        for cell in cells:
            text = self.captions[Path(cell)][0]
            yield Written(cell, Places(), (WrittenHypothesis(text, tuple(text.split()), -1.0, -1.0, None),))


def test_what_is_written_for_an_image_is_scored_against_its_own_references(
    attncli: Command, captioners: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = captions_of(captioners)
    assert len({texts[0] for texts in captions.values()}) == IMAGES
    monkeypatch.setattr(WritingRun, "writer", lambda *given, **options: Oracle(captions))
    result = attncli("eval", captioners / "recurrent", "--output", tmp_path, "--device", "cpu")
    assert result.code == 0, result.err
    (found,) = json.loads((tmp_path / "report.json").read_text())["runs"]
    assert [found[metric]["score"] for metric in ("bleu", "bleu_4", "chrf", "rouge_l")] == pytest.approx([100] * 4)
    assert (tmp_path / "hypotheses.txt").read_text().splitlines() == [texts[0] for texts in captions.values()]


def test_eval_writes_what_caption_writes(attncli: Command, captioners: Path, tmp_path: Path) -> None:
    assert attncli("eval", captioners / "lstmn", "--output", tmp_path, "--device", "cpu").code == 0
    expected = texts_of(captioned(attncli, captioners, run="lstmn"))
    assert (tmp_path / "hypotheses.txt").read_text().splitlines() == expected


def drawn(attncli: Command, run: Path, images: Iterable[Path], output: Path, *options: object) -> Result:
    """Return how `visualize` ended for `images`."""
    given = [part for path in images for part in ("--image", path)]
    return attncli("visualize", run, *given, "--output", output, "--device", "cpu", *options)


def test_a_given_caption_is_drawn_where_the_same_one_looked_when_it_was_found(
    attncli: Command, captioners: Path, tmp_path: Path
) -> None:
    image, *_ = captions_of(captioners)
    best = captioned(attncli, captioners, "--attention")[0]["hypotheses"][0]
    result = drawn(attncli, captioners / "recurrent", [image], tmp_path, "--format", "json", "--target", best["text"])
    assert result.code == 0, result.err
    [found] = json.loads((tmp_path / "attention.json").read_text())
    steps = len(best["tokens"])
    assert found["target_tokens"][:steps] == best["tokens"]
    np.testing.assert_allclose(found["weights"][:steps], np.reshape(best["attention"], (steps, 64)), atol=1e-5)


def test_given_captions_stay_with_their_images_among_bad_files(
    attncli: Command, captioners: Path, tmp_path: Path
) -> None:
    first, second, *_ = captions_of(captioners)
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    targets = [part for text in ("a red circle", "a star", "a small green cross") for part in ("--target", text)]
    run, images, out = captioners / "recurrent", [first, bad, second], tmp_path / "out"
    result = drawn(attncli, run, images, out, *targets, "--format", "json")
    assert (result.code, result.out) == (1, f"wrote {tmp_path}/out/attention.json\n")
    assert result.err == (f"attncli: {bad}: not an image of a known kind\nattncli: 1 of 3 files could not be drawn\n")
    found = json.loads((tmp_path / "out" / "attention.json").read_text())
    assert [(each["image"], each["caption"]) for each in found] == [
        (str(first), "a red circle"),
        (str(second), "a small green cross"),
    ]
    result = drawn(attncli, run, images, out, *targets)
    names = ("attention-1-test-00001.png", "attention-2-test-00002.png", "contact-sheet.png")
    assert result.out == "".join(f"wrote {tmp_path}/out/{name}\n" for name in names)


@pytest.mark.parametrize(
    ("run", "options", "code", "message"),
    [
        ("recurrent", ["--target", " "], 2, "--target: empty; an alignment needs at least one token"),
        (
            "none",
            ["--target", "a star"],
            1,
            "RUN: there are no weights to draw: the model has attention: none, so its decoder looks at no part of the "
            "source in particular; choose a run trained with an attention",
        ),
        (
            "recurrent",
            ["--self-attention"],
            1,
            "RUN: there is no self-attention to draw: the encoder is of kind cnn and the decoder of kind recurrent; "
            "choose a run with one of kind lstmn or transformer",
        ),
        (
            "lstmn",
            ["--heads"],
            1,
            "RUN: there are no heads to draw: the decoder is of kind lstmn, which looks at the source with one "
            "attention; draw that without --heads, or choose a run with a transformer decoder",
        ),
        ("transformer", ["--heads", "--layer", "3"], 2, "--layer: 3, but the decoder has layers 1 to 2"),
        (
            "transformer",
            ["--layer", "1"],
            2,
            "--layer: selects what --self-attention and --heads draw; add one of them",
        ),
    ],
)
def test_drawings_that_a_captioner_has_not_are_refused(
    attncli: Command, captioners: Path, tmp_path: Path, run: str, options: list[str], code: int, message: str
) -> None:
    image, *_ = captions_of(captioners)
    result = drawn(attncli, captioners / run, [image], tmp_path, *options)
    assert (result.code, result.out) == (code, "")
    assert result.err == f"attncli: {message.replace('RUN', str(captioners / run))}\n"
    assert not list(tmp_path.glob("*.png"))


def test_a_decoder_that_looks_back_is_drawn_without_its_encoder(
    attncli: Command, captioners: Path, tmp_path: Path
) -> None:
    images = list(captions_of(captioners))[:2]
    for run, options, kinds in (
        ("lstmn", ["--self-attention"], ["decoder-self-attention"]),
        ("transformer", ["--self-attention", "--heads"], ["decoder-self-attention", "heads"]),
    ):
        result = drawn(attncli, captioners / run, images, tmp_path, *options)
        assert result.code == 0, result.err
        names = [f"{kind}-{number}.png" for number in (1, 2) for kind in kinds]
        assert result.out == "".join(f"wrote {tmp_path}/{name}\n" for name in names)
        for name in names:
            with Image.open(tmp_path / name) as figure:
                assert figure.format == "PNG"


def test_heads_of_the_top_layer_have_the_mean_that_is_drawn_without_them(
    attncli: Command, captioners: Path, tmp_path: Path
) -> None:
    image, *_ = captions_of(captioners)
    run, asked = captioners / "transformer", ("--format", "json", "--target", "a small red circle")
    assert drawn(attncli, run, [image], tmp_path, *asked).code == 0
    assert drawn(attncli, run, [image], tmp_path, *asked, "--heads", "--self-attention").code == 0
    [plain] = json.loads((tmp_path / "attention.json").read_text())
    before, heads = json.loads((tmp_path / "heads.json").read_text())
    words = ["a", "small", "red", "circle", "</s>"]
    assert heads["source"] == str(image)
    assert heads["rows"] == plain["target_tokens"] == before["rows"] == words
    assert heads["layer"] == before["layer"] == 2
    assert before["columns"] == ["<s>", *words[:-1]]
    assert heads["columns"] == [f"{row},{column}" for row in range(1, 9) for column in range(1, 9)]
    assert list(heads["heads"]) == ["layer 2, head 1", "layer 2, head 2"]
    one, other = heads["heads"].values()
    assert one != other
    np.testing.assert_allclose(np.mean([one, other], 0), plain["weights"], atol=1e-6)
    for weights in before["heads"].values():
        np.testing.assert_allclose(weights, np.tril(weights), err_msg="no word looks at a later one")


def test_a_bad_file_has_no_heads_to_draw(attncli: Command, captioners: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no image")
    result = drawn(attncli, captioners / "transformer", [tmp_path / "bad.png"], tmp_path, "--heads")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"attncli: {tmp_path}/bad.png: not an image of a known kind\n"
        "attncli: none of the files can be read, so nothing was drawn\n"
    )


def test_heads_of_the_other_images_are_drawn_beside_a_bad_file(
    attncli: Command, captioners: Path, tmp_path: Path
) -> None:
    first, second, *_ = captions_of(captioners)
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    result = drawn(attncli, captioners / "transformer", [first, bad, second], tmp_path / "out", "--heads")
    assert result.code == 1
    assert result.out == f"wrote {tmp_path}/out/heads-1.png\nwrote {tmp_path}/out/heads-3.png\n"
    assert result.err == (f"attncli: {bad}: not an image of a known kind\nattncli: 1 of 3 files could not be drawn\n")
