"""A CUDA device emulated on the CPU: what a real one refuses, rounds and waits for, on machines that have none.

Tensors of the device are ordinary tensors whose storage is marked, so that views, autograd and optimisers work as ever:

- `Tensor.device` reads the mark. Operations over marked and unmarked tensors raise, as CUDA's do, and so do numpy and
  generators of the other device.
- `torch.autocast("cuda")` casts by CUDA's lists, which are not the CPU's. cuDNN's recurrent layers compute in float16
  under it, and refuse a backward pass in eval mode.
- Whatever makes the CPU wait for the device is counted.

Numbers are those of the CPU: kernels, their speed and their rounding are not emulated.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What autocast casts on CUDA: the lists of torch.amp's documentation ("CUDA Ops that can autocast to ...").
LOWER_PRECISION = _names("""
    __matmul__ __rmatmul__ addbmm addmm addmv addr baddbmm bmm chain_matmul conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d conv_transpose3d einsum linear matmul mm multi_dot mv prelu scaled_dot_product_attention
""")
FLOAT32 = _names("""
    __pow__ __rdiv__ __rpow__ __rtruediv__ acos asin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss
    cosine_similarity cross_entropy cumprod cumsum dist erfinv exp expm1 group_norm hinge_embedding_loss kl_div l1_loss
    layer_norm log log10 log1p log2 log_softmax margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss
    nll_loss norm normalize pdist poisson_nll_loss pow prod reciprocal renorm rsqrt sinh smooth_l1_loss soft_margin_loss
    softmax softmin softplus square sum tan triplet_margin_loss
""")
WIDEST = _names("addcdiv addcmul atan2 bilinear cross dot grid_sample index_put scatter_add tensordot vdot")
RECURRENT = _names("gru lstm rnn_relu rnn_tanh")
# Kernels whose result the CPU cannot go on without.
WAITING = _names("""
    _local_scalar_dense _unique2 allclose equal is_nonzero item masked_select multinomial nonzero unique
""")
# Their indices may be on the CPU, and are copied.
INDEXING = _names("_index_put_impl_ index index_put index_put_")
# What reads a tensor without a kernel.
READING = _names("__array__ numpy tolist")


class WrongDeviceError(RuntimeError):
    """Tensors of two devices met."""


def _address(tensor: Tensor) -> int:
    """Return the address of the storage of `tensor`, past all that sees calls of functions."""
    address: int = torch._C._storage_address(tensor)  # type: ignore[attr-defined]  # not in torch's stubs
    return address


class Emulation:
    """What happens on the device: which storages it holds, what was waited for, and which types were computed in."""

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()
        self.types: set[torch.dtype] = set()
        self.makes_here = (
            False  # whether a tensor that is made of nothing is the device's, such as within a backward pass
        )
        # Weak references, without which the address of a storage that is gone might become that of another one.
        self._storages: dict[int, StorageWeakRef] = {}
        self._sweep_at = 1024

    def holds(self, tensor: Tensor) -> bool:
        """Return whether `tensor` is on the device."""
        # What is in blocks of oneDNN is on the CPU, and has no address.
        return not tensor.is_mkldnn and _address(tensor) in self._storages

    def take(self, tensor: Tensor) -> Tensor:
        """Return `tensor`, whose storage is the device's from now on."""
        self.types.add(tensor.dtype)
        address = _address(tensor)
        if address not in self._storages:
            with torch._C.DisableTorchFunction():
                self._storages[address] = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
            if len(self._storages) > self._sweep_at:
                self._storages = {key: known for key, known in self._storages.items() if not known.expired()}  # type: ignore[no-untyped-call]
                self._sweep_at = 2 * len(self._storages) + 1024
        return tensor

    def give_up(self, tensor: Tensor) -> Tensor:
        """Return `tensor`, whose storage is the CPU's from now on."""
        self._storages.pop(_address(tensor), None)
        return tensor

    def wait(self, reason: str) -> None:
        """Count that the CPU waits."""
        self.waits[reason] += 1

    @contextlib.contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """Yield what is waited for within the context."""
        before, self.waits = self.waits, Counter()
        try:
            yield self.waits
        finally:
            self.waits = before + self.waits


