"""Reports as people read them: for a terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import fmean

from attncli.evaluation.evaluate import MOST_FOR_EVERY_PAIR
from attncli.evaluation.report import BoundedScore, Comparison, Report, VariantReport
from attncli.metrics.registry import ALL_METRICS

Row = Sequence[str]
Table = tuple[Row, Sequence[Row]]  # the header and what is below it


def terminal_text(report: Report) -> str:
    """Return `report` as aligned columns."""
    notes = [f"note: {note}" for note in report.all_notes]
    parts = [
        _headline(report),
        f"{_SEEDS}\n{aligned_table(*_variant_rows(report))}"
        if report.has_seeds
        else aligned_table(*_score_rows(report)),
        aligned_table(*_cost_rows(report)) if _costs(report) else "",
        f"BLEU by words of the {report.length_of}\n{aligned_table(*_length_rows(report))}",
        "\n".join([*_comparison_heading(report), *_comparison_lines(report)]),
        aligned_table(*_score_rows(report)) if report.has_seeds else "",
        "\n".join(_signature_lines(report)),
        "\n".join(notes),
    ]
    return "\n\n".join(part for part in parts if part)


def markdown_text(report: Report, picture: str) -> str:
    """Return `report` as a Markdown page that shows the image file `picture`."""
    parts = [
        f"# {report.test}",
        _headline(report) + ".",
        *([_SEEDS] if report.has_seeds else []),
        markdown_table(
            *_beside(_variant_rows(report) if report.has_seeds else _score_rows(report), _cost_rows(report))
        ),
        f"## BLEU by words of the {report.length_of}",
        f"![BLEU by length]({picture})",
        markdown_table(*_length_rows(report)),
    ]
    if report.comparisons:
        parts += ["## Comparisons", *_comparison_heading(report)]
        parts += ["\n".join(f"- {line}" for line in _comparison_lines(report))]
    if report.has_seeds:
        parts += ["## Single runs", markdown_table(*_score_rows(report))]
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


_SEEDS = "Runs that differ in their seeds alone, taken together; deviation is the standard one between seeds."


def _variant_rows(report: Report) -> Table:
    header = ["variant", "seeds", "mean BLEU", "deviation"]
    return header, [
        [
            variant.name,
            str(len(variant.systems)),
            _bounded(variant.bleu, digits=2),
            "" if variant.deviation is None else f"{variant.deviation:.2f}",
        ]
        for variant in report.variants
    ]


def _score_rows(report: Report) -> Table:
    keys = list(report.systems[0].scores)
    labels = [ALL_METRICS[key].label + (" ↓" if ALL_METRICS[key].lower_is_better else "") for key in keys]
    rows = [
        [system.name, *(_bounded(score, digits=2) for score in system.scores.values()), f"{system.length_ratio:.3f}"]
        for system in report.systems
    ]
    return ["run", *labels, "length ratio"], rows


def _costs(report: Report) -> bool:
    return any(system.speed or system.training for system in report.systems)


def _cost_rows(report: Report) -> Table:
    """Return size and speed of each variant, the mean of its runs; blank what is not known."""
    header = [
        "variant" if report.has_seeds else "run",
        "parameters",
        "training",
        "trained tokens/s",
        "beam",
        "sentences/s",
        "tokens/s",
    ]
    return (header, [_cost_row(variant) for variant in report.variants]) if _costs(report) else (["run"], [])


def _cost_row(variant: VariantReport) -> Row:
    systems = variant.systems
    parameters = _mean(system.details.get("parameters") for system in systems)
    seconds = _mean(system.training.seconds if system.training else None for system in systems)
    trained = _mean(system.training.tokens_per_second if system.training else None for system in systems)
    rates = [system.speed.as_json() if system.speed else {} for system in systems]
    sentences, tokens = (_mean(rate.get(f"{what}_per_second") for rate in rates) for what in ("sentences", "tokens"))
    return [
        variant.name,
        "" if parameters is None else f"{parameters:,.0f}",
        "" if seconds is None else str(timedelta(seconds=round(seconds))),
        "" if trained is None else f"{trained:,.0f}",
        str(systems[0].details.get("beam_size", "")),
        "" if sentences is None else f"{sentences:.1f}",
        "" if tokens is None else f"{tokens:.0f}",
    ]


def _mean(found: Iterable[float | None]) -> float | None:
    """Return the mean of what is known of the runs of a variant; None where nothing is."""
    known = [value for value in found if value is not None]
    return fmean(known) if known else None


def _beside(left: Table, right: Table) -> Table:
    """Return the columns of both; the first of `right` is that of `left` again, and goes."""
    (header, rows), (more, added) = left, right
    joined = [[*row, *others[1:]] for row, others in zip(rows, added, strict=True)] if added else rows
    return [*header, *more[1:]], joined


def _length_rows(report: Report) -> Table:
    """Return BLEU of each variant by length: what there is more of, variants or lengths, goes down the page."""
    bins = report.variants[0].by_length
    header = ["words", "sentences", *(variant.name for variant in report.variants)]
    columns = [[found.label for found in bins], [str(found.sentences) for found in bins]]
    columns += [[_bounded(found.bleu) for found in variant.by_length] for variant in report.variants]
    if len(report.variants) <= len(bins):
        return header, list(zip(*columns, strict=True))
    first, *rows = [[name, *cells] for name, cells in zip(header, columns, strict=True)]
    return first, rows


def _comparison_heading(report: Report) -> list[str]:
    if len(report.variants) <= MOST_FOR_EVERY_PAIR:
        return []
    return [f"Each is compared with {report.variants[0].name}, the first, on the same resampled sentences:"]


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
