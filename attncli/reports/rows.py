"""What the tables of a report show: their headings, and their rows as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from statistics import fmean

from attncli.evaluation.evaluate import MOST_FOR_EVERY_PAIR
from attncli.evaluation.report import BoundedScore, Confusion, Report, VariantReport
from attncli.metrics.bootstrap import Difference
from attncli.metrics.metric import Metric
from attncli.reports.tables import Row, Table

_MOST_LABELS = 20  # that a table shows; `by_label.csv` has all


def headline(report: Report) -> str:
    """Say which test set is scored, how large it is, and what the brackets hold."""
    references = "1 reference" if report.references == 1 else f"{report.references} references"
    return (
        f"{report.test}: {report.sources} {report.noun}s, {references} each; in brackets 95 % bounds from "
        f"{report.samples} bootstrap resamples (seed {report.seed})"
    )


SEEDS = "Runs that differ in their seeds alone, taken together: means, and after ± the standard deviation of the seeds."


def variant_rows(report: Report) -> Table:
    """Return the mean scores of each variant."""
    rows = [
        [
            variant.name,
            str(len(variant.systems)),
            *(_mean_score(variant, key, metric) for key, metric in report.metrics.items()),
        ]
        for variant in report.variants
    ]
    return ["variant", "seeds", *(f"mean {label}" for label in _labels(report))], rows


def _mean_score(variant: VariantReport, key: str, metric: Metric) -> str:
    deviation = variant.deviation(key)
    return _score(variant.scores[key], metric) + ("" if deviation is None else f" ± {deviation:.{metric.digits}f}")


def score_rows(report: Report) -> Table:
    """Return the scores of each system."""
    rows = [
        [
            system.name,
            *(_score(score, report.metrics[key]) for key, score in system.scores.items()),
            *([] if system.length_ratio is None else [f"{system.length_ratio:.3f}"]),
        ]
        for system in report.systems
    ]
    ratio = [] if report.systems[0].length_ratio is None else ["length ratio"]
    return ["run", *_labels(report), *ratio], rows


def _labels(report: Report) -> list[str]:
    """Return the labels of the metrics, marked where lower is better."""
    return [f"{metric.label} ↓" if metric.lower_is_better else metric.label for metric in report.metrics.values()]


def count_tables(report: Report) -> Iterator[tuple[str, Table]]:
    """Yield for each metric that is made of errors how many of which kind each system has, with the heading."""
    for key, metric in report.metrics.items():
        *edits, total = report.systems[0].counts[key] or [""]
        if edits:
            rows = [
                [
                    system.name,
                    *(_share(system.counts[key][edit], system.counts[key][total]) for edit in edits),
                    f"{system.counts[key][total]:,}",
                ]
                for system in report.systems
            ]
            yield f"{metric.label}: errors, in brackets in % of the {total}", (["run", *edits, total], rows)


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / max(total, 1):.1f})"


def weight_heading(report: Report) -> str:
    """Say what `weight_rows` holds."""
    words = next(system.weight_inside.words for system in report.systems if system.weight_inside)
    return (
        f"Weight of the attention inside the gold places of {words:,} words, in % of that over the source; "
        "the reference is given"
    )


def weight_rows(report: Report) -> Table:
    """Return how much of the weight of each system that attends lies in gold places, and how much would by chance."""
    rows = []
    for system in report.systems:
        if (found := system.weight_inside) is None:
            continue
        looks = [*found.earlier_looks, found.score]
        names = [f"{system.name}, look {number}" for number in range(1, len(looks) + 1)]
        for name, score in zip(names if found.earlier_looks else [system.name], looks, strict=True):
            rows.append([name, _bounded(score, digits=1, digits_of_bounds=1), f"{found.uniform:.1f}"])
    return ["run", "inside", "equal weights"], rows


def has_costs(report: Report) -> bool:
    """Whether `cost_rows` has numbers: nothing is known of given files."""
    return any(system.speed or system.training for system in report.systems)


def cost_rows(report: Report) -> Table:
    """Return size and speed of each variant, the mean of its runs; unknown numbers are blank."""
    header = [
        "variant" if report.has_seeds else "run",
        "parameters",
        "training",
        "peak memory",
        "trained tokens/s",
        "beam",
        f"{report.noun}s/s",
        "tokens/s",
    ]
    return (header, [_cost_row(variant) for variant in report.variants]) if has_costs(report) else (["run"], [])


def _cost_row(variant: VariantReport) -> Row:
    systems = variant.systems
    parameters = _mean(system.details.get("parameters") for system in systems)
    seconds = _mean(system.training.seconds if system.training else None for system in systems)
    peak = _mean(system.training.peak_memory_bytes if system.training else None for system in systems)
    trained = _mean(system.training.tokens_per_second if system.training else None for system in systems)
    rates = [system.speed.as_json() if system.speed else {} for system in systems]
    sources, tokens = (_mean(rate.get(f"{what}_per_second") for rate in rates) for what in ("sources", "tokens"))
    return [
        variant.name,
        "" if parameters is None else f"{parameters:,.0f}",
        "" if seconds is None else str(timedelta(seconds=round(seconds))),
        "" if peak is None else f"{peak / 2**20:,.0f} MiB",
        "" if trained is None else f"{trained:,.0f}",
        str(systems[0].details.get("beam_size", "")),
        "" if sources is None else f"{sources:.1f}",
        "" if tokens is None else f"{tokens:.0f}",
    ]


def _mean(found: Iterable[float | None]) -> float | None:
    """Return the mean of the known values; None if none is known."""
    known = [value for value in found if value is not None]
    return fmean(known) if known else None


def beside(left: Table, right: Table) -> Table:
    """Return the columns of both, without the first of `right`, which repeats that of `left`."""
    (header, rows), (more, added) = left, right
    joined = [[*row, *others[1:]] for row, others in zip(rows, added, strict=True)] if added else rows
    return [*header, *more[1:]], joined


def length_score_name(report: Report) -> str:
    """Return the name of the score that `report` gives by length."""
    # Captions have COCO's BLEU beside sacreBLEU's.
    return "sacreBLEU's BLEU" if report.length_metric == "bleu" else report.by_length_metric.label


def by_length_heading(report: Report) -> str:
    """Say what `length_rows` holds."""
    return f"{length_score_name(report)} by {report.length}"


def length_rows(report: Report) -> Table:
    """Return the score of each variant by length, with the more numerous of variants and lengths as rows."""
    bins = report.variants[0].by_length
    header = [report.length_unit, f"{report.noun}s", *(variant.name for variant in report.variants)]
    columns = [[found.label for found in bins], [str(found.sources) for found in bins]]
    digits = report.by_length_metric.digits - 1
    columns += [
        [_bounded(found.score, digits=digits, digits_of_bounds=digits) for found in variant.by_length]
        for variant in report.variants
    ]
    rows = list(zip(*columns, strict=True))
    return (header, rows) if len(report.variants) <= len(bins) else _turned(header, rows)


def by_group_heading(report: Report) -> str:
    """Say what `group_rows` holds."""
    return f"{length_score_name(report)} by group"


def group_rows(report: Report) -> Table:
    """Return the score of each variant by group, with the more numerous of variants and groups as rows."""
    groups = report.variants[0].by_group
    header = ["group", f"{report.noun}s", *(variant.name for variant in report.variants)]
    digits = report.by_length_metric.digits - 1
    columns = [[found.group for found in groups], [str(found.sources) for found in groups]]
    columns += [
        [_bounded(found.score, digits=digits, digits_of_bounds=digits) for found in variant.by_group]
        for variant in report.variants
    ]
    rows = list(zip(*columns, strict=True))
    return (header, rows) if len(report.variants) <= len(groups) else _turned(header, rows)


def label_tables(report: Report) -> Iterator[tuple[str, Table]]:
    """Yield for each system how well it tells the most frequent labels apart, with the heading."""
    header = ["label", f"{report.noun}s", "precision", "recall", "F1", "most often taken for"]
    for system in report.systems:
        shown = system.by_label[:_MOST_LABELS]
        rows = [
            [
                found.label,
                str(found.sources),
                *(_percent(value) for value in (found.precision, found.recall, found.f1)),
                _taken_for(found.label, system.confusions),
            ]
            for found in shown
        ]
        if shown:
            some = f", the {len(shown)} most frequent of {len(system.by_label)}"
            yield f"{system.name}: labels{some if len(shown) < len(system.by_label) else ''}, in %", (header, rows)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _taken_for(label: str, confusions: Sequence[Confusion]) -> str:
    """Return the wrong label that sources of `label` were given most often, and how often; empty if there is none."""
    wrong = (each for each in confusions if each.reference == label != each.hypothesis)
    return next((f"{each.hypothesis} ({each.sources})" for each in wrong), "")


def _turned(header: Row, rows: Sequence[Row]) -> Table:
    """Return the table transposed."""
    first, *others = zip(header, *rows, strict=True)
    return first, others


def comparison_heading(report: Report) -> str:
    """Say what `comparison_rows` holds."""
    pairs = ""
    if len(report.variants) > MOST_FOR_EVERY_PAIR:
        pairs = f"; each is compared with {report.variants[0].name}, the first"
    is_mixed = any(metric.lower_is_better for metric in report.metrics.values())
    sign = "; ↓: lower is better, so a minus favours the first of a pair" if is_mixed else ""
    return f"Differences on the same resampled {report.noun}s (paired bootstrap){pairs}{sign}"


def comparison_rows(report: Report) -> Table:
    """Return the differences of all pairs, with the more numerous of pairs and metrics as rows."""
    rows = [
        [
            f"{comparison.a} − {comparison.b}",
            *(_difference(found, report.metrics[key]) for key, found in comparison.differences.items()),
        ]
        for comparison in report.comparisons
    ]
    labels = _labels(report)
    table = ["difference", *labels], rows
    return table if len(rows) >= len(labels) else _turned(*table)


def _difference(found: Difference, metric: Metric) -> str:
    value = _signed(found.value, digits=metric.digits)
    low, high = (_signed(bound, digits=metric.digits - 1) for bound in (found.bounds.low, found.bounds.high))
    return f"{value} [{low}, {high}] {_p_value(found.p_value)}"


def _p_value(value: float) -> str:
    # Never 0: resampling cannot show that.
    return f"p={value:.3f}" if value >= 0.0005 else "p<0.001"


def _signed(value: float, *, digits: int) -> str:
    # Adding 0 turns a negative zero left by rounding into a plain one.
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def signature_lines(report: Report) -> list[str]:
    """Return a line a metric that says how exactly it is computed."""
    return [f"{report.metrics[key].label} {signature}" for key, signature in report.systems[0].signatures.items()]


def _score(score: BoundedScore, metric: Metric) -> str:
    return _bounded(score, digits=metric.digits, digits_of_bounds=metric.digits - 1)


def _bounded(score: BoundedScore, *, digits: int, digits_of_bounds: int) -> str:
    return f"{score.score:.{digits}f} [{score.low:.{digits_of_bounds}f}, {score.high:.{digits_of_bounds}f}]"
