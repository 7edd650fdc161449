"""Which rows a step sees: a pure function of (seed, epoch, index)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from .recipe import Recipe


class Batch(NamedTuple):
    """Rows of a step, which of them show their other strand, and by how many positions each is moved."""

    rows: Int64[np.ndarray, " batch"]
    flipped: Bool[np.ndarray, " batch"]
    shift: Int64[np.ndarray, " batch"]


def epoch_batches(recipe: Recipe, rows: int, seed: int, epoch: int) -> list[Batch]:
    """All batches of an epoch, of equal size within one row.

    Examples
    --------
    >>> batches = epoch_batches(Recipe(batch=4), 10, seed=0, epoch=0)
    >>> sorted(np.concatenate([batch.rows for batch in batches]).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(rows)
    if recipe.stream:
        order = order[: recipe.stream]
    if recipe.strands == "both":
        order = generator.permutation(np.concatenate([order, order + rows]))
        order, flipped = order % rows, order >= rows
    elif recipe.strands == "random":
        flipped = generator.random(len(order)) < 0.5
    else:
        flipped = np.zeros(len(order), dtype=bool)
    shift = generator.integers(-recipe.shift, recipe.shift, len(order), endpoint=True)
    steps = recipe.steps_per_epoch(rows)
    parts = (np.array_split(each, steps) for each in (order, flipped, shift))
    return [Batch(*batch) for batch in zip(*parts, strict=True)]
