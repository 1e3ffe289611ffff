"""Reports as text: for a terminal, in Markdown, and as tables for LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

from attncli.evaluation.report import Report
from attncli.reports.rows import (
    SEEDS,
    beside,
    by_group_heading,
    by_length_heading,
    comparison_heading,
    comparison_rows,
    cost_rows,
    count_tables,
    group_rows,
    has_costs,
    headline,
    label_tables,
    length_rows,
    score_rows,
    signature_lines,
    variant_rows,
    weight_heading,
    weight_rows,
)
from attncli.reports.tables import Table, latex_page, markdown_table, terminal_table


def terminal_text(report: Report) -> str:
    """Return `report` as aligned columns."""
    parts = [headline(report)]
    for heading, table in _tables(report):
        parts.append("\n".join([*[heading] * bool(heading), terminal_table(*table)]))
    notes = [f"note: {note}" for note in report.all_notes]
    return "\n\n".join([*parts, "\n".join(signature_lines(report)), *["\n".join(notes)] * bool(notes)])


def _tables(report: Report) -> Iterator[tuple[str, Table]]:
    """Yield each table with its heading, which is empty where the headline says enough."""
    if report.has_seeds:
        yield SEEDS, variant_rows(report)
    else:
        yield "", score_rows(report)
    yield from _further_tables(report)
    if has_costs(report):
        yield "", cost_rows(report)
    yield by_length_heading(report), length_rows(report)
    if report.comparisons:
        yield comparison_heading(report), comparison_rows(report)
    if report.has_seeds:
        yield "", score_rows(report)


def _further_tables(report: Report) -> Iterator[tuple[str, Table]]:
    """Yield the tables of what is known of some test sets and metrics alone, with their headings."""
    yield from count_tables(report)
    if any(system.weight_inside for system in report.systems):
        yield weight_heading(report), weight_rows(report)
    if report.variants[0].by_group:
        yield by_group_heading(report), group_rows(report)
    yield from label_tables(report)


def latex_text(report: Report) -> str:
    """Return the tables of `report` for LaTeX."""
    return latex_page(headline(report), _tables(report), signature_lines(report))


def markdown_text(report: Report, picture: str) -> str:
    """Return `report` as a Markdown page that shows the image file `picture`."""
    parts = [
        f"# {report.test}",
        headline(report) + ".",
        *([SEEDS] if report.has_seeds else []),
        markdown_table(*beside(variant_rows(report) if report.has_seeds else score_rows(report), cost_rows(report))),
        *(part for heading, table in _further_tables(report) for part in (f"## {heading}", markdown_table(*table))),
        f"## {by_length_heading(report)}",
        f"![{report.by_length_metric.label} by length]({picture})",
        markdown_table(*length_rows(report)),
    ]
    if report.comparisons:
        parts += ["## Comparisons", comparison_heading(report) + ".", markdown_table(*comparison_rows(report))]
    if report.has_seeds:
        parts += ["## Single runs", markdown_table(*score_rows(report))]
    if report.all_notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report.all_notes)]
    parts += ["## Signatures", "\n".join(f"- `{line}`" for line in signature_lines(report))]
    return "\n\n".join(parts) + "\n"
