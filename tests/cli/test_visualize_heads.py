"""`attncli visualize --self-attention` and `--heads`: what they write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Command

STACK = "kind: transformer, hidden_size: 6, layers: 2, heads: 2, feed_forward_size: 9"
KINDS = {
    "transformer": [f"model.encoder={{{STACK}}}", f"model.decoder={{{STACK}}}", "model.attention={score: scaled_dot}"],
    "lstmn": ["model.encoder={kind: lstmn, hidden_size: 10}"],
}


def trained_as(attncli: Command, config: Path, run: Path, kind: str) -> Path:
    sets = [part for override in (*KINDS[kind], "training.max_steps=1") for part in ("--set", override)]
    assert attncli("train", config, "--run", run, *sets).code == 0
    return run


def test_a_transformer_shows_itself_and_its_heads(attncli: Command, config: Path, tmp_path: Path) -> None:
    run = trained_as(attncli, config, tmp_path / "run", "transformer")
    asked = ("visualize", run, "--text", "der Hund rennt", "--self-attention", "--heads")
    result = attncli(*asked, "--target", "the dog")
    assert result.code == 0, result.err
    names = ("encoder-self-attention-1.png", "decoder-self-attention-1.png", "heads-1.png")
    assert result.out.splitlines() == [f"wrote {run / 'visualization' / name}" for name in names]
    assert all((run / "visualization" / name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert attncli(*asked, "--format", "json", "--layer", 1).code == 0
    found = json.loads((run / "visualization" / "heads.json").read_text())
    assert [(each["kind"], each["layer"], len(each["heads"])) for each in found] == [
        ("encoder-self-attention", 1, 2),
        ("decoder-self-attention", 1, 2),
        ("heads", 1, 2),
    ]
    result = attncli(*asked, "--layer", 3)
    assert (result.code, result.err) == (2, "attncli: --layer: 3, but the encoder has layers 1 to 2\n")


def test_an_lstmn_shows_itself_and_has_no_heads(attncli: Command, config: Path, tmp_path: Path) -> None:
    run = trained_as(attncli, config, tmp_path / "run", "lstmn")
    result = attncli("visualize", run, "--text", "der Hund", "--self-attention", "--format", "svg")
    assert result.out == f"wrote {run / 'visualization' / 'encoder-self-attention-1.svg'}\n"
    result = attncli("visualize", run, "--text", "der Hund", "--heads")
    assert result.code == 1
    assert result.err == (
        f"attncli: {run}: there are no heads to draw: the decoder is of kind recurrent, which looks at the source with "
        "one attention; draw that without --heads, or choose a run with a transformer decoder\n"
    )


def test_a_recurrent_run_has_no_self_attention(attncli: Command, trained: Path) -> None:
    result = attncli("visualize", trained, "--text", "der Hund", "--self-attention")
    assert result.code == 1
    assert result.err == (
        f"attncli: {trained}: there is no self-attention to draw: the encoder is of kind recurrent and the decoder of "
        "kind recurrent; choose a "
        "run with one of kind lstmn or transformer\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layer", "2"], "--layer: selects what --self-attention and --heads draw; add one of them"),
        (
            ["--heads", "--format", "html"],
            "--format: self-attention and heads are drawn as png, svg or pdf, or written as json, not html",
        ),
    ],
)
def test_wrong_command_lines_are_explained(attncli: Command, arguments: list[str], message: str) -> None:
    result = attncli("visualize", "run", "--text", "a", *arguments)
    assert (result.code, result.err) == (2, f"attncli: {message}\n")


def test_words_that_the_vocabulary_lacks_are_drawn_as_they_are_written(
    attncli: Command, trained: Path, config: Path, tmp_path: Path
) -> None:
    asked = ("--text", "der Elefant rennt .", "--output", tmp_path)
    for suffix in ("html", "json"):
        assert attncli("visualize", trained, *asked, "--format", suffix).code == 0
    assert "<unk>" not in (tmp_path / "alignments.html").read_text().replace("&lt;", "<")
    [found] = json.loads((tmp_path / "alignments.json").read_text())
    assert [token.strip("￭") for token in found["source_tokens"]] == ["der", "Elefant", "rennt", ".", "</s>"]
    run = trained_as(attncli, config, tmp_path / "run", "transformer")
    assert attncli("visualize", run, *asked, "--heads", "--format", "json").code == 0
    [drawing] = json.loads((tmp_path / "heads.json").read_text())
    assert [token.strip("￭") for token in drawing["columns"]] == ["der", "Elefant", "rennt", ".", "</s>"]
