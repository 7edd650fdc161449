"""Predictions of a run and of its baselines, scored on the same rows."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from ..baselines import BASELINES
from ..evaluation.bootstrap import Interval, bootstrap, bootstrap_mean, compare
from ..training.inputs import Examples
from ..training.objectives import Objective
from .prepare import Prepared

MEASURES = {"r": "pearson", "rho": "spearman", "mse": "mse", "r2": "r2"}


@dataclass(frozen=True)
class Answer:
    """What one model says about rows: expression, KL of each row where it predicts bins, training seconds."""

    model: str
    expression: Float[np.ndarray, " n"]
    kl: Float[np.ndarray, " n"] | None
    seconds: float


def baseline_answers(prepared: Prepared, objective: Objective, rows: Int64[np.ndarray, " n"]) -> list[Answer]:
    """Train the constant and the k-mer ridge and ask them about `rows`.

    The ridge's penalty is chosen on the validation rows, which flatters it a little there.
    """
    train, valid = (prepared.examples.take(part) for part in prepared.split[:2])
    asked = prepared.examples.take(rows)
    out = []
    for name, kind in BASELINES.items():
        began = time.perf_counter()
        model = kind.fit(train.codes, train.expression, valid.codes, valid.expression, train.weight)
        seconds = time.perf_counter() - began
        out.append(Answer(name, np.asarray(model.predict(asked.codes), dtype=np.float64), None, seconds))
    if objective.kind == "kl":
        out[-1] = replace(out[-1], kl=objective.constant_losses(train.expression, asked.expression))
    return out


def score(
    answer: Answer,
    split: str,
    rows: Examples,
    groups: Int64[np.ndarray, " n"],
    ceiling: float | None,
) -> dict[str, Any]:
    """All measures of one answer on the rows of one split, with 95 % bootstrap intervals over groups of rows."""
    out: dict[str, Any] = {"model": answer.model, "split": split, "n": len(rows)}
    for name, metric in MEASURES.items():
        out[name] = _plain(bootstrap(metric, rows.expression, answer.expression, by=groups))  # pyright: ignore[reportArgumentType]
    out["kl"] = None if answer.kl is None else _plain(bootstrap_mean(answer.kl, by=groups))
    out["seconds"] = answer.seconds
    out["share_of_ceiling"] = out["r"]["value"] / ceiling if ceiling and out["r"] else None
    return out


def difference(split: str, a: Answer, b: Answer, rows: Examples, groups: Int64[np.ndarray, " n"]) -> dict[str, Any]:
    """Paired difference in r between two answers about the same rows."""
    found = compare("pearson", rows.expression, a.expression, b.expression, by=groups)
    return {"split": split, "a": a.model, "b": b.model, "measure": "r", **found._asdict()}


def _plain(interval: Interval) -> dict[str, float] | None:
    return None if math.isnan(interval.value) else interval._asdict()
