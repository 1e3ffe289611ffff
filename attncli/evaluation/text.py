"""Reports as people read them: for a terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attncli.evaluation.report import BinScore, BoundedScore, Comparison, Report, SystemReport
from attncli.metrics.registry import ALL_METRICS

Row = Sequence[str]
Table = Callable[[Row, Sequence[Row]], str]


def terminal_text(report: Report) -> str:
    """Return `report` as aligned columns."""
    notes = [f"note: {note}" for note in report.all_notes]
    parts = [
        _headline(report),
        aligned_table(*_score_rows(report)),
        f"BLEU by words of the {report.length_of}\n{aligned_table(*_length_rows(report))}",
        "\n".join(_comparison_lines(report)),
        "\n".join(_signature_lines(report)),
        "\n".join(notes),
    ]
    return "\n\n".join(part for part in parts if part)


def markdown_text(report: Report, picture: str) -> str:
    """Return `report` as a Markdown page that shows the image file `picture`."""
    parts = [
        f"# {report.test}",
        _headline(report) + ".",
        markdown_table(*_score_rows(report)),
        f"## BLEU by words of the {report.length_of}",
        f"![BLEU by length]({picture})",
        markdown_table(*_length_rows(report)),
    ]
    if report.comparisons:
        parts += ["## Comparisons", "\n".join(f"- {line}" for line in _comparison_lines(report))]
    if report.all_notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report.all_notes)]
    parts += ["## Signatures", "\n".join(f"- `{line}`" for line in _signature_lines(report))]
    return "\n\n".join(parts) + "\n"


def aligned_table(header: Row, rows: Sequence[Row]) -> str:
    """Return columns two spaces apart, the first flush left and the others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Row) -> str:
        first, *others = (
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join([first, *others]).rstrip()

    return "\n".join([line(header), line(["─" * width for width in widths]), *map(line, rows)])


def markdown_table(header: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table, the first column flush left and the others right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (header, rule, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def _headline(report: Report) -> str:
    references = "1 reference" if report.references == 1 else f"{report.references} references"
    return (
        f"{report.test}: {report.sentences} sentences, {references} each; in brackets 95 % bounds from "
        f"{report.samples} bootstrap resamples (seed {report.seed})"
    )


def _score_rows(report: Report) -> tuple[Row, list[Row]]:
    keys = list(report.systems[0].scores)
    labels = [ALL_METRICS[key].label + (" ↓" if ALL_METRICS[key].lower_is_better else "") for key in keys]
    decoded = any(system.speed for system in report.systems)
    header = ["run", *labels, "length ratio", *(["beam", "sentences/s", "tokens/s"] if decoded else [])]
    return header, [_score_row(system, decoded) for system in report.systems]


def _score_row(system: SystemReport, decoded: bool) -> Row:
    scores = [_bounded(score, digits=2) for score in system.scores.values()]
    row = [system.name, *scores, f"{system.length_ratio:.3f}"]
    if not decoded:
        return row
    if system.speed is None:
        return [*row, "", "", ""]
    rates = system.speed.as_json()
    return [
        *row,
        str(system.details.get("beam_size", "")),
        f"{rates['sentences_per_second']:.1f}",
        f"{rates['tokens_per_second']:.0f}",
    ]


def _length_rows(report: Report) -> tuple[Row, list[Row]]:
    header = ["words", "sentences", *(system.name for system in report.systems)]
    bins: list[tuple[BinScore, ...]] = list(zip(*(system.by_length for system in report.systems), strict=True))
    return header, [[row[0].label, str(row[0].sentences), *(_bounded(score.bleu) for score in row)] for row in bins]


def _comparison_lines(report: Report) -> list[str]:
    return [_comparison_line(comparison) for comparison in report.comparisons]


def _comparison_line(comparison: Comparison) -> str:
    bleu = comparison.bleu
    return (
        f"{comparison.a} − {comparison.b}: BLEU {_signed(bleu.value, digits=2)} "
        f"[{_signed(bleu.bounds.low)}, {_signed(bleu.bounds.high)}], "
        f"p = {bleu.p_value:.3f} (paired bootstrap)"
    )


def _signed(value: float, *, digits: int = 1) -> str:
    # Adding 0 turns the negative zero that rounding leaves into a plain one.
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def _signature_lines(report: Report) -> list[str]:
    return [f"{ALL_METRICS[key].label} {signature}" for key, signature in report.systems[0].signatures.items()]


def _bounded(score: BoundedScore, *, digits: int = 1) -> str:
    return f"{score.score:.{digits}f} [{score.low:.1f}, {score.high:.1f}]"
