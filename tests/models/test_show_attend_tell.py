"""The pieces of "Show, Attend and Tell" (Xu et al. 2015), each a switch of the recurrent decoder.

B=3 sources, T=5 target positions, S=6 source positions.
"""

from __future__ import annotations

import torch
from tiny import TARGET_VOCABULARY, built, close, part_of, read_whole, scored, tokens
from torch import Tensor, nn

from attncli.losses import doubly_stochastic
from attncli.models.bridges import MLPBridge
from attncli.models.gates import ContextGate
from attncli.models.readouts import DeepReadout
from attncli.models.scores import AdditiveScore
from attncli.text.tokenizer import BOS

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
XU = (
    "model.decoder.query=previous_state",
    "model.decoder.bridge=mean_mlp",
    "model.decoder.gate=true",
    "model.decoder.readout=deep",
)


def linear(module: nn.Module | None, inputs: Tensor) -> Tensor:
    assert isinstance(module, nn.Linear)
    product = inputs @ module.weight.T
    return product if module.bias is None else product + module.bias


@torch.no_grad()
def test_the_whole_decoder_is_the_papers_equations() -> None:
    model = built(*XU)
    decoder = model.decoder
    memory = model.encode(SOURCE)
    score = part_of(decoder, "attention.score", AdditiveScore)
    opening = part_of(decoder, "attention.gate", ContextGate).open
    readout = part_of(decoder, "readout", DeepReadout)
    logits, weights = read_whole(decoder, torch.cat([torch.full((3, 1), BOS), TARGET.ids[:, :-1]], 1), memory)
    assert weights is not None
    layer = part_of(decoder, "layers.layers.0", nn.LSTM)
    cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    for b, length in enumerate(SOURCE.lengths.tolist()):
        regions = memory.states[b, :length]
        # Section 3.1.2: c_0 = f_init,c(mean a), h_0 = f_init,h(mean a).
        hidden, carried = (
            torch.tanh(linear(outer, torch.tanh(linear(inner, regions.mean(0)))))[None]
            for inner, _, outer, _ in (network.children() for network in part_of(decoder, "bridge", MLPBridge).networks)
        )
        before = BOS
        for t in range(int(TARGET.lengths[b])):
            energy = torch.tanh(linear(score.memory, regions) + linear(score.query, hidden))
            row = torch.softmax(energy @ score.energy.weight[0], 0)
            # Section 4.2.1: β = sigmoid(f_β(h_{t-1})), φ = β Σ α_i a_i.
            gate = torch.sigmoid(linear(opening, hidden))
            context = gate * (row @ regions)
            embedded = decoder.embedding.weight[before][None] * 6**0.5
            hidden, carried = cell(torch.cat([embedded, context], 1), (hidden, carried))
            # Equation 7: exp(L_o (E y_{t-1} + L_h h_t + L_z z_t)), with the released code's tanh.
            deep = torch.tanh(embedded + linear(readout.state, hidden) + linear(readout.context, context))
            close(logits[b, t], linear(decoder.output.classify, deep)[0])
            close(weights[b, t, :length], row)
            before = int(TARGET.ids[b, t])


def test_a_closed_gate_lets_nothing_in() -> None:
    model = built(*XU)
    opening = part_of(model, "decoder.attention.gate", ContextGate).open
    with torch.no_grad():
        opening.weight.zero_()
        opening.bias.fill_(-100)
        one, _ = scored(model, SOURCE, TARGET)
        part_of(model, "decoder.attention.score", AdditiveScore).energy.weight.normal_()
        other, _ = scored(model, SOURCE, TARGET)
    close(one, other)


def test_the_doubly_stochastic_term_is_its_sum() -> None:
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(2, 4, 5, generator=generator)
    steps = torch.tensor([[True] * 4, [True, True, False, False]])
    positions = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    expected = 0.0
    for b in range(2):
        for s in range(5):
            if positions[b, s]:
                total = sum(float(weights[b, t, s]) for t in range(4) if steps[b, t])
                expected += (1 - total) ** 2
    close(doubly_stochastic(weights, steps, positions), torch.tensor(expected))


def test_the_term_is_added_in_training_only_and_is_not_reported() -> None:
    model, plain = built("model.decoder.doubly_stochastic=0.7"), built()
    for mode in (True, False):
        loss, without = (each.train(mode).loss(SOURCE, TARGET, label_smoothing=0.0) for each in (model, plain))
        weights = model.force(SOURCE, TARGET).weights
        assert weights is not None
        term = 0.7 * doubly_stochastic(weights, TARGET.mask, SOURCE.mask) if mode else torch.tensor(0.0)
        close(loss.total - without.total, term.detach(), tolerance=1e-4)
        close(loss.reported, without.reported)


def test_the_deep_readout_is_as_wide_as_an_embedding() -> None:
    model = built("model.decoder.readout=deep", "model.tied_embeddings=target")
    assert part_of(model, "decoder.readout", DeepReadout).size == 6
    assert model.decoder.output.classify.weight is model.decoder.embedding.weight
    assert model.decoder.output.classify.weight.shape == (TARGET_VOCABULARY, 6)
