"""What all benchmarks share: fair timing, and results that say where and when they were measured."""

from __future__ import annotations

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def interleave(contenders: dict[str, Callable[[], Any]], repeats: int = 5, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of every call, the contenders taking turns so that noise of the machine hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(warm_up + repeats):
        for name, call in contenders.items():
            began = time.perf_counter()
            call()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def median(values: Sequence[float]) -> float:
    """Median of the times."""
    return float(statistics.median(values))


def hardware() -> dict[str, Any]:
    """The processor, its cores, the memory and the versions that matter."""
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "memory_gib": memory and round(memory, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def commit() -> str:
    """The commit measured, with + if files differ from it."""
    git = ["git", "-C", str(HERE)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "../src"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")


def save(name: str, rows: list[dict[str, Any]], note: str = "") -> None:
    """Write `results/<name>.json` and show the rows; called after every row, so that a stop loses nothing."""
    RESULTS.mkdir(exist_ok=True)
    record = {
        "benchmark": name,
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "leanseq": version("leanseq"),
        "commit": commit(),
        "hardware": hardware(),
        "note": note,
        "rows": rows,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    if rows:
        print(
            "  ".join(
                f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                for key, value in rows[-1].items()
            ),
            flush=True,
        )


def saved(name: str) -> list[dict[str, Any]]:
    """Rows of a former run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []
