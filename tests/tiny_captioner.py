"""Captioners of every kind of decoder, small enough to be built by the dozen.

B=3 images of 8 × 8 pixels, T=4 target positions, 2 × 2 regions.
"""

from __future__ import annotations

import torch
from tiny import tokens

from attncli.assembly.model import build_model
from attncli.config.load import check_config
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.yaml_core import parse_yaml
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.sources.images.batch import Pixels

CONFIG = """\
task: captioning
data: {{images: images, train: train, dev: dev}}
model:
  embedding_size: 6
  encoder: {{kind: cnn, preprocessing: {{size: 8}}, widths: [4, 5], memory_size: 7}}
  attention: {attention}
  decoder: {decoder}
training: {{max_steps: 1}}
"""
VOCABULARY = 11
IMAGES = Pixels(torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8))
TARGET = tokens([5, 4], [6, 7, 8], [4])

RECURRENT = "{hidden_size: 8, gate: true, doubly_stochastic: 0.5}"
LSTMN = "{kind: lstmn, hidden_size: 8, gate: true, doubly_stochastic: 0.5}"
TRANSFORMER = "{kind: transformer, hidden_size: 6, heads: 2, feed_forward_size: 9, layers: 2}"
COMBINATIONS = [
    *(
        (attention, decoder)
        for attention in ("none", "{score: general}")
        for decoder in ("{hidden_size: 8}", "{kind: lstmn, hidden_size: 8}", "{hidden_size: 8, context: every_step}")
    ),
    ("none", "{hidden_size: 8, context: every_step, bridge: mean_mlp}"),
    ("{score: general}", "{hidden_size: 8, bridge: mean_mlp}"),
    ("{score: general}", "{hidden_size: 8, bridge: zero}"),
    ("{score: additive}", "{hidden_size: 8, context: every_step, bridge: mean_mlp, query: previous_state}"),
    *(
        (f"{{score: additive, window: {window}, selection: {selection}}}", decoder)
        for window in ("global", "local_p, half_width: 1")
        for selection in ("soft", "hard", "hard, estimator: straight_through")
        for decoder in (RECURRENT, LSTMN)
    ),
    ("{score: scaled_dot}", TRANSFORMER),
]


def configured(attention: str, decoder: str) -> CaptioningConfig:
    found = check_config(parse_yaml(CONFIG.format(attention=attention, decoder=decoder), where="tiny"), where="tiny")
    assert isinstance(found, CaptioningConfig)
    return found


def built_captioner(attention: str, decoder: str, *, vocabulary: int = VOCABULARY) -> EncoderDecoder:
    """Return a captioner with these sections, whose weights are always the same."""
    torch.manual_seed(1)
    return build_model(configured(attention, decoder), source_vocabulary=vocabulary, target_vocabulary=vocabulary)
