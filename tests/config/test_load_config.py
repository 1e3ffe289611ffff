"""Every message that a configuration can cause, and what overrides do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from tiny import TINY

from attncli.config.load import check_config, read_config
from attncli.config.tasks.translation import TranslationConfig
from attncli.errors import ConfigError


def configured(*overrides: str) -> TranslationConfig:
    config = read_config(TINY, overrides)
    assert isinstance(config, TranslationConfig)
    return config


def problems(*overrides: str) -> list[str]:
    """Return the problems of the tiny configuration with `overrides`, without the `--set` each begins with."""
    with pytest.raises(ConfigError) as caught:
        configured(*overrides)
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all(problem.startswith("--set ") for problem in caught.value.problems)
    return [problem.removeprefix("--set ") for problem in caught.value.problems]


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        # Unknown keys: the nearest name and the list, at any depth and through unions.
        (
            "trianing={}",
            "trianing: unknown key 'trianing'; did you mean 'training'? choose from data, evaluation, model, search, "
            "task, tokenizer, training",
        ),
        (
            "model.encoder.hiden_size=3",
            "model.encoder.hiden_size: unknown key 'hiden_size'; did you mean 'hidden_size'? choose from "
            "bidirectional, cell, embedding_scale, hidden_size, kind, layers, maximum_length, positions, "
            "reverse_source",
        ),
        (
            "model.dropout.input=0.1",
            "model.dropout.input: unknown key 'input'; did you mean 'inputs'? choose from inputs, layers, outputs",
        ),
        (
            "model.attention.bananas=3",
            "model.attention.bananas: unknown key 'bananas'; choose from coverage, coverage_loss, estimator, "
            "filter_width, filters, half_width, inference, initial_alignment, location_aware, longer_sources, "
            "maximum_source_length, normalisation, projections, sampling_seed, score, selection, sharpening, size, "
            "temperature, window",
        ),
        (
            "training.optimizer={kind: sgd, momentun: 0.9}",
            "training.optimizer.momentun: unknown key 'momentun'; did you mean 'momentum'? choose from kind, momentum",
        ),
        (
            "data.train.targt=x",
            "data.train.targt: unknown key 'targt'; did you mean 'target'? choose from pairs, source, source_field, "
            "target, target_field",
        ),
        (
            "data.test.flickr={source: a, target: b, lines: 3}",
            "data.test.flickr.lines: unknown key 'lines'; choose from pairs, places, source, source_field, target, "
            "target_field",
        ),
        # Values that are none of the choices.
        (
            "model.attention.score=adittive",
            "model.attention.score: unknown value 'adittive'; did you mean 'additive'? choose from content, additive, "
            "location, general, dot, scaled_dot",
        ),
        (
            "training.precision=fp16",
            "training.precision: unknown value 'fp16'; did you mean 'bf16'? choose from fp32, tf32, bf16, auto",
        ),
        (
            "model.encoder.kind=lstnm",
            "model.encoder.kind: unknown value 'lstnm'; did you mean 'lstmn'? choose from recurrent, lstmn, "
            "transformer, convolutional",
        ),
        (
            "model.decoder.kind=3",
            "model.decoder.kind: unknown value '3'; choose from recurrent, lstmn, transformer, classifier",
        ),
        # Keys of another kind than is asked for, which without a kind is a recurrent one.
        (
            "model.encoder={kind: lstmn, cell: gru}",
            "model.encoder.cell: unknown key 'cell'; choose from bidirectional, embedding_scale, hidden_size, kind, "
            "layers, maximum_length, positions, reverse_source",
        ),
        (
            "model.decoder={kind: transformer, head: 3}",
            "model.decoder.head: unknown key 'head'; did you mean 'heads'? choose from activation, "
            "embedding_scale, feed_forward_size, heads, hidden_size, kind, layers, maximum_length, norm, positions",
        ),
        (
            "model.encoder={heads: 3}",
            "model.encoder.heads: unknown key 'heads'; choose from bidirectional, cell, embedding_scale, hidden_size, "
            "kind, layers, maximum_length, positions, reverse_source",
        ),
        (
            "model.encoder=transformer",
            "model.encoder: needs keys of its own, such as 'kind' (recurrent, lstmn, transformer, convolutional), "
            "but is 'transformer'",
        ),
        (
            "training.optimizer.kind=adan",
            "training.optimizer.kind: unknown value 'adan'; did you mean 'adam'? choose from adam, adamw, sgd",
        ),
        (
            "training.schedule={kind: 3}",
            "training.schedule.kind: unknown value '3'; choose from constant, inverse_square_root, noam, cosine, "
            "plateau",
        ),
        # Values of another type; nothing is turned into what was meant.
        ("training.max_steps='7'", "training.max_steps: should be an integer, but is '7'"),
        ("training.max_steps=7.5", "training.max_steps: should be an integer, but is 7.5"),
        ("training.max_steps=1e5", "training.max_steps: should be an integer, but is 100000.0"),
        ("training.max_steps=true", "training.max_steps: should be an integer, but is true"),
        ("training.seed=null", "training.seed: should be an integer, but is null"),
        ("training.learning_rate=fast", "training.learning_rate: should be a number, but is 'fast'"),
        ("training.learning_rate=.inf", "training.learning_rate: should be a finite number, but is Infinity"),
        ("training.learning_rate=.nan", "training.learning_rate: should be a finite number, but is NaN"),
        ("training.tensorboard=yes", "training.tensorboard: should be true or false, but is 'yes'"),
        ("data.root=3", "data.root: should be text, but is 3"),
        ("training=3", "training: needs keys of its own, but is 3"),
        ("data.test=[a]", 'data.test: needs keys of its own, but is ["a"]'),
        ("data.train=train.de", "data.train: needs keys of its own, but is 'train.de'"),
        (
            "training.optimizer=adam",
            "training.optimizer: needs keys of its own, such as 'kind' (adam, adamw, sgd), but is 'adam'",
        ),
        ("evaluation.length_bins=3", "evaluation.length_bins: should be a list, but is 3"),
        ("evaluation.length_bins=[5, x]", "evaluation.length_bins.1: should be an integer, but is 'x'"),
        (
            "training.optimizer={kind: adam, betas: [0.1, 0.2, 0.3]}",
            "training.optimizer.betas: takes at most 2 items, but is [0.1, 0.2, 0.3]",
        ),
        (
            "training.optimizer={kind: adam, betas: [0.1]}",
            "training.optimizer.betas.1: missing, and there is no default",
        ),
        (f"data.cache=[{'x' * 90}]", f'data.cache: should be text, but is ["{"x" * 75}...'),
        (
            "model.attention=additive",
            "model.attention: should be 'none', or keys such as {score: additive}, but is 'additive'",
        ),
        ("model.attention=null", "model.attention: should be 'none', or keys such as {score: additive}, but is null"),
        (
            "model.dropout=often",
            "model.dropout: should be a number, or keys inputs, layers and outputs, but is 'often'",
        ),
        # Numbers out of range.
        ("model.encoder.layers=0", "model.encoder.layers: should be at least 1, but is 0"),
        ("training.learning_rate=0", "training.learning_rate: should be at least 1e-12, but is 0"),
        ("model.dropout=1.5", "model.dropout: should be under 1, but is 1.5"),
        ("model.dropout.layers=-1", "model.dropout.layers: should be at least 0, but is -1"),
        # Missing ones.
        ("data.test.flickr={source: a}", "data.test.flickr.target: missing, and there is no default"),
        ("training.optimizer={}", "training.optimizer: needs a 'kind'; choose from adam, adamw, sgd"),
        ("training.schedule.kind=noam", "training.schedule.size: missing, and there is no default"),
        # Rules within a section.
        (
            "model.encoder.hidden_size=9",
            "model.encoder: hidden_size 9 is odd, but each of two directions takes half of it; make it even",
        ),
        (
            "model.encoder={kind: transformer, hidden_size: 20, heads: 8}",
            "model.encoder: hidden_size 20 is not a multiple of heads 8; make it one",
        ),
        (
            "model.decoder={kind: transformer, positions: learned}",
            "model.decoder: positions: learned needs maximum_length, the maximum number of positions",
        ),
        (
            "model.encoder={kind: convolutional, kernel_size: 4}",
            "model.encoder: kernel_size 4 is even, so that it has no middle; make it odd",
        ),
        (
            "model.encoder={kind: transformer, maximum_length: 20}",
            "model.encoder: maximum_length belongs to positions: learned, but positions is sinusoidal; remove it",
        ),
        (
            "model.attention.sharpening=none",
            "model.attention: sharpening belongs to score: content, but score is additive; remove it",
        ),
        (
            "model.attention={score: location}",
            "model.attention: score: location needs maximum_source_length, the maximum number of source positions",
        ),
        (
            "training.max_steps=null",
            "training: has no end; set at least one of max_steps, max_epochs and max_minutes",
        ),
        (
            "training={max_epochs: 2, schedule: {kind: cosine}}",
            "training: schedule: cosine needs steps (or training.max_steps), the update at which the rate is lowest",
        ),
        ("evaluation.length_bins=[5, 20, 20]", "evaluation: length_bins must rise, but are [5, 20, 20]"),
        ("evaluation.duration_bins=[0.5, 0.2]", "evaluation: duration_bins must rise, but are [0.5, 0.2]"),
        ("evaluation.duration_bins=[0]", "evaluation.duration_bins.0: should be over 0, but is 0"),
        (
            "evaluation.duration_bins=[0.5, 2]",
            "evaluation.duration_bins: are for recordings and films, but the length is that of the text; remove them",
        ),
        # The task.
        (
            "task=translatoin",
            "task: unknown task 'translatoin'; did you mean 'translation'? choose from translation, summarisation, "
            "answering, captioning, classification, transcription, autoencoding",
        ),
        (
            "task=painting",
            "task: unknown task 'painting'; choose from translation, summarisation, answering, captioning, "
            "classification, transcription, autoencoding",
        ),
        (
            "task=[pictures]",
            "task: unknown task '[\"pictures\"]'; choose from translation, summarisation, answering, captioning, "
            "classification, transcription, autoencoding",
        ),
        # What is wrong before any key is looked at.
        ('data.root="\\ud800"', "data.root:1: half of a surrogate pair, which is not a character"),
        ("data.root=!!binary aGk=", "data.root:1: '!!binary' is not the tag of such a value; remove it"),
        ("training.seed=&a [*a]", "training.seed:1: the alias is inside of what it stands for"),
        ("training.seed=" + "9" * 5000, "training.seed:1: a number of 5,000 characters; at most 100"),
    ],
)
def test_a_mistake_is_named_with_its_key_what_was_found_and_what_would_do(override: str, problem: str) -> None:
    assert problems(override) == [problem]


@pytest.mark.parametrize("key", ["projections", "sharpening", "maximum_source_length", "longer_sources"])
def test_a_key_of_another_score_is_refused(key: str) -> None:
    value = {"projections": "none", "sharpening": "none", "longer_sources": "error"}.get(key, "5")
    [problem] = problems(f"model.attention={{score: general, {key}: {value}}}")
    owner = {"sharpening": "content", "projections": "scaled_dot"}.get(key, "location")
    assert problem == f"model.attention: {key} belongs to score: {owner}, but score is general; remove it"


@pytest.mark.parametrize("score", ["general", "scaled_dot, projections: none"])
def test_a_width_that_no_score_has_is_refused(score: str) -> None:
    [problem] = problems(f"model.attention={{score: {score}, size: 5}}")
    assert problem == (
        "model.attention: size belongs to score: additive and to scaled_dot with projections, but score is "
        f"{score.partition(',')[0]}; remove it"
    )


@pytest.mark.parametrize("part", ["encoder", "encoder={kind: transformer, hidden_size: 6, heads: 2}"])
def test_learned_positions_are_counted(part: str) -> None:
    name, equals, section = part.partition("=")
    begin = section.removesuffix("}") + ", " if equals else "{"
    [problem] = problems(f"model.{name}={begin}positions: learned}}")
    assert problem == f"model.{name}: positions: learned needs maximum_length, the maximum number of positions"
    [problem] = problems(f"model.{name}={begin}positions: sinusoidal, maximum_length: 9}}")
    assert problem == (
        f"model.{name}: maximum_length belongs to positions: learned, but positions is sinusoidal; remove it"
    )


def test_every_problem_is_told_at_once_and_where_it_was_said(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("task: translation\ndata: {train: {source: a}}\nmodle: {}\ntraining: {max_steps: 0}\n")
    with pytest.raises(ConfigError) as caught:
        read_config(path, ["search.beam_size=none", "training.seed=-1"])
    assert str(caught.value) == (
        f"{path}: data.train.target: missing, and there is no default\n"
        f"{path}: data.dev: missing, and there is no default\n"
        "--set training.seed: should be at least 0, but is -1\n"
        f"{path}: training.max_steps: should be at least 1, but is 0\n"
        "--set search.beam_size: should be an integer, but is 'none'\n"
        f"{path}: modle: unknown key 'modle'; did you mean 'model'? choose from data, evaluation, model, search, task, "
        "tokenizer, training"
    )


def test_a_problem_is_laid_to_the_overrides_if_the_file_is_right_without_them() -> None:
    with pytest.raises(ConfigError) as caught:
        configured("model.encoder.hidden_size=12", "model.attention={score: dot}")
    assert str(caught.value) == (
        "--set model.attention.score: 'dot' needs query and memory of equal width, but model.decoder.hidden_size is 8 "
        "and model.encoder.hidden_size is 12; make them equal or choose 'general'"
    )


def test_a_problem_of_the_file_stays_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(TINY.read_text().replace("score: additive, size: 7", "score: dot"))
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "c.yaml", ["training.seed=5"])
    assert str(caught.value).startswith(f"{tmp_path}/c.yaml: model.attention.score: 'dot' needs query and memory")
    assert read_config(tmp_path / "c.yaml", ["model.attention.score=general"])


def test_of_many_problems_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(TINY.read_text() + "".join(f"key{at}: 1\n" for at in range(3000)))
    started = time.process_time()
    lines = refused(tmp_path / "c.yaml").splitlines()
    assert time.process_time() - started < 20
    assert len(lines) == 11
    assert lines[9].startswith(f"{tmp_path}/c.yaml: key9: unknown key 'key9'; choose from data,")
    assert lines[10] == "... and 2,990 more problems"


@pytest.mark.parametrize(
    "override",
    [
        "x" * 5000 + "=1",
        ".".join("x" * 5000),
        ".".join("x" * 5000) + "=1",
        "task=" + "x" * 5000,
        "data.root=[" + "x, " * 5000 + "]",
        "data.root={" + "x: 1, " * 5000 + "}",
        "model.dropout=" + "x" * 5000,
        "model.attention=" + "x" * 5000,
        "model.encoder.kind=" + "x" * 5000,
        "model.attention.score=" + "x" * 5000,
        "evaluation.length_bins=[" + "9, " * 5000 + "]",
        "training.seed=!" + "x" * 5000 + " 1",
    ],
)
def test_what_is_long_is_quoted_by_its_beginning(override: str) -> None:
    assert all(len(problem) < 500 for problem in problems(override))


def test_control_characters_are_shown_as_escapes(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31m.yaml").write_text('task: "\\e[31m"\n')
    assert refused(tmp_path / "\x1b[31m.yaml").startswith(f"{tmp_path}/\\x1b[31m.yaml: task: unknown task '\\x1b[31m'")
    assert problems('training="\\e[31m"') == ["training: needs keys of its own, but is '\\x1b[31m'"]
    [problem] = problems("training.\x1b[31m=1")
    assert problem.startswith("training.\\x1b[31m: unknown key '\\x1b[31m'")


def test_a_missing_task_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: {}\n")
    assert refused(tmp_path / "c.yaml") == (
        f"{tmp_path}/c.yaml: task: missing; choose from translation, summarisation, answering, captioning, "
        "classification, transcription, autoencoding"
    )


@pytest.mark.parametrize("content", ["", "# nothing\n", "- a\n", "just text\n", "3\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.yaml").write_text(content)
    expected = f"{tmp_path}/c.yaml: holds no keys; a configuration starts with 'task: translation'"
    assert refused(tmp_path / "c.yaml") == expected


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\x89PNG\xff\xfe")
    (tmp_path / "zeros.yaml").write_bytes(b"a: \0")
    assert refused(Path("/dev/zero")) == "/dev/zero: over 256 KiB, so not a configuration"
    assert refused(tmp_path / "none.yaml") == f"{tmp_path}/none.yaml: no such file"
    assert refused(tmp_path) == f"{tmp_path}: is a folder, not a configuration file"
    assert refused(tmp_path / "binary.yaml") == f"{tmp_path}/binary.yaml: not UTF-8 text, so not a configuration file"
    assert refused(tmp_path / "zeros.yaml").startswith(
        f"{tmp_path}/zeros.yaml: not YAML: unacceptable character #x0000"
    )
    assert refused(tmp_path / "binary.yaml" / "x") == f"{tmp_path}/binary.yaml/x: cannot be read: Not a directory"


@pytest.mark.parametrize(
    "override",
    ["training.max_steps", "=3", "training..seed=3", ".seed=3", "training.=3", ""],
)
def test_an_override_that_is_no_assignment_is_refused(override: str) -> None:
    assert problems(override) == [f"{override}: expected KEY=VALUE, such as training.max_steps=100"]


def test_an_override_that_is_no_yaml_is_refused() -> None:
    [problem] = problems("data.root=[a")
    assert problem == "data.root:1: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"


def test_overrides_set_keys_of_any_depth_in_their_order() -> None:
    config = configured(
        "training.seed=5",
        "training.seed=6",
        "training.early_stopping.patience=4",  # a section that the file does not have
        "data.test.new.source=a=b",
        "data.test.new.target=c",
        "model.attention=none",
        "model.dropout=0.25",
        "evaluation.length_bins=[4, 8]",
        "training.clip_norm=null",
        "training.validation={metric: loss}",
    )
    assert config.training.seed == 6
    assert config.training.early_stopping is not None
    assert config.training.early_stopping.patience == 4
    assert config.data.test["new"].model_dump() == {"source": "a=b", "target": "c", "places": None}
    assert config.model.attention == "none"
    assert set(config.model.dropout.model_dump().values()) == {0.25}
    assert config.evaluation.length_bins == (4, 8)
    assert config.training.clip_norm is None
    assert (config.training.validation.metric, config.training.max_steps) == ("loss", 3)


def test_a_section_may_take_the_place_of_a_word() -> None:
    config = configured("model.attention=none", "model.attention.score=content")
    assert config.model.attention != "none"
    assert config.model.attention.score == "content"


def test_an_override_changes_one_of_the_places_of_an_alias(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "task: translation\ndata: {train: &files {source: a, target: b}, dev: *files}\ntraining: {max_steps: 1}\n"
    )
    data = read_config(path, ["data.dev.source=c"]).model_dump()["data"]
    assert (data["train"]["source"], data["dev"]["source"]) == ("a", "c")


def test_a_whole_number_will_do_where_a_number_is_asked_for() -> None:
    assert configured("training.learning_rate=1").training.learning_rate == 1.0


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_network_without_a_kind_is_a_recurrent_one(part: str) -> None:
    config = configured(f"model.{part}={{cell: gru, layers: 2}}")
    assert (getattr(config.model, part).kind, getattr(config.model, part).cell) == ("recurrent", "gru")
    assert getattr(configured(f"model.{part}={{kind: lstmn, layers: 2}}").model, part).kind == "lstmn"


def test_pairs_in_one_file_and_in_two_are_told_apart() -> None:
    config = configured("data.train={pairs: a.tsv, source_field: 2, target_field: en}")
    assert config.data.train.model_dump() == {"pairs": "a.tsv", "source_field": 2, "target_field": "en"}
    assert config.data.dev.model_dump() == {"source": "dev.de", "target": "dev.en"}


def test_values_are_checked_without_a_file_too() -> None:
    values = yaml.safe_load(TINY.read_text())
    assert check_config(values, where="here") == configured()
    with pytest.raises(ConfigError, match="here: search: needs keys of its own, but is 3"):
        check_config({**values, "search": 3}, where="here")
