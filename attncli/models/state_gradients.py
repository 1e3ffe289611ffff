"""The gradient of the loss at every state of a recurrent encoder.

B sources, S positions in the order of reading, I input width, H hidden width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncli.data.tokens import Tokens
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.recurrent import RecurrentEncoder, first_states, run_whole
from attncli.models.recurrence import Layers, RecurrentLayers


@dataclass(frozen=True)
class StateGradients:
    """Norms [B, S] of the gradient of each source's loss by each state of a direction, in the order of reading.

    `total` is the whole gradient, the sum of two paths: `direct` comes straight from the decoder, through attention or
    because the state is the last one, and `later` comes through the states after it.
    """

    total: Tensor
    direct: Tensor
    later: Tensor


class _ProbedRun:
    """Runs the layer `probed` step by step, adding zeros to its states as handles for gradients; runs others whole.

    A zero in `carried` is added to what the decoder sees and the next step starts from, one in `shown` only to what
    the decoder sees. With an LSTM the carried state includes the cell.
    """

    def __init__(self, probed: nn.Module):
        assert isinstance(probed, RecurrentLayers), "a step of other layers also reads earlier states"
        self.probed = probed
        self.carried: list[tuple[Tensor, ...]] = []  # of each step (hidden,) or (hidden, cell), each [B, H]
        self.shown: list[Tensor] = []  # of each step [B, H]

    def __call__(self, layers: Layers, inputs: Tensor) -> Tensor:
        if layers is not self.probed:
            return run_whole(layers, inputs)
        steps, states = layers.steps(), []
        [state] = first_states(layers, inputs)
        for gates in steps.first_gates(inputs).unbind(1):
            [state] = steps.advance(gates, (state,))
            carried = tuple(torch.zeros_like(tensor, requires_grad=True) for tensor in state)
            shown = torch.zeros_like(state[0], requires_grad=True)
            state = tuple(tensor + zero for tensor, zero in zip(state, carried, strict=True))
            states.append(state[0] + shown)
            self.carried.append(carried)
            self.shown.append(shown)
        return torch.stack(states, 1)


def state_gradients(model: EncoderDecoder, source: Tokens, target: Tokens) -> StateGradients:
    """Return the gradients at the forward states of the top layer of `model`'s recurrent encoder.

    The loss of a source is the mean of -log p over the tokens of its target, in nats. An LSTM's state is its hidden
    state and cell together.
    """
    encoder = model.encoder
    assert isinstance(encoder, RecurrentEncoder)
    run = _ProbedRun(encoder.forwards[-1])
    # Without cuDNN, whose recurrent layers have no backward pass in eval mode.
    with torch.backends.cudnn.flags(enabled=False):
        loss = _mean_losses(model, source, target, run).sum()
    zeros = [*(zero for step in run.carried for zero in step), *run.shown]
    gradients = torch.autograd.grad(loss, zeros, materialize_grads=True)
    count = len(run.shown)
    carried = torch.stack(gradients[:-count]).unflatten(0, (count, -1))  # type: ignore[no-untyped-call]  # [S, state tensors, B, H]
    shown = _beside_cell(gradients[-count:], tensors=carried.shape[1])
    return StateGradients(*(part.norm(dim=(1, 3)).t() for part in (carried, shown, carried - shown)))


def _mean_losses(model: EncoderDecoder, source: Tokens, target: Tokens, run: _ProbedRun) -> Tensor:
    """Return the mean loss [B] per target token of each source."""
    encoder = model.encoder
    assert isinstance(encoder, RecurrentEncoder)
    memory = model.completed(encoder.read(source, run), source)
    log_probs = model.log_probs_of(model.force_memory(memory, target), target)  # [B, T]
    return -log_probs.sum(1) / target.lengths


def _beside_cell(gradients: Sequence[Tensor], *, tensors: int) -> Tensor:
    """Return `gradients` of hidden states, S of [B, H], as [S, tensors, B, H]; a cell gets 0, as no decoder sees it."""
    hidden = torch.stack(list(gradients))[:, None]
    return torch.cat([hidden, hidden.new_zeros(hidden.shape).expand(-1, tensors - 1, -1, -1)], 1)
