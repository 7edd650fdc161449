"""One prediction of several models: a sum with weights of zero or more (stacked generalisation, Breiman 1996).

Weights are fitted on validation rows. What the sum is worth there is judged by weights fitted on other validation rows,
groups of homologs kept whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from scipy.optimize import nnls

FOLDS = 5
SAME = 1e-6
"""Standard deviation of predictions, in units of that of the values, below which they are all the same."""


class Stack(NamedTuple):
    """Weights of the models and what is added, in the unit of expression."""

    weights: Float[np.ndarray, " models"]
    intercept: float

    def of(self, predictions: Float[np.ndarray, "models n"]) -> Float[np.ndarray, " n"]:
        """The sum for n rows."""
        return self.weights @ predictions + self.intercept


def stack(predictions: Float[np.ndarray, "models n"], measured: Float[np.ndarray, " n"]) -> Stack:
    """Fit weights by least squares, none below zero.

    Parameters
    ----------
    predictions
        What each model says about n rows that it was not trained on.
    measured
        Their values.

    Examples
    --------
    >>> good, bad = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 3.0, 1.0, 2.0])
    >>> weights, intercept = stack(np.stack([good, bad]), 2 * good + 1)
    >>> weights.round(6).tolist(), round(intercept, 6)
    ([2.0, 0.0], 1.0)
    """
    means, mean = predictions.mean(axis=1), float(measured.mean())
    # a model that says the same of every row tells nothing but rounding errors
    tells = predictions.std(axis=1) > SAME * measured.std()
    weights = np.zeros(len(predictions))
    weights[tells], _ = nnls((predictions - means[:, None])[tells].T, measured - mean)
    return Stack(weights, mean - float(weights @ means))


def held_out(
    predictions: Float[np.ndarray, "models n"],
    measured: Float[np.ndarray, " n"],
    groups: Int64[np.ndarray, " n"],
    seed: int = 0,
) -> Float[np.ndarray, " n"]:
    """The sum for every row by weights that were fitted without its group: for honest errors on these rows.

    Parameters
    ----------
    predictions, measured
        As for `stack`.
    groups
        Number of each row's group of homologs. Where all rows are one group, rows are held out instead.
    seed
        Deals the groups into folds.
    """
    fold, out = folds(groups, seed), np.empty(len(measured))
    for i in range(FOLDS):
        inside = fold == i
        if inside.any():
            out[inside] = stack(predictions[:, ~inside], measured[~inside]).of(predictions[:, inside])
    return out


def folds(groups: Int64[np.ndarray, " n"], seed: int = 0) -> Int64[np.ndarray, " n"]:
    """Deal rows into `FOLDS` folds, groups of homologs kept whole; rows that are all one group are dealt one by one.

    Examples
    --------
    >>> fold = folds(np.array([7, 7, 3, 3, 9, 1, 2]))
    >>> sorted(set(fold.tolist())), fold[0] == fold[1], fold[2] == fold[3]
    ([0, 1, 2, 3, 4], np.True_, np.True_)
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) == 1:  # variants of one sequence: no other group is left to learn from
        names = group = np.arange(len(groups))
    return (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[group]
