"""Percentile bootstrap: how far a score could move with another draw of the same number of test rows.

A resample is a count per row, so every score is a few sums weighted by counts, and a thousand resamples are
one matrix product. Rows of one homology group (`by`) are drawn together, because they are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from . import metrics

Metric = Literal["pearson", "spearman", "mse", "r2"]
Statistic = Callable[[np.ndarray], np.ndarray]
"""From counts [resamples, n] to one score for each resample."""

_CELLS = 4_000_000  # counts held at once: bounds memory to about 0.1 GB


class Interval(NamedTuple):
    """A score and its bootstrap interval; nan where undefined."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """Score of `a` minus score of `b` on the same rows, its interval and the two-sided bootstrap p."""

    value: float
    low: float
    high: float
    p: float


def bootstrap(
    metric: Metric,
    expression: Float[np.ndarray, " n"],
    predicted: Float[np.ndarray, " n"],
    by: Int64[np.ndarray, " n"] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return a score with its percentile interval.

    Parameters
    ----------
    metric
        "pearson", "spearman", "mse" or "r2".
    expression, predicted
        Measured and predicted values of n rows.
    by
        Groups drawn as a whole (cluster bootstrap); by default each row is its own group.
    level
        Share of resamples inside the interval.
    resamples, seed
        The same seed gives the same interval.

    Examples
    --------
    >>> x = np.arange(50.0)
    >>> [round(number, 3) for number in bootstrap("pearson", x, x)]
    [1.0, 1.0, 1.0]
    """
    statistic = _STATISTICS[metric](expression, predicted)
    value = getattr(metrics, metric)(expression, predicted)
    return Interval(value, *limits(_resample([statistic], len(expression), by, resamples, seed)[0], level))


