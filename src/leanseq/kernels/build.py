"""Compile `kernels.c` once on this machine and load it.

A C compiler is all it takes: about one second, then the library is kept in the user's cache. It is linked against
the OpenMP runtime that torch has loaded, so that both use the same threads.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import atomic_path

SOURCE = Path(__file__).with_name("kernels.c")
_FLAGS = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-shared", "-fPIC"]
_OPENMP = ["-fopenmp"]


class BuildError(Exception):
    """The kernels cannot be compiled or loaded here; the message says why."""


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels.

    Raises
    ------
    BuildError
        If there is no compiler, or none that accepts the source.
    """
    if sys.platform == "win32":
        raise BuildError("compiled kernels are not available on Windows")
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BuildError("no C compiler (cc, gcc or clang) was found")
    problems = []
    for flags in (_FLAGS + _OPENMP, _FLAGS):
        try:
            return ctypes.CDLL(str(_compile([compiler, *flags])))
        except (InputError, OSError, subprocess.CalledProcessError) as error:
            problems.append(str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:])
    raise BuildError(f"{compiler} could not compile the kernels: {problems[-1]}")


def _compile(command: list[str]) -> Path:
    """The library made by this command, from the cache if it was made before on a processor like this one."""
    key = hashlib.sha256()
    for part in (SOURCE.read_bytes(), " ".join(command).encode(), _processor().encode()):
        key.update(part)
    target = cache_folder() / f"kernels-{key.hexdigest()[:16]}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as fresh:
            full = [*command, "-o", str(fresh), str(SOURCE), *_openmp_of_torch(), "-lm"]
            subprocess.run(full, check=True, capture_output=True, text=True)
    return target


def cache_folder() -> Path:
    """Where compiled kernels are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "leanseq"


def _openmp_of_torch() -> list[str]:
    import torch

    folder = Path(torch.__file__).parent / "lib"
    return [str(path) for name in ("libgomp*", "libiomp5*", "libomp*") for path in sorted(folder.glob(name))][:1]


def _processor() -> str:
    """What the machine code depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return "".join(line for line in dict.fromkeys(lines) if line.startswith(("model name", "flags", "Features")))


def run(name: str, *arguments: Any) -> None:
    """Call a kernel; tensors are passed by their address, None as no array, whole numbers as 64 bit."""
    from torch import Tensor

    passed = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            passed.append(ctypes.c_void_p(argument.data_ptr()))
        else:
            passed.append(ctypes.c_void_p() if argument is None else ctypes.c_int64(argument))
    getattr(library(), f"leanseq_{name}")(*passed)
