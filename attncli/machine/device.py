"""The device and the precision that tensors are computed in."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal, TypeVar

import torch
from torch import nn

from attncli.errors import CommandError
from attncli.machine.memory import peak_resident_memory, reset_peak_resident_memory

Arithmetic = Literal["fp32", "tf32", "bf16"]
Precision = Arithmetic | Literal["auto"]
Model = TypeVar("Model", bound=nn.Module)


def resolve_device(name: str) -> torch.device:
    """Return the device `name` (auto, cpu, cuda or cuda:N); raises a CommandError that says which there are."""
    if name == "auto":
        return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise CommandError(f"--device {name}: unknown device; choose from auto, cpu, cuda, cuda:N")
    if not torch.cuda.is_available():
        raise CommandError(f"--device {name}: {_why_no_cuda()}; choose cpu or auto")
    index = int(name[5:]) if ":" in name else torch.cuda.current_device()
    if index >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise CommandError(f"--device {name}: no such device; the last one here is cuda:{last}")
    return torch.device("cuda", index)


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return f"this PyTorch ({torch.__version__}) was built without CUDA"
    return "no CUDA device was found on this machine"


def resolve_precision(name: Precision, device: torch.device) -> Arithmetic:
    """Return `name`, with `auto` resolved to bf16 where that is faster than float32 on `device`, and else to fp32."""
    if name != "auto":
        return name
    if device.type == "cpu":
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
    return "bf16" if has_bf16(device) else "fp32"


def has_bf16(device: torch.device) -> bool:
    """Return whether `device` computes in bfloat16; on a CPU that takes kernels of oneDNN."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute products of float32 matrices in `precision` within the context; restores the settings at its end.

    On CPUs they go to oneDNN where that keeps the accuracy of float32. bf16 needs `autocast` around each forward pass
    as well. Raises a CommandError where `check_precision` does.
    """
    precision = check_precision(precision, device)
    products, recurrent = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision(_products(precision, device))
        # In bf16, layers of cuDNN that compute in float32 need no more digits than TensorFloat-32 has.
        torch.backends.cudnn.allow_tf32 = precision != "fp32"
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = recurrent


def check_precision(precision: Precision, device: torch.device) -> Arithmetic:
    """Return `precision` resolved; raises a CommandError if `device` does not support it."""
    precision = resolve_precision(precision, device)
    if precision == "tf32" and device.type != "cuda":
        raise CommandError(
            f"training.precision: 'tf32' is for CUDA devices, but the device is {device.type}; choose fp32 or bf16"
        )
    if precision == "bf16" and not has_bf16(device):
        raise CommandError(
            f"precision: 'bf16' is not supported by this {device.type} device; choose fp32, or auto in training"
        )
    return precision


def _products(precision: Arithmetic, device: torch.device) -> str:
    if device.type == "cpu":
        return "medium" if _medium_is_accurate() else "highest"
    return "high" if precision == "tf32" else "highest"


@cache
def _medium_is_accurate() -> bool:
    """Return whether the setting "medium" keeps the accuracy of float32 on this CPU.

    It sends products to oneDNN, up to twice as fast as the default. On CPUs with AMX the same setting rounds them to
    bfloat16 (relative error about 3e-3), which fp32 must not do.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=generator) for _ in range(2))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        found = a @ b
    finally:
        torch.set_float32_matmul_precision(before)
    exact = a.double() @ b.double()
    return bool((found - exact).norm() < 1e-5 * exact.norm())


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass in training; in bf16, products are bfloat16 and weights stay float32.

    Leave it before the weights are updated: until then it caches their bfloat16 copies.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=resolve_precision(precision, device) == "bf16")


def wait_for(device: torch.device) -> None:
    """Wait until `device` has done all that it was given, as before the clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> int:
    """Return the most memory so far in bytes: of tensors on a CUDA device, and of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident_memory()


def reset_peak_memory(device: torch.device) -> None:
    """Measure `peak_memory` from now on: of a CPU only where the system can (`peak_resident_memory`)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        reset_peak_resident_memory()


def in_precision(model: Model, precision: Precision) -> Model:
    """Return `model` for inference, in bf16 as a copy with bfloat16 weights.

    `autocast` would cast them at every step of a decoder, half of the time that one sentence takes.
    """
    if precision != "bf16" or next(model.parameters()).dtype == torch.bfloat16:
        return model
    return copy.deepcopy(model).to(torch.bfloat16)