def bootstrap_mean(
    values: Float[np.ndarray, " n"],
    by: Int64[np.ndarray, " n"] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the mean of one number per row (such as `metrics.kl_rows`) with its percentile interval."""
    value = float(values.mean()) if len(values) else float("nan")
    return Interval(value, *limits(_resample([_mean(values)], len(values), by, resamples, seed)[0], level))


def compare(
    metric: Metric,
    expression: Float[np.ndarray, " n"],
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
    by: Int64[np.ndarray, " n"] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Difference:
    """Return the difference (a - b) of a score between two predictions of the same rows, paired by resample.

    `p` is twice the smaller share of resamples on one side of zero, counting one more resample for each side;
    with 1,000 resamples it cannot fall under 0.002.

    Examples
    --------
    >>> x = np.arange(50.0)
    >>> compare("mse", x, x, x + 1).value
    -1.0
    """
    drawn = resampled(metric, expression, np.stack([a, b]), by, resamples, seed)
    differences = drawn[0] - drawn[1]
    score = getattr(metrics, metric)
    low, high = limits(differences, level)
    return Difference(score(expression, a) - score(expression, b), low, high, two_sided_p(differences))


def resampled(
    metric: Metric,
    expression: Float[np.ndarray, " n"],
    predicted: Float[np.ndarray, "k n"],
    by: Int64[np.ndarray, " n"] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Float[np.ndarray, "k resamples"]:
    """Return the scores of k predictions of the same rows; all of them see the same resamples."""
    return _resample(
        [_STATISTICS[metric](expression, each) for each in predicted], len(expression), by, resamples, seed
    )


def limits(scores: Float[np.ndarray, " resamples"], level: float) -> tuple[float, float]:
    """Return the percentiles that hold the share `level` of the defined scores; nan where none is defined."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided_p(differences: Float[np.ndarray, " resamples"]) -> float:
    """Return twice the smaller share of defined differences on one side of zero, counting one more for each side."""
    known = differences[~np.isnan(differences)]
    side = min((known <= 0).sum(), (known >= 0).sum())
    return min(1.0, 2 * (float(side) + 1) / (len(known) + 1)) if len(known) else float("nan")


def _resample(statistics: list[Statistic], n: int, by: np.ndarray | None, resamples: int, seed: int) -> np.ndarray:
    """Scores [statistics, resamples]; every statistic sees the same resamples."""
    if not n:
        return np.full((len(statistics), resamples), np.nan)
    parts = [[statistic(counts) for statistic in statistics] for counts in _counts(n, by, resamples, seed)]
    return np.concatenate(parts, axis=1)


def _counts(n: int, by: np.ndarray | None, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row is drawn, [resamples, n], in chunks of bounded memory."""
    member = None if by is None else np.unique(by, return_inverse=True)[1]
    units = n if member is None else int(member.max()) + 1
    rng = np.random.default_rng(seed)
    chunk = max(1, _CELLS // n)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        drawn = rng.integers(units, size=(size, units)) + np.arange(size)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)
        yield counts if member is None else counts[:, member]


def _mean(values: np.ndarray) -> Statistic:
    return lambda counts: counts @ np.asarray(values, dtype=np.float64) / counts.sum(axis=1)


def _pearson(expression: np.ndarray, predicted: np.ndarray) -> Statistic:
    # Standardised first: the weighted sums then lose no digits to a large mean or an odd unit.
    x, y = (_standardise(values) for values in (expression, predicted))
    columns = np.stack([x, y, x * x, y * y, x * y], axis=1)

    def statistic(counts: np.ndarray) -> np.ndarray:
        mx, my, xx, yy, xy = (counts @ columns / counts.sum(axis=1, keepdims=True)).T
        return _ratio(xy - mx * my, xx - mx * mx, yy - my * my)

    return statistic


def _spearman(expression: np.ndarray, predicted: np.ndarray) -> Statistic:
    if np.isnan(expression).any() or np.isnan(predicted).any():
        return lambda counts: np.full(len(counts), np.nan)
    sides = [(_order(group), group, sizes) for group, sizes in map(metrics.tie_groups, (expression, predicted))]

    def statistic(counts: np.ndarray) -> np.ndarray:
        n = counts.sum(axis=1, keepdims=True)
        ranks = []
        for order, group, sizes in sides:
            starts = np.cumsum(sizes) - sizes
            in_group = np.add.reduceat(counts[:, order], starts, axis=1)
            middle = (np.cumsum(in_group, axis=1) - in_group / 2) / n - 0.5  # centred: their mean is zero
            ranks.append(middle[:, group])
        x, y = ranks
        weighted = counts * x
        covariance, spread_x = (np.einsum("bn,bn->b", weighted, other) for other in (y, x))
        spread_y = np.einsum("bn,bn,bn->b", counts, y, y)
        return _ratio(covariance / n[:, 0], spread_x / n[:, 0], spread_y / n[:, 0])

    return statistic


def _mse(expression: np.ndarray, predicted: np.ndarray) -> Statistic:
    return _mean((np.asarray(expression, dtype=np.float64) - predicted) ** 2)


def _r2(expression: np.ndarray, predicted: np.ndarray) -> Statistic:
    x = np.asarray(expression, dtype=np.float64)
    x = x - x.mean()
    error, mean, square = _mse(expression, predicted), _mean(x), _mean(x * x)

    def statistic(counts: np.ndarray) -> np.ndarray:
        variance = square(counts) - mean(counts) ** 2
        varies = variance > 1e-12 * square(counts)
        return np.where(varies, 1 - error(counts) / np.where(varies, variance, 1), np.nan)

    return statistic


_STATISTICS: dict[str, Callable[[np.ndarray, np.ndarray], Statistic]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "mse": _mse,
    "r2": _r2,
}


def _standardise(values: np.ndarray) -> np.ndarray:
    centred = np.asarray(values, dtype=np.float64) - np.mean(values, dtype=np.float64)
    spread = float(np.sqrt(np.mean(centred**2)))
    return centred / spread if spread > 1e-13 * float(np.abs(values).max(initial=0)) else centred * 0


def _order(group: np.ndarray) -> np.ndarray:
    return np.argsort(group, kind="stable")


def _ratio(covariance: np.ndarray, variance_x: np.ndarray, variance_y: np.ndarray) -> np.ndarray:
    """Correlation of each resample; nan where a resample holds a single value."""
    varies = (variance_x > 1e-12) & (variance_y > 1e-12)
    product = np.sqrt(np.where(varies, variance_x * variance_y, 1))
    return np.where(varies, np.clip(covariance / product, -1, 1), np.nan)
