"""Training values that may be noisy, drawn half-way to what boosted trees say that never saw them.

A network learns the noise of single values by heart. Trees that were grown without a row cannot know its noise, so the
mean of their prediction and the measured value holds half of it, and most of what there is to learn. Mixing labels with
predictions goes back to Reed 2015 (ICLR workshop, arXiv:1412.6596), who takes those of the network itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float

from ..baselines import BoostedTrees
from ..data.summary import fingerprint
from ..data.table import Table, read_table
from ..runs.prepare import Prepared
from ..study.plan import RESULTS
from .fitting import Trained
from .kept import keep_number, kept_number
from .stack import FOLDS, folds
from .subsets import keep

TABLE, RECORD = "steadied.parquet", "steadied.json"
EXPLAINED = 0.5
"""Share of the variance of validation rows above which values are taken as they are: trees have less to tell there."""
SHARE = 0.5
"""Of the measured value; the rest is what trees say."""
TIME = 0.25
"""Most of the time for the networks that this may take."""


class Steadied(NamedTuple):
    """The table of steadied training values, other rows as measured; seconds of one core that it took.

    `estimate` is what it was expected to take on all of them: the same for the same folder, as a budget must be.
    """

    table: Table
    seconds: float
    estimate: float


def explained(trees: BoostedTrees) -> float:
    """Share of the variance of validation rows that trees explain: r squared, 0 where r is negative or unknown."""
    return max(0.0, float(np.nan_to_num(trees.valid_r))) ** 2


def noisy(share: float) -> bool:
    """Whether trees explain so little that noise may be much of the rest."""
    return share < EXPLAINED


def cost(trees: Trained, threads: int) -> float:
    """Seconds that it takes, estimated: trees are grown again for every fold."""
    return -(-FOLDS // threads) * trees.seconds


def steady(
    rows: Table, prepared: Prepared, trees: Trained, folder: Path, threads: int, step: Callable[[int], None]
) -> Steadied:
    """Draw the training values to what trees say; what an earlier fit of the same rows left in the folder is taken.

    Parameters
    ----------
    rows, prepared
        The rows with their split, as `with_split` made them, and prepared.
    trees
        Grown on all training rows; those of the folds use their motifs.
    folder
        Of the fit.
    threads
        Folds that are worked on at the same time.
    step
        Called with the number of each of the `FOLDS` folds when it is done.
    """
    identity = {
        "results": RESULTS,
        "table": fingerprint(rows),
        "construct": prepared.construct.to_dict(),
        "motifs": [motif.identifier for motif in trees.model.motifs],
    }
    path, record, estimate = folder / TABLE, folder / RECORD, cost(trees, threads)
    if (seconds := kept_number(record, identity)) is not None and path.exists():
        return Steadied(read_table(path), seconds, estimate)
    train = prepared.split.train
    said, seconds = out_of_fold(prepared, trees.model, threads, step)
    values = prepared.examples.expression.astype(np.float64)
    values[train] = SHARE * values[train] + (1 - SHARE) * said
    record.unlink(missing_ok=True)  # it is of the table that is about to go
    made = keep(replace(rows, frame=rows.frame.with_columns(pl.Series("expression", values))), path)
    keep_number(record, identity, seconds)
    return Steadied(made, seconds, estimate)


def out_of_fold(
    prepared: Prepared, trees: BoostedTrees, threads: int, step: Callable[[int], None]
) -> tuple[Float[np.ndarray, " train"], float]:
    """What trees say about each training row that were grown without its group of homologs; seconds of one core.

    Validation rows choose their number, as they do for all trees.
    """
    train, valid = (prepared.examples.take(part) for part in prepared.split[:2])
    fold, out = folds(prepared.groups[prepared.split.train]), np.empty(len(train))
    if np.bincount(fold).max() > len(train) / 2:  # most rows are variants of one sequence: too few others to learn from
        fold = folds(np.arange(len(train)))

    def one(i: int) -> float:
        began, seen = time.perf_counter(), train.take(np.flatnonzero(fold != i))
        grown = BoostedTrees.fit(
            seen.codes, seen.expression, valid.codes, valid.expression, seen.weight, motifs=trees.motifs
        )
        out[fold == i] = grown.predict(train.codes[fold == i])
        step(i)
        return time.perf_counter() - began

    with ThreadPoolExecutor(threads) as pool:
        return out, sum(pool.map(one, range(FOLDS)))
