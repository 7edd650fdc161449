"""The noise ceiling: the r that a perfect model would reach against these noisy labels.

Reliability is the share of a label's variance that another measurement would reproduce; the ceiling of r is
its square root. It comes from replicates (Spearman 1910, Brown 1910) or from the error of each label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from jaxtyping import Float

from .metrics import pearson

MIN_ROWS = 10
"""Rows with two replicates, or with a known error, below which no ceiling is given."""


@dataclass(frozen=True)
class Ceiling:
    """How well these labels can be predicted at all.

    Attributes
    ----------
    reliability
        Share of the label's variance that is signal, 0..1; None where unknown.
    words
        Where the number comes from and what it assumes, in one or two sentences.
    """

    reliability: float | None
    words: str

    @property
    def r(self) -> float | None:
        """Ceiling of Pearson's r against the noisy labels, sqrt(reliability); None where unknown."""
        return None if self.reliability is None else float(np.sqrt(self.reliability))


def noise_ceiling(table: pl.DataFrame) -> Ceiling:
    """Estimate the ceiling from what a table offers.

    Looked for in this order: two or more columns rep1, rep2 ...; a column `sd`, the spread between reads
    where a column `reads` stands beside it, otherwise the standard error of the label; else unknown. All are
    in the unit of the column `expression`.

    Examples
    --------
    >>> noise_ceiling(pl.DataFrame({"expression": [1.0, 2.0]})).r is None
    True
    """
    label = _column(table, "expression")
    names = sorted((n for n in table.columns if re.fullmatch(r"rep\d+", n)), key=lambda n: int(n[3:]))
    if len(names) > 1:
        return from_replicates(np.stack([_column(table, name) for name in names], axis=1), label)
    if "sd" in table.columns:
        return from_error(label, _column(table, "sd"), _column(table, "reads") if "reads" in table.columns else None)
    return Ceiling(
        None, "The noise ceiling is unknown: the table has no replicate columns (rep1, rep2) and no column sd."
    )


def from_replicates(replicates: Float[np.ndarray, "n reps"], label: Float[np.ndarray, " n"] | None = None) -> Ceiling:
    """Estimate the ceiling of the mean of replicates by the Spearman-Brown formula.

    Parameters
    ----------
    replicates
        One column per replicate; nan where a row was not measured.
    label
        The values that models are judged on; by default the mean of the replicates.

    Notes
    -----
    With r the mean correlation of two replicates, the mean of k has reliability k r / (1 + (k - 1) r). Rows
    with missing replicates count with their own k, rows without any not at all.
    """
    known = ~np.isnan(replicates)
    pairs = []
    for i, j in combinations(range(replicates.shape[1]), 2):
        both = known[:, i] & known[:, j]
        if both.sum() >= MIN_ROWS:
            pairs.append(pearson(replicates[both, i], replicates[both, j]))
    r = float(np.mean(pairs)) if pairs else float("nan")
    if not r > 0:
        why = "do not correlate" if pairs else f"share fewer than {MIN_ROWS} rows"
        return Ceiling(None, f"The noise ceiling is unknown: the replicates {why}.")
    k = known.sum(axis=1)
    k = k[k > 0]
    reliability = float(np.mean(k * r / (1 + (k - 1) * r)))
    words = (
        f"Replicates agree with r = {r:.3f}; the mean of {k.mean():.3g} of them has reliability {reliability:.3f} "
        f"(Spearman-Brown), so no model can be expected above r = {np.sqrt(reliability):.3f}."
    )
    return Ceiling(reliability, words + _assumption(replicates, known, label))


def from_error(
    expression: Float[np.ndarray, " n"],
    sd: Float[np.ndarray, " n"],
    reads: Float[np.ndarray, " n"] | None = None,
) -> Ceiling:
    """Estimate the ceiling from the error of each label: reliability = 1 - mean(error^2) / variance.

    Parameters
    ----------
    expression
        Labels.
    sd
        With `reads`, the standard deviation between the reads (cells) of a row; alone, the standard error of
        its label. nan where unknown.
    reads
        Reads per row. The error of a label is sd / sqrt(reads); a row of one read has no sd and takes the
        pooled one.
    """
    if reads is None:
        squared = sd**2
    else:
        several = (reads > 1) & ~np.isnan(sd)
        freedom = reads[several] - 1
        pooled = float((freedom * sd[several] ** 2).sum() / freedom.sum()) if several.any() else float("nan")
        squared = np.where(several, sd**2, pooled) / np.where(reads > 0, reads, np.nan)
    known = ~np.isnan(squared) & ~np.isnan(expression)
    spread = float(expression[known].var()) if known.sum() >= MIN_ROWS else 0.0
    if not spread > 0:
        return Ceiling(
            None,
            f"The noise ceiling is unknown: {known.sum()} rows have a known error and expression, "
            f"expected {MIN_ROWS} or more that differ.",
        )
    reliability = max(0.0, 1 - float(squared[known].mean()) / spread)
    source = "sd taken as the standard error of each label" if reads is None else "sd between reads / sqrt(reads)"
    return Ceiling(
        reliability,
        f"The errors of the labels ({source}) leave a reliability of {reliability:.3f}, so no model can be "
        f"expected above r = {np.sqrt(reliability):.3f}. Errors that all reads of a row share are not seen.",
    )


def _assumption(replicates: np.ndarray, known: np.ndarray, label: np.ndarray | None) -> str:
    """Say what is assumed where the label is not the mean of the replicates."""
    if label is None:
        return ""
    rows = known.any(axis=1) & ~np.isnan(label)
    mean = np.where(known, replicates, 0)[rows].sum(axis=1) / known[rows].sum(axis=1)
    agreement = pearson(mean, label[rows])
    if agreement > 0.9999:
        return ""
    return (
        f" The label is not the mean of the replicates (r = {agreement:.3f} with it): it is assumed to be as "
        "reliable as that mean."
    )


def _column(table: pl.DataFrame, name: str) -> Float[np.ndarray, " n"]:
    return table[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
