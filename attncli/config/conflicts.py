"""Rules between a decoder, its attention and what they look at, whatever the task.

Each yields what is broken as `key: what is wrong`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attncli.config.attention import Attention
from attncli.config.decoders import LSTMNDecoder, RecurrentDecoder, TransformerDecoder
from attncli.config.networks import width_conflict


def decoder_conflicts(
    attention: Literal["none"] | Attention,
    decoder: RecurrentDecoder | LSTMNDecoder | TransformerDecoder,
    *,
    embedding_size: int,
    memory_size: int | None,
    memory_key: str,
    longest_target: int,
) -> Iterator[str]:
    """Yield what of a decoder and its attention does not go together, whatever it is that is looked at."""
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
    """Yield what is wrong with the activation of a readout that has none."""
    readout = decoder.readout_name(attends=attends)
    if decoder.readout_activation is not None and readout not in ("attentional", "deep"):
        yield (
            f"model.decoder.readout_activation: belongs to the readouts 'attentional' and 'deep', but the readout is "
            f"{readout!r}; remove it"
        )


def conflicts_of_copied_state(
    decoder: RecurrentDecoder | LSTMNDecoder, *, memory_size: int | None, memory_key: str
) -> Iterator[str]:
    """Yield what is wrong with a first state that is copied from a memory of another width."""
    if decoder.bridge == "copy" and memory_size not in (None, decoder.hidden_size):
        yield (
            f"model.decoder.bridge: 'copy' takes the encoder's final state as it is, but model.decoder.hidden_size is "
            f"{decoder.hidden_size} and {memory_key} is {memory_size}; make them equal or choose 'final'"
        )


def conflicts_of_cross_attention(
    attention: Literal["none"] | Attention, decoder: TransformerDecoder, *, longest_target: int
) -> Iterator[str]:
    """Yield what does not go together with a transformer decoder."""
    if attention == "none":
        yield (
            "model.attention: is none, but a transformer decoder knows the source by attention alone; set "
            "{score: scaled_dot}, or choose model.decoder.kind recurrent or lstmn"
        )
    elif attention != Attention(score="scaled_dot"):
        yield (
            "model.attention: the attention of a transformer decoder is scaled_dot over the whole source in every "
            f"head, but {_beyond_scaled_dot(attention)} is set; set {{score: scaled_dot}}"
        )
    if decoder.maximum_length is not None and decoder.maximum_length < longest_target:
        yield (
            f"model.decoder.maximum_length: is {decoder.maximum_length}, but search.max_length is {longest_target}; "
            "there must be a learned position for every token that is written"
        )


def _beyond_scaled_dot(attention: Attention) -> str:
    """Return what of `attention` a transformer decoder does not have, as a person would write it."""
    plain = Attention(score="scaled_dot").model_dump()
    return ", ".join(f"{key}: {value}" for key, value in attention.model_dump().items() if value != plain[key])


def conflicts_with_attention(
    attention: Attention, decoder: RecurrentDecoder | LSTMNDecoder, *, memory_size: int | None, memory_key: str
) -> Iterator[str]:
    """Yield what does not go together where there is an attention; no width of the memory says that it is unknown."""
    if (
        attention.score in ("dot", "scaled_dot")
        and not attention.is_projected
        and memory_size not in (None, decoder.hidden_size)
    ):
        way_out = "projections: learned" if attention.score == "scaled_dot" else "'general'"
        yield (
            f"model.attention.score: {attention.score!r} needs query and memory of one width, but "
            f"model.decoder.hidden_size is {decoder.hidden_size} and {memory_key} is {memory_size}; "
            f"make them equal or choose {way_out}"
        )
    if decoder.input_feeding and decoder.query == "previous_state":
        yield (
            "model.decoder.input_feeding: needs model.decoder.query 'current_state', but it is 'previous_state'; "
            "there the context enters every step already"
        )
    if decoder.input_feeding and decoder.readout not in (None, "attentional"):
        yield (
            f"model.decoder.input_feeding: feeds the attentional vector back, but model.decoder.readout is "
            f"{decoder.readout!r}; remove one of them"
        )
    elif decoder.readout == "state" and decoder.query == "current_state":
        yield (
            "model.decoder.readout: 'state' sees no context, so with model.decoder.query 'current_state' nothing "
            "would read the attention; choose 'attentional' or 'maxout', or model.attention: none"
        )


def conflicts_without_attention(decoder: RecurrentDecoder | LSTMNDecoder) -> Iterator[str]:
    """Yield what does not go together where there is no attention."""
    if decoder.query == "previous_state":
        yield (
            "model.decoder.query: there is nothing to ask with model.attention: none, but it is 'previous_state'; "
            "remove it"
        )
    if decoder.gate:
        yield "model.decoder.gate: there is no context to let in with model.attention: none; remove it"
    if decoder.doubly_stochastic:
        yield "model.decoder.doubly_stochastic: there are no weights with model.attention: none; remove it"
    if decoder.input_feeding:
        yield "model.decoder.input_feeding: there is nothing to feed back with model.attention: none; remove it"
    if decoder.readout == "attentional":
        yield (
            "model.decoder.readout: 'attentional' joins state and attention's context, but model.attention is "
            "none; choose 'state' or 'maxout'"
        )
    if decoder.context == "initial" and decoder.bridge not in ("final", "copy"):
        yield (
            f"model.decoder.bridge: with model.attention: none and context 'initial' the encoder's final state is "
            f"all that the decoder sees, but bridge is {decoder.bridge!r}; choose 'final' or context 'every_step'"
        )
