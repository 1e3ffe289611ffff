"""Models with several encoders: what goes with them, and how they are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_answers import IN_WORDS, SECTIONS

from attncli.config.bases import merged_values
from attncli.config.dump import to_yaml
from attncli.config.load import check_config, read_config
from attncli.config.sources.joint import JointEncoder
from attncli.config.tasks.answering import AnsweringConfig
from attncli.config.yaml_core import parse_yaml
from attncli.data.direction import Backwards
from attncli.errors import ConfigError

TEXT = "{kind: recurrent, hidden_size: 10}"
CNN = "{kind: cnn, preprocessing: {size: 32}, widths: [4, 6]}"


def configured(*overrides: str) -> AnsweringConfig:
    values = parse_yaml(SECTIONS.format(root="."), where="small")
    for override in overrides:
        key, _, text = override.partition("=")
        changes = parse_yaml(text, where="override")
        for name in reversed(key.split(".")):
            changes = {name: changes}
        values = merged_values(values, changes)
    found = check_config(values, where="small.yaml")
    assert isinstance(found, AnsweringConfig)
    return found


def test_encoders_are_read_as_one() -> None:
    section = configured().model.source
    assert isinstance(section, JointEncoder)
    assert list(section.parts) == ["image", "question"]
    assert (section.width, section.axes, section.is_joint, section.kind_name) == (7, 1, True, "cnn and recurrent")
    assert section.cell_of({"question": "q", "other": "o", "image": "i"}) == {"image": "i", "question": "q"}


def test_of_several_sources_those_that_last_are_played_the_other_way() -> None:
    film = "{kind: frames, frame: {kind: cnn, preprocessing: {size: 32}, widths: [4, 6]}}"
    cell = {"image": "a.webp", "question": "what ?"}
    section = configured(f"model.encoders.image={film}").model.source
    assert section.with_lasting(cell, Backwards) == {"image": Backwards("a.webp"), "question": "what ?"}
    assert configured().model.source.with_lasting(cell, Backwards) == cell


def test_memories_are_as_wide_as_the_decoder_unless_said_otherwise() -> None:
    assert configured("model.memory_size=null").model.source.width == 8


def test_all_encoders_are_attended_to_unless_some_are_named() -> None:
    for overrides, attended in (((), ("image", "question")), (("model.attended=[image]",), ("image",))):
        section = configured(*overrides).model.source
        assert isinstance(section, JointEncoder)
        assert section.attended == attended


def test_an_encoder_of_a_base_is_removed_with_null() -> None:
    section = configured("model.encoders={image: null}").model.source
    assert list(section.parts) == ["question"]
    assert section.is_joint


def test_one_encoder_is_an_ordinary_one() -> None:
    text = SECTIONS.replace("image: image, ", "").replace("folders: {{image: images}}", "folders: {{}}")
    text = text.replace("  memory_size: 7\n", "").replace(
        "  encoders:\n", f"  encoder: {TEXT}\n".replace("{", "{{").replace("}", "}}")
    )
    kept = [line for line in text.splitlines() if not line.startswith(("    image: {", "    question: {"))]
    config = check_config(parse_yaml("\n".join(kept).format(root="."), where="one"), where="one")
    assert isinstance(config, AnsweringConfig)
    assert (config.model.source.is_text, config.model.source.is_joint) == (True, False)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ([f"model.encoder={TEXT}"], "model: has encoder and encoders; give one of them"),
        (
            ["model.encoders={image: null, question: null}"],
            "model: has no encoder; give encoder, or encoders with one for each source",
        ),
        (
            ["model.encoders={image: null, question: null}", f"model.encoder={TEXT}"],
            "model: memory_size belongs to encoders, but there is one encoder; remove it",
        ),
        (
            ["model.encoders={image: null, question: null}", f"model.encoder={TEXT}", "model.memory_size=null"],
            "data.columns: has the sources image, question, but model.encoder reads one; keep one of them, or give "
            "model.encoders",
        ),
        (
            [f"model.encoders={{picture: {TEXT}}}"],
            "model.encoders: unknown source 'picture'; choose from image, question; data.columns names the column of "
            "each",
        ),
        (
            [f"model.encoders={{image: {TEXT}}}"],
            "data.folders.image: is the folder of files, but model.encoders.image reads text; remove it",
        ),
        (
            [f"model.encoders={{question: {CNN}}}"],
            "data.folders: model.encoders.question reads images; give data.folders.question, where they are",
        ),
        (
            ["model.encoders={image: {widths: [4, 6, 8], preprocessing: {size: 36}}}"],
            "model.encoders.image.preprocessing.size: 36 cannot be halved 3 times, once for each of "
            "model.encoders.image.widths; choose a multiple of 8",
        ),
        (
            ["model.encoders={question: {kind: transformer, hidden_size: 8}}"],
            "model.encoders.question.hidden_size: is 8, but model.embedding_size is 6; the states of a transformer are "
            "added to its embeddings, so make them equal",
        ),
        (["training.batch_by=picture"], "training.batch_by: unknown encoder 'picture'; choose from image, question"),
        (
            [
                *("model.encoders={image: null, question: null}", f"model.encoder={TEXT}", "model.memory_size=null"),
                "training.batch_by=image",
            ],
            "training.batch_by: belongs to model.encoders, but there is one encoder; remove it",
        ),
        (["model.attended=[picture]"], "model: attended: unknown encoder 'picture'; choose from image, question"),
        *(
            (
                [
                    *(
                        "model.encoders={image: null, question: null}",
                        f"model.encoder={TEXT}",
                        "model.memory_size=null",
                    ),
                    f"model.{key}=[question]",
                ],
                f"model: {key} belongs to encoders, but there is one encoder; remove it",
            )
            for key in ("attended", "summarised")
        ),
        (
            [*IN_WORDS, "training={objective: {kind: self_critical}, batch_by: image}"],
            "training.batch_by: puts targets into batches, which training.objective.kind 'self_critical' makes of "
            "sources; remove it",
        ),
        (["model.summarised=[picture]"], "model: summarised: unknown encoder 'picture'; choose from image, question"),
        (
            ["model.summarised=[question]", "model.attended=[question]"],
            "model.summarised: leaves out image, which no attention reads either; summarise it, attend to it, or "
            "remove its encoder",
        ),
        (
            ["model.summarised=[question]", "model.attention=none"],
            "model.summarised: leaves out image, which no attention reads either; summarise it, attend to it, or "
            "remove its encoder",
        ),
        (
            [*IN_WORDS, "model.attended=[image]", "model.decoder={bridge: zero}"],
            "model.attended: leaves out question, of which only the summary is read, but this decoder reads none; "
            "attend to all, or choose decoder.kind classifier, bridge: final or context: every_step",
        ),
        (
            ["model.attention={window: local_p}"],
            "model.attention.window: 'local_p' attends around a position, but the positions of several memories have "
            "no common order; choose 'global', or read one source with model.encoder",
        ),
        (
            ["model.attention={score: location, maximum_source_length: 9, size: null}"],
            "model.attention.score: 'location' scores places, but the positions of several memories have no common "
            "order; choose another score",
        ),
        (
            [*IN_WORDS, "model.attention={location_aware: true}"],
            "model.attention.location_aware: its filters run along a sequence, but the positions of several memories "
            "have no common order; remove it, or choose coverage: true",
        ),
        (
            [*IN_WORDS, "model.decoder={copying: true}"],
            "model.decoder.copying: copies words of the source, but model.encoders reads several sources (image, "
            "question); remove it",
        ),
        (
            [*IN_WORDS, "model.tied_embeddings=all"],
            "model.tied_embeddings: 'all' shares the embeddings of the one source, but model.encoders reads several; "
            "choose 'target'",
        ),
        (
            ["model.attention={score: dot, size: null}"],
            "model.attention.score: 'dot' needs query and memory of equal width, but model.decoder.hidden_size is 8 "
            "and model.memory_size is 7; make them equal or choose 'general'",
        ),
        (
            [*IN_WORDS, "model.decoder={bridge: copy}"],
            "model.decoder.bridge: 'copy' takes the encoder's final state as it is, but model.decoder.hidden_size is 8 "
            "and model.memory_size is 7; make them equal or choose 'final'",
        ),
        (
            ["model.encoders={question: {hidden_sizes: 3}}"],
            "model.encoders.question.hidden_sizes: unknown key 'hidden_sizes'; did you mean 'hidden_size'?",
        ),
        (
            ["model.encoders={question: {kind: cn}}"],
            "model.encoders.question.kind: unknown value 'cn'; did you mean 'cnn'? choose from",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(*overrides)
    assert any(line.startswith(f"small.yaml: {problem}") for line in str(caught.value).splitlines()), caught.value


def test_a_resolved_configuration_reads_the_same(tmp_path: Path) -> None:
    config = configured("model.encoders={image: null}")
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert read_config(tmp_path / "config.yaml") == config
