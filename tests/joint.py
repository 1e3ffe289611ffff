"""Models that read an image and a question, small enough to be built by the dozen.

B=3 sources: images of 2 × 2 regions, and questions of 4, 2 and 6 tokens.
"""

from __future__ import annotations

from combinations import DECODER_KINDS, LABEL_TARGETS, QUERIES, READERS, SELECTION, WITHOUT_ATTENTION, Overrides
from tiny import SOURCE_VOCABULARY, TARGET_VOCABULARY, configured, randomised, row_of, tokens
from tiny_captioner import IMAGES
from tiny_captioner import configured as captioner
from torch import nn

from attncli.config.sources.images import CNN
from attncli.data.packs import Packs
from attncli.models.build import build_decoder, needs_of
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.joint import JointEncoder
from attncli.models.scores import SCORES
from attncli.sources.images.batch import Pixels
from attncli.sources.images.kind import Images
from attncli.sources.text.kind import Text
from attncli.text.tokenizer import PAD

QUESTIONS = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
ORDERS = ("image question", "question image")
REGIONS = 4
MEMORY_SIZE = 8  # that of the decoders, which a plain product needs

# What reads several memories, which is all but windows, and scores that count positions or filter over them: every
# score, every time of asking and every kind of decoder.
READING: dict[str, Overrides] = {
    **WITHOUT_ATTENTION,
    **{f"current-{score}": READERS[f"current-{score}"] for score in SCORES if score != "location"},
    **{f"{query}-{score}": READERS[f"{query}-{score}"] for query in QUERIES for score in ("additive", "coverage")},
    **DECODER_KINDS,
    **{f"mean-{query}": (*QUERIES[query], "model.decoder.bridge=mean") for query in QUERIES},
    "mean-none": ("model.attention=none", "model.decoder.bridge=mean", "model.decoder.context=every_step"),
    "coverage-loss": ("model.attention={score: additive, coverage: true, coverage_loss: 0.7}",),
    "doubly": ("model.decoder.doubly_stochastic=0.5", "model.decoder.gate=true"),
    **{name: overrides for name, overrides in SELECTION.items() if name != "soft"},
    "sample": ("model.attention.selection=hard", "model.attention.inference=sample"),
    "classifier": ("model.decoder={kind: classifier, hidden_size: 8}", *LABEL_TARGETS),
    "classifier-none": ("model.decoder={kind: classifier, hidden_size: 8}", *LABEL_TARGETS, "model.attention=none"),
    "transformer-question": ("model.encoder={kind: transformer, hidden_size: 6, heads: 2, feed_forward_size: 9}",),
}


def built_joint(*overrides: str, order: str = ORDERS[0], seed: int = 1, spread: float = 1.0) -> EncoderDecoder:
    """Return a tiny model over the memories of an image and a question, for evaluation, with random weights."""
    model = configured(*overrides).model
    needs = needs_of(model)
    captioning = captioner("none", "{hidden_size: 8}").model
    assert isinstance(captioning.encoder, CNN)
    encoders = {
        "image": Images().encoder(captioning.encoder, captioning, needs, vocabulary=0),
        "question": Text().encoder(model.encoder, model, needs, vocabulary=SOURCE_VOCABULARY),
    }
    encoder = JointEncoder(
        {name: encoders[name] for name in order.split()},
        memory_size=MEMORY_SIZE,
        reads_states=needs.states,
        summarises=needs.summary,
    )
    embedding = nn.Embedding(TARGET_VOCABULARY, model.embedding_size, padding_idx=PAD)
    decoder = build_decoder(model.decoder, embedding, model, memory_size=MEMORY_SIZE)
    return randomised(EncoderDecoder(encoder, decoder), seed=seed, spread=spread)


def sources(order: str = ORDERS[0]) -> Packs:
    """Return all sources, packed for the encoders in this order."""
    return _packed({"image": IMAGES, "question": QUESTIONS}, order)


def source_of(at: int, order: str = ORDERS[0]) -> Packs:
    """Return one source alone, without its padding."""
    return _packed({"image": Pixels(IMAGES.pixels[at : at + 1]), "question": row_of(QUESTIONS, at)}, order)


def _packed(members: dict[str, object], order: str) -> Packs:
    return Packs(tuple(members[name] for name in order.split()))  # type: ignore[misc]
