"""Gradients at encoder states, against finite differences of a state that the recurrence goes on from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from tiny import built, close, read_whole, row_of, tokens
from torch import Tensor

from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.recurrent import RecurrentEncoder
from attncli.models.recurrence import Layers, RecurrentLayers
from attncli.models.state_gradients import state_gradients

SOURCE = tokens([4, 5, 6, 7], [8, 9])  # 5 and 3 positions
TARGET = tokens([5, 6], [7, 8, 9])
NONE = ("model.attention=none", "model.decoder.context=every_step")


@contextmanager
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def model_of(*overrides: str) -> EncoderDecoder:
    return built(*overrides, spread=0.7).double()


class Pushed:
    """Runs each layer on torch's own network, one step a call; adds `push` to a state of the `probed` one at `step`."""

    def __init__(self, probed: RecurrentLayers, *, step: int, tensor: int, push: Tensor, carried: bool):
        self.probed, self.step, self.tensor, self.push, self.carried = probed, step, tensor, push, carried

    def __call__(self, layers: Layers, inputs: Tensor) -> Tensor:
        network, state, states = layers.layers[0], None, []
        for step in range(inputs.shape[1]):
            _, state = network(inputs[:, step : step + 1], state)
            parts = list(state) if isinstance(state, tuple) else [state]
            shown = parts[0]
            if layers is self.probed and step == self.step:
                pushed = parts[self.tensor] + self.push
                shown = pushed if self.tensor == 0 else shown
                if self.carried:
                    parts[self.tensor] = pushed
            state = tuple(parts) if isinstance(state, tuple) else parts[0]
            states.append(shown[0])
        return torch.stack(states, 1)


def loss_of(model: EncoderDecoder, run: Pushed, row: int) -> float:
    encoder = model.encoder
    assert isinstance(encoder, RecurrentEncoder)
    prefix = torch.cat([torch.full((2, 1), 1), TARGET.ids[:, :-1]], 1)
    logits, _ = read_whole(model.decoder, prefix, encoder.read(SOURCE, run))
    length = int(TARGET.lengths[row])
    chosen = logits[row, :length].log_softmax(-1)[torch.arange(length), TARGET.ids[row, :length]]
    return -float(chosen.mean())


def finite_differences(model: EncoderDecoder, row: int, step: int, *, carried: bool) -> Tensor:
    """Return the gradient of the loss of `row` by the state at `step`, its tensors after one another."""
    encoder = model.encoder
    assert isinstance(encoder, RecurrentEncoder)
    layers = encoder.forwards[-1]
    assert isinstance(layers, RecurrentLayers)
    slopes = []
    for tensor in range(layers.cell.state_tensors):
        for unit in range(layers.hidden_size):
            push = torch.zeros(layers.hidden_size)
            push[unit] = 1e-5
            up, down = (
                loss_of(model, Pushed(layers, step=step, tensor=tensor, push=sign * push, carried=carried), row)
                for sign in (1, -1)
            )
            slopes.append((up - down) / 2e-5)
    return torch.tensor(slopes)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("attention", [NONE, ("model.decoder.query=previous_state",)])
@pytest.mark.parametrize("shape", [("model.encoder.bidirectional=false",), ("model.encoder.layers=2",)])
def test_gradients_are_those_of_pushing_a_state(
    monkeypatch: pytest.MonkeyPatch, cell: str, attention: tuple[str, ...], shape: tuple[str, ...]
) -> None:
    # Softmax and loss are in float32 at least, which would be too coarse for differences.
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    with float64(), torch.no_grad():
        model = model_of(f"model.encoder.cell={cell}", *attention, *shape)
        with torch.enable_grad():
            found = state_gradients(model, SOURCE, TARGET)
        for row, step in ((0, 0), (0, 3), (0, 4), (1, 1), (1, 2)):
            total = finite_differences(model, row, step, carried=True)
            direct = finite_differences(model, row, step, carried=False)
            expected = total.norm(), direct.norm(), (total - direct).norm()
            at = torch.stack([part[row, step] for part in (found.total, found.direct, found.later)])
            close(at, torch.stack(expected), tolerance=1e-7)


def test_without_attention_nothing_but_the_last_state_is_reached_directly() -> None:
    found = state_gradients(built(*NONE), SOURCE, TARGET)
    assert (found.direct > 0).tolist() == [[False, False, False, False, True], [False, False, True, False, False]]
    assert (found.later > 0).tolist() == [[True, True, True, True, False], [True, True, False, False, False]]
    assert (found.total > 0).tolist() == [[True] * 5, [True, True, True, False, False]]


def test_with_attention_every_state_is_reached_directly_and_padding_is_not() -> None:
    found = state_gradients(built(), SOURCE, TARGET)
    assert (found.direct > 0).tolist() == [[True] * 5, [True, True, True, False, False]]


def test_a_batch_has_the_gradients_of_its_rows_alone() -> None:
    model = built("model.encoder.reverse_source=true")
    together = state_gradients(model, SOURCE, TARGET)
    for row, length in enumerate(SOURCE.lengths.tolist()):
        alone = state_gradients(model, row_of(SOURCE, row), row_of(TARGET, row))
        close(together.total[row, :length], alone.total[0])
        close(together.direct[row, :length], alone.direct[0])


def test_where_hard_attention_samples_the_gradient_is_of_the_same_draws_each_time() -> None:
    model = built("model.attention.selection=hard", "model.attention.inference=sample")
    first, again = (state_gradients(model, SOURCE, TARGET).total for _ in range(2))
    assert torch.equal(first, again)
    close(state_gradients(model, row_of(SOURCE, 1), row_of(TARGET, 1)).total, first[1:, :3])
