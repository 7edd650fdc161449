"""Models that every network must beat: quick, exact, no torch.

A baseline is a frozen value made by `fit` from codes and expression; it predicts codes of any length and
becomes plain arrays (`state`, `from_state`). Give it the windows that a network would see.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from ..errors import InputError
from .constant import Constant
from .kmer_ridge import KmerRidge

__all__ = ["BASELINES", "Baseline", "Constant", "KmerRidge", "baseline"]


@runtime_checkable
class Baseline(Protocol):
    """What every baseline can do."""

    @classmethod
    def fit(
        cls,
        codes: UInt8[np.ndarray, "n length"],
        expression: Float[np.ndarray, " n"],
        valid_codes: UInt8[np.ndarray, "valid valid_length"],
        valid_expression: Float[np.ndarray, " valid"],
        weights: Float[np.ndarray, " n"] | None = None,
    ) -> Baseline:
        """Fit to training rows; validation rows only choose options, such as a penalty."""
        ...

    def predict(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Return expression in the unit of the training table."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return plain arrays that `from_state` restores."""
        ...

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Baseline:
        """Restore a baseline from its arrays."""
        ...


BASELINES: dict[str, type[Baseline]] = {"constant": Constant, "kmer-ridge": KmerRidge}
"""Name -> class."""


def baseline(name: str) -> type[Baseline]:
    """Look a baseline up by name.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> baseline("constant").__name__
    'Constant'
    """
    if name not in BASELINES:
        raise InputError(f"baseline {name!r} is not known, expected one of {', '.join(BASELINES)}")
    return BASELINES[name]
