"""Expression as a curve in GC content: what a model gets for nothing where composition and expression go together.

The curve is a natural cubic spline with four knots at the quantiles .05, .35, .65 and .95 of the training rows
(Harrell 2015, Regression Modeling Strategies, section 2.4), fitted by least squares: straight beyond the outer knots,
so that an odd composition gives no wild value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..data.encoding import N
from ..errors import InputError
from .checks import enough

QUANTILES = (0.05, 0.35, 0.65, 0.95)
"""Where the knots stand among the training rows."""


@dataclass(frozen=True, eq=False)
class GcCurve:
    """Expression = curve in the share of G and C.

    Attributes
    ----------
    varying
        Positions of the window that differ between training rows: adapters do not count.
    usual
        Mean GC share of the training rows, 0..1; a row of N only is taken to have it.
    knots
        GC shares between which the curve bends, rising; fewer than four where training rows are much alike.
    coefficients
        Of the curve's terms, as `_terms` gives them, in the unit of expression.
    """

    varying: Bool[np.ndarray, " length"]
    usual: float
    knots: Float[np.ndarray, " knots"]
    coefficients: Float[np.ndarray, " terms"]

    @classmethod
    def fit(
        cls,
        codes: UInt8[np.ndarray, "n length"],
        expression: Float[np.ndarray, " n"],
        valid_codes: UInt8[np.ndarray, "valid valid_length"] | None = None,
        valid_expression: Float[np.ndarray, " valid"] | None = None,
        weights: Float[np.ndarray, " n"] | None = None,
    ) -> GcCurve:
        """Fit the curve to training rows; validation rows choose nothing.

        Parameters
        ----------
        codes
            Windows, N where a row is shorter: N counts neither as GC nor as AT.
        expression
            Measured values.
        weights
            Weight of each training row, not all zero; only ratios matter.

        Raises
        ------
        InputError
            If there are fewer than `MIN_ROWS` training rows.
        """
        enough("GC content", training=len(codes))
        weights = np.ones(len(codes)) if weights is None else weights
        codes, expression, weights = (part[weights > 0] for part in (codes, expression, weights))
        varying = (codes != codes[0]).any(axis=0)
        share = _share(codes[:, varying])
        usual = float(np.nanmean(share)) if np.isfinite(share).any() else 0.5
        share = np.nan_to_num(share, nan=usual)
        knots = np.unique(np.quantile(share, QUANTILES))
        root = np.sqrt(weights)
        terms = _terms(share - usual, knots - usual)
        coefficients = np.linalg.lstsq(terms * root[:, None], expression * root, rcond=None)[0]
        return cls(varying, usual, knots, coefficients)

    def predict(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Return expression in the unit of the training table.

        Raises
        ------
        InputError
            If the windows are not as long as those of the training rows.
        """
        if codes.shape[1] != len(self.varying):
            raise InputError(
                f"GC content: windows of {codes.shape[1]} bp, expected {len(self.varying)} bp as in training"
            )
        share = np.nan_to_num(_share(codes[:, self.varying]), nan=self.usual)
        return _terms(share - self.usual, self.knots - self.usual) @ self.coefficients


def _share(codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
    """Share of G and C among the known letters of every row, nan where there are none."""
    known = (codes != N).sum(axis=1)
    return np.where(known, ((codes == 1) | (codes == 2)).sum(axis=1) / np.maximum(known, 1), np.nan)


def _terms(x: Float[np.ndarray, " n"], knots: Float[np.ndarray, " knots"]) -> Float[np.ndarray, "n terms"]:
    """Terms of a natural cubic spline: 1, x, and a bend for each knot but the last two.

    Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, equation 5.4.
    """
    cubes = np.maximum(x[:, None] - knots, 0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / (knots[-1] - knots[:-1])
    return np.column_stack([np.ones_like(x), x, slopes[:, :-1] - slopes[:, -1:]])
