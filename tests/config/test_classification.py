"""Classification: its defaults, and what a table and its encoders must have in common."""

from __future__ import annotations

import pytest

from attncli.config.bases import merged_values
from attncli.config.decoders import ClassifierDecoder, RecurrentDecoder
from attncli.config.load import check_config
from attncli.config.tasks.classification import ClassificationConfig
from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError

TEXT = """\
task: classification
data: {columns: {text: words, target: label}, train: {table: a.tsv}, dev: {table: b.tsv}}
model: {encoder: {hidden_size: 10}}
training: {max_steps: 1}
"""
FRAMES = "model: {encoder: {kind: frames, frame: {kind: cnn, preprocessing: {size: 16}, widths: [4]}}}"
CNN = "model: {encoder: {kind: cnn, preprocessing: {size: 16}, widths: [4]}}"


def configured(*changes: str) -> ClassificationConfig:
    values = parse_yaml(TEXT, where="small")
    for change in changes:
        values = merged_values(values, parse_yaml(change, where="change"))
    found = check_config(values, where="small.yaml")
    assert isinstance(found, ClassificationConfig)
    return found


def test_targets_are_labels_and_the_decoder_a_classifier_unless_said_otherwise() -> None:
    config = configured()
    assert config.longest_target == 1
    assert isinstance(config.model.decoder, ClassifierDecoder)
    narrow = configured("model: {decoder: {hidden_size: 9}}").model.decoder
    assert (type(narrow), narrow.hidden_size) == (ClassifierDecoder, 9)
    assert isinstance(configured("model: {decoder: {kind: recurrent}}").model.decoder, RecurrentDecoder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            ["data: {folders: {text: here}}"],
            "data.folders.text: is the folder of files, but model.encoder reads text; remove it",
        ),
        ([CNN], "data.folders: model.encoder reads images; give data.folders.text, where they are"),
        (
            [CNN, "data: {folders: {text: here}, maximum_length: {source: 9}}"],
            "data.maximum_length: is for one source that is text, but model.encoder.kind 'cnn' reads images; remove it",
        ),
        (
            ["data: {columns: {other: more}}"],
            "data.columns: has the sources text, other, but model.encoder reads one; keep one of them, or give "
            "model.encoders",
        ),
        (["tokenizer: {target: null}"], "tokenizer.target: needs keys of its own, such as 'kind' (label), but is null"),
        (
            ["training: {validation: {metric: bleu}}"],
            "training.validation.metric: unknown value 'bleu'; choose from accuracy, loss",
        ),
    ],
)
def test_what_does_not_fit_is_told(changes: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configured(*changes)
    assert str(raised.value) == f"small.yaml: {problem}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            [],
            "data.labels: 'arrow_of_time' plays films or recordings both ways, but model.encoder.kind 'recurrent' "
            "reads sentences; read one of those, or remove it",
        ),
        (
            [CNN, "data: {folders: {text: here}}"],
            "data.labels: 'arrow_of_time' plays films or recordings both ways, but model.encoder.kind 'cnn' reads "
            "images; read one of those, or remove it",
        ),
        ([FRAMES], "data.folders: model.encoder reads films; give data.folders.text, where they are"),
    ],
)
def test_the_arrow_of_time_needs_what_lasts(changes: list[str], problem: str) -> None:
    values = parse_yaml(TEXT.replace(", target: label}", "}, labels: arrow_of_time"), where="small")
    for change in changes:
        values = merged_values(values, parse_yaml(change, where="change"))
    with pytest.raises(ConfigError) as raised:
        check_config(values, where="small.yaml")
    assert str(raised.value) == f"small.yaml: {problem}"
