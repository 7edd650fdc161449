"""Gradient boosted trees on k-mer counts and motif occupancies: no network, seconds to a minute, one thread.

LightGBM (Ke 2017, Advances in Neural Information Processing Systems 30) on the features of `features.py`, squared
error, stopped early on validation rows. The settings below were chosen on validation rows of two yeast libraries
(`docs/lab-notebook.md`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

from ..data.encoding import N
from ..data.motifs import Motif
from ..errors import InputError
from ..evaluation.metrics import pearson
from .checks import enough
from .features import features, total

if TYPE_CHECKING:
    from lightgbm import Booster

K_MAX = 5
"""Longest k-mer counted, bp."""
PATIENCE = 100
"""Trees without a lower validation error after which boosting stops."""
MOST_TREES = 4000
MOST_ROWS = 50_000
"""Of more training rows so many are drawn: features take 13 kB a row."""
SETTINGS = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.15,
    "lambda_l2": 5.0,
    # One thread: trees this small are quick, and threads that wait for each other are not on a busy machine.
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
FORMAT = "leanseq boosted trees 2"
CONSTANT_SHARE, MARGIN = 0.7, 15
"""Columns of which one letter holds a larger share of the training rows are flanks, of which so many bp are read."""

_BLOCK = 4096  # rows whose features are held at once for a prediction


def library() -> ModuleType:
    """LightGBM, loaded when first needed.

    Raises
    ------
    InputError
        If it is not there or cannot be loaded.
    """
    try:
        return import_module("lightgbm")
    except (ImportError, OSError) as error:  # OSError: its OpenMP library is missing
        raise InputError(
            f"boosted trees: cannot load LightGBM ({error}); install it and OpenMP (libgomp on Linux, libomp on macOS)"
        ) from error


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Expression = sum of the trees.

    Attributes
    ----------
    booster
        The trees, in LightGBM's text format.
    motifs
        The collection that their features need.
    k_max
        Longest k-mer among their features, bp.
    span
        First column that is read, and the one after the last: the part that varies, and a little of its flanks.
    trees
        Number of trees, chosen on the validation rows.
    valid_r
        Pearson's r on the validation rows, a little too high for that reason.
    """

    booster: str
    motifs: tuple[Motif, ...]
    k_max: int
    span: tuple[int, int]
    trees: int
    valid_r: float

    @classmethod
    def fit(
        cls,
        codes: UInt8[np.ndarray, "n length"],
        expression: Float[np.ndarray, " n"],
        valid_codes: UInt8[np.ndarray, "valid valid_length"],
        valid_expression: Float[np.ndarray, " valid"],
        weights: Float[np.ndarray, " n"] | None = None,
        *,
        motifs: Sequence[Motif] = (),
        k_max: int = K_MAX,
        seed: int = 0,
    ) -> BoostedTrees:
        """Grow trees on training rows until the squared error of validation rows no longer falls.

        The same arguments give the same trees.

        Parameters
        ----------
        codes, valid_codes
            Windows or inserts, N where a row is shorter.
        expression, valid_expression
            Measured values.
        weights
            Weight of each training row, not all zero; only ratios matter.
        motifs
            Collection whose occupancies are features, such as `yeast_motifs()`; without one, k-mers alone.
        k_max
            Longest k-mer counted, bp; 0 for motifs alone.
        seed
            Of the features that each tree may use.

        Raises
        ------
        InputError
            If there are too few rows, or no features.
        """
        lightgbm = library()
        enough("boosted trees", training=len(codes), validation=len(valid_codes))
        if k_max < 0 or not (k_max or motifs):
            raise InputError(f"boosted trees: k_max is {k_max}, expected 1 or more, or 0 with motifs")
        weights = np.ones(len(codes)) if weights is None else weights
        rows = _rows(weights, seed)
        settings: dict[str, Any] = {**SETTINGS, "seed": seed}
        weight = weights[rows] / weights[rows].mean()
        span = varying(codes[rows])
        shown, seen = (features(each[:, slice(*span)], motifs, k_max) for each in (codes[rows], valid_codes))
        train = lightgbm.Dataset(shown, expression[rows], weight=weight, params=settings)
        valid = lightgbm.Dataset(seen, valid_expression, reference=train, params=settings)
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        grown = lightgbm.train(settings, train, MOST_TREES, valid_sets=[valid], callbacks=[stop])
        predicted = np.asarray(grown.predict(seen, num_iteration=grown.best_iteration, num_threads=1))
        return cls(
            grown.model_to_string(num_iteration=grown.best_iteration),
            tuple(motifs),
            k_max,
            span,
            grown.best_iteration,
            pearson(valid_expression, predicted),
        )

    def predict(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Return expression in the unit of the training table."""
        return np.concatenate([*self._predict(codes), np.zeros(0)])

    def _predict(self, codes: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(codes), _BLOCK):
            seen = features(codes[start : start + _BLOCK, slice(*self.span)], self.motifs, self.k_max)
            yield np.asarray(self._grown.predict(seen, num_threads=1))

    @cached_property
    def _grown(self) -> Booster:
        return library().Booster(model_str=self.booster)

    def to_text(self) -> str:
        """Write everything that `predict` needs as JSON."""
        motifs = [{**asdict(motif), "probabilities": motif.probabilities.tolist()} for motif in self.motifs]
        values = {
            "format": FORMAT,
            "k_max": self.k_max,
            "span": list(self.span),
            "trees": self.trees,
            "valid_r": None if np.isnan(self.valid_r) else self.valid_r,
            "motifs": motifs,
            "booster": self.booster.splitlines(),
        }
        return json.dumps(values, indent=1)

    @staticmethod
    def from_text(text: str) -> BoostedTrees:
        """Read what `to_text` wrote; predictions are the same to the last bit.

        Raises
        ------
        InputError
            If the text is something else or damaged.
        """
        lightgbm = library()
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r}")
            read = BoostedTrees(
                booster="\n".join(values["booster"]) + "\n",
                motifs=tuple(_motif(each) for each in values["motifs"]),
                k_max=int(values["k_max"]),
                span=(int(values["span"][0]), int(values["span"][1])),
                trees=int(values["trees"]),
                valid_r=float("nan") if values["valid_r"] is None else float(values["valid_r"]),
            )
            columns = total(len(read.motifs), read.k_max)
            if (read._grown.num_feature(), read._grown.num_trees()) != (columns, read.trees):
                raise ValueError("trees and features do not fit")
        except (ValueError, LookupError, TypeError, AttributeError, lightgbm.basic.LightGBMError) as error:
            raise InputError(f"boosted trees: cannot read the model ({error}); expected {FORMAT!r}") from error
        return read


def varying(codes: UInt8[np.ndarray, "n length"]) -> tuple[int, int]:
    """Columns where rows differ, with a margin: all of them where none is constant, or all are.

    Examples
    --------
    >>> codes = np.zeros((4, 60), np.uint8)
    >>> codes[1:, 20:40] = [[1], [2], [3]]
    >>> varying(codes)
    (5, 55)
    """
    shares = np.max([(codes == letter).mean(axis=0) for letter in range(N + 1)], axis=0)
    varies = np.flatnonzero(shares <= CONSTANT_SHARE)
    if not len(varies):
        return 0, codes.shape[1]
    return max(0, int(varies[0]) - MARGIN), min(codes.shape[1], int(varies[-1]) + 1 + MARGIN)


def _motif(values: dict[str, Any]) -> Motif:
    return Motif(str(values["name"]), str(values["identifier"]), np.asarray(values["probabilities"], dtype=np.float64))


def _rows(weights: Float[np.ndarray, " n"], seed: int) -> np.ndarray:
    """Rows to train on: those with a weight, at most `MOST_ROWS` of them, in order."""
    rows = np.flatnonzero(weights)
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    return rows
