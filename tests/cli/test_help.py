"""Help: nothing is cut, defaults are those of the run, and every example can be typed as it stands."""

from __future__ import annotations

import gzip
import inspect
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Command
from conftest import write_corpus
from PIL import Image
from recordings import recorded_words
from toy_answers import toy_answers
from toy_films import labelled_films
from toy_labels import labelled_images, labelled_texts
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.cli.options import HEADINGS
from attncli.cli.parameters import Parameter, parameters, prose_and_examples
from attncli.config.search import Search
from attncli.data.sets.toy_images import ToyPictureSizes, make_toy_pictures
from attncli.data.sets.toy_translation import ToySizes, make_toy_translation

AUTOENCODING = """\
task: autoencoding
data:
  kind: pictures
  root: {root}
  height: 8
  width: 12
  train: {{folder: train}}
  dev: {{folder: dev}}
  test: {{held-out: {{folder: test}}}}
  cache: {root}/cache
model: {{kind: dense, widths: [10], bottleneck: 2, activation: none}}
training: {{max_steps: 2, batch_size: 5}}
evaluation: {{bootstrap_samples: 20}}
"""
TRANSFORMER = "{kind: transformer, hidden_size: 6, heads: 2, layers: 1, feed_forward_size: 9}"
SMALL = ["training.max_steps=1", "model.encoder.hidden_size=8", "model.decoder.hidden_size=8", "tokenizer.kind=word"]
CUT_SHORT = {
    "train": ["--overwrite", "--set", SMALL[0]],
    "compare": ["--seeds", "1", *(part for each in SMALL for part in ("--set", each))],
}
"""What is added to an example that would train for long."""
ONLINE = "attncli data get "


