"""Scores of predictions against measured expression: plain numpy, fast enough for every epoch.

A score that is undefined (fewer than two rows, a constant side) is nan, without a warning.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64


def pearson(expression: Float[np.ndarray, " n"], predicted: Float[np.ndarray, " n"]) -> float:
    """Return Pearson's r.

    Examples
    --------
    >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])), 6)
    1.0
    """
    x, y = _centre(expression), _centre(predicted)
    product = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / product, -1, 1)) if product > 0 else float("nan")


def spearman(expression: Float[np.ndarray, " n"], predicted: Float[np.ndarray, " n"]) -> float:
    """Return Spearman's rho: Pearson's r of the ranks, ties at their mean rank.

    Examples
    --------
    >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([0.1, 9.0, 10.0])), 6)
    1.0
    """
    if np.isnan(expression).any() or np.isnan(predicted).any():
        return float("nan")
    return pearson(ranks(expression), ranks(predicted))


def mse(expression: Float[np.ndarray, " n"], predicted: Float[np.ndarray, " n"]) -> float:
    """Return the mean squared error, in the squared unit of expression.

    Examples
    --------
    >>> mse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """
    error = _wide(expression) - _wide(predicted)
    return float(error @ error / len(error)) if len(error) else float("nan")


def r2(expression: Float[np.ndarray, " n"], predicted: Float[np.ndarray, " n"]) -> float:
    """Return the coefficient of determination, 1 - mse / variance of expression (not the square of r).

    Examples
    --------
    >>> r2(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    0.0
    """
    x = _centre(expression)
    spread = float(x @ x)
    return 1 - len(x) * mse(expression, predicted) / spread if spread > 0 else float("nan")


def kl(target: Float[np.ndarray, "n bins"], probabilities: Float[np.ndarray, "n bins"]) -> float:
    """Return the mean Kullback-Leibler divergence of predicted from target distributions, in nats."""
    rows = kl_rows(target, probabilities)
    return float(rows.mean()) if len(rows) else float("nan")


def kl_rows(target: Float[np.ndarray, "n bins"], probabilities: Float[np.ndarray, "n bins"]) -> Float[np.ndarray, " n"]:
    """Return sum p ln(p/q) of each row, in nats; bins with p = 0 count 0, p > 0 where q = 0 gives inf.

    Examples
    --------
    >>> kl_rows(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])).round(4).tolist()
    [0.6931]
    """
    p, q = _wide(target), _wide(probabilities)
    with np.errstate(divide="ignore"):
        ratio = np.log(np.where(p > 0, p, 1)) - np.log(np.where(p > 0, q, 1))
    return np.where(p > 0, p * ratio, 0).sum(axis=1)


def ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return ranks from 1, ties at their mean rank.

    Examples
    --------
    >>> ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    group, sizes = tie_groups(values)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]


def tie_groups(
    values: Float[np.ndarray, " n"],
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " groups"]]:
    """Number the distinct values in ascending order; return each row's number and how often each occurs."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return group.astype(np.int64), sizes.astype(np.int64)


def _wide(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _centre(values: np.ndarray) -> np.ndarray:
    """Subtract the mean; values that differ by rounding only become zeros, so that they count as constant."""
    wide = _wide(values)
    if not len(wide):
        return wide
    with np.errstate(invalid="ignore"):
        centred = wide - wide.mean()
    largest = float(np.abs(wide).max())
    return np.zeros_like(wide) if np.abs(centred).max() <= 1e-13 * largest else centred
