"""Rules between a decoder, its attention and the memory, for every task.

Each yields the rules that are broken as `key: what is wrong`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attncli.config.attention import Attention
from attncli.config.decoders import ClassifierDecoder, Decoder, LSTMNDecoder, RecurrentDecoder, TransformerDecoder
from attncli.config.networks import width_conflict


def decoder_conflicts(
    attention: Literal["none"] | Attention,
    decoder: Decoder,
    *,
    embedding_size: int,
    memory_size: int | None,
    memory_key: str,
    longest_target: int,
) -> Iterator[str]:
    """Yield the conflicts of a decoder with its attention and the memory; a `memory_size` of None is not known."""
    if isinstance(decoder, ClassifierDecoder):
        yield from conflicts_of_a_classifier(attention, decoder, memory_size=memory_size, memory_key=memory_key)
        return
    if not isinstance(decoder, TransformerDecoder):
        yield from conflicts_of_readout_activation(decoder, attends=attention != "none")
        yield from conflicts_of_copied_state(decoder, memory_size=memory_size, memory_key=memory_key)
    if isinstance(decoder, TransformerDecoder):
        yield from width_conflict("decoder", decoder, embedding_size=embedding_size)
        yield from conflicts_of_cross_attention(attention, decoder, longest_target=longest_target)
    elif isinstance(attention, Attention):
        yield from conflicts_with_attention(attention, decoder, memory_size=memory_size, memory_key=memory_key)
    else:
        yield from conflicts_without_attention(decoder)


def conflicts_of_readout_activation(decoder: RecurrentDecoder | LSTMNDecoder, *, attends: bool) -> Iterator[str]:
    """Yield the conflict of an activation with a readout that has none."""
    readout = decoder.readout_name(attends=attends)
    if decoder.readout_activation is not None and readout not in ("attentional", "deep"):
        yield (
            f"model.decoder.readout_activation: belongs to the readouts 'attentional' and 'deep', but the readout is "
            f"{readout!r}; remove it"
        )


def conflicts_of_copied_state(
    decoder: RecurrentDecoder | LSTMNDecoder, *, memory_size: int | None, memory_key: str
) -> Iterator[str]:
    """Yield the conflict of a first state that is copied from a memory of another width."""
    if decoder.bridge == "copy" and memory_size not in (None, decoder.hidden_size):
        yield (
            f"model.decoder.bridge: 'copy' takes the encoder's final state as it is, but model.decoder.hidden_size is "
            f"{decoder.hidden_size} and {memory_key} is {memory_size}; make them equal or choose 'final'"
        )


def conflicts_of_cross_attention(
    attention: Literal["none"] | Attention, decoder: TransformerDecoder, *, longest_target: int
) -> Iterator[str]:
    """Yield the conflicts of a transformer decoder."""
    if attention == "none":
        yield (
            "model.attention: is none, but attention is all that a transformer decoder sees of the source; set "
            "{score: scaled_dot}, or choose model.decoder.kind recurrent or lstmn"
        )
    elif attention != Attention(score="scaled_dot"):
        yield (
            "model.attention: the attention of a transformer decoder is scaled_dot over the whole source in every "
            f"head, but {_beyond_scaled_dot(attention)} is set; set {{score: scaled_dot}}"
        )
    most = most_tokens(decoder)
    if most is not None and longest_target > most:
        yield (
            f"model.decoder.maximum_length: is {most}, but search.max_length is {longest_target}, and every token of "
            "the output needs a learned position; lower search.max_length, raise model.decoder.maximum_length, or set "
            "model.decoder.positions: sinusoidal"
        )


def most_tokens(decoder: Decoder) -> int | None:
    """Return how many tokens `decoder` can write; None unless learned positions limit them."""
    return decoder.maximum_length if isinstance(decoder, TransformerDecoder) else None


def _beyond_scaled_dot(attention: Attention) -> str:
    """Return the keys of `attention` that a transformer decoder does not have, as they stand in a file."""
    plain = Attention(score="scaled_dot").model_dump()
    return ", ".join(f"{key}: {value}" for key, value in attention.model_dump().items() if value != plain[key])


def conflicts_of_a_classifier(
    attention: Literal["none"] | Attention,
    decoder: ClassifierDecoder,
    *,
    memory_size: int | None,
    memory_key: str,
) -> Iterator[str]:
    """Yield the conflicts of a classifier with its attention."""
    if attention == "none":
        if decoder.hops > 1:
            yield "model.decoder.hops: are questions to an attention, but model.attention is none; remove it"
        return
    if decoder.readout == "sum" and memory_size not in (None, decoder.hidden_size):
        yield (
            f"model.decoder.readout: 'sum' adds what is read to the question, but {memory_key} is {memory_size} and "
            f"model.decoder.hidden_size is {decoder.hidden_size}; make them equal or choose 'attentional'"
        )
    yield from conflicts_of_widths(attention, decoder.hidden_size, memory_size=memory_size, memory_key=memory_key)
    if attention.looks_back:
        yield (
            "model.attention: coverage and location_aware look at the weights of earlier tokens, but a decoder of kind "
            "'classifier' writes one; remove them"
        )


def conflicts_of_widths(
    attention: Attention, query_size: int, *, memory_size: int | None, memory_key: str
) -> Iterator[str]:
    """Yield the conflict of a plain product with a query and a memory of different widths."""
    if (
        attention.score in ("dot", "scaled_dot")
        and not attention.is_projected
        and memory_size not in (None, query_size)
    ):
        way_out = "projections: learned" if attention.score == "scaled_dot" else "'general'"
        yield (
            f"model.attention.score: {attention.score!r} needs query and memory of equal width, but "
            f"model.decoder.hidden_size is {query_size} and {memory_key} is {memory_size}; "
            f"make them equal or choose {way_out}"
        )


def conflicts_with_attention(
    attention: Attention, decoder: RecurrentDecoder | LSTMNDecoder, *, memory_size: int | None, memory_key: str
) -> Iterator[str]:
    """Yield the conflicts of a recurrent decoder that has an attention."""
    yield from conflicts_of_widths(attention, decoder.hidden_size, memory_size=memory_size, memory_key=memory_key)
    if decoder.input_feeding and decoder.query == "previous_state":
        yield (
            "model.decoder.input_feeding: needs model.decoder.query 'current_state', but it is 'previous_state'; "
            "there the context already enters every step"
        )
    if decoder.input_feeding and decoder.readout not in (None, "attentional"):
        yield (
            f"model.decoder.input_feeding: feeds back the attentional vector, but model.decoder.readout is "
            f"{decoder.readout!r}; remove one of them"
        )
    elif decoder.readout == "state" and decoder.query == "current_state":
        yield (
            "model.decoder.readout: 'state' does not read the context, and with model.decoder.query 'current_state' "
            "nothing else does; choose 'attentional' or 'maxout', or model.attention: none"
        )


def conflicts_with_a_grid(attention: Attention) -> Iterator[str]:
    """Yield the conflicts of an attention with positions that lie on a grid, as the regions of an image."""
    if attention.window == "local_m":
        yield (
            "model.attention.window: 'local_m' attends around the position of the step, but the regions of an image "
            "have no order; choose 'local_p' or 'global'"
        )
    if attention.location_aware:
        yield (
            "model.attention.location_aware: its filters run along a sequence, but the regions of an image have no "
            "order; remove it, or choose coverage: true"
        )


def conflicts_without_attention(decoder: RecurrentDecoder | LSTMNDecoder) -> Iterator[str]:
    """Yield the conflicts of a recurrent decoder that has no attention."""
    if decoder.query == "previous_state":
        yield (
            "model.decoder.query: is 'previous_state', but with model.attention: none there is nothing to query; "
            "remove it"
        )
    if decoder.gate:
        yield "model.decoder.gate: there is no context to scale with model.attention: none; remove it"
    if decoder.copying:
        yield "model.decoder.copying: copies by the weights, of which model.attention: none has none; remove it"
    if decoder.doubly_stochastic:
        yield "model.decoder.doubly_stochastic: there are no weights with model.attention: none; remove it"
    if decoder.input_feeding:
        yield "model.decoder.input_feeding: there is nothing to feed back with model.attention: none; remove it"
    if decoder.readout == "attentional":
        yield (
            "model.decoder.readout: 'attentional' combines the state with the context, but model.attention is "
            "none; choose 'state' or 'maxout'"
        )
    if decoder.context == "initial" and decoder.bridge not in ("final", "copy"):
        yield (
            f"model.decoder.bridge: with model.attention: none and context 'initial' the encoder's final state is "
            f"all that the decoder sees of the source, but bridge is {decoder.bridge!r}; choose 'final' or context "
            "'every_step'"
        )
