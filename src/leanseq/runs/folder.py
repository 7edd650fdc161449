"""A run is a folder of plain files; this says which, and guards them."""

from __future__ import annotations

import json
import os
import platform
import re
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import InputError
from ..files import write_json
from ..training.checkpoints import remove_checkpoint
from ..training.cpu import Prepared
from .settings import Settings

RUN, DATA, HISTORY, METRICS, PREDICTIONS, REPORT = (
    "run.json",
    "data.json",
    "history.csv",
    "metrics.json",
    "predictions.parquet",
    "report.html",
)
BUNDLE = ("model.safetensors", "config.json", "README.md")
_RECORD = {"status", "identity", "epochs", "stream", "network", "estimate_seconds", "seconds"}
"""What a resumed run needs of its `run.json`."""


def default_folder(table: Path | str, settings: Settings) -> Path:
    """Name of a run's folder, told by its table and main settings."""
    stem = re.sub(r"\W+", "-", Path(table).name.split(".")[0]).strip("-") or "table"
    network = settings.network
    parts = [stem, network.model, network.size, network.objective, f"seed{settings.machine.seed}"]
    return Path("runs") / "_".join(parts)


def open_folder(folder: Path, identity: dict[str, Any], *, resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """Check that a folder may be written to.

    Parameters
    ----------
    folder
        May be missing, empty or an earlier run.
    identity
        Settings and data fingerprint that a resumed run must share.
    resume, overwrite
        What to do with an earlier run.

    Returns
    -------
    dict or None
        The record of the run to go on with.

    Raises
    ------
    InputError
        If the folder holds something else, a run that is not to be touched, or cannot be written to.
    """
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other; give one of them")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file, expected a folder for the run; choose another --output")
    check_writable(folder)
    if not folder.exists() or not any(folder.iterdir()):
        if resume:
            raise InputError(f"{folder}: no run to resume here; leave --resume out to start it")
        return None
    record = read_record(folder)
    if overwrite:
        for name in (RUN, DATA, HISTORY, METRICS, PREDICTIONS, REPORT, *BUNDLE):
            (folder / name).unlink(missing_ok=True)
        remove_checkpoint(folder)
        return None
    if not resume:
        hint = "--overwrite it" if record["status"] == "finished" else "go on with --resume, --overwrite it"
        raise InputError(f"{folder}: holds a run already ({record['status']}); {hint}, or choose another --output")
    if wrong := _first_difference(record["identity"], identity):
        raise InputError(
            f"{folder}: the run to resume {wrong}; resume it with the same command and table, or choose another "
            "--output"
        )
    return record


def read_record(folder: Path) -> dict[str, Any]:
    """The `run.json` of a run folder.

    Raises
    ------
    InputError
        If the folder is no run or its record is damaged.
    """
    path = folder / RUN
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if missing := sorted(_RECORD - record.keys()):
            raise ValueError(f"{missing[0]!r} is missing")
    except FileNotFoundError as error:
        raise InputError(f"{folder}: not empty and not a run ({RUN} is missing); choose another --output") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged ({error}); remove the folder or choose another --output") from error
    return record


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write `run.json`."""
    write_json(folder / RUN, record)


def hardware(machine: Prepared) -> dict[str, Any]:
    """What a run was computed on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "device": torch.cuda.get_device_name() if machine.device == "cuda" else machine.device,
        "threads": machine.threads,
        "kernels": machine.kernels,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "leanseq": __version__,
    }


def now() -> str:
    """Time of day in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory_mb() -> float | None:
    """Most memory this process has held so far, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1e6 if platform.system() == "Darwin" else 1e3), 1)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def check_writable(folder: Path) -> None:
    """Try to write where the folder is or will be, before any work is done.

    Raises
    ------
    InputError
        If the operating system refuses.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".leanseq-", dir=place):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: cannot write a run here ({place}: {error.strerror or error}); choose another --output"
        ) from error


def _first_difference(before: Any, now: Any, name: str = "") -> str:
    """The first value that differs, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            if wrong := _first_difference(before.get(key), now.get(key), key):
                return wrong
        return ""
    if before == now:
        return ""
    if name == "fingerprint":
        return "was of another table, or its rows have changed"
    return f"has other settings: {name} was {before!r}, is now {now!r}"
