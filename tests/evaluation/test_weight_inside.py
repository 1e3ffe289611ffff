"""The weight inside gold places, summed here by its definition, and where it is reported."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import randomised
from toy_captions import toy_captions

from attncli.assembly.model import build_model
from attncli.config.evaluation import Evaluation
from attncli.config.load import check_config
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.yaml_core import parse_yaml
from attncli.data.gold_places import GoldPlace
from attncli.errors import DataError
from attncli.evaluation.evaluate import System, evaluate
from attncli.evaluation.test_set import EvaluationSet, configured_set
from attncli.evaluation.weight_inside import weight_inside
from attncli.metrics.metric import SentenceStatistics
from attncli.metrics.registry import METRICS
from attncli.models.ctc import CTC
from attncli.reports.text import markdown_text, terminal_text
from attncli.reports.values import report_values
from attncli.runs.facts import CheckpointFacts
from attncli.runs.writing import WritingRun
from attncli.text.tokenizer import train_tokenizers

MODEL = """\
model:
  embedding_size: 6
  encoder: {kind: cnn, preprocessing: {size: 16}, widths: [4, 5]}
  attention: ATTENTION
  decoder: {hidden_size: 8}
training: {max_steps: 1}
"""


def made(folder: Path, attention: str = "{score: general}") -> tuple[WritingRun, EvaluationSet]:
    """Return a captioner of random weights, and its test set with gold places."""
    text = toy_captions(folder, train=3, dev=2, test=7) + MODEL.replace("ATTENTION", attention)
    text = text.replace("{split: test}}", "{split: test, places: places-test.jsonl}}")
    config = check_config(parse_yaml(text, where="toy"), where="toy")
    assert isinstance(config, CaptioningConfig)
    test = configured_set(config, None, where="toy")
    lines = [line for stream in test.references for line in stream if line is not None]
    tokenizers = train_tokenizers(config.tokenizer, [(lines, lines)])
    torch.manual_seed(1)
    size = tokenizers.target.size
    model = randomised(build_model(config, source_vocabulary=size, target_vocabulary=size), seed=1, spread=3.0)
    return WritingRun(folder, config, model.eval(), CheckpointFacts(step=1), tokenizers), test


def by_hand(run: WritingRun, test: EvaluationSet) -> tuple[float, float, int]:
    """Return the share inside and that of equal weights, in percent, and the number of words."""
    inside, uniform = [], []
    pairs = [(cell, str(text)) for cell, text in zip(test.cells, test.references[0], strict=True)]
    assert test.gold is not None
    for found, places in zip(run.writer().align(pairs), test.gold, strict=True):
        for place in places:
            assert place.box is not None
            left, top, right, bottom = place.box
            area = np.zeros((4, 4))
            for row, column in np.ndindex(4, 4):
                width = max(0, min((column + 1) / 4, right) - max(column / 4, left)) * 4
                area[row, column] = width * max(0, min((row + 1) / 4, bottom) - max(row / 4, top)) * 4
            for word in place.words:  # each is one token
                weights = found.best.weights
                assert weights is not None
                inside.append(float((weights[word] * area).sum()))
                uniform.append(float(area.mean()))
    return 100 * float(np.mean(inside)), 100 * float(np.mean(uniform)), len(inside)


def test_weight_inside_is_the_mean_over_words(tmp_path: Path) -> None:
    run, test = made(tmp_path)
    [measured] = weight_inside(run, test, run.config.search)
    inside, uniform, words = by_hand(run, test)
    assert inside != pytest.approx(uniform, rel=0.02)
    assert measured.score() == pytest.approx(inside)
    assert 100 * measured.values[:, 1].sum() / words == pytest.approx(uniform)
    assert measured.values[:, 2].sum() == words == 3 * sum(len(places) for places in test.gold or ())


def test_nothing_is_measured_without_attention_or_places(tmp_path: Path) -> None:
    run, test = made(tmp_path / "none", "none")
    assert weight_inside(run, test, run.config.search) == ()
    run, test = made(tmp_path / "some")
    assert weight_inside(run, EvaluationSet(test.name, test.sources, test.references), run.config.search) == ()


def test_places_that_a_kind_of_source_does_not_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, test = made(tmp_path)
    monkeypatch.setattr(WritingRun, "locator", lambda _: None)
    with pytest.raises(DataError) as caught:
        weight_inside(run, test, run.config.search)
    assert str(caught.value) == (
        f"{tmp_path}: gold places of the test set 'test' are given by 'box', which is not known of images; remove "
        "data.test.test.places"
    )


SUMS = SentenceStatistics(np.array([[1.5, 0.2, 2], [0, 0, 0], [0.9, 0.4, 1]]), "", lambda totals: 80.0)
TEST = EvaluationSet("t", ("a", "b", "c"), (("x", "y", "z"),), "image")


def report() -> Any:
    systems = [System("looks", ("x", "y", "w"), weight_inside=(SUMS,)), System("blind", ("x", "v", "w"))]
    return evaluate(TEST, systems, Evaluation(bootstrap_samples=9), metrics=METRICS)


def test_the_report_has_the_weight_of_runs_that_attend() -> None:
    found = json.loads(json.dumps(report().as_json()))["runs"]
    assert found[0]["weight_inside"] == {
        "score": 80.0, "low": 80.0, "high": 80.0, "uniform": pytest.approx(20.0), "words": 3
    }  # fmt: skip
    assert found[1]["weight_inside"] is None


def test_tables_show_it_beside_equal_weights() -> None:
    heading = "Weight of the attention inside the gold places of 3 words, in % of that over the source; "
    heading += "the reference is given"
    text = terminal_text(report())
    assert heading in text
    assert "looks  80.0 [80.0, 80.0]           20.0" in text
    page = markdown_text(report(), "x.png")
    assert f"## {heading}" in page
    assert re.search(r"\| looks +\| 80\.0 \[80\.0, 80\.0\] \| +20\.0 \|", page)


def test_every_look_has_its_own_share() -> None:
    first = SentenceStatistics(SUMS.values, "", lambda totals: 30.0)
    systems = [System("twice", ("x", "y", "w"), weight_inside=(first, SUMS))]
    found = evaluate(TEST, systems, Evaluation(bootstrap_samples=9), metrics=METRICS)
    text = terminal_text(found)
    assert "twice, look 1  30.0 [30.0, 30.0]           20.0\ntwice, look 2  80.0 [80.0, 80.0]           20.0" in text
    inside = found.as_json()["runs"][0]["weight_inside"]
    assert inside["score"] == 80.0
    assert inside["earlier_looks"] == [{"score": 30.0, "low": 30.0, "high": 30.0}]


def test_csv_leaves_it_empty_where_there_is_none() -> None:
    first, second = csv.DictReader(io.StringIO(report_values(report())["scores.csv"]))
    names = ("weight_inside", "weight_inside_low", "weight_inside_high")
    assert [first[name] for name in names] == ["80.0"] * 3
    assert [second[name] for name in names] == [""] * 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    run, _ = made(tmp_path / "x")
    (tmp_path / "x" / "places-test.jsonl").unlink()
    with pytest.raises(DataError, match=r"places-test\.jsonl: no such file"):
        configured_set(run.config, None, where="run")


def test_words_of_sentences_have_places_too(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("der Hund rennt .\nnie nie\n")
    (tmp_path / "a.en").write_text("the dog runs .\nnever never\n")
    places = [[{"words": [1, 2], "source_words": [1]}], [{"words": [0], "source_words": [0, 1]}]]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps({'places': each})}\n" for each in places))
    config = parse_yaml((trained.parent / "small.yaml").read_text(), where="small")
    config["data"] |= {"root": str(tmp_path), "test": {"a": {"source": "a.de", "target": "a.en", "places": "a.jsonl"}}}
    checked = check_config(config, where="small")
    assert isinstance(checked, TranslationConfig)
    run, test = WritingRun.load(trained, device="cpu"), configured_set(checked, None, where="small")
    [measured] = weight_inside(run, test, run.config.search)
    found = list(run.writer().align([("der Hund rennt .", "the dog runs ."), ("nie nie", "never never")]))
    first, second = (np.array(each.best.weights) for each in found)
    # Every word is a token here, and the end symbol the last position.
    expected = [first[1, 1], first[2, 1], second[0, :2].sum()]
    assert measured.score() == pytest.approx(100 * float(np.mean(expected)), rel=1e-5)


def test_what_ctc_cannot_write_has_weights_all_the_same(trained: Path) -> None:
    run = WritingRun.load(trained, device="cpu")
    run.model.ctc = CTC(10, run.model.decoder.embedding, weight=0.5)
    gold = ((GoldPlace.model_validate({"words": (3,), "source_words": (0,)}),),)
    test = EvaluationSet("t", ("nie",), (("never never never never",),), "sentence", ("nie",), ("t:1",), gold)
    [problem] = [found.problem for found in run.writer().align([("nie", "never never never never")])]
    assert problem is not None
    assert len(weight_inside(run, test, run.config.search)) == 1
