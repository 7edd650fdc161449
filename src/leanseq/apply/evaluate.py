"""Score a trained model on a table it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ..data.table import Table
from ..errors import InputError
from ..evaluation.bootstrap import bootstrap
from .predictor import Predictor


class Score(NamedTuple):
    """r and rho on some rows, with 95 % bootstrap intervals."""

    rows: str
    n: int
    r: float
    r_low: float
    r_high: float
    rho: float
    rho_low: float
    rho_high: float


def evaluate(model: Predictor, table: Table, subsets: Sequence[str] = (), *, misfits: str = "refuse") -> list[Score]:
    """Score all rows of a table and those that each column in `subsets` marks with 1 or true.

    Raises
    ------
    InputError
        If a column is missing, marks fewer than 3 rows, or holds something else.
    """
    masks = {"all": np.ones(len(table), dtype=bool)}
    for name in subsets:
        masks[name] = _marked(table, name)
    predicted = model.predict(table, misfits=misfits)
    known = np.isfinite(predicted)
    scores = []
    for name, mask in masks.items():
        rows = mask & known
        if rows.sum() < 3:
            raise InputError(f"{table.path}: {rows.sum()} rows to score in {name!r}, expected at least 3")
        measured, said = table.expression[rows], predicted[rows]
        r, rho = (bootstrap(metric, measured, said) for metric in ("pearson", "spearman"))
        scores.append(Score(name, int(rows.sum()), *r, *rho))
    return scores


def _marked(table: Table, name: str) -> np.ndarray:
    if name not in table.frame.columns:
        raise InputError(f"{table.path}: no column {name!r} (found: {', '.join(table.frame.columns)})")
    text = table.frame[name].cast(pl.String).str.strip_chars().str.to_lowercase().fill_null("")
    odd = ~text.is_in(["0", "1", "true", "false", "0.0", "1.0", ""])
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise InputError(f"{table.where(row)}: column {name!r} is {text[row]!r}, expected 0 or 1")
    return text.is_in(["1", "true", "1.0"]).to_numpy()
