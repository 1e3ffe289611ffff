"""An option that is given and not used is refused with the reason; every option of every command is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from command_line import Command
from recordings import recorded_words, tone, write_wav
from toy_answers import toy_answers
from toy_labels import labelled_images
from typer.testing import CliRunner

from attncli.cli.main import app

ALWAYS = {
    "train": {"--processes", "--set", "--run", "--overwrite", "--device"},
    "eval": {"--output", "--label", "--metric", "--reference", "--hypotheses", "--test"},
    "translate": {
        *("--output", "--format", "--beam-size", "--length-penalty", "--patience", "--ctc-weight", "--max-length"),
        *("--min-length", "--n-best"),
        *(
            "--no-repeat-ngram-size",
            "--prefix",
            "--batch-size",
            "--precision",
            "--workers",
            "--max-source-length",
            "--shortlist",
            "--sample",
        ),
        *("--checkpoint", "--device", "--with"),
    },
    "caption": {
        *("--output", "--format", "--beam-size", "--length-penalty", "--patience", "--ctc-weight", "--max-length"),
        *("--min-length", "--n-best"),
        *(
            "--no-repeat-ngram-size",
            "--prefix",
            "--batch-size",
            "--precision",
            "--workers",
            "--sample",
            "--checkpoint",
            "--device",
        ),
        "--with",
    },
    "answer": {
        *("--output", "--format", "--beam-size", "--length-penalty", "--patience", "--ctc-weight", "--max-length"),
        *("--min-length", "--n-best"),
        *("--no-repeat-ngram-size", "--prefix", "--batch-size", "--precision", "--workers"),
        *("--max-source-length", "--sample", "--checkpoint", "--device", "--with"),
    },
    "classify": {
        *("--output", "--format", "--n-best", "--batch-size", "--precision", "--workers", "--checkpoint", "--device"),
        "--with",
    },
    "transcribe": {
        *("--output", "--beam-size", "--length-penalty", "--patience", "--ctc-weight", "--max-length", "--min-length"),
        *("--no-repeat-ngram-size", "--prefix", "--batch-size", "--precision", "--workers", "--sample"),
        *("--checkpoint", "--device", "--with"),
    },
    "score": {
        *(
            "--source",
            "--target",
            "--output",
            "--format",
            "--ctc-weight",
            "--batch-size",
            "--precision",
            "--workers",
            "--checkpoint",
            "--device",
        ),
        "--with",
    },
    "visualize": {"--output", "--format", "--ctc-weight"},
    "compare": {"--seeds", "--only", "--run", "--test", "--metric", "--set", "--device", "--processes"},
    "data get": {"--from", "--to"},
    "data make": {"--to", "--seed", "--train", "--dev", "--test"},
    "config check": {"--set"},
    "config show": {"--set"},
}
"""The options of each command that change something whatever else is given."""
EVERYWHERE = {"--help", "--quiet", "--verbose"}

FILES = "eval --hypotheses TEXT --reference TEXT"
TRANSLATE, CAPTION = "translate RUN TEXT", "caption CAPTIONER IMAGE"
LOOK, SEE = "visualize RUN --text x", "visualize CAPTIONER --image IMAGE"
ANSWER, ASK = "answer ANSWERER IMAGE why", "visualize ANSWERER --source image=IMAGE --source question=why"
CLASSIFY, TRANSCRIBE = "classify CLASSIFIER IMAGE", "transcribe TRANSCRIBER RECORDING"
MEANS_NOTHING = "means nothing for runs of task"
REFUSED = {
    "train CONFIG --dry-run --resume": "--dry-run tries how a training begins, so --resume means nothing",
    "eval RUN --source TEXT": "--source is given without --reference",
    "eval RUN --corruption masking:0.3": f"--corruption: {MEANS_NOTHING} translation",
    "eval RUN --comet-model x": "--comet-model: names the model of --metric comet",
    "eval CAPTIONER --reversed": "--reversed: plays films and recordings backwards, but ",
    "eval CAPTIONER --length source": "--length source: ",
    "eval RUN --source TEXT --reference TEXT --too-long cut --device cpu": "--too-long: no source is too long without",
    f"{FILES} --length source": "--length source: the sources are not known",
    f"{FILES} --with RUN": "--with: nothing is decoded without a RUN",
    f"{FILES} --beam-size 2": "--beam-size: nothing is decoded without a RUN",
    f"{FILES} --length-penalty 2": "--length-penalty: nothing is decoded without a RUN",
    f"{FILES} --patience 2": "--patience: nothing is decoded without a RUN",
    f"{FILES} --ctc-weight 0.5": "--ctc-weight: nothing is decoded without a RUN",
    "eval CAPTIONER --shortlist 2": f"--shortlist: {MEANS_NOTHING} captioning",
    f"{FILES} --shortlist 2": "--shortlist: nothing is decoded without a RUN",
    f"{FILES} --batch-size 2": "--batch-size: nothing is decoded without a RUN",
    f"{FILES} --precision fp32": "--precision: nothing is decoded without a RUN",
    f"{FILES} --workers 2": "--workers: nothing is decoded without a RUN",
    f"{FILES} --too-long cut": "--too-long: nothing is decoded without a RUN",
    f"{FILES} --reversed": "--reversed: nothing is decoded without a RUN",
    f"{FILES} --checkpoint last": "--checkpoint: nothing is decoded without a RUN",
    f"{FILES} --device cpu": "--device: nothing is decoded without a RUN",
    f"{TRANSLATE} --attention": "--attention writes weights into JSON; add --format jsonl",
    f"{TRANSLATE} --temperature 2": "--temperature is for drawing; add --sample",
    f"{TRANSLATE} --top-k 2": "--top-k is for drawing; add --sample",
    f"{TRANSLATE} --top-p 0.5": "--top-p is for drawing; add --sample",
    f"{TRANSLATE} --seed 2": "--seed is for drawing; add --sample",
    f"{TRANSLATE} --sample --beam-size 2": "--sample draws each hypothesis on its own, without a beam",
    f"{TRANSLATE} --sample --patience 2": "--sample draws each hypothesis on its own, without a beam",
    f"{TRANSLATE} --too-long cut": "--too-long: no source is too long without a limit, search.max_source_length",
    "translate BLIND TEXT --replace-unknown": "--replace-unknown: BLIND has model.attention: none",
    "translate BLIND TEXT --attention --format jsonl": "--attention: BLIND has model.attention: none",
    f"{CAPTION} --attention": "--attention writes weights into JSON; add --format jsonl",
    f"{CAPTION} --temperature 2": "--temperature is for drawing; add --sample",
    f"{CAPTION} --top-k 2": "--top-k is for drawing; add --sample",
    f"{CAPTION} --top-p 0.5": "--top-p is for drawing; add --sample",
    f"{CAPTION} --seed 2": "--seed is for drawing; add --sample",
    f"{ANSWER} --attention": "--attention writes weights into JSON; add --format jsonl",
    f"{ANSWER} --temperature 2": "--temperature is for drawing; add --sample",
    f"{ANSWER} --top-k 2": "--top-k is for drawing; add --sample",
    f"{ANSWER} --top-p 0.5": "--top-p is for drawing; add --sample",
    f"{ANSWER} --seed 2": "--seed is for drawing; add --sample",
    f"{ANSWER} --too-long cut": "--too-long: no source is too long without a limit, search.max_source_length",
    f"{ANSWER} --root FOLDER": "--root: says where the files of a table are, but no table is given",
    f"{CLASSIFY} --attention": "--attention writes weights into JSON; add --format jsonl",
    f"{CLASSIFY} --max-source-length 3": "--max-source-length: counts tokens, but CLASSIFIER reads images",
    f"{CLASSIFY} --too-long cut": "--too-long: counts tokens, but CLASSIFIER reads images",
    f"{TRANSCRIBE} --attention": "--attention writes weights into JSON; add --format jsonl",
    f"{TRANSCRIBE} --format ctm --attention": "--attention writes weights into JSON; add --format jsonl",
    f"{TRANSCRIBE} --format ctm --n-best 2": "--format ctm: has one transcript of a recording; leave out --n-best",
    f"{TRANSCRIBE} --temperature 2": "--temperature is for drawing; add --sample",
    f"{TRANSCRIBE} --top-k 2": "--top-k is for drawing; add --sample",
    f"{TRANSCRIBE} --top-p 0.5": "--top-p is for drawing; add --sample",
    f"{TRANSCRIBE} --seed 2": "--seed is for drawing; add --sample",
    f"{ASK} --root FOLDER": "--root: says where the files of a table are; add --input TABLE or leave it out",
    f"{ASK} --image IMAGE": f"--image or --recording: {MEANS_NOTHING} answering",
    f"{LOOK} --source question=x": f"--source: {MEANS_NOTHING} translation",
    f"{LOOK} --root FOLDER": f"--root: {MEANS_NOTHING} translation",
    f"{LOOK} --recording RECORDING": f"--image or --recording: {MEANS_NOTHING} translation",
    f"{LOOK} --image IMAGE": f"--image or --recording: {MEANS_NOTHING} translation",
    f"{LOOK} --test dev": "--test: names the sentences for --gradients",
    f"{LOOK} --corruption masking:0.3": f"--corruption: {MEANS_NOTHING} translation",
    f"{LOOK} --layer 1": "--layer: selects what --self-attention and --heads draw",
    f"{LOOK} --target y --beam-size 2": "--beam-size: nothing is searched for where --target gives what is drawn",
    f"{LOOK} --target y --length-penalty 2": "--length-penalty: nothing is searched for where --target gives",
    f"{LOOK} --curves": "--curves: draws the training log, so --text means nothing here",
    f"{LOOK} --gradients": "--gradients: draws the encoder's states over a dev or test set, so --text means nothing",
    f"{LOOK} --scale shared --format json": "--scale: says how to draw, but json has the weights as they are",
    f"{SEE} --colormap viridis --format json": "--colormap: says how to draw, but json has the weights as they are",
    f"{SEE} --text x": f"--text: {MEANS_NOTHING} captioning",
    f"{SEE} --gradients": f"--gradients: {MEANS_NOTHING} captioning",
    "visualize RUN --curves --input TEXT": "--curves: draws the training log, so --input means nothing here",
    "visualize RUN --curves --target x": "--curves: draws the training log, so --target means nothing here",
    "visualize RUN --curves --checkpoint last": "--curves: draws the training log, so --checkpoint means nothing here",
    "visualize RUN --curves --device cpu": "--curves: draws the training log, so --device means nothing here",
    "visualize RUN --curves --self-attention": "--curves: draws the training log, so --self-attention means nothing",
    "visualize RUN --curves --heads": "--curves: draws the training log, so --heads means nothing here",
}
"""Command lines with an option, the last one, or several that are not used together, and how each is refused."""


def options_of(command: typer.core.TyperCommand) -> set[str]:
    return {name for found in command.params for name in found.opts if name.startswith("--")} - EVERYWHERE


def commands() -> dict[str, typer.core.TyperCommand]:
    found: dict[str, typer.core.TyperCommand] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        found |= {name: command} if below is None else {f"{name} {each}": below[each] for each in below}
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_is_always_used_or_refused_somewhere(name: str) -> None:
    words = [line.split() for line in REFUSED if line.startswith(f"{name} ")]
    refused = {word for line in words for word in line if word.startswith("--")}
    assert options_of(commands()[name]) == ALWAYS.get(name, set()) | refused


@pytest.mark.parametrize(("line", "message"), REFUSED.items())
def test_options_that_are_not_used_are_refused(
    attncli: Command,
    trained: Path,
    blind: Path,
    captioners: Path,
    others: Path,
    tmp_path: Path,
    line: str,
    message: str,
) -> None:
    (tmp_path / "text").write_text("der Hund rennt .\n")
    places = {
        "RUN": trained,
        "BLIND": blind,
        "CAPTIONER": captioners / "trained",
        **{name: others / name for name in ("ANSWERER", "CLASSIFIER", "TRANSCRIBER")},
        "RECORDING": write_wav(tmp_path / "a.wav", tone(0.3)),
        "FOLDER": tmp_path,
        "IMAGE": captioners / "images" / "test-00001.png",
        "TEXT": tmp_path / "text",
        "CONFIG": captioners / "small.yaml",
    }
    writes = ("train", "translate", "caption", "answer", "classify", "transcribe")
    output = () if line.startswith(writes) else ("--output", tmp_path / "out")
    result = attncli(*(places.get(word, word) for word in line.split()), *output)
    for name in ("BLIND", "CLASSIFIER"):
        message = message.replace(name, str(places[name]))
    assert f"attncli: {message}" in result.err
    assert result.code == 2
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="session")
def blind(trained: Path) -> Path:
    """Return a translator without attention."""
    run = trained.parent / "blind"
    config = trained.parent / "small.yaml"
    arguments = ["train", config, "--run", run, "--device", "cpu", "--set", "model.attention=none"]
    arguments += ["--set", "training.max_steps=1", "--set", "model.decoder={hidden_size: 8}"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return run


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with small runs that answer, classify images and transcribe."""
    folder = tmp_path_factory.mktemp("others")
    configs = {
        "ANSWERER": toy_answers(folder / "questions", train=6, dev=2, test=2),
        "CLASSIFIER": labelled_images(folder / "images"),
        "TRANSCRIBER": recorded_words(folder / "audio"),
    }
    for name, config in configs.items():
        arguments = ["train", config, "--run", folder / name, "--device", "cpu", "--set", "training.max_steps=1"]
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
    return folder
