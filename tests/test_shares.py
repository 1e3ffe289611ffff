"""The benchmark of what the processor's time goes into: PyTorch's operations are known by their names."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from benchmark_modules import benchmark_module
from torch import nn


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return benchmark_module("shares")


def test_products_are_known(benchmark: ModuleType) -> None:
    a, b, bias = torch.randn(601, 1002), torch.randn(1002, 903), torch.randn(903, requires_grad=True)

    def run() -> None:
        F.linear(a, b.T, bias).sum().backward()  # type: ignore[no-untyped-call]
        a @ b
        torch.bmm(a[None], b[None])
        torch.baddbmm(bias.detach(), a[None], b[None])

    run()  # what is first of its kind takes longer
    assert benchmark.shares(run)["products"] > 85


def test_fused_layers_are_known(benchmark: ModuleType) -> None:
    layer, states = nn.LSTM(203, 104), torch.randn(20, 31, 203)
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        pytest.skip("this PyTorch has no oneDNN")
    assert benchmark.shares(lambda: layer(states)[0].sum().backward())["fused_layers"] > 50


def test_all_else_is_beside_products(benchmark: ModuleType) -> None:
    values = torch.randn(300_001)
    found = benchmark.shares(lambda: values.tanh().softmax(0).cumsum(0))
    assert found == {"beside_products": pytest.approx(100)}


def test_threads_are_as_before(benchmark: ModuleType) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        benchmark.shares(lambda: 1 / 0)
    assert torch.get_num_threads() == threads
