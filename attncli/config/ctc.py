"""CTC, a second loss over the encoder's states, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from attncli.config.objectives import SelfCritical
from attncli.config.section import Section

SHARE = "the share of CTC beside the decoder's score"
"""What `search.ctc_weight` is, in messages."""


class CTC(Section):
    """Connectionist temporal classification (Graves et al. 2006): an output layer over the encoder's states, which
    writes the target from the first position to the last, in training and search beside the decoder (Watanabe et al.
    2017).
    """

    weight: Annotated[float, Field(gt=0, le=1)] = 0.3
    """λ in λ · CTC + (1 - λ) · the decoder's loss; the same weight joins their scores in the search unless
    `search.ctc_weight` is set."""


def ctc_conflicts(config: Any) -> Iterator[str]:
    """Yield what of the whole `config` does not go with CTC, or with its weight in the search where there is none."""
    model = config.model
    if model.ctc is None:
        if config.search.ctc_weight:
            yield f"search.ctc_weight: is {SHARE}, but the model has none; set model.ctc: {{}}, or remove it"
        return
    if model.source.axes > 1:
        yield "model.ctc: reads positions in their order, but those of a grid have none; remove it"
    if len(model.source.parts) > 1:
        yield "model.ctc: reads the positions of one source, but model.encoders reads several; remove it"
    if config.tokenizer.target is not None:
        yield "model.ctc: writes sequences of tokens, but targets are labels (tokenizer.target); remove it"
    if config.search.shortlist and config.search.ctc_weight != 0:
        yield "search.shortlist: limits what is written, but model.ctc scores every token; set search.ctc_weight: 0"
    if config.copies:
        yield (
            "model.ctc: writes the vocabulary, which model.decoder.copying extends for every source; remove one of them"
        )
    if isinstance(config.training.objective, SelfCritical):
        yield "model.ctc: is a loss beside cross-entropy; remove it for training.objective.kind 'self_critical'"
