"""The keys of JSON files: each that is written is in `docs/reference/json.md`, and each there is written."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from recordings import recorded_words
from toy_answers import toy_answers
from toy_labels import labelled_images, labelled_texts
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.data.sets.toy_images import ToyPictureSizes, make_toy_pictures
from attncli.errors import Stopped
from attncli.metrics.registry import ALL_METRICS
from attncli.runs.facts import CheckpointFacts, Metadata
from attncli.training.log import JsonLines

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
_METRIC = "|".join([*ALL_METRICS, "comet"])
NAMES = {
    "METRIC": _METRIC,
    "SCORE": f"loss|cross_entropy|ctc|perplexity|{_METRIC}",
    "UNIT": "tokens|pictures|vectors",
    "AMOUNT": "deviation|share",
    "SIDE": "source|target",
    "HEAD": ".+",
    "SOURCE": "image|question",
    "FILE": ".+",
    "KEY": ".+",
}
"""What stands for the names in pointed brackets."""
SPOKEN = "data.test={test: {table: test.tsv}}"
HOPPING = "model.decoder.hops=2"
MARKED = (
    "model.attention={score: additive, size: 7, window: local_p, half_width: 2, selection: hard, "
    "estimator: straight_through}"
)


@cache
def documented(title: str) -> Mapping[str, re.Pattern[str]]:
    """Return the keys in the table below the heading `title`, with patterns of what they stand for."""
    [section] = [part for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:] if part.startswith(f"{title}\n")]
    keys = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    return {key: re.compile(re.sub(r"<([A-Z]+)>", lambda name: f"({NAMES[name[1]]})", re.escape(key))) for key in keys}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path of every value that is no object, as the page writes it, with the value."""
    if isinstance(value, dict):
        for key, found in value.items():
            yield from leaves(found, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and all(isinstance(found, dict) for found in value):
        for found in value:
            yield from leaves(found, f"{path}[]")
    else:
        yield path, value


def check(title: str, *values: Any) -> None:
    """Fail unless the keys of `values` together are those that the page documents below `title`."""
    keys, written = documented(title), [leaf for value in values for leaf in leaves(value)]
    for path, value in written:
        known = any(pattern.fullmatch(path) for pattern in keys.values())
        # What is null or empty here may hold objects elsewhere.
        holds = (f"{path}.", f"{path}[].") if value in (None, [], {}) else ()
        assert known or any(key.startswith(holds) for key in keys if holds), f"{title}: {path} is not documented"
    paths = {path for path, _ in written}
    assert {key for key, pattern in keys.items() if not any(map(pattern.fullmatch, paths))} == set(), "never written"


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def train(config: Path, run: Path, *changes: str) -> Path:
    sets = [part for change in ("training.max_steps=1", *changes) for part in ("--set", change)]
    invoke("train", config, "--run", run, "--device", "cpu", *sets)
    return run


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_pairs(folder: Path) -> tuple[Path, Path]:
    """Write a source and its target into files of `folder`, and return them."""
    source, target = folder / "a.de", folder / "a.en"
    source.write_text("der Hund rennt .\n")
    target.write_text("the dog runs .\n")
    return source, target


def test_keys_of_what_is_written_and_scored(trained: Path, config: Path, captioners: Path, tmp_path: Path) -> None:
    source, target = write_pairs(tmp_path)
    marked = train(config, tmp_path / "marked", MARKED)
    image = captioners / "images" / "test-00001.png"
    found = lines(invoke("translate", trained, source, "--format", "jsonl", "--n-best", 2))
    found += lines(invoke("translate", marked, source, "--format", "jsonl", "--attention"))
    found += lines(invoke("caption", captioners / "trained", image, "--format", "jsonl", "--attention"))
    found += lines(invoke("score", trained, "--source", source, "--target", target, "--format", "jsonl"))
    check("Translations, captions and scores", *found)


def test_keys_of_answers_and_their_drawings(tmp_path: Path) -> None:
    hard = ("model.attention.selection=hard", "model.attention.estimator=straight_through")
    run = train(toy_answers(tmp_path / "data", train=4, dev=2, test=1), tmp_path / "run", *hard, HOPPING)
    image = tmp_path / "data" / "images" / "test-00001.png"
    check("Answers", *lines(invoke("answer", run, image, "why ?", "--format", "jsonl", "--attention")))
    given = ("--source", f"image={image}", "--source", "question=why ?", "--format", "json", "--output", tmp_path)
    invoke("visualize", run, *given)
    check("attention.json of several sources", read(tmp_path / "attention.json"))


def test_keys_of_labels(tmp_path: Path) -> None:
    texts = labelled_texts(tmp_path / "texts", train=4, dev=2, test=1)
    (tmp_path / "a.txt").write_text("The bed was very clean.\n")
    hard = ("model.attention.selection=hard", "model.attention.estimator=straight_through")
    found = []
    for run, given in (
        (train(texts, tmp_path / "reader", *hard, HOPPING), tmp_path / "a.txt"),
        (train(labelled_images(tmp_path / "images"), tmp_path / "viewer"), tmp_path / "images" / "images"),
    ):
        found += lines(invoke("classify", run, given, "--format", "jsonl", "--attention", "--device", "cpu"))
    check("Labels", *found)


def with_gold_places(run: Path, copy: Path) -> Path:
    """Return a copy of a captioner whose test set has gold places."""
    shutil.copytree(run, copy)
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("places: null", "places: places-test.jsonl"))
    return copy


