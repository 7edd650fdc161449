"""Settings that decide how fast torch runs on a processor."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from .. import kernels
from ..errors import InputError

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _MMAP_MAX = -3, -1, -4


@dataclass(frozen=True)
class Processor:
    """Where and with what a command computes.

    Attributes
    ----------
    device
        `auto`, `cpu`, `cuda` or `mps`.
    threads
        Processor threads; 0 for all.
    kernels
        How the networks compute on the processor: `compiled` (needs a C compiler, faster, less memory), `torch`, or
        `auto`: compiled where it can be had. They differ by rounding.
    keep_memory
        Keep freed memory in the process, which is faster; `--no-keep-memory` gives it back to the system at once.
    """

    device: str = "auto"
    threads: int = 0
    kernels: str = "auto"
    keep_memory: bool = True

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "cuda", "mps"):
            raise InputError(f"--device is {self.device!r}, expected one of auto, cpu, cuda, mps")
        if self.threads < 0:
            raise InputError(f"--threads is {self.threads}, expected 0 (all) or more")
        kernels.check(self.kernels)

    def prepare(self) -> Prepared:
        """Set this process up.

        Raises
        ------
        InputError
            If the device or the kernels cannot be had on this machine.
        """
        device = choose_device(self.device)
        if self.keep_memory:
            keep_memory()
        return Prepared(device, set_threads(self.threads), kernels.choose(self.kernels))


@dataclass(frozen=True)
class Prepared:
    """What is used: the device, the number of threads, and the kernels with the reason if they are not compiled."""

    device: str
    threads: int
    kernels: str


def keep_memory() -> bool:
    """Make malloc keep freed memory in the process instead of returning it at every step.

    LegNet's activations are hundreds of megabytes a step; giving them back and taking them again costs more than
    half of a training step at batch 1024. Does nothing where the C library is not glibc.

    Returns
    -------
    bool
        Whether it took effect.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    most = 2**31 - 1
    return all([mallopt(_MMAP_THRESHOLD, most), mallopt(_TRIM_THRESHOLD, most), mallopt(_MMAP_MAX, 0)])


def set_threads(threads: int) -> int:
    """Use this many processor threads (0: torch's own choice) and say how many are used."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def choose_device(name: str) -> str:
    """Resolve `auto` to cuda, mps or cpu, and check that a named device is there.

    Raises
    ------
    InputError
        If the device is not on this machine.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if name not in there:
        raise InputError(f"--device is {name!r}, expected one of auto, cpu, cuda, mps")
    if not there[name]:
        raise InputError(f"--device {name}: torch finds no such device on this machine; use --device cpu")
    return name
