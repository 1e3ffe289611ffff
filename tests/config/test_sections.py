"""What holds for every section of the configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from attncli.config.load import CONFIGS
from attncli.config.problems import _sections_in
from attncli.config.section import Section, docstrings


def sections() -> list[type[Section]]:
    """Return every section that a configuration may hold."""
    found: dict[type[Section], None] = dict.fromkeys(CONFIGS.values())
    waiting: list[type[Section]] = list(CONFIGS.values())
    while waiting:
        for field in waiting.pop().model_fields.values():
            new = [section for section in _sections_in(field.annotation) if section not in found]
            found.update(dict.fromkeys(new))
            waiting.extend(new)
    return list(found)


def test_all_sections_are_found() -> None:
    assert {section.__name__ for section in sections()} == {
        *("TranslationConfig", "TranslationData", "ParallelFiles", "PairFile", "MaximumLength", "Tokenizer"),
        *("ParallelTest", "PairTest", "CTC"),
        *("TranslationModel", "Dropout", "RecurrentEncoder", "Attention", "RecurrentDecoder"),
        *("Reinforce", "StraightThrough"),
        *("LSTMNEncoder", "LSTMNDecoder", "TransformerEncoder", "TransformerDecoder", "ClassifierDecoder"),
        "ConvolutionalEncoder",
        "LabelTokenizer",
        *("TranslationTraining", "Adam", "AdamW", "SGD", "Constant", "InverseSquareRoot", "Noam", "Cosine", "Plateau"),
        *("TranslationValidation", "EarlyStopping", "Search", "Evaluation"),
        *("SummarisationConfig", "SummarisationData", "SummarisationTraining", "SummarisationValidation"),
        "SummarisationSearch",
        *("CaptioningConfig", "CaptioningData", "CaptionFile", "CaptionSplit", "CaptioningModel", "CNN"),
        *("EfficientNetLite0", "Timm", "Preprocessing", "Augmentation"),
        *("CaptioningTraining", "CaptioningValidation", "CaptioningEvaluation", "CrossEntropy", "SelfCritical"),
        *("AutoencodingConfig", "PictureData", "PictureSet", "VectorData", "VectorSet"),
        *("DenseModel", "ConvolutionalModel", "GaussianNoise", "Masking"),
        *("AutoencodingTraining", "AutoencodingValidation", "AutoencodingEvaluation"),
        *("AnsweringConfig", "JointModel", "AnsweringTraining", "AnsweringValidation", "AnsweringEvaluation"),
        *("ClassificationConfig", "ClassificationTokenizer", "ClassificationModel", "ClassificationTraining"),
        *("ClassificationValidation", "TableData", "TableSplit", "TableTest", "CaptionTest"),
        *("TranscriptionConfig", "TranscriptionTokenizer", "TranscriptionModel", "TranscriptionTraining"),
        *("TranscriptionValidation", "TranscriptionEvaluation", "Spectrogram", "LogMel", "Matrices", "SpecAugment"),
        *("Convolutions", "Pyramid", "Frames", "RecurrentNetwork", "LSTMNNetwork", "TransformerNetwork"),
        "ConvolutionalNetwork",
    }


@pytest.mark.parametrize("section", sections())
def test_every_key_is_explained(section: type[Section]) -> None:
    assert section.__doc__
    told = docstrings(section)
    for name, field in section.model_fields.items():
        text = field.description or told.get(name)
        assert text, name
        assert text.rstrip().endswith("."), name


@pytest.mark.parametrize("section", sections())
def test_every_section_is_frozen_and_refuses_other_keys(section: type[Section]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        section.model_validate({"no_such_key": 1})
    name = next(iter(section.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(section.model_construct(), name, 1)