def tensors_of(*values: Any) -> list[Tensor]:
    """Return the tensors in arguments or results."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += tensors_of(*value)
        elif isinstance(value, dict):
            found += tensors_of(*value.values())
    return found


def cast(value: Any, kind: torch.dtype) -> Any:
    """Return `value` with the tensors in it that autocast may cast in another type."""
    if isinstance(value, Tensor):
        return value.to(kind) if may_be_cast(value) and value.dtype != kind else value
    if isinstance(value, (list, tuple)):
        return type(value)(cast(each, kind) for each in value)
    return value


def may_be_cast(tensor: Tensor) -> bool:
    return tensor.is_cuda and tensor.is_floating_point() and tensor.dtype != torch.float64


class _Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch's base class
    """Sees every kernel, below autograd."""

    def __init__(self, emulation: Emulation) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.emulation = emulation

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        emulation, kwargs, name = self.emulation, kwargs or {}, func.__name__.split(".")[0]
        given = tensors_of(args, kwargs)
        inside = [tensor for tensor in given if emulation.holds(tensor)]
        here = bool(inside) or (not given and emulation.makes_here)
        if inside and name != "copy_":
            _check_together(name, given, inside)
        self._count(func.__name__, given, inside)
        found = func(*args, **kwargs)
        if here and name != "copy_":
            for tensor in tensors_of(found):
                emulation.take(tensor)
        return found

    def _count(self, kernel: str, given: Sequence[Tensor], inside: Sequence[Tensor]) -> None:
        name = kernel.split(".")[0]
        if not inside:
            return
        if name == "copy_" and len(inside) == 1:
            self.emulation.wait("copy")
        elif name in WAITING:
            self.emulation.wait(name)
        elif name in INDEXING and any(tensor.dtype == torch.bool for tensor in given[1:]):
            self.emulation.wait("boolean index")
        elif kernel in ("repeat_interleave.Tensor", "repeat_interleave.self_Tensor"):
            self.emulation.wait(name)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: torch would import its compiler, for seconds, to keep it away from here."""
        return False


def _check_together(name: str, given: Sequence[Tensor], inside: Sequence[Tensor]) -> None:
    held = {id(tensor) for tensor in inside}
    outside = [tensor for tensor in given if id(tensor) not in held and tensor.dim()]
    if outside and not (name in INDEXING and id(given[0]) in held):
        places = [
            f"{'cuda' if id(tensor) in held else 'cpu'} {str(tensor.dtype)[6:]} {list(tensor.shape)}"
            for tensor in given
        ]
        raise WrongDeviceError(f"{name}: expected all tensors to be on the same device, found {', '.join(places)}")