def test_keys_of_a_report_and_its_sentences(trained: Path, config: Path, captioners: Path, tmp_path: Path) -> None:
    source, target = write_pairs(tmp_path)
    sides = ("--source", source, "--reference", target, "--output", tmp_path / "out", "--device", "cpu")
    with_ctc = train(config, tmp_path / "ctc", "model.ctc={}")
    invoke("eval", trained, with_ctc, "--hypotheses", target, *sides, "--metric", "wer", "--metric", "cer")
    few = (*sides[:4], "--output", tmp_path / "few", "--shortlist", "3", "--patience", "2", "--device", "cpu")
    invoke("eval", trained, *few)
    captioner = with_gold_places(captioners / "trained", tmp_path / "captioner")
    invoke("eval", captioner, "--output", tmp_path / "captions", "--device", "cpu")
    texts = labelled_texts(tmp_path / "texts", train=4, dev=2, test=3)
    (tmp_path / "texts/places.jsonl").write_text('{"places": [{"words": [0], "source_words": [0]}]}\n' * 3)
    reader = train(texts, tmp_path / "reader", HOPPING, "data.test.test.places=places.jsonl")
    invoke("eval", reader, "--output", tmp_path / "labels", "--device", "cpu")
    speaker = train(recorded_words(tmp_path / "digits"), tmp_path / "speaker", "search.min_length=3", SPOKEN)
    invoke("eval", speaker, "--reversed", "--output", tmp_path / "backwards", "--device", "cpu")
    reports = ("out", "few", "captions", "labels", "backwards")
    check("report.json", *(read(tmp_path / name / "report.json") for name in reports))
    check("sentences.jsonl", *lines((tmp_path / "out" / "sentences.jsonl").read_text()))