def commands() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every command by its words, with its function."""
    groups = [("", app), *((f"{group.name} ", group.typer_instance) for group in app.registered_groups)]
    for start, group in groups:
        for info in group.registered_commands if group else ():
            assert info.callback is not None
            yield f"{start}{info.name or info.callback.__name__}", info.callback


COMMANDS = dict(commands())
PARAMETERS = [(name, each) for name, function in COMMANDS.items() for each in parameters(function)]
EXAMPLES = [
    *prose_and_examples(app.info.help or "")[1],
    *(
        example
        for group in app.registered_groups
        if group.typer_instance
        for example in prose_and_examples(str(group.typer_instance.info.help))[1]
    ),
    *(example for function in COMMANDS.values() for example in prose_and_examples(inspect.getdoc(function) or "")[1]),
]


@pytest.mark.parametrize("width", [24, 50, 80, 200])
@pytest.mark.parametrize("command", ["", "data", "config", *COMMANDS])
def test_help_cuts_nothing_and_keeps_to_the_width(
    attncli: Command, monkeypatch: pytest.MonkeyPatch, command: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = attncli(*command.split(), "-h").out
    words = " ".join(out.split())
    assert "..." not in words.replace("RUN...", "").replace("PATH...", "").replace("SOURCE...", "").replace(
        "N,N...", ""
    )
    # Examples are broken at options alone.
    too_long = [line for line in re.split(r"Examples?:\n", out)[0].splitlines() if len(line) > min(width, 100)]
    assert all(len(line.split()) <= 4 for line in too_long), too_long  # a single long word with what marks it
    for each in parameters(COMMANDS[command]) if command in COMMANDS else ():
        assert f"{each.written} {each.explanation}" in words
        assert each.is_argument or each.shown_default in words


def test_at_80_columns_not_even_an_example_is_wider(attncli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in COMMANDS:
        assert max(map(len, attncli(*command.split(), "-h").out.splitlines())) <= 80, command


def test_an_example_continued_on_a_second_line_is_what_stands_in_the_docstring(
    attncli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for command, function in COMMANDS.items():
        shown = re.split(r"Examples?:\n", attncli(*command.split(), "-h").out)[1]
        joined = [" ".join(line.split()) for line in shown.replace("\\\n", "").splitlines()]
        assert joined == prose_and_examples(inspect.getdoc(function) or "")[1]


def test_without_arguments_the_help_names_the_first_commands_to_type(attncli: Command) -> None:
    result = attncli()
    assert result.code == 2
    assert (result.out + result.err).endswith(
        "Examples:\n  attncli data make toy-translation\n  attncli train toy-translation\n"
        "  attncli eval runs/toy-translation\n"
    )


@pytest.mark.parametrize(("command", "option"), PARAMETERS, ids=lambda value: getattr(value, "name", value))
def test_what_to_give_is_said_in_words(command: str, option: Parameter) -> None:
    assert option.is_flag or re.fullmatch(
        r"[A-Z_]+(\.\.\.|,N\.\.\.|[=:][A-Z]+)?|[a-z0-9]+(\|[a-z0-9:\[\]N]+)+", option.metavar
    )
    assert re.match(r"[A-Z`]", option.explanation)
    assert option.explanation.endswith(".")
    assert "default" not in option.explanation
    assert option.panel in ("Arguments", "Options", *HEADINGS)


def test_defaults_of_search_are_those_of_the_configuration() -> None:
    named = 0
    for command, option in PARAMETERS:
        if said := re.fullmatch(r"the run's search\.(\w+), else (.+)", option.shown_default):
            named += 1
            default = Search.model_fields[said[1]].default
            assert option.name == said[1], command
            unset = {"ctc_weight": "model.ctc.weight"}.get(said[1], "no limit")
            assert said[2] == (unset if default is None else str(default)), command
        else:
            assert option.name not in Search.model_fields, f"{command}: {option.name}"
    assert named >= 15


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, captioners: Path) -> Path:
    """Return a folder with the runs, data and files that examples name, all of them small."""
    folder = tmp_path_factory.mktemp("world")
    translator = write_corpus(folder)
    tests = "data.test={test_2016_flickr: {source: dev.de, target: dev.en}}"
    trained(translator, folder / "translator", tests, "evaluation.bootstrap_samples=20")
    same = ("none", "additive", *(f"additive-seed-{seed}" for seed in (1, 2, 3)), "rnn", "lstm", "lstm-attention")
    for name in ("multi30k-de-en", "toy-translation", *same):
        shutil.copytree(folder / "translator", folder / "runs" / name)
    parts = [f"model.encoder={TRANSFORMER}", f"model.decoder={TRANSFORMER}", "model.attention={score: scaled_dot}"]
    trained(translator, folder / "runs/transformer", "training.max_steps=1", *parts)
    make_toy_pictures(folder / "pictures", ToyPictureSizes(train=12, dev=4, test=6), seed=1)
    (folder / "autoencoder.yaml").write_text(AUTOENCODING.format(root=folder / "pictures"))
    for kind in ("linear", "deep", "denoising"):
        trained(folder / "autoencoder.yaml", folder / f"runs/autoencoder-{kind}")
    trained(labelled_texts(folder / "reviews", train=6, dev=2, test=2), folder / "runs/toy-reviews")
    trained(labelled_images(folder / "shapes"), folder / "runs/shapes")
    trained(toy_answers(folder / "questions", train=6, dev=2, test=3), folder / "runs/flickr8k-qa")
    trained(recorded_words(folder / "digits"), folder / "runs/toy-speech", "search.min_length=3")
    classifier = labelled_films(folder / "actions")
    trained(classifier, folder / "runs/toy-actions", "training.max_steps=2")
    reader = classifier.with_name("lips.yaml")
    text = classifier.read_text().replace("classification", "transcription").replace(", group: form", "")
    reader.write_text(text.replace("{film: film", "{source: film").replace("{film: films}", "{source: films}"))
    trained(reader, folder / "runs/grid-s1-lips", "training.max_steps=2", "search.min_length=2")
    write_files(folder, captioners)
    return folder


def trained(config: Path, run: Path, *overrides: str) -> None:
    arguments = ["train", str(config), "--run", str(run), "--device", "cpu", *(f"--set={each}" for each in overrides)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


def write_files(folder: Path, captioners: Path) -> None:
    """Write the texts and images that examples name."""
    for name in ("flickr8k", "toy-captioning"):
        shutil.copytree(captioners / "trained", folder / "runs" / name)
    for name in ("photos", "holiday"):
        (folder / name).mkdir()
    for number, path in enumerate(sorted((captioners / "images").glob("*.png"))[:3]):
        shutil.copy(path, folder / "photos")
        Image.open(path).convert("RGB").save(folder / f"holiday/{number}.jpg")
    Image.open(path).convert("RGB").save(folder / "photo.jpg")
    shutil.copytree(folder / "questions/images", folder / "images")
    shutil.copy(folder / "questions/questions.tsv", folder)
    (folder / "questions.jsonl").write_text('{"image": "photo.jpg", "question": "where is the dog ?"}\n')
    shutil.copytree(folder / "digits/audio", folder / "recordings")
    shutil.copytree(folder / "actions/films", folder / "films")
    shutil.copy(folder / "recordings/test0.wav", folder / "memo.wav")
    for name, source in (("test.de", "dev.de"), ("test.en", "dev.en"), ("out.en", "dev.en")):
        shutil.copy(folder / source, folder / name)
    (folder / "talk.de.gz").write_bytes(gzip.compress((folder / "dev.de").read_bytes()))
    make_toy_translation(folder / "data/toy-translation", ToySizes(train=30, dev=3, test=3), seed=1)
    (folder / "data/multi30k").mkdir()
    for name, source in (("train", "train"), ("val", "dev"), ("test_2016_flickr", "dev")):
        for side in ("de", "en"):
            text = (folder / f"{source}.{side}").read_bytes()
            (folder / f"data/multi30k/{name}.{side}.gz").write_bytes(gzip.compress(text))


@pytest.mark.parametrize("example", [each for each in dict.fromkeys(EXAMPLES) if not each.startswith(ONLINE)])
def test_an_example_runs_as_it_stands(
    attncli: Command, world: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    monkeypatch.chdir(world)
    given, pipe, command = example.rpartition(" | ")
    words = [name for word in shlex.split(command.partition(" > ")[0]) for name in matching(word)]
    assert words[0] == "attncli"
    given = " ".join(shlex.split(given)[1:]) + "\n" if pipe else ""
    if words[1:3] == ["data", "make"]:
        words += ["--to", str(world / "made"), "--train", "6", "--dev", "2", "--test", "2"]
    if words[1] in ("train", "compare"):
        words += ["--device", "cpu"]
    result = attncli(*words[1:], *CUT_SHORT.get(words[1], ()), given=given.encode())
    assert result.code == 0, result.err
    assert result.out or "--output" in words


def matching(word: str) -> list[str]:
    """Return the paths that match `word`, as a shell does."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def test_an_example_of_fetching_names_a_data_set_and_a_folder(
    attncli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr("attncli.data.sets.fetch.fetch", lambda *given, **_: asked.append(given))
    [example] = [each for each in EXAMPLES if each.startswith(ONLINE)]
    assert attncli(*shlex.split(example)[1:]).code == 0
    assert asked == [("multi30k", Path("data/multi30k"))]
