"""A tape of the past states of a recurrence, which every step looks back on.

N rows, t entries so far, H width of a state, A width of a key, W = 2 H + A width of an entry: hidden state, cell, key.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

ROOM = 16  # entries by which a new line can grow before it is copied


class Tape:
    """Reads and grows tapes [N, t, W].

    A tape is a value: growing one gives another. But tapes that grow out of one another share one line of memory, and
    their gradients are added up in one place too. Plain operations would copy the tape at every step and keep all
    copies for the backward pass, 1.2 GB at 40 sentences of 100 tokens and H = A = 512.
    """

    def __init__(self, energy: Tensor):
        self.energy = energy  # [A]
        self.line: _Line | None = None
        self.latest: Tensor | None = None

    def adopt(self, tape: Tensor) -> Tensor:
        """Return `tape` as one that the other methods accept."""
        if self.latest is None or tape is not self.latest:
            self.line = _Line(tape)
            self.latest = _Adopt.apply(tape, self.line)  # type: ignore[no-untyped-call]
        return self.latest

    def read(self, query: Tensor, tape: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of all states [N, 2 H] with weights [N, t] by v · tanh(q + key), for `query` [N, A]."""
        assert tape is self.latest
        return _Read.apply(query, tape, self.energy, self.line)  # type: ignore[no-any-return, no-untyped-call]

    def write(self, tape: Tensor, *entry: Tensor) -> Tensor:
        """Return `tape` with an `entry` appended: hidden state [N, H], cell [N, H] and key [N, A]."""
        assert tape is self.latest
        self.latest = _Write.apply(tape, self.line, *entry)  # type: ignore[no-untyped-call]
        return self.latest


class _Line:
    """The entries of tapes that grow out of one another, and the gradients of everything that reads them."""

    def __init__(self, tape: Tensor):
        rows, length, width = tape.shape
        self.entries = tape.new_empty(rows, length + ROOM, width)
        self.entries[:, :length] = tape.detach()
        self._slopes: Tensor | None = None

    def put(self, at: int, entry: tuple[Tensor, ...]) -> None:
        if at == self.entries.shape[1]:
            self.entries = torch.cat([self.entries, torch.empty_like(self.entries)], 1)
        first = 0
        for part in entry:
            self.entries[:, at, first : first + part.shape[1]] = part
            first += part.shape[1]

    def tape(self, length: int) -> Tensor:
        """Return the tape of the first `length` entries.

        It shares memory with the tapes that grow out of it, but not as a view: autograd would refuse to use a view
        after the next entry was written. That is safe, since no entry is ever written twice.
        """
        view = self.entries[:, :length]
        return view.new_empty(0).set_(view.untyped_storage(), 0, view.shape, view.stride())

    @property
    def slopes(self) -> Tensor:
        if self._slopes is None:
            self._slopes = torch.zeros_like(self.entries)
        return self._slopes

    def taken(self, first: int, last: int) -> Tensor:
        """Return the slopes of entries `first` to `last`, and set them to 0 for the next backward pass."""
        found = self.slopes[:, first:last].clone()
        self.slopes[:, first:last] = 0
        return found


class _Adopt(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tape: Tensor, line: _Line) -> Tensor:
        context.line, context.length = line, tape.shape[1]
        context.set_materialize_grads(False)
        return line.tape(tape.shape[1])

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        found = context.line.taken(0, context.length)
        return found if gradient is None else found + gradient, None


class _Write(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tape: Tensor, line: _Line, *entry: Tensor) -> Tensor:
        context.line, context.at = line, tape.shape[1]
        context.kinds = [(part.shape[1], part.dtype) for part in entry]
        context.set_materialize_grads(False)
        line.put(tape.shape[1], entry)
        return line.tape(tape.shape[1] + 1)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        # Everything that read this entry has run its backward pass: it depends on a tape that depends on this one.
        at = context.at
        if gradient is not None:
            context.line.slopes[:, : at + 1] += gradient
        parts = context.line.taken(at, at + 1)[:, 0].split([width for width, _ in context.kinds], dim=1)
        return None, None, *(part.to(kind) for part, (_, kind) in zip(parts, context.kinds, strict=True))


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, query: Tensor, tape: Tensor, energy: Tensor, line: _Line) -> tuple[Tensor, Tensor]:
        with torch.autocast(tape.device.type, enabled=False):
            states, hidden = _parts(tape, query)
            scores = hidden @ energy.to(tape.dtype)  # [N, t]
            weights = scores.softmax(-1, dtype=torch.float32)
            recalled = (weights.to(tape.dtype)[:, None] @ states)[:, 0]
        context.save_for_backward(query, weights, energy)
        context.line, context.length = line, tape.shape[1]
        context.mark_non_differentiable(weights)
        context.set_materialize_grads(False)
        return recalled, weights

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return None, None, None, None
        query, weights, energy = context.saved_tensors
        line: _Line = context.line
        states, hidden = _parts(line.entries[:, : context.length], query)  # [N, t, 2 H] and [N, t, A], computed again
        slopes = line.slopes[:, : context.length]
        slopes[..., : states.shape[-1]].addcmul_(weights.to(states.dtype)[..., None], gradient[:, None])
        of_weights = (states @ gradient.to(states.dtype)[..., None])[..., 0].float()
        of_scores = (weights * (of_weights - (weights * of_weights).sum(-1, keepdim=True))).to(states.dtype)
        of_energy = torch.einsum("nt,nta->a", of_scores, hidden).to(energy.dtype)
        of_keys = hidden.mul_(hidden).neg_().add_(1.0).mul_(energy.to(states.dtype)).mul_(of_scores[..., None])
        slopes[..., states.shape[-1] :] += of_keys
        return of_keys.sum(1).to(query.dtype), None, of_energy, None


def _parts(tape: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Return the states [N, t, 2 H] of `tape`, and the hidden layer [N, t, A] of the score."""
    size = query.shape[-1]
    states, keys = tape[..., :-size], tape[..., -size:]
    return states, (keys + query.to(tape.dtype)[:, None]).tanh_()