def test_keys_of_autoencoders(tmp_path: Path) -> None:
    make_toy_pictures(tmp_path, ToyPictureSizes(train=6, dev=2, test=3), seed=1)
    config = tmp_path / "small.yaml"
    config.write_text(
        f"task: autoencoding\ndata: {{kind: pictures, root: {tmp_path}, height: 4, width: 6, train: {{folder: train}}, "
        f"dev: {{folder: dev}}, test: {{test: {{folder: test}}}}, cache: {tmp_path}/cache}}\n"
        "model: {kind: dense, widths: [], bottleneck: 2, activation: none}\n"
        "training: {batch_size: 5, log_every: 1}\nevaluation: {bootstrap_samples: 5}\n"
    )
    runs = [train(config, tmp_path / name, f"training.seed={seed}") for seed, name in enumerate("ab", start=1)]
    invoke("eval", *runs, "--output", tmp_path / "out", "--corruption", "masking:0.3")
    check("report.json of autoencoders", read(tmp_path / "out" / "report.json"))
    log = lines((runs[0] / "log.jsonl").read_text())
    assert any("pictures_per_second" in record for record in log)
    known = documented("log.jsonl").values()
    assert all(any(key.fullmatch(path) for key in known) for record in log for path, _ in leaves(record))


def test_keys_of_drawings(trained: Path, config: Path, captioners: Path, tmp_path: Path) -> None:
    def drawn(run: Path, *options: object) -> Any:
        written = invoke("visualize", run, *options, "--format", "json", "--output", tmp_path / "out")
        return read(Path(written.splitlines()[0].removeprefix("wrote ")))

    sentence, image = ("--text", "der Hund rennt ."), ("--image", captioners / "images" / "test-00001.png")
    marked = train(config, tmp_path / "marked", MARKED)
    reader = train(labelled_texts(tmp_path / "texts", train=4, dev=2, test=1), tmp_path / "reader", HOPPING)
    check("alignments.json", *(drawn(run, *sentence) for run in (trained, marked, reader)))
    located = train(captioners / "small.yaml", tmp_path / "located", MARKED)
    viewer = train(labelled_images(tmp_path / "images"), tmp_path / "viewer", HOPPING)
    check("attention.json", *(drawn(run, *image) for run in (captioners / "trained", located, viewer)))
    network = "{kind: transformer, hidden_size: 6, heads: 2, feed_forward_size: 9}"
    changes = (f"model.encoder={network}", f"model.decoder={network}", "model.attention={score: scaled_dot}")
    transformer = train(config, tmp_path / "transformer", *changes)
    check("heads.json", drawn(transformer, *sentence, "--heads", "--self-attention"))
    check("gradients.json", drawn(trained, "--gradients"))


def test_keys_of_a_run(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    sets = ("--set", "training.keep_best=2", "--set", "training.average_best=true", "--device", "cpu")
    record = JsonLines.record

    def record_and_stop(log: JsonLines, facts: Mapping[str, Any]) -> None:
        record(log, facts)
        if facts["event"] == "validation":
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as stopping:
        stopping.setattr(JsonLines, "record", record_and_stop)
        stopped = CliRunner().invoke(app, ["train", str(config), "--run", str(run), *sets])
        assert isinstance(stopped.exception, Stopped), stopped.output
    invoke("train", config, "--run", run, *sets, "--resume", "--set", "search.beam_size=2")
    log = lines((run / "log.jsonl").read_text())
    events = {"start", "train", "validation", "stopped", "resume", "average", "end"}
    assert {found["event"] for found in log} == events
    check("log.jsonl", *log, {"processes": 2})  # of several alone
    # Of runs that an older version began, and of a checkpoint that is an average.
    assert {"begun_in_format"} <= set(Metadata.model_fields)
    check("metadata.json", read(run / "metadata.json"), {"begun_in_format": 2})
    assert {"average_of_steps"} <= set(CheckpointFacts.model_fields)
    check("checkpoint.json", read(run / "checkpoints" / "best" / "checkpoint.json"), {"average_of_steps": [6, 12]})
    check("tokenizer.json", read(run / "tokenizer.json"))


def test_an_undocumented_key_is_noticed() -> None:
    record = dict.fromkeys(("kind", "lowercase", "file", "sha256"), "x")
    with pytest.raises(AssertionError, match=r"^tokenizer\.json: source\.size is not documented"):
        check("tokenizer.json", {"format": 1, "source": {**record, "size": 3}})
    with pytest.raises(AssertionError, match="never written"):
        check("tokenizer.json", {"source": record})
