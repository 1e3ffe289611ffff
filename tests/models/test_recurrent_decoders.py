"""The decoders against loops written from the papers' equations, on torch's own cells.

B=3 sources, T=5 target positions, S=6 source positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from combinations import CELL, READERS
from tiny import built, close, read_whole, tokens
from torch import Tensor, nn

from attncli.models.memory import Memory
from attncli.text.tokenizer import BOS

SOURCE = tokens([4, 5, 6], [7], [8, 9, 10, 4, 5])
TARGET = tokens([5, 4], [6, 7, 8, 9], [4])
EVERY_CELL = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
DEPTHS = pytest.mark.parametrize("depth", [1, 2])


class Stack:
    """The decoder's layers as torch's single-step cells."""

    def __init__(self, decoder: Any, cell: str):
        kinds = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
        self.cells: list[nn.Module] = []
        for layer in decoder.layers.layers:
            copy = kinds[cell](layer.input_size, layer.hidden_size)
            copy.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
            self.cells.append(copy)

    def __call__(self, inputs: Tensor, states: list[Any]) -> list[Any]:
        advanced = []
        for cell, state in zip(self.cells, states, strict=True):
            advanced.append(cell(inputs, state))
            inputs = top(advanced)
        return advanced


def top(states: list[Any]) -> Tensor:
    """Return the hidden state of the top layer."""
    state: Tensor | tuple[Tensor, Tensor] = states[-1]
    return state[0] if isinstance(state, tuple) else state


@dataclass
class Loop:
    """One target read by the equations; what differs between decoders is a function."""

    decoder: Any
    cell: str
    memory: Memory

    def run(self, step: Callable[..., tuple[Tensor, Tensor | None, list[Any]]]) -> tuple[Tensor, Tensor | None]:
        """Return logits [B, T, V] and weights [B, T, S] of TARGET."""
        states, self.fed = self.first_states(), torch.zeros(3, 8)
        before = torch.full((3,), BOS)
        logits: list[Tensor] = []
        weights: list[Tensor] = []
        for t in range(TARGET.ids.shape[1]):
            # Vaswani et al. 2017, 3.4: embeddings are multiplied by the root of their width, 6.
            feature, row, states = step(self.decoder.embedding.weight[before] * 6**0.5, states)
            logits.append(self.decoder.output(feature))
            if row is not None:
                weights.append(row)
            before = TARGET.ids[:, t]
        return torch.stack(logits, 1), torch.stack(weights, 1) if weights else None

    def first_states(self) -> list[Any]:
        linear = self.decoder.bridge.project
        parts = torch.split(torch.tanh(self.memory.summary @ linear.weight.T + linear.bias), 8, dim=1)
        if self.cell != "lstm":
            return list(parts)
        return [(parts[at], parts[at + 1]) for at in range(0, len(parts), 2)]

    def attend(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Return context [B, D] and weights [B, S] by Bahdanau's score, source by source."""
        score = self.decoder.attention.score
        contexts, rows = [], torch.zeros(self.memory.mask.shape)
        for b, length in enumerate(SOURCE.lengths.tolist()):
            states = self.memory.states[b, :length]
            energy = torch.tanh(states @ score.memory.weight.T + query[b] @ score.query.weight.T)
            rows[b, :length] = torch.softmax(energy @ score.energy.weight[0], 0)
            contexts.append(torch.stack([rows[b, s] * states[s] for s in range(length)]).sum(0))
        return torch.stack(contexts), rows

    def maxout(self, *parts: Tensor) -> Tensor:
        """Return, of Bahdanau's t~ = W [s; E y; c], the larger of entries 2j - 1 and 2j."""
        linear = self.decoder.readout.combine
        both = torch.cat(parts, 1) @ linear.weight.T + linear.bias
        return torch.maximum(both[:, 0::2], both[:, 1::2])


def compare(reader: str, cell: str, depth: int, step: Callable[[Loop], Any], *more: str) -> None:
    model = built(*READERS[reader], *CELL[cell], f"model.decoder.layers={depth}", *more)
    with torch.no_grad():
        memory = model.encode(SOURCE)
        loop = Loop(model.decoder, cell, memory)
        logits, weights = loop.run(step(loop))
        prefix = torch.cat([torch.full((3, 1), BOS), TARGET.ids[:, :-1]], 1)
        found_logits, found_weights = read_whole(model.decoder, prefix, memory)
        forced = model.force(SOURCE, TARGET)
    close(found_logits, logits)
    close(model.decoder.output(forced.features), logits)
    if weights is None:
        assert found_weights is None
    else:
        assert found_weights is not None
        close(found_weights, weights)


@EVERY_CELL
@DEPTHS
@pytest.mark.parametrize("feeds", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "none"])
def test_luong_asks_after_the_step(cell: str, depth: int, feeds: bool, activation: str) -> None:
    # Luong et al. 2015, section 3: h_t = f(h_{t-1}, y_{t-1} [, h~_{t-1}]); c_t from h_t; h~_t = tanh(W_c [c_t; h_t]).
    def steps(loop: Loop) -> Any:
        stack = Stack(loop.decoder, cell)

        def step(embedded: Tensor, states: list[Any]) -> Any:
            states = stack(torch.cat([embedded, loop.fed], 1) if feeds else embedded, states)
            context, weights = loop.attend(top(states))
            attentional = torch.cat([context, top(states)], 1) @ loop.decoder.readout.combine.weight.T
            loop.fed = attentional = torch.tanh(attentional) if activation == "tanh" else attentional
            return attentional, weights, states

        return step

    reader = "feeding-additive" if feeds else "current-additive"
    compare(reader, cell, depth, steps, f"model.decoder.readout_activation={activation}")


