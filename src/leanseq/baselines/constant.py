"""The mean of the training rows for every sequence: the line of no skill for mse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from ..errors import InputError


@dataclass(frozen=True)
class Constant:
    """One value for every sequence.

    Attributes
    ----------
    value
        Mean expression of the training rows.
    """

    value: float

    @classmethod
    def fit(
        cls,
        codes: UInt8[np.ndarray, "n length"],
        expression: Float[np.ndarray, " n"],
        valid_codes: UInt8[np.ndarray, "valid valid_length"] | None = None,
        valid_expression: Float[np.ndarray, " valid"] | None = None,
        weights: Float[np.ndarray, " n"] | None = None,
    ) -> Constant:
        """Take the mean, weighted where weights are given.

        Examples
        --------
        >>> Constant.fit(np.zeros((2, 4), np.uint8), np.array([1.0, 3.0])).value
        2.0
        """
        if not len(expression):
            raise InputError("constant baseline: 0 training rows, expected 1 or more")
        return cls(float(np.average(expression, weights=weights)))

    def predict(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Return the same value for every row."""
        return np.full(len(codes), self.value)
