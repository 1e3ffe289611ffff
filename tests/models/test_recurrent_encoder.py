"""The recurrent encoder against torch's packed bidirectional networks.

B=3 sources, S=6 positions, E=5 embedding width, H=8 width of both directions together.
"""

from __future__ import annotations

import pytest
import torch
from tiny import close, row_of, tokens
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attncli.data.tokens import Tokens
from attncli.models.encoders.embedding import TokenEmbedding
from attncli.models.encoders.recurrent import RecurrentEncoder, reversal
from attncli.models.positions import Placing
from attncli.models.recurrence import CELLS, RecurrentLayers

E, H, VOCABULARY = 5, 8, 11
FACTOR = 1.7  # of embeddings
SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
EVERY_CELL = pytest.mark.parametrize("name", CELLS)
DEPTHS = pytest.mark.parametrize("layers", [1, 3])
BOTH_WAYS = pytest.mark.parametrize("bidirectional", [False, True])


def made(
    name: str, layers: int, bidirectional: bool, *, reverses: bool = False, dropout: float = 0.0
) -> RecurrentEncoder:
    torch.manual_seed(1)
    return RecurrentEncoder(
        TokenEmbedding(VOCABULARY, E, padding_idx=0),
        Placing(factor=FACTOR, positions=None, dropout=dropout),
        lambda input_size, hidden_size: RecurrentLayers(
            CELLS[name], input_size=input_size, hidden_size=hidden_size, layers=1, dropout=0.0
        ),
        hidden_size=H,
        layers=layers,
        bidirectional=bidirectional,
        reverses_source=reverses,
        layer_dropout=dropout,
    )


def by_torch(encoder: RecurrentEncoder, name: str, layers: int, bidirectional: bool) -> tuple[Tensor, Tensor]:
    """Return the states [B, S, D] and the top layer's final states [B, D] of torch's network with the same weights."""
    width = H // 2 if bidirectional else H
    network = CELLS[name].network(E, width, num_layers=layers, bidirectional=bidirectional, batch_first=True)
    assert (encoder.backwards is not None) == bidirectional
    directions = {"": encoder.forwards}
    if encoder.backwards is not None:
        directions["_reverse"] = encoder.backwards
    with torch.no_grad():
        for suffix, stack in directions.items():
            for number in range(layers):
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    weights = stack.get_parameter(f"{number}.layers.0.{kind}_l0")
                    getattr(network, f"{kind}_l{number}{suffix}").copy_(weights)
    scaled = encoder.embedding(SOURCE.ids) * FACTOR
    packed = pack_padded_sequence(scaled, SOURCE.lengths, batch_first=True, enforce_sorted=False)
    states, final = network(packed)
    hidden = final[0] if name == "lstm" else final  # [layers * directions, B, width]
    top = hidden[-2:] if bidirectional else hidden[-1:]
    return pad_packed_sequence(states, batch_first=True)[0], torch.cat(list(top), -1)


@EVERY_CELL
@DEPTHS
@BOTH_WAYS
def test_states_are_those_of_torchs_packed_network(name: str, layers: int, bidirectional: bool) -> None:
    encoder = made(name, layers, bidirectional)
    memory = encoder(SOURCE)
    states, final = by_torch(encoder, name, layers, bidirectional)
    assert torch.equal(memory.mask, torch.arange(6) < torch.tensor([[4], [2], [6]]))
    close(memory.states[memory.mask], states[memory.mask])
    close(memory.summary, final)


@BOTH_WAYS
@pytest.mark.parametrize("reverses", [False, True])
def test_padding_changes_no_real_position(bidirectional: bool, reverses: bool) -> None:
    encoder = made("gru", 2, bidirectional, reverses=reverses)
    memory = encoder(SOURCE)
    for at, length in enumerate(SOURCE.lengths.tolist()):
        alone = encoder(row_of(SOURCE, at))
        close(alone.states[0], memory.states[at, :length])
        close(alone.summary[0], memory.summary[at])
        close(alone.mean()[0], memory.mean()[at])
    wider = Tokens(torch.nn.functional.pad(SOURCE.ids, (0, 3)), SOURCE.lengths)
    close(encoder(wider).states[:, :6][memory.mask], memory.states[memory.mask])
    close(encoder(wider).summary, memory.summary)


@EVERY_CELL
@BOTH_WAYS
def test_a_reversed_source_is_read_from_its_end_and_its_states_stay_in_place(name: str, bidirectional: bool) -> None:
    plain, reversing = made(name, 2, bidirectional), made(name, 2, bidirectional, reverses=True)
    found = reversing(SOURCE)
    for at, length in enumerate(SOURCE.lengths.tolist()):
        row = row_of(SOURCE, at)
        expected = plain(Tokens(row.ids.flip(1), row.lengths))
        close(found.states[at, :length], expected.states[0].flip(0))
        close(found.summary[at], expected.summary[0])


def test_reversal_leaves_padding_in_place() -> None:
    assert reversal(torch.tensor([3, 1, 4]), 4).tolist() == [[2, 1, 0, 3], [0, 1, 2, 3], [3, 2, 1, 0]]


def test_the_mean_is_over_real_positions() -> None:
    memory = made("rnn", 1, True)(SOURCE)
    for at, length in enumerate(SOURCE.lengths.tolist()):
        close(memory.mean()[at], sum(memory.states[at, s] for s in range(length)) / length)


def test_dropout_acts_in_training_only() -> None:
    encoder = made("gru", 2, True, dropout=0.5)
    assert not torch.equal(encoder(SOURCE).states, encoder(SOURCE).states)
    assert (encoder(SOURCE).states[SOURCE.mask] == 0).float().mean() > 0.2
    encoder.eval()
    assert torch.equal(encoder(SOURCE).states, encoder(SOURCE).states)
    assert (encoder(SOURCE).states[SOURCE.mask] != 0).all()
