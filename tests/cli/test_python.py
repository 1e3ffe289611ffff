"""The Python interface: the code of its page runs, and its results are those of the commands."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command
from PIL import Image

import attncli
from attncli import api, load
from attncli.config.search import Search as SearchSection

PAGE = (Path(__file__).parents[2] / "docs/how-to/python.md").read_text(encoding="utf-8")
SENTENCES = ["der Hund rennt .", "eine Kuh schläft nie .", "Hund"]


@pytest.fixture
def place(tmp_path: Path, trained: Path, captioners: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, that has what the page speaks of."""
    shutil.copytree(trained, tmp_path / "runs/toy-translation")
    shutil.copytree(captioners / "trained", tmp_path / "runs/toy-captioning")
    shutil.copytree(captioners / "images", tmp_path / "data/toy-captioning/images")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_code_of_the_page_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    printed = capsys.readouterr().out
    assert "('target', 'source')" in printed
    assert "('target', 'row', 'column')" in printed
    assert printed.endswith("runs/toy-translation: this run reads sentences; use translate()\n")
    with Image.open(place / "alignment.png") as drawn:
        assert drawn.format == "PNG"


def test_a_translation_is_that_of_the_command(attncli: Command, place: Path) -> None:
    given = "".join(f"{sentence}\n" for sentence in SENTENCES).encode()
    asked = ("translate", "runs/toy-translation", "--format", "jsonl", "--n-best", 2, "--attention", "--device", "cpu")
    expected = [json.loads(line) for line in attncli(*asked, given=given).out.splitlines()]
    found = load("runs/toy-translation", device="cpu").translate(SENTENCES, n_best=2, attention=True)
    assert [each.source for each in found] == SENTENCES
    for output, record in zip(found, expected, strict=True):
        assert output.text == record["hypotheses"][0]["text"]
        for one, other in zip(output.hypotheses, record["hypotheses"], strict=True):
            assert (one.text, list(one.tokens)) == (other["text"], other["tokens"])
            assert one.score == pytest.approx(other["score"])
            assert one.token_log_probs == pytest.approx(other["token_log_probs"])
            assert one.attention is not None
            assert one.attention.axes == ("target", "source")
            assert one.attention.values.shape == (len(one.attention.target), len(one.attention.source or ()))
            np.testing.assert_allclose(one.attention.values, other["attention"], atol=1e-6)


def test_a_draw_repeats_with_its_seed(place: Path) -> None:
    run = attncli.load(place / "runs/toy-translation", device="cpu")

    def drawn(seed: int) -> list[str]:
        [found] = run.translate(["der Hund rennt ."], sample=True, n_best=4, temperature=2.0, seed=seed)
        return [hypothesis.text for hypothesis in found.hypotheses]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_notebook_shows_attention_alone(place: Path) -> None:
    run = attncli.load("runs/toy-translation", device="cpu")
    [with_attention], [without] = run.translate(["Hund"], attention=True), run.translate(["Hund"])
    shown = with_attention._repr_html_()
    assert shown is not None
    found = re.search(r'src="data:image/png;base64,([^"]*)" alt="([^"]*)"', shown)
    assert found is not None
    assert Image.open(io.BytesIO(base64.b64decode(found[1]))).format == "PNG"
    assert (
        found[2] == f"Attention weights: for each token of “{with_attention.text}” over the tokens of the source “Hund”"
    )
    assert f"<figcaption><bdi>Hund</bdi> → <bdi>{with_attention.text}</bdi></figcaption>" in shown
    assert len(shown) < 100_000, "a notebook stays small"
    assert re.search(r"toy-translation, step [0-9]+<", with_attention.figure("svg").decode())
    assert without._repr_html_() is None
    image = place / "data/toy-captioning/images/test-00001.png"
    [captioned] = attncli.load("runs/toy-captioning", device="cpu").caption([image], attention=True)
    photograph = re.search(r'src="data:image/jpeg;base64,([^"]*)" alt="([^"]*)"', captioned._repr_html_() or "")
    assert photograph is not None
    assert Image.open(io.BytesIO(base64.b64decode(photograph[1]))).format == "JPEG"
    assert f"over the regions of the image “{image}”" in photograph[2]
    [hostile] = run.translate(["<script> \u202e"], attention=True)
    assert not re.search("<script>|\u202e", hostile._repr_html_() or "<script>")
    assert "_drawer" not in repr(without)


def test_an_encoded_source_has_a_state_for_each_position(place: Path) -> None:
    [sentence] = attncli.load("runs/toy-translation", device="cpu").encode(["der Hund rennt ."])
    assert sentence.tokens is not None
    assert sentence.tokens[-1] == "</s>"
    assert (len(sentence.states), sentence.grid) == (len(sentence.tokens), None)
    image = place / "data/toy-captioning/images/test-00001.png"
    [encoded] = attncli.load("runs/toy-captioning", device="cpu").encode([image])
    assert (encoded.tokens, encoded.source) == (None, str(image))
    assert encoded.grid is not None
    assert len(encoded.states) == encoded.grid[0] * encoded.grid[1]


def test_mistakes_are_user_errors(place: Path) -> None:
    translator = attncli.load("runs/toy-translation", device="cpu")
    captioner = attncli.load("runs/toy-captioning", device="cpu")
    (place / "text.png").write_text("no image")
    [plain] = translator.translate(["Hund"])
    for call, message in (
        (lambda: translator.caption(["x.png"]), "runs/toy-translation: this run reads sentences; use translate()"),
        (lambda: captioner.translate(["x"]), "runs/toy-captioning: this run reads images; use caption()"),
        (
            lambda: translator.translate(["x"], n_best=9, beam_size=2),
            "n_best 9: a beam of 2 has no more; raise beam_size",
        ),
        (lambda: translator.translate(["x"], beam_size=0), "beam_size: should be at least 1, but is 0"),
        (lambda: translator.translate(["x"], top_k=2), "top_k is for drawing; add sample=True"),
        (lambda: translator.translate(["x"], sample=True, temperature=0), "temperature 0: must be a number from 1e-06"),
        (lambda: translator.translate(["x"], sample=True, top_k=0), "top_k 0: must be at least 1"),
        (lambda: translator.translate(["x"], sample=True, top_p=2), "top_p 2: must be a number over 0, and at most 1"),
        (lambda: translator.translate(["x"], sample=True, seed=-1), "seed -1: must be from 0 to 18446744073709551615"),
        (lambda: translator.encode(["Hund", ""]), "source 2: is empty, so there is nothing to encode"),
        (lambda: captioner.caption(["text.png"]), "source 1: text.png: "),
        (plain.figure, "there is no attention to draw; ask for it with attention=True"),
        (lambda: plain.figure("pdf"), "unknown format 'pdf'; choose from png, svg"),
        (lambda: attncli.load("runs/nothing"), "runs/nothing: no such folder"),
    ):
        with pytest.raises(attncli.UserError) as caught:
            call()
        assert str(caught.value).startswith(message)


def test_every_key_of_the_search_is_an_option() -> None:
    assert {*api.Search.__annotations__} == {*SearchSection.model_fields}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'attncli' has no attribute 'open'"):
        _ = attncli.open
