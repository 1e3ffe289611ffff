"""Transcription reads recordings or films, and varies each as it can be."""

from __future__ import annotations

import pytest
from recordings import CONFIG, TINY, configured

from attncli.config.load import check_config
from attncli.config.sources.audio import Spectrogram
from attncli.config.sources.video import Frames
from attncli.config.tasks.transcription import TranscriptionModel
from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError


def test_an_encoder_without_a_kind_reads_recordings() -> None:
    assert isinstance(configured(TINY).model.encoder, Spectrogram)
    assert isinstance(TranscriptionModel().encoder, Spectrogram)


def test_films_are_transcribed_too() -> None:
    model = TranscriptionModel.model_validate({"encoder": {"kind": "frames", "rate": 12.5}})
    assert isinstance(model.encoder, Frames)
    assert model.encoder.noun == "film"


@pytest.mark.parametrize(
    ("encoder", "training", "problem"),
    [
        (
            "{kind: frames}",
            ", spec_augment: {time_masks: 1}",
            "training.spec_augment: masks recordings, but model.encoder.kind 'frames' reads films; remove it",
        ),
        (
            TINY,
            ", augmentation: {flip: true}",
            "training.augmentation: varies images and films, but model.encoder.kind 'spectrogram' reads recordings; "
            "remove it",
        ),
    ],
)
def test_what_varies_another_kind_of_source_is_refused(encoder: str, training: str, problem: str) -> None:
    values = parse_yaml(CONFIG.replace("TRAINING", training), where="test")
    values["model"]["encoder"] = parse_yaml(encoder, where="test")
    with pytest.raises(ConfigError) as caught:
        check_config(values, where="test")
    assert str(caught.value) == f"test: {problem}"


def test_a_transcript_is_no_direction() -> None:
    values = parse_yaml(CONFIG.replace("TRAINING", ""), where="test")
    values["model"]["encoder"] = parse_yaml("{kind: frames}", where="test")
    values["data"]["labels"] = "arrow_of_time"
    del values["data"]["columns"]["target"]
    with pytest.raises(ConfigError) as raised:
        check_config(values, where="small.yaml")
    assert "data.labels: 'arrow_of_time' is for task 'classification', but task is 'transcription'; remove it" in str(
        raised.value
    )
