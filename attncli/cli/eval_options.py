"""The options of `attncli eval`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from attncli.cli.completion import choices, complete_metric, complete_run, complete_test
from attncli.cli.corruption import Corruption
from attncli.cli.options import (
    INPUT,
    MACHINE,
    OUTPUT,
    SCORES,
    SEARCH,
    BatchSize,
    BeamSize,
    Checkpoint,
    CTCWeight,
    Device,
    LengthPenalty,
    Patience,
    Shortlist,
    With,
    Workers,
    searched,
)
from attncli.cli.tasks import WRITING, Only


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """The options of `attncli eval`."""

    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Folders of trained runs.", autocompletion=complete_run),
    ] = None
    with_: Annotated[With, Only(WRITING)] = None
    test: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which test set of the configuration, or dev for its dev set; with --source, its name in reports.",
            show_default="the only one",
            rich_help_panel=INPUT,
            autocompletion=complete_test,
        ),
    ] = None
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sentences to translate, with --reference; `.gz` too. Files need none.",
            rich_help_panel=INPUT,
        ),
        Only(("text",)),
    ] = None
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="What should be written, a line a sentence; repeat for more references.",
            rich_help_panel=INPUT,
        ),
        Only(("text",)),
    ] = None
    hypotheses: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Score these lines too, or alone if no RUN is given; repeat for more files.",
            rich_help_panel=INPUT,
        ),
        Only(WRITING),
    ] = None
    reversed: Annotated[
        bool,
        typer.Option(
            "--reversed",
            help="Play films and recordings backwards: a control that shows how much a RUN reads from their order.",
            rich_help_panel=INPUT,
        ),
        Only(WRITING),
    ] = False
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What a RUN or file is called in tables and figures; once for each, RUNs first.",
            show_default="the shortest end of its path that is no other's",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where to write.",
            show_default="RUN/evaluation/TEST, or evaluation/TEST for what is no single RUN's",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    beam_size: Annotated[BeamSize, Only(WRITING)] = None
    length_penalty: Annotated[LengthPenalty, Only(WRITING)] = None
    patience: Annotated[Patience, Only(WRITING)] = None
    ctc_weight: Annotated[CTCWeight, Only(WRITING)] = None
    shortlist: Annotated[Shortlist, Only(("text",))] = None
    batch_size: Annotated[BatchSize, Only(WRITING)] = None
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="fp32|bf16",
            help="Arithmetic of matrix products.",
            show_default=searched("precision", "fp32"),
            rich_help_panel=MACHINE,
            autocompletion=choices("fp32", "bf16"),
        ),
        Only(WRITING),
    ] = None
    workers: Annotated[Workers, Only(WRITING)] = None
    too_long: Annotated[
        str | None,
        typer.Option(
            metavar="error|cut",
            help="Whether to stop at a source that is too long or truncate it.",
            show_default=searched("too_long", "error"),
            rich_help_panel=SEARCH,
            autocompletion=choices("error", "cut"),
        ),
        Only(("text", "sources")),
    ] = None
    length: Annotated[
        str | None,
        typer.Option(
            metavar="source|reference",
            help="Group scores by the words of the source (recordings, films: seconds) or reference.",
            show_default="source",
            rich_help_panel=SCORES,
            autocompletion=choices("source", "reference"),
        ),
        Only(WRITING),
    ] = None
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A score beside BLEU; repeat for more, the one to report by length first. Translation: chrf, ter, "
            "comet. Captions: bleu_1, bleu_2, bleu_3, bleu_4, chrf, rouge_l, cider, meteor. "
            "Summaries: rouge1, rouge2, rougeL, chrf. Of any task: accuracy, wer, cer.",
            show_default="all but ter, which may take minutes, comet, a neural network, and meteor, a Java program",
            rich_help_panel=SCORES,
            autocompletion=complete_metric,
        ),
        Only(WRITING),
    ] = None
    comet_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --metric comet: the model, which is downloaded when it is first used, or a checkpoint.",
            show_default="Unbabel/wmt22-comet-da",
            rich_help_panel=SCORES,
        ),
        Only(("text",)),
    ] = None
    corruption: Corruption = None
    checkpoint: Checkpoint = "best"
    device: Device = "auto"
