"""What the numbers of a run say is wrong with it, and what to change next."""

from __future__ import annotations

import math

import numpy as np

from ..baselines import CONSTANT, RIDGE, column
from ..evaluation.diagnosis import Finding, Training, diagnose
from ..evaluation.metrics import pearson
from .loading import Run


def whole_numbers(run: Run, split: str) -> float:
    """Share of the measured values of a split that are whole numbers."""
    measured = run.predictions.filter(run.predictions["split"] == split)["expression"].to_numpy()
    return float(np.mean(measured == np.round(measured)))


def findings(run: Run) -> list[Finding]:
    """Diagnose a run by its history and its validation rows (where there are none, by its test rows)."""
    split = "valid" if "valid" in run.metrics.splits else run.metrics.splits[0]
    rows = run.predictions.filter(run.predictions["split"] == split)
    measured, ridge = rows["expression"].to_numpy(), rows[column(RIDGE)].to_numpy()
    ridge_r = pearson(measured, ridge) if len(measured) > 1 and np.isfinite(ridge).all() else math.nan
    curves = {name: run.history[name].to_numpy() for name in ("lr", "train_loss", "valid_loss", "train_r", "valid_r")}
    return diagnose(
        Training(
            **curves,
            peak_lr=float(run.info["settings"].get("recipe", {}).get("lr") or curves["lr"].max()),
            no_skill=run.metrics.no_skill.get(CONSTANT, math.inf),
            measured=measured,
            predicted=rows["prediction"].to_numpy(),
            ceiling=run.metrics.ceiling,
            ridge_r=None if math.isnan(ridge_r) else ridge_r,
            leaked=run.leaked,
            whole_numbers=whole_numbers(run, split),
        )
    )
