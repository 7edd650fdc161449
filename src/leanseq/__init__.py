"""Predict expression from short regulatory DNA, from thousands of measured sequences.

Public names are loaded on first use, so that importing the package imports neither torch nor polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Construct": "leanseq.data.construct",
    "Ensemble": "leanseq.apply.ensemble",
    "InputError": "leanseq.errors",
    "LeanseqRegressor": "leanseq.estimator",
    "Model": "leanseq.apply.bundle",
    "Settings": "leanseq.runs.settings",
    "Table": "leanseq.data.table",
    "load": "leanseq.apply",
    "read_table": "leanseq.data.table",
    "simulate": "leanseq.data.simulate",
    "train": "leanseq.runs.main",
}

__all__ = list(_PUBLIC)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'leanseq' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
