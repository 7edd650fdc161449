"""The recipe for few sequences: the settings that won the experiments of `docs/lab-notebook.md`."""

from __future__ import annotations

from typing import Any

ROWS, EPOCHS = 10240, 40
"""Training rows and epochs that the recipe was found with."""
MOST_EPOCHS = 120


def lean_settings(rows: int, share: float = 1.0) -> dict[str, Any]:
    """Settings of `leanseq train` for so many training rows.

    Fewer rows are shown more often, though not as often as would give as many steps: small sets are learned by heart.

    Parameters
    ----------
    rows
        Training rows.
    share
        Share of the epochs to spend, for less time than the recipe asks for.

    Examples
    --------
    >>> [lean_settings(n)["epochs"] for n in (640, 2560, 10240, 40960)]
    [120, 80, 40, 20]
    """
    epochs = min(MOST_EPOCHS, EPOCHS * (ROWS / rows) ** 0.5)
    return {
        "model": "lean",
        "epochs": max(2, round(epochs * share)),
        "batch": 64,
        "lr": 3e-3,
        "weight_decay": 0.05,
    }
