"""The emulated device refuses, rounds and counts what PyTorch documents of CUDA."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from cuda_emulation import CUDA, Emulation, WrongDeviceError, emulated_cuda
from torch import nn

BF16, FP32, FP16 = torch.bfloat16, torch.float32, torch.float16


@pytest.fixture
def cuda() -> Iterator[Emulation]:
    with emulated_cuda() as emulation:
        yield emulation


def test_tensors_say_where_they_are(cuda: Emulation) -> None:
    moved = torch.arange(6.0).to(CUDA)
    assert moved.device == CUDA
    assert moved.is_cuda
    assert moved.view(2, 3)[1:].device == (moved + 1).device == torch.zeros_like(moved).device == CUDA
    assert torch.zeros(3, device=CUDA).device == torch.tensor([1], device="cuda").device == CUDA
    assert moved.cpu().device == moved.to("cpu").device == torch.ones(2).device == torch.device("cpu")


def test_nothing_is_left_behind() -> None:
    with emulated_cuda():
        moved = torch.ones(2, device=CUDA)
    assert moved.device == torch.device("cpu")
    assert "device" not in vars(torch.Tensor)
    assert torch.ones(1).to(BF16).dtype == BF16


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: here + there,
        lambda here, there: there @ here,
        lambda here, there: torch.cat([here, there]),
        lambda here, there: here.gather(0, there.long()),
        lambda here, there: there[here.long()],
        lambda here, there: here.masked_fill(there > 0, 0.0),
    ],
)
def test_tensors_of_two_devices_do_not_meet(cuda: Emulation, mix: Any) -> None:
    with pytest.raises(WrongDeviceError, match="expected all tensors to be on the same device, found c"):
        mix(torch.ones(3, device=CUDA), torch.zeros(3))


def test_numbers_and_copies_may_cross(cuda: Emulation) -> None:
    here, there = torch.ones(3, device=CUDA), torch.zeros(3)
    assert (here * torch.tensor(2.0)).device == CUDA
    there.copy_(here)
    assert there.tolist() == [1, 1, 1]
    assert there.device == torch.device("cpu")
    assert here[torch.tensor([0, 2])].device == CUDA


def test_numpy_and_foreign_generators_are_refused(cuda: Emulation) -> None:
    here = torch.ones(3, device=CUDA)
    with pytest.raises(TypeError, match="to numpy"):
        here.numpy()
    with pytest.raises(WrongDeviceError, match="generator is of the other device"):
        here.exponential_(generator=torch.Generator())
    with pytest.raises(WrongDeviceError, match="generator is of the other device"):
        torch.rand(3, generator=torch.Generator(CUDA))
    torch.rand(3, generator=torch.Generator(CUDA).manual_seed(1), device=CUDA)


def test_a_model_moves_with_its_ties_and_learns_there(cuda: Emulation) -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    model = nn.Sequential(first, second).to(CUDA)
    assert first.weight is second.weight
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    model(torch.ones(2, 3, device=CUDA)).square().sum().backward()
    assert first.weight.grad is not None
    assert first.weight.grad.device == CUDA
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    twin = copy.deepcopy(model)
    assert all(parameter.device == CUDA for parameter in twin.parameters())
    assert len(list(twin.parameters())) == 3
    with pytest.raises(WrongDeviceError):
        model(torch.ones(2, 3))


@pytest.mark.parametrize(
    ("compute", "kind"),
    [
        (lambda x: torch.mv(x, x[0]), BF16),
        (lambda x: torch.addmv(x[0], x, x[0]), BF16),
        (lambda x: x @ x, BF16),
        (lambda x: nn.functional.linear(x, x), BF16),
        (lambda x: torch.einsum("ij,jk->ik", x, x), BF16),
        (lambda x: x.to(BF16).softmax(-1), FP32),
        (lambda x: x.to(BF16).sum(), FP32),
        (lambda x: x.to(BF16).exp(), FP32),
        (lambda x: x.to(BF16).exp_(), BF16),
        (lambda x: x.to(BF16).sum(dtype=BF16), BF16),
        (lambda x: nn.functional.layer_norm(x.to(BF16), (3,)), FP32),
        (lambda x: torch.tanh(x.to(BF16)), BF16),
        (lambda x: torch.dot(x[0].to(BF16), x[0]), FP32),
        (lambda x: x.double() @ x.double(), torch.float64),
    ],
)
def test_autocast_casts_by_the_lists_of_cuda(cuda: Emulation, compute: Any, kind: torch.dtype) -> None:
    values = torch.rand(3, 3, device=CUDA)
    with torch.autocast("cuda", BF16):
        assert compute(values).dtype == kind
        with torch.autocast("cuda", enabled=False):
            assert (values @ values).dtype == FP32
    assert (values @ values).dtype == FP32


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_recurrent_layers_are_those_of_cudnn(cuda: Emulation, kind: Any) -> None:
    inputs = torch.rand(2, 4, 3)
    layer = kind(3, 5, batch_first=True)
    expected = layer(inputs)[0]
    layer.to(CUDA)
    found = layer(inputs.to(CUDA))[0]
    torch.testing.assert_close(found.cpu(), expected)
    found.sum().backward()
    with torch.autocast("cuda", BF16):
        found = layer(inputs.to(CUDA))[0]
    assert found.dtype == FP16
    torch.testing.assert_close(found.float().cpu(), expected, atol=2e-3, rtol=2e-3)
    refused = layer.eval()(inputs.to(CUDA))[0].sum()
    with pytest.raises(RuntimeError, match="cudnn RNN backward can only be called in training mode"):
        refused.backward()
    with torch.backends.cudnn.flags(enabled=False):
        layer(inputs.to(CUDA))[0].sum().backward()


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda x: x.sum().item(), "_local_scalar_dense"),
        (lambda x: bool(x.any()), "_local_scalar_dense"),
        (lambda x: float(x[0]), "_local_scalar_dense"),
        (lambda x: x.tolist(), "tolist"),
        (lambda x: x.cpu(), "copy"),
        (lambda x: torch.zeros(3).copy_(x), "copy"),
        (lambda x: x[x > 0], "boolean index"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: torch.multinomial(x, 1), "multinomial"),
        (lambda x: torch.tensor([1.0], device=x.device), "upload"),
        (lambda x: torch.ones(3).to(x.device), "upload"),
        (lambda x: torch.ones(3).to(x.device, non_blocking=True), None),
        (lambda x: torch.zeros(3, device=x.device) + x.index_select(0, torch.arange(3, device=x.device)), None),
    ],
)
def test_what_waits_for_the_device_is_counted(cuda: Emulation, ask: Any, reason: str | None) -> None:
    here = torch.ones(3, device=CUDA)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode, cuda.counted() as waits:
            ask(here)
        assert len(waits) == (reason is not None), waits
        assert sum(waits.values()) == (reason is not None), waits
