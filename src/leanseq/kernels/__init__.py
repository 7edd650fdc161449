"""Kernels: fused passes over activations, compiled where a C compiler is found; torch does the same without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

CHOICES = ("auto", "compiled", "torch")
_state = {"choice": "auto"}


def check(name: str) -> None:
    """Refuse an unknown name."""
    if name not in CHOICES:
        raise InputError(f"--kernels is {name!r}, expected {', '.join(CHOICES)}")


def choose(name: str) -> str:
    """Decide for this process which kernels the networks use on the processor.

    Parameters
    ----------
    name
        `compiled`, `torch`, or `auto`: compiled if this machine can compile them.

    Returns
    -------
    str
        What is used: `compiled`, `torch`, or `torch (why not compiled)`.

    Raises
    ------
    InputError
        If the name is unknown, or compiled kernels are asked for and cannot be had.
    """
    from .build import BuildError, library

    check(name)
    try:
        if name != "torch":
            library()
    except BuildError as error:
        if name == "compiled":
            raise InputError(f"--kernels compiled: {error}; use --kernels torch") from error
        _state["choice"] = "torch"
        return f"torch ({error})"
    _state["choice"] = "torch" if name == "torch" else "compiled"
    return _state["choice"]


def usable(x: Tensor) -> bool:
    """Whether compiled kernels are to work on this tensor."""
    import torch

    if x.device.type != "cpu" or x.dtype is not torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    if torch.compiler.is_compiling():
        return False
    if _state["choice"] == "auto":
        choose("auto")
    return _state["choice"] == "compiled"
