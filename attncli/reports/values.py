"""The numbers of a report for programs, with all their digits: as CSV, and those of every sentence as JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from attncli.errors import escaped_json
from attncli.evaluation.autoencoder_report import AutoencoderReport
from attncli.evaluation.evaluate import System
from attncli.evaluation.report import BoundedScore, Report, SystemReport
from attncli.evaluation.test_set import EvaluationSet

_COMPARED = ("a", "b", "metric", "difference", "low", "high", "p_value")


def report_values(report: Report) -> dict[str, str]:
    """Return the CSV files of `report` by their names: a line a run, a run and length, and a pair and metric.

    Where there are groups or labels, also a line a run and group, a run and label, and a run and two labels.
    """
    variants = {system.name: variant.name for variant in report.variants for system in variant.systems}
    return {
        "scores.csv": _csv([_score_row(system, variants[system.name]) for system in report.systems]),
        "by_length.csv": _csv(
            [
                {
                    "run": system.name,
                    "from": found.first,
                    "to": found.last,
                    "sources": found.sources,
                    "metric": found.metric,
                    **found.score.as_json(),
                }
                for system in report.systems
                for found in system.by_length
            ]
        ),
        "comparisons.csv": _csv([entry for pair in report.comparisons for entry in pair.as_json()], _COMPARED),
        **_further_values(report),
    }


def _further_values(report: Report) -> dict[str, str]:
    """Return the CSV files of what only some test sets have."""
    tables = {
        "by_group.csv": [
            {
                "run": system.name,
                "group": found.group,
                "sources": found.sources,
                "metric": found.metric,
                **found.score.as_json(),
            }
            for system in report.systems
            for found in system.by_group
        ],
        "by_label.csv": [
            {"run": system.name, **found.as_json()} for system in report.systems for found in system.by_label
        ],
        "confusions.csv": [
            {"run": system.name, **found.as_json()} for system in report.systems for found in system.confusions
        ],
    }
    return {name: _csv(rows) for name, rows in tables.items() if rows}


def autoencoder_values(report: AutoencoderReport) -> dict[str, str]:
    """Return the CSV files of `report` by their names: a line a run and input, and a pair and input."""
    rows = []
    for system in report.systems:
        for name, errors in (("clean", system.clean), ("corrupted", system.corrupted)):
            if errors is not None:
                found = errors.as_json()
                pca = {"pca_mse": found["pca"].pop("mse"), **found.pop("pca")}
                rows.append({"run": system.name, "input": name, "bottleneck": system.bottleneck, **found, **pca})
    compared = [comparison.as_json() for comparison in report.comparisons]
    return {"scores.csv": _csv(rows), "comparisons.csv": _csv(compared, ("a", "b", "input", *_COMPARED[2:]))}


def sentences_text(report: Report, test: EvaluationSet, systems: Sequence[System]) -> str:
    """Return a line of JSON a source of `test`: its references, and what each of `systems` wrote, with its scores.

    The scores are those of the sentence by itself, of BLEU and chrF as sacreBLEU has them.
    """
    return "".join(
        escaped_json(json.dumps(_sentence(at, report, test, systems), ensure_ascii=False)) + "\n"
        for at in range(len(test))
    )


def _sentence(at: int, report: Report, test: EvaluationSet, systems: Sequence[System]) -> dict[str, Any]:
    return {
        "index": at,
        "source": None if test.sources is None else test.sources[at],
        "references": [stream[at] for stream in test.references if stream[at] is not None],
        "runs": [
            {
                "run": system.name,
                "hypothesis": system.hypotheses[at],
                **{key: scores[at] for key, scores in found.sentence_scores.items()},
            }
            for system, found in zip(systems, report.systems, strict=True)
        ],
    }


def _score_row(system: SystemReport, variant: str) -> dict[str, Any]:
    row: dict[str, Any] = {"run": system.name, "variant": variant}
    for key, score in system.scores.items():
        row |= _bounded(key, score)
        row |= {f"{key}_{name.replace(' ', '_')}": count for name, count in system.counts[key].items()}
    rates = system.speed.as_json() if system.speed else {}
    return {
        **row,
        "length_ratio": system.length_ratio,
        "weight_inside": system.weight_inside.score.score if system.weight_inside else None,
        "weight_inside_low": system.weight_inside.score.low if system.weight_inside else None,
        "weight_inside_high": system.weight_inside.score.high if system.weight_inside else None,
        "parameters": system.details.get("parameters"),
        "training_seconds": system.training.seconds if system.training else None,
        "training_peak_memory_bytes": system.training.peak_memory_bytes if system.training else None,
        "trained_tokens_per_second": system.training.tokens_per_second if system.training else None,
        "beam_size": system.details.get("beam_size"),
        "sources_per_second": rates.get("sources_per_second"),
        "tokens_per_second": rates.get("tokens_per_second"),
    }


def _bounded(key: str, score: BoundedScore) -> dict[str, float]:
    return {key: score.score, f"{key}_low": score.low, f"{key}_high": score.high}


def _csv(rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """Return `rows` below a line of `names`, by default all their keys; what is None is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names or list(rows[0]), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
