"""The metrics of `eval`, by the key that they have in reports."""

from __future__ import annotations

from attncli.metrics.bleu import BLEU
from attncli.metrics.chrf import CHRF
from attncli.metrics.metric import Metric
from attncli.metrics.ter import TER

METRICS: dict[str, Metric] = {"bleu": BLEU, "chrf": CHRF, "ter": TER}
