"""Prediction intervals whose coverage is guaranteed: split conformal prediction.

Rows that the model was not trained on (calibration rows) show how far it errs. The interval is the prediction plus or
minus a quantile of those errors, taken so that a new row lies inside with at least the asked chance, whatever the model
and the noise, as long as new rows are drawn like the calibration rows (Papadopoulos 2002; Vovk 2005; Lei 2018). The
chance is over rows, new ones and calibration rows: it is 90 % on the whole, not for each kind of sequence, and unknown
on a library of another kind. With n calibration rows the coverage of one fitted interval differs from that by about
sqrt(level (1 - level) / n), 0.7 points for 2,048 rows at 90 %; rows that are relatives count for less.

Two things adapt the width to the row. Its error may be divided by its own spread plus an offset (Papadopoulos 2008),
where the spread is, for example, the standard deviation over an ensemble. And the quantile may be taken for each bin of
predicted values (Mondrian, Vovk 2005), so that the coverage holds in each bin. Offset and bins are chosen on a quarter
of the rows and the quantile on the others; choosing on the rows of the quantile would void the guarantee.

Simulated at 90 % with 2,048 calibration rows and the spread of five networks (300 simulations a line, all figures but
the width in percent, standard error of the coverage 0.05). `noisiest` is the coverage of the tenth of rows whose true
noise is largest.

==================  =============  ========  =====  ========
noise depends on    method         coverage  width  noisiest
==================  =============  ========  =====  ========
nothing             one width      90.0      3.96   90
nothing             spread, bins   90.3      4.01   90
the spread          one width      90.0      4.22   55
the spread          spread         90.1      4.13   81
the spread          spread, bins   90.2      4.18   82
predicted value     one width      90.1      4.36   73
predicted value     bins           90.2      3.86   89
both                one width      90.0      4.23   69
both                spread, bins   90.2      4.05   85
==================  =============  ========  =====  ========

Bins gain much where the noise follows the predicted value and cost next to nothing elsewhere, so they are the default.
The spread of five networks is itself a rough estimate, which is why it cannot bring the noisiest rows to 90. Fitted on
the validation rows of 78 trained networks (two yeast tables), 90.0 % of their test rows were covered.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import betaincinv

from ..errors import InputError
from .bootstrap import Interval

CHOOSING = 0.25
"""Share of the calibration rows that chooses offset and bins: some hundred suffice for that."""
BIN_ROWS = 100
"""Calibration rows a bin, below which the coverage in it wavers by more than 3 points."""
MOST_BINS = 8
OFFSETS = (0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 1000.0)
"""Offsets tried, in units of the median spread: from the spread alone to a width that ignores it."""


class Band(NamedTuple):
    """Lower and upper limit of each row, in the unit of expression."""

    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Conformal:
    """Prediction intervals fitted on calibration rows.

    Attributes
    ----------
    level
        Chance that a new row lies inside, such as 0.9.
    rows
        Calibration rows that gave the quantiles.
    offset
        Added to the spread of a row, in the unit of expression; None where the spread is not used.
    edges
        Predicted values that part the bins; empty for one bin.
    factors
        Half width of the interval in each bin, in the unit of expression, or in units of spread + offset.
    """

    level: float
    rows: int
    offset: float | None
    edges: tuple[float, ...]
    factors: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        prediction: Float[np.ndarray, " n"],
        spread: Float[np.ndarray, " n"] | None,
        measured: Float[np.ndarray, " n"],
        *,
        level: float = 0.9,
        bins: int | None = None,
        seed: int = 0,
    ) -> Conformal:
        """Fit intervals on rows that the model was neither trained on nor chosen by.

        Parameters
        ----------
        prediction, measured
            Predicted and measured values of n calibration rows, in the unit of expression.
        spread
            How uncertain the model is about each row, such as the standard deviation over an ensemble; None for
            intervals that do not depend on it.
        level
            Chance that a new row lies inside its interval.
        bins
            Bins of predicted values; by default as many as leave 100 rows each, at most 8.
        seed
            Draws the rows that choose offset and bins.

        Raises
        ------
        InputError
            If the rows are too few for the level, or a value is not finite.

        Examples
        --------
        >>> error = np.arange(-50.0, 50.0)
        >>> fitted = Conformal.fit(np.zeros(100), None, error, bins=1)
        >>> fitted.factors, fitted.interval(np.array([7.0]))
        ((45.0,), Band(low=array([-38.]), high=array([52.])))
        """
        if not 0 < level < 1:
            raise InputError(f"level is {level:g}, expected a share between 0 and 1, such as 0.9")
        _check(prediction, spread, measured)
        if bins is not None and bins < 1:
            raise InputError(f"bins is {bins}, expected 1 or more")
        n = len(prediction)
        rest = n - math.ceil(CHOOSING * n)
        count = bins or min(max(rest // BIN_ROWS, 1), MOST_BINS)
        order = np.random.default_rng(seed).permutation(n)
        chooses = order[rest:] if spread is not None or count > 1 else order[:0]
        counts = order[: n - len(chooses)]
        error = np.abs(measured - prediction).astype(np.float64)
        offset = None if spread is None or not len(chooses) else _offset(spread[chooses], error[chooses])
        edges = _edges(prediction[chooses], count)
        scores = error[counts] / _scale(None if spread is None else spread[counts], offset)
        place = np.searchsorted(edges, prediction[counts], side="right")
        factors = tuple(_quantile(scores[place == i], level, n, count) for i in range(count))
        return cls(level, len(counts), offset, edges, factors)

    def interval(self, prediction: Float[np.ndarray, " n"], spread: Float[np.ndarray, " n"] | None = None) -> Band:
        """Return the limits of each row; nan where the prediction or its spread is nan.

        Raises
        ------
        InputError
            If the spread is missing though the intervals were fitted with it, or the other way round.
        """
        if (spread is None) != (self.offset is None):
            has, other = ("without", "with") if spread is None else ("with", "without")
            raise InputError(
                f"interval asked {has} the spread of each row, but fitted {other} it; give the same to both"
            )
        place = np.searchsorted(self.edges, prediction, side="right").clip(max=len(self.factors) - 1)
        half = np.array(self.factors)[place] * _scale(spread, self.offset)
        return Band(prediction - half, prediction + half)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"edges": list(self.edges), "factors": list(self.factors)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Conformal:
        """Make intervals again from `to_dict`."""
        return cls(values["level"], values["rows"], values["offset"], tuple(values["edges"]), tuple(values["factors"]))


def coverage(
    measured: Float[np.ndarray, " n"],
    low: Float[np.ndarray, " n"],
    high: Float[np.ndarray, " n"],
    level: float = 0.95,
) -> Interval:
    """Return the share of rows inside their limits, with its exact binomial interval (Clopper and Pearson 1934).

    Rows count as independent: with many relatives among them the true interval is wider. Rows without a measured value
    or without limits do not count.

    Examples
    --------
    >>> y = np.arange(10.0)
    >>> [round(each, 3) for each in coverage(y, np.zeros(10), np.full(10, 8.0))]
    [0.9, 0.555, 0.997]
    """
    known = ~(np.isnan(measured) | np.isnan(low) | np.isnan(high))
    n = int(known.sum())
    if not n:
        return Interval(float("nan"), float("nan"), float("nan"))
    inside = int(((low <= measured) & (measured <= high))[known].sum())
    outside, tail = n - inside, (1 - level) / 2
    return Interval(
        inside / n,
        float(betaincinv(inside, outside + 1, tail)) if inside else 0.0,
        float(betaincinv(inside + 1, outside, 1 - tail)) if outside else 1.0,
    )


def _check(prediction: np.ndarray, spread: np.ndarray | None, measured: np.ndarray) -> None:
    for name, values in (("prediction", prediction), ("spread", spread), ("measured", measured)):
        if values is None:
            continue
        wrong = np.flatnonzero(~np.isfinite(values) | ((values < 0) if name == "spread" else False))
        if len(wrong):
            raise InputError(
                f"calibration row {wrong[0] + 1}: {name} is {values[wrong[0]]:g}, "
                f"expected a number{' of 0 or more' if name == 'spread' else ''}"
            )


def _offset(spread: np.ndarray, error: np.ndarray) -> float:
    """The offset that fits the sizes of the errors best: Laplace likelihood with a width of spread + offset."""
    unit = float(np.median(spread)) or float(spread.mean()) or 1.0
    tried = unit * np.array(OFFSETS)
    widths = spread[:, None] + tried
    relative = (error[:, None] / widths).mean(axis=0).clip(min=np.finfo(np.float64).tiny)  # errors may all be zero
    return float(tried[np.argmin(np.log(relative) + np.log(widths).mean(axis=0))])


def _edges(prediction: np.ndarray, count: int) -> tuple[float, ...]:
    if count == 1 or not len(prediction):
        return ()
    return tuple(float(each) for each in np.quantile(prediction, np.arange(1, count) / count))


def _scale(spread: np.ndarray | None, offset: float | None) -> np.ndarray | float:
    return 1.0 if spread is None or offset is None else spread.astype(np.float64) + offset


def _quantile(scores: np.ndarray, level: float, rows: int, bins: int) -> float:
    """The smallest score that a new one exceeds with a chance of at most 1 - level."""
    n = len(scores)
    rank = math.ceil(round((n + 1) * level, 9))  # rounded: 10 x 0.9 is a little above 9 in floating point
    if rank > n:
        least = math.ceil(round(level / (1 - level), 9))
        place, fewer = ("", "") if bins == 1 else (f" in one of {bins} bins", ", fewer bins")
        raise InputError(
            f"{rows:,} calibration rows leave {n:,} for the quantile{place}, a level of {level:g} needs {least:,} or "
            f"more; give more rows{fewer} or a lower level"
        )
    return float(np.sort(scores)[rank - 1])
