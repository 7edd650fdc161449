"""Ridge regression on k-mer counts: a linear model that many published networks do not beat.

Features are the counts of all k-mers, k = 1..6, overlapping, on the strand given, neither scaled nor
standardised: measured on four yeast libraries, raw counts of the whole window were at least as good as log
counts, standardised counts or the insert alone. Counts are centred, so the intercept is not penalised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy import linalg

from ..evaluation.metrics import pearson
from . import kmers
from .checks import enough

K_MAX = 6
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5)
"""Penalties tried, in units of squared counts: they do not depend on the unit of expression."""

KMERS = kmers.total(K_MAX)
_START = PENALTIES.index(300.0)
_BLOCK = 4096  # rows turned into dense counts at once, 90 MB


@dataclass(frozen=True, eq=False)
class KmerRidge:
    """Expression = intercept + sum over k-mers of count times weight.

    Attributes
    ----------
    weights
        Weight of each k-mer in the unit of expression, ordered by k, then alphabetically.
    intercept
        Expression of a sequence without any k-mer.
    penalty
        The ridge penalty chosen.
    valid_r
        Pearson's r on the validation rows with it.
    """

    weights: Float32[np.ndarray, " kmers"]
    intercept: float
    penalty: float
    valid_r: float

    @classmethod
    def fit(
        cls,
        codes: UInt8[np.ndarray, "n length"],
        expression: Float[np.ndarray, " n"],
        valid_codes: UInt8[np.ndarray, "valid valid_length"],
        valid_expression: Float[np.ndarray, " valid"],
        weights: Float[np.ndarray, " n"] | None = None,
    ) -> KmerRidge:
        """Fit on training rows and choose the penalty by Pearson's r on validation rows.

        The penalty climbs from 300 along `PENALTIES` in the direction that raises r, until r falls; a penalty
        too small for single precision is passed over.

        Parameters
        ----------
        codes, valid_codes
            Windows or inserts, N where a row is shorter; k-mers with N do not count.
        expression, valid_expression
            Measured values.
        weights
            Weight of each training row, not all zero; only ratios matter.

        Raises
        ------
        InputError
            If there are fewer than `MIN_ROWS` training or validation rows.
        """
        enough("k-mer ridge", training=len(codes), validation=len(valid_codes))
        solve = _solver(codes, expression, np.ones(len(codes)) if weights is None else weights)
        tried: dict[int, KmerRidge] = {}

        def r(index: int) -> float:
            if index not in tried:
                found, intercept = solve(PENALTIES[index])
                predicted = _predict(valid_codes, found, intercept)
                tried[index] = cls(found, intercept, PENALTIES[index], pearson(valid_expression, predicted))
            return float(np.nan_to_num(tried[index].valid_r, nan=-1))

        best = _START
        step = 1 if r(best + 1) >= r(best) else -1
        while 0 <= best + step < len(PENALTIES) and r(best + step) >= r(best):
            best += step
        return tried[best]

    def predict(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Return expression in the unit of the training table."""
        return _predict(codes, self.weights, self.intercept)


def _predict(codes: np.ndarray, weights: np.ndarray, intercept: float) -> np.ndarray:
    padded = np.append(weights, np.float32(0))
    sums = [padded[kmers.numbers(block, K_MAX)].sum(axis=1, dtype=np.float64) for _, block in _blocks(codes)]
    return np.concatenate([*sums, np.zeros(0)]) + intercept


def _blocks(codes: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(codes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield rows, codes[rows]


def _solver(
    codes: np.ndarray, expression: np.ndarray, weights: np.ndarray
) -> Callable[[float], tuple[np.ndarray, float]]:
    """Prepare the normal equations once; the result gives (weights, intercept) for a penalty.

    With fewer rows than k-mers the dual form is used: the same solution from a matrix [n, n].
    """
    weights = weights / weights.mean()
    root = np.sqrt(weights).astype(np.float32)
    y_mean = float(np.average(expression, weights=weights))
    y = (expression - y_mean).astype(np.float32) * root
    total = np.zeros(KMERS + 1)
    for rows, block in _blocks(codes):
        index = kmers.numbers(block, K_MAX)
        total += np.bincount(index.ravel(), np.repeat(weights[rows], index.shape[1]), KMERS + 1)
    mean = (total[:KMERS] / weights.sum()).astype(np.float32)

    def centred(rows: slice, block: np.ndarray) -> np.ndarray:
        counts = kmers.counts(block, K_MAX)
        counts -= mean
        counts *= root[rows, None]
        return counts

    syrk: Callable[..., np.ndarray] = linalg.get_blas_funcs(("syrk",), dtype=np.float32)[0]
    dual = len(codes) < KMERS
    if dual:
        design = np.concatenate([centred(*block) for block in _blocks(codes)])
        gram = syrk(1.0, design.T, trans=1, lower=1)
        right = y
    else:
        design = None
        gram = np.zeros((KMERS, KMERS), dtype=np.float32, order="F")
        right = np.zeros(KMERS, dtype=np.float32)
        for rows, block in _blocks(codes):
            part = centred(rows, block)
            gram = syrk(1.0, part.T, beta=1.0, c=gram, overwrite_c=1, lower=1)
            right += y[rows] @ part
    diagonal = np.diag(gram).copy()

    def solve(penalty: float) -> tuple[np.ndarray, float]:
        matrix = gram.copy(order="F")
        np.fill_diagonal(matrix, diagonal + np.float32(penalty))
        try:
            factor = linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:  # too small a penalty for single precision
            return np.full(KMERS, np.nan, dtype=np.float32), y_mean
        solution = linalg.cho_solve(factor, right, check_finite=False)
        found = solution if design is None else solution @ design
        return found, y_mean - float(mean @ found)

    return solve
