"""Train and evaluate attention encoder-decoders from the command line, and use trained runs from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attncli.api import Attention, Encoded, Hypothesis, Output, Run, UserError, load

__all__ = ["Attention", "Encoded", "Hypothesis", "Output", "Run", "UserError", "__version__", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Return a name of the Python interface, which is imported only where it is used: PyTorch takes a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from attncli import api

    return getattr(api, name)
