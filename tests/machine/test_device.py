"""Devices by name, and the arithmetic on them."""

from __future__ import annotations

import pytest
import torch
from cuda_emulation import emulated_cuda
from marks import needs_bf16

import attncli.machine.device
from attncli.errors import CommandError
from attncli.machine.device import (
    Arithmetic,
    arithmetic,
    autocast,
    in_precision,
    peak_memory,
    resolve_device,
    resolve_precision,
    wait_for,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
with_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def test_cpu_is_the_cpu() -> None:
    assert resolve_device("cpu") == CPU


@without_cuda
def test_auto_is_the_cpu_where_nothing_else_is() -> None:
    assert resolve_device("auto") == CPU


@without_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_that_is_not_there_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    with pytest.raises(
        CommandError, match=f"^--device {name}: no CUDA device was found on this machine; choose cpu or"
    ):
        resolve_device(name)


@without_cuda
def test_a_pytorch_without_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(CommandError, match=r"--device cuda: this PyTorch \(\d.*\) was built without CUDA; choose cpu"):
        resolve_device("cuda")


def test_an_index_that_is_not_there_names_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(CommandError, match=r"--device cuda:2: no such device; the last one here is cuda:1"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", ""])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match=f"--device {name}: unknown device; choose from auto, cpu, cuda, cuda:N"):
        resolve_device(name)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_float32_products_on_the_cpu_keep_float32_accuracy(precision: Arithmetic) -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = torch.randn(60, 700, generator=generator), torch.randn(700, 50, generator=generator)
    before = torch.get_float32_matmul_precision()
    with arithmetic(precision, CPU):
        found = a @ b
    exact = a.double() @ b.double()
    assert (found - exact).norm() < 1e-5 * exact.norm()
    assert torch.get_float32_matmul_precision() == before


def test_rounded_products_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attncli.machine.device, "_medium_is_accurate", lambda: False)
    with arithmetic("fp32", CPU):
        assert torch.get_float32_matmul_precision() == "highest"


def test_tf32_on_the_cpu_is_refused() -> None:
    with (
        pytest.raises(
            CommandError, match=r"training.precision: 'tf32' is .* CUDA .* device is cpu; choose fp32 or bf16"
        ),
        arithmetic("tf32", CPU),
    ):
        pass


def test_bf16_is_refused_where_the_device_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attncli.machine.device, "has_bf16", lambda device: False)
    with (
        pytest.raises(
            CommandError,
            match=r"^precision: 'bf16' is not supported by this cpu device; choose fp32, or auto in training$",
        ),
        arithmetic("bf16", CPU),
    ):
        pass


@pytest.mark.parametrize(("is_fast", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_where_that_is_fast(monkeypatch: pytest.MonkeyPatch, is_fast: bool, expected: Arithmetic) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: is_fast)
    assert resolve_precision("auto", CPU) == expected
    with autocast("auto", CPU):
        assert (torch.ones(2, 3) @ torch.ones(3, 2)).dtype == {"bf16": torch.bfloat16, "fp32": torch.float32}[expected]
    named: tuple[Arithmetic, ...] = ("fp32", "tf32", "bf16")
    assert [resolve_precision(name, CPU) for name in named] == list(named)


def test_settings_are_put_back_after_an_error() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with pytest.raises(ZeroDivisionError), arithmetic("fp32", CPU):
        raise ZeroDivisionError
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


@pytest.mark.parametrize(("precision", "product"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_rounds_products_with_bf16_alone(precision: Arithmetic, product: torch.dtype) -> None:
    weight = torch.randn(3, 4, requires_grad=True)
    with autocast(precision, CPU):
        assert (torch.randn(2, 3) @ weight).dtype == product
    assert weight.dtype == torch.float32


@pytest.mark.cuda
@with_cuda
@pytest.mark.parametrize(("precision", "least", "most"), [("fp32", 0, 1e-5), ("tf32", 1e-5, 1e-2)])
def test_products_on_cuda_have_the_accuracy_asked_for(precision: Arithmetic, least: float, most: float) -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = torch.randn(60, 700, generator=generator), torch.randn(700, 50, generator=generator)
    with arithmetic(precision, CUDA):
        found = (a.to(CUDA) @ b.to(CUDA)).cpu()
    exact = a.double() @ b.double()
    assert least <= (found - exact).norm() / exact.norm() < most


def test_a_model_in_bf16_is_a_rounded_copy_with_the_same_ties() -> None:
    first, second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    second.weight = first.weight
    model = torch.nn.Sequential(first, second)
    rounded, again = in_precision(model, "bf16").children()
    assert again.weight is rounded.weight
    assert isinstance(rounded.weight, torch.Tensor)
    assert torch.equal(rounded.weight, first.weight.to(torch.bfloat16))
    assert first.weight.dtype == torch.float32
    assert in_precision(model, "fp32") is model


def test_the_peak_of_a_cpu_is_that_of_the_process() -> None:
    wait_for(CPU)
    assert 1 << 25 < peak_memory(CPU) < 1 << 40  # bytes: Python with torch takes more, and no machine has so much


def test_a_cuda_device_is_waited_for_and_has_a_peak_of_its_own() -> None:
    with emulated_cuda() as cuda:
        wait_for(torch.device("cuda", 0))
        assert cuda.waits == {"synchronize": 1}
        assert peak_memory(torch.device("cuda", 0)) == 123 << 20
