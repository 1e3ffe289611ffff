"""`attncli score`: given targets have the probability that the model gives them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Command

from attncli.data.tokens import pad_tokens
from attncli.runs.writing import WritingRun
from attncli.text.tokenizer import BOS, EOS

PAIRS = [
    ("der Hund rennt .", "the dog runs ."),
    ("Hund", "dog"),
    ("der Elefant rennt , nie !", ""),
    ("nie nie nie .", "never , never , never !"),
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    sources, targets = tmp_path / "x.de", tmp_path / "x.en"
    sources.write_text("".join(f"{source}\n" for source, _ in PAIRS))
    targets.write_text("".join(f"{target}\n" for _, target in PAIRS))
    return sources, targets


def by_steps(run: WritingRun, source: str, target: str) -> list[float]:
    """Return the log-probability of each token of `target`, read step by step."""
    tokenizers, decoder = run.tokenizers, run.model.decoder
    assert tokenizers.source is not None
    found = []
    with torch.inference_mode():
        memory = run.model.encode(pad_tokens([np.array([*tokenizers.source.encode(source), EOS])]))
        prepared = decoder.prepare(memory)
        state, last = decoder.start(prepared), BOS
        for token in (*tokenizers.target.encode(target), EOS):
            step = decoder.step(torch.tensor([last]), state, prepared)
            found.append(float(step.logits.log_softmax(-1)[0, token]))
            state, last = step.state, token
    return found


def test_a_line_says_the_log_probability_of_its_pair(attncli: Command, trained: Path, files: tuple[Path, Path]) -> None:
    run = WritingRun.load(trained, device="cpu")
    expected = [by_steps(run, *pair) for pair in PAIRS]
    asked = ("score", trained, "--source", files[0], "--target", files[1], "--batch-size", 3)
    result = attncli(*asked)
    assert result.code == 0, result.err
    assert [float(line) for line in result.out.split()] == pytest.approx([sum(each) for each in expected], rel=1e-4)
    every = [log_prob for each in expected for log_prob in each]
    perplexity = math.exp(-sum(every) / len(every))
    assert result.err == f"perplexity {perplexity:.4g} over {len(every)} tokens, end symbols counted\n"

    found = [json.loads(line) for line in attncli(*asked, "--format", "jsonl").out.splitlines()]
    assert [record["source"] for record in found] == [source for source, _ in PAIRS]
    for record, each in zip(found, expected, strict=True):
        [hypothesis] = record["hypotheses"]
        assert hypothesis["token_log_probs"] == pytest.approx(each, abs=1e-4)
        assert hypothesis["tokens"][-1] == "</s>"
        assert "attention" not in hypothesis


def test_what_was_translated_has_the_log_probability_that_translate_says(
    attncli: Command, trained: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    lines = attncli("translate", trained, files[0], "--format", "moses", "--max-length", 30).out.splitlines()
    written = [line.split(" ||| ") for line in lines]
    (tmp_path / "written").write_text("".join(f"{text}\n" for _, text, _, _ in written))
    found = attncli("score", trained, "--source", files[0], "--target", tmp_path / "written").out.split()
    assert [float(each) for each in found] == pytest.approx(
        [float(log_prob) for _, _, log_prob, _ in written], rel=1e-4
    )


def test_captions_are_scored_for_the_images_of_their_paths(attncli: Command, captioners: Path, tmp_path: Path) -> None:
    images = sorted(captioners.rglob("test-*.png"))[:3]
    sources, targets = tmp_path / "paths", tmp_path / "captions"
    sources.write_text("".join(f"{image}\n" for image in images))
    targets.write_text("a red circle\na blue square above a circle\n\n")
    result = attncli("score", captioners / "trained", "--source", sources, "--target", targets)
    assert result.code == 0, result.err
    assert len({*result.out.split()}) == 3
    assert all(float(line) < 0 for line in result.out.split())


def test_bad_pairs_are_refused_with_their_place(attncli: Command, trained: Path, tmp_path: Path) -> None:
    sources, targets = tmp_path / "s", tmp_path / "t"

    def refused(source: str, target: str) -> str:
        sources.write_text(source)
        targets.write_text(target)
        result = attncli("score", trained, "--source", sources, "--target", targets, "--output", tmp_path / "out")
        assert result.code == 1
        assert not (tmp_path / "out").exists()
        return result.err

    assert refused("Hund\nKuh\n", "dog\n") == (
        f"attncli: {targets}: has only 1 line, but {sources} has more; a pair is a line of each\n"
    )
    assert refused("Hund\n", "dog\ncow\n") == (
        f"attncli: {sources}: has only 1 line, but {targets} has more; a pair is a line of each\n"
    )
    assert refused("Hund\n \n", "dog\ncow\n") == (
        f"attncli: {sources}:2: the source is empty, so nothing can be scored for it; remove the pair\n"
    )
    result = attncli("score", trained, "--source", sources, "--target", targets, "--output", targets)
    assert (result.code, result.err) == (2, f"attncli: --output {targets}: is the input; choose another file\n")
