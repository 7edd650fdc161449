"""The recipe for few sequences: the settings that won the experiments of `docs/lab-notebook.md`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..data.table import Table
from ..runs.settings import DataSettings

ROWS, EPOCHS = 10240, 14
"""Training rows and epochs that the recipe was found with."""
LONG = 1.5
"""Share of the epochs for values that are not noisy: little of them is noise to be learned by heart."""
SHORT = 12
"""Epochs at most for values that are."""
LEGNET: dict[str, dict[str, Any]] = {
    "default": {"model": "legnet-optimized", "size": "full", "epochs": 8},
    "published": {
        "model": "legnet-dream2022",
        "size": "full",
        "epochs": 8,
        "reverse": True,
        "singleton": True,
        "strands": "both",
        "batch": 1024,
        "lr": 5e-3,
        "weight_decay": 0.01,
        "clip": 0.0,
    },
}
"""Recipe -> settings of the LegNet that a fit may be compared with.

The default of `leanseq train`, or that of its paper (Penzar et al. 2023), for 8 epochs as well.
"""
WINDOW = ("construct", "left_flank", "right_flank", "length")
"""Settings of the data that networks share with the table they are of."""


def lean_settings(rows: int, share: float = 1.0) -> dict[str, Any]:
    """Settings of `leanseq train` for so many training rows: lean LegNet, orthogonal steps, averaged weights, shifts.

    Parameters
    ----------
    rows
        Training rows.
    share
        Share of the epochs to spend, for noisy values or for less time than the recipe asks for.
    """
    return {
        "model": "legnet-lean",
        "reverse": True,
        "epochs": max(2, round(epochs(rows) * share)),
        "batch": 64,
        "optimizer": "muon",
        "lr": 6e-3,
        "weight_decay": 0.1,
        "ema": 0.997,
        "shift": 3,
    }


def epochs(rows: int) -> float:
    """Epochs for so many training rows: fewer rows are shown more often, though for fewer steps.

    Examples
    --------
    >>> [epochs(n) for n in (640, 2560, 10240, 40960)]
    [56.0, 28.0, 14.0, 7.0]
    """
    return EPOCHS * (ROWS / rows) ** 0.5


def best_share(rows: int, *, noisy: bool) -> float:
    """Share of the epochs to learn for, given time: noisy values are learned by heart, and few no later than many.

    Parameters
    ----------
    rows
        Training rows.
    noisy
        Whether values may be noisy.

    Examples
    --------
    >>> [round(epochs(n) * best_share(n, noisy=True)) for n in (2560, 10240, 40960)]
    [12, 12, 7]
    >>> [round(epochs(n) * best_share(n, noisy=False)) for n in (2560, 10240, 40960)]
    [42, 21, 10]
    """
    return min(1.0, SHORT / epochs(rows)) if noisy else LONG


def narrow(table: Table, data: DataSettings) -> DataSettings:
    """The settings with the window of the longest row, unless they set one.

    Context from outside of the rows is the same in all of them and only costs time.
    """
    return replace(data, length=data.length or int(table.sequences.str.len_bytes().max()))  # pyright: ignore[reportArgumentType]