@EVERY_CELL
@DEPTHS
def test_bahdanau_asks_before_the_step(cell: str, depth: int) -> None:
    # Bahdanau et al. 2015, A.1.2, A.2.2: c_t from s_{t-1}; s_t = f(s_{t-1}, y_{t-1}, c_t); t_t of (s_t, y_{t-1}, c_t).
    def steps(loop: Loop) -> Any:
        stack = Stack(loop.decoder, cell)

        def step(embedded: Tensor, states: list[Any]) -> Any:
            context, weights = loop.attend(top(states))
            states = stack(torch.cat([embedded, context], 1), states)
            return loop.maxout(top(states), embedded, context), weights, states

        return step

    compare("previous-additive", cell, depth, steps)


@EVERY_CELL
@DEPTHS
def test_without_attention_the_summary_starts_the_decoder(cell: str, depth: int) -> None:
    # Sutskever et al. 2014.
    def steps(loop: Loop) -> Any:
        stack = Stack(loop.decoder, cell)

        def step(embedded: Tensor, states: list[Any]) -> Any:
            states = stack(embedded, states)
            return top(states), None, states

        return step

    compare("none", cell, depth, steps)


@EVERY_CELL
@DEPTHS
def test_without_attention_the_summary_may_enter_every_step(cell: str, depth: int) -> None:
    # Cho et al. 2014, section 2.2: h_t = f(h_{t-1}, y_{t-1}, c), and the output reads h_t, y_{t-1} and c.
    def steps(loop: Loop) -> Any:
        stack = Stack(loop.decoder, cell)

        def step(embedded: Tensor, states: list[Any]) -> Any:
            states = stack(torch.cat([embedded, loop.memory.summary], 1), states)
            return loop.maxout(top(states), embedded, loop.memory.summary), None, states

        return step

    compare("none-every_step", cell, depth, steps)


@EVERY_CELL
@DEPTHS
@pytest.mark.parametrize("reader", ["current-additive", "feeding-additive", "previous-additive"])
def test_the_summary_may_enter_every_step_beside_an_attention(reader: str, cell: str, depth: int) -> None:
    # Lu et al. 2017: x_t = [y_{t-1}; v], with what the query's paper feeds behind it.
    def steps(loop: Loop) -> Any:
        stack, combine = Stack(loop.decoder, cell), loop.decoder.readout.combine

        def step(embedded: Tensor, states: list[Any]) -> Any:
            inputs = torch.cat([embedded, loop.memory.summary], 1)
            if reader.startswith("previous"):
                context, weights = loop.attend(top(states))
                states = stack(torch.cat([inputs, context], 1), states)
                return loop.maxout(top(states), embedded, context), weights, states
            states = stack(torch.cat([inputs, loop.fed], 1) if reader.startswith("feeding") else inputs, states)
            context, weights = loop.attend(top(states))
            loop.fed = torch.cat([context, top(states)], 1) @ combine.weight.T
            return loop.fed, weights, states

        return step

    compare(reader, cell, depth, steps, "model.decoder.context=every_step")


def first_layers(bridge: str) -> tuple[Any, Memory, Any]:
    model = built(f"model.decoder.bridge={bridge}", "model.decoder.layers=2")
    with torch.no_grad():
        memory = model.encode(SOURCE)
        return model.decoder.start(model.decoder.prepare(memory)).layers, memory, model.decoder.bridge


def test_the_first_state_is_made_of_the_vector_that_was_asked_for() -> None:
    for bridge in ("final", "mean"):
        layers, memory, module = first_layers(bridge)
        vector = memory.summary
        if bridge == "mean":
            lengths = SOURCE.lengths.tolist()
            vector = torch.stack([memory.states[b, :length].mean(0) for b, length in enumerate(lengths)])
        whole = torch.tanh(vector @ module.project.weight.T + module.project.bias)
        close(torch.cat([tensor for layer in layers for tensor in layer], 1), whole)
    model = built("model.decoder.bridge=copy", "model.encoder.hidden_size=8", "model.decoder.layers=2")
    memory = model.encode(SOURCE)
    for hidden, cell in model.decoder.start(model.decoder.prepare(memory)).layers:
        close(hidden, memory.summary)
        assert (cell == 0).all()
    assert list(model.decoder.get_submodule("bridge").parameters()) == []
    layers, _, module = first_layers("zero")
    assert all(tensor.shape == (3, 8) and (tensor == 0).all() for layer in layers for tensor in layer)
    assert list(module.parameters()) == []


@pytest.mark.parametrize("reader", ["none", "none-every_step", "current-additive", "feeding-dot", "previous-general"])
def test_output_dropout_changes_what_is_written_and_fed(reader: str) -> None:
    model = built(*READERS[reader], "model.dropout.outputs=0.5").train()
    features = model.force(SOURCE, TARGET).features
    # About half of what the output layer reads is 0; of what a readout gives, nothing is.
    assert 0.25 < (features == 0).float().mean() < 0.75
    assert (model.eval().force(SOURCE, TARGET).features != 0).all()