class _Calls(TorchFunctionMode):
    """Sees calls of torch's functions: devices that are named, moves between them, autocast and cuDNN."""

    def __init__(self, emulation: Emulation) -> None:
        super().__init__()
        self.emulation = emulation

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        emulation, kwargs, name = self.emulation, dict(kwargs or {}), getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            return func(*args)
        if name in ("to", "cpu", "cuda") and args and isinstance(args[0], Tensor):
            return self._moved(func, name, args, kwargs)
        here = any(map(emulation.holds, tensors_of(args, kwargs)))
        if (device := kwargs.get("device")) is not None:
            # A tensor that is made of numbers is copied.
            if name in ("tensor", "as_tensor") and torch.device(device).type == "cuda":
                emulation.wait("upload")
            here, kwargs["device"] = torch.device(device).type == "cuda", CPU
        elif here and name in READING:
            return self._read(func, name, args, kwargs)
        if isinstance(generator := kwargs.get("generator"), _Generator) and generator.here != here:
            raise WrongDeviceError(f"{name}: the generator is of the other device")
        before, emulation.makes_here = emulation.makes_here, here
        try:
            found = self._computed(func, name, args, kwargs) if here else func(*args, **kwargs)
        finally:
            emulation.makes_here = before
        # Some functions make tensors past all kernels.
        if name in ("tensor", "as_tensor", "new_tensor"):
            return emulation.take(found) if here else emulation.give_up(found)
        return found

    def _moved(self, func: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
        value, *rest = args
        kwargs.pop("copy", None)
        if name == "cpu":
            device, dtype, blocks = CPU, None, True
        elif rest and isinstance(rest[0], Tensor):
            device, dtype, blocks = rest[0].device, rest[0].dtype, True
        else:
            device, dtype, non_blocking, _ = torch._C._nn._parse_to(*rest, **kwargs)
            blocks = not non_blocking
        here = self.emulation.holds(value)
        there = here if device is None else device.type == "cuda"
        if here == there:
            return func(value, **kwargs) if dtype is None and "memory_format" in kwargs else _to(value, dtype)
        if blocks:
            self.emulation.wait("upload" if there else "copy")
        copied = _to(value, dtype).clone()
        return self.emulation.take(copied) if there else self.emulation.give_up(copied)

    def _read(self, func: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if name in ("numpy", "__array__"):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if name == "tolist":
            self.emulation.wait("tolist")
        return func(*args, **kwargs)

    def _computed(self, func: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        automatic = torch.is_autocast_enabled("cuda")
        if name in RECURRENT:
            return _recurrent(func, args, automatic=automatic)
        if not automatic or (kind := _autocast_type(name, args, kwargs)) is None:
            return func(*args, **kwargs)
        return func(*cast(tuple(args), kind), **{key: cast(value, kind) for key, value in kwargs.items()})


def _to(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    return value if dtype is None else value.to(dtype)


def _autocast_type(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.dtype | None:
    """Return the type that autocast casts to; None where it leaves a function alone."""
    if name == "binary_cross_entropy":
        raise RuntimeError("binary_cross_entropy is unsafe to autocast")
    if kwargs.get("dtype") is not None or kwargs.get("out") is not None:
        return None
    if name in LOWER_PRECISION:
        return torch.get_autocast_dtype("cuda")
    if name in FLOAT32:
        return torch.float32
    if name in WIDEST:
        kinds = {tensor.dtype for tensor in tensors_of(args, kwargs) if may_be_cast(tensor)}
        return torch.float32 if torch.float32 in kinds else next(iter(kinds), None)
    return None


def _recurrent(func: Any, args: Sequence[Any], *, automatic: bool) -> Any:
    """Return what a fused recurrent layer gives: of cuDNN, whose autocast takes float16 whatever it is told.

    See aten/src/ATen/cudnn/AutocastRNN.cpp.
    """
    first, states, weights, *options = args
    trains = options[3]
    if not torch.backends.cudnn.enabled:
        return func(*args)
    if automatic:
        first, states, weights = (cast(cast(part, torch.float16), torch.float32) for part in (first, states, weights))
    found = func(first, states, weights, *options)
    if automatic:
        found = cast(found, torch.float16)
    return found if trains else tuple(_NoBackward.apply(tensor) for tensor in found)  # type: ignore[no-untyped-call]


class _NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        raise RuntimeError("cudnn RNN backward can only be called in training mode")


class _Generator(torch.Generator):
    """A generator that knows its device."""

    def __new__(cls, device: torch.device | str = "cpu") -> _Generator:
        return super().__new__(cls, "cpu")  # type: ignore[call-arg]  # which torch's stubs have in __init__

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.here = torch.device(device).type == "cuda"


@contextlib.contextmanager
def emulated_cuda() -> Iterator[Emulation]:
    """Let torch have a CUDA device within the context."""
    emulation = Emulation()
    real_device = torch._C.TensorBase.device

    def device(tensor: Tensor) -> torch.device:
        return CUDA if emulation.holds(tensor) else real_device.__get__(tensor)

    grouped = torch._C._group_tensors_by_device_and_dtype

    def grouped_by_device(*given: Any) -> Any:
        return {
            (CUDA if any(map(emulation.holds, tensors_of(group))) else place, kind): (group, indices)
            for (place, kind), (group, indices) in grouped(*given).items()
        }

    replacements: Iterable[tuple[Any, str, Any]] = (
        (torch.Tensor, "device", property(device)),
        (torch.Tensor, "is_cuda", property(lambda tensor: emulation.holds(tensor))),
        (torch, "Generator", _Generator),
        (torch._C, "_group_tensors_by_device_and_dtype", grouped_by_device),
        (torch.backends.cudnn, "is_acceptable", lambda tensor: False),
        *((torch.cuda, name, value) for name, value in _functions(emulation).items()),
    )
    with contextlib.ExitStack() as stack:
        for owner, name, value in replacements:
            stack.enter_context(mock.patch.object(owner, name, value))
        stack.enter_context(_Kernels(emulation))
        stack.enter_context(_Calls(emulation))
        yield emulation


def _functions(emulation: Emulation) -> dict[str, Callable[..., Any]]:
    """Return what stands for functions of torch.cuda; the device draws from the CPU's generator."""
    return {
        "is_available": lambda: True,
        "is_bf16_supported": lambda including_emulation=True: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda device=None: "Emulated",
        "synchronize": lambda device=None: emulation.wait("synchronize"),
        "reset_peak_memory_stats": lambda device=None: None,
        "max_memory_allocated": lambda device=None: 123 << 20,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "set_rng_state": lambda state, device=None: torch.set_rng_state(state),
    }
