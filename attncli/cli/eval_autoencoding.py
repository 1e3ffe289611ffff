"""`attncli eval` for autoencoders: reconstruction errors beside those of PCA, and by width of the bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attncli.cli.corruption import parse_corruption
from attncli.cli.tasks import check_folder_name, names_of
from attncli.cli.terminal import say, say_written, tell
from attncli.errors import CommandError

if TYPE_CHECKING:
    from attncli.cli.eval_options import EvaluationOptions
    from attncli.evaluation.autoencoder_report import AutoencoderReport
    from attncli.evaluation.autoencoders import Measured
    from attncli.runs.autoencoding import AutoencoderRun
    from attncli.sources.rows.examples import Examples


def evaluate_autoencoding(folders: Sequence[Path], options: EvaluationOptions) -> None:
    """Measure the runs in `folders` on one test set, clean and corrupted, each beside the PCA of its training data."""
    from attncli.evaluation.autoencoders import evaluate_autoencoders
    from attncli.reports.autoencoders import terminal_report
    from attncli.runs.autoencoding import AutoencoderRun

    names = names_of(folders, options.label)
    given = parse_corruption(options.corruption) if options.corruption is not None else None
    runs = [AutoencoderRun.load(folder, device=options.device, checkpoint=options.checkpoint) for folder in folders]
    name, test = _test_set(runs, options.test)
    if options.output is None:
        check_folder_name(name)
    # Runs can only be compared on the same input, so the first corruption that is configured holds for all.
    configured = next((found for run in runs if (found := run.config.eval_corruption)), None)
    report = evaluate_autoencoders(
        test,
        _with_pca(runs, names),
        runs[0].config.evaluation,
        name=name,
        corruption=configured if options.corruption is None else given,
    )
    say(*terminal_report(report).split("\n"), "")
    _write(report, folders, options.output)


def _test_set(runs: Sequence[AutoencoderRun], wanted: str | None) -> tuple[str, Examples]:
    from attncli.data.forms.forms import split_of
    from attncli.evaluation.test_set import chosen_split
    from attncli.sources.rows.batches import read_examples

    found = []
    for run in runs:
        name, key = chosen_split(run.config.data, wanted, where=run.folder)
        found.append((name, read_examples(run.config, split_of(run.config.data, key))))
    name, test = found[0]
    for run, (other, examples) in zip(runs, found, strict=True):
        if examples.values.shape != test.values.shape or (examples.values != test.values).any():
            raise CommandError(
                f"{run.folder}: its test set {other!r} is not the {name!r} of {runs[0].folder}; "
                "compare runs that reconstruct the same examples"
            )
    return name, test


def _with_pca(runs: Sequence[AutoencoderRun], names: Sequence[str]) -> list[Measured]:
    from attncli.evaluation.autoencoders import Measured
    from attncli.evaluation.pca import PCA, principal_components
    from attncli.sources.rows.batches import read_examples

    known: dict[str, PCA] = {}
    measured = []
    for name, run in zip(names, runs, strict=True):
        key = run.config.data.model_dump_json(exclude={"dev", "test", "cache"})
        if key not in known:
            train = read_examples(run.config, run.config.data.train)
            tell(f"{name}: PCA of {len(train):,} training {run.config.data.kind}")
            known[key] = principal_components(train)
        measured.append(Measured(name, run, known[key]))
    return measured


def _write(report: AutoencoderReport, folders: Sequence[Path], output: Path | None) -> None:
    from attncli.reports.autoencoders import write_autoencoder_report

    if output is not None:
        say_written(output, write_autoencoder_report(report, output))
        return
    for number, (folder, system) in enumerate(zip(folders, report.systems, strict=True)):
        # The first report covers all runs, each other one its own.
        place = folder / "evaluation" / report.test
        say_written(place, write_autoencoder_report(report.of(system) if number else report, place))
