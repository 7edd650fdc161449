"""Expression values as what a network is trained on: soft bins or one standardised number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from ..errors import InputError
from .encoding import PART

SORT_SEQ_BINS = 18


@dataclass(frozen=True)
class SoftBins:
    """Equally wide expression bins and the normal error that spreads a value over them.

    Bin k has its centre at `first + k * width`; the outermost bins reach to infinity. With the defaults
    these are the 18 sorting bins of DREAM 2022: edges at k - 0.5 and an sd of 0.5 (Penzar 2023).

    Attributes
    ----------
    first, width
        Centre of bin 0 and distance between centres, in the unit of expression.
    count
        Number of bins.
    sd
        Standard deviation of a measured value, in the unit of expression.
    """

    first: float = 0.0
    width: float = 1.0
    count: int = SORT_SEQ_BINS
    sd: float = 0.5

    def __post_init__(self) -> None:
        numbers = (self.first, self.width, self.sd)
        if self.count < 2 or not self.width > 0 or not self.sd > 0 or not np.isfinite(numbers).all():
            raise InputError(
                f"bins: {self.count} bins, width {self.width:g}, sd {self.sd:g}; expected 2 bins or more and positive "
                "width and sd"
            )

    @property
    def centres(self) -> Float[np.ndarray, " bins"]:
        """Centres of the bins in the unit of expression."""
        return self.first + self.width * np.arange(self.count)

    def spread(self, expression: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n bins"]:
        """Probability of each bin for each value.

        Examples
        --------
        >>> [round(float(p), 4) for p in SoftBins().spread(np.array([11.0]))[0, 9:14]]
        [0.0013, 0.1573, 0.6827, 0.1573, 0.0013]
        """
        inner = self.centres[1:] - self.width / 2
        out = np.empty((len(expression), self.count), dtype=np.float32)
        for start in range(0, len(expression), PART):
            below = ndtr((inner - expression[start : start + PART, None]) / self.sd)
            out[start : start + PART] = np.diff(below, axis=1, prepend=0, append=1)
        return out

    def mean(self, probabilities: Float[np.ndarray, "n bins"]) -> Float[np.ndarray, " n"]:
        """Expected expression under each row of bin probabilities."""
        return probabilities @ self.centres


def fit_bins(
    expression: Float[np.ndarray, " n"],
    *,
    count: int = SORT_SEQ_BINS,
    low: float | None = None,
    high: float | None = None,
    sd: float | None = None,
) -> SoftBins:
    """Choose bins for a label scale.

    Values that are sort-seq bins (99 % of them within -0.5..17.5, spread over at least 8 units) get the 18
    bins 0..17; any other scale, log2 fold changes say, gets `count` bins between its 0.5 and 99.5 percentiles.

    Parameters
    ----------
    expression
        Training values, n.
    count, low, high, sd
        Number of bins, centres of the first and last bin, and sd of a value; sd is half a bin by default.

    Raises
    ------
    InputError
        If all values are equal or `low` is not below `high`.
    """
    inside = float(np.mean((expression >= -0.5) & (expression <= SORT_SEQ_BINS - 0.5)))
    spread = float(np.subtract(*np.quantile(expression, [0.99, 0.01])))
    if count == SORT_SEQ_BINS and low is None and high is None and inside >= 0.99 and spread >= 8:
        return SoftBins(sd=0.5 if sd is None else sd)
    first = float(np.quantile(expression, 0.005)) if low is None else low
    last = float(np.quantile(expression, 0.995)) if high is None else high
    if not first < last:
        raise InputError(f"bins: the lowest centre {first:g} is not below the highest {last:g}; expected low < high")
    width = (last - first) / max(count - 1, 1)
    return SoftBins(first, width, count, width / 2 if sd is None else sd)
