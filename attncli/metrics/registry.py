"""The metrics of `eval` by their keys in reports."""

from __future__ import annotations

from attncli.metrics.accuracy import ACCURACY
from attncli.metrics.bleu import BLEU
from attncli.metrics.chrf import CHRF
from attncli.metrics.coco import BLEU_N, CIDER, ROUGE_L
from attncli.metrics.error_rates import CER, WER
from attncli.metrics.meteor import METEOR
from attncli.metrics.metric import Metric
from attncli.metrics.rouge import ROUGE
from attncli.metrics.ter import TER

METRICS: dict[str, Metric] = {"bleu": BLEU, "chrf": CHRF, "ter": TER}
# For captions. BLEU is sacreBLEU's, against all references; BLEU-1 to BLEU-4 are those of the COCO evaluation.
CAPTION_METRICS: dict[str, Metric] = {
    "bleu": BLEU,
    **BLEU_N,
    "chrf": CHRF,
    "rouge_l": ROUGE_L,
    "cider": CIDER,
    "meteor": METEOR,
}
# For summaries. ROUGE_L of captions is another: that of the COCO evaluation.
SUMMARY_METRICS: dict[str, Metric] = {**ROUGE, "bleu": BLEU, "chrf": CHRF}
# For answers and labels.
ANSWER_METRICS: dict[str, Metric] = {"accuracy": ACCURACY}
# For transcripts.
ERROR_RATES: dict[str, Metric] = {"wer": WER, "cer": CER}
# For targets of any task.
GENERAL_METRICS = {**ANSWER_METRICS, **ERROR_RATES}
ALL_METRICS = {**METRICS, **CAPTION_METRICS, **SUMMARY_METRICS, **GENERAL_METRICS}
