"""Is the data enough: what a network and the k-mer ridge reach by number of sequences, and what more would buy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ..baselines import RIDGE
from ..data.table import Table
from ..evaluation.bootstrap import bootstrap
from ..evaluation.ceiling import Ceiling, noise_ceiling
from ..evaluation.learning_curve import Curve, fit_curve, words
from ..report.words import duration
from ..study.plan import Plan
from ..study.results import Configuration, read_results
from .subsets import GROUP

FACTORS = (2.0, 4.0)
"""How many times the data, for which the gain is said."""


@dataclass(frozen=True)
class Side:
    """One kind of model along the curve.

    Attributes
    ----------
    r
        Validation r of every draw at every size.
    curve
        Fitted to them.
    """

    r: Float[np.ndarray, "sizes draws"]
    curve: Curve


@dataclass(frozen=True)
class Enough:
    """The answer.

    Attributes
    ----------
    rows
        Training rows of every size, rising; the last is all there are.
    valid
        Number of validation rows that judged.
    network, ridge
        The small network and the k-mer ridge.
    ceiling
        The most that the noise of the labels allows.
    seconds
        Mean seconds of training at every size, on one worker.
    words
        The answer in sentences.
    """

    rows: tuple[int, ...]
    valid: int
    network: Side
    ridge: Side
    ceiling: Ceiling
    seconds: tuple[float, ...]
    words: tuple[str, ...]


def judge(plan: Plan, store: Path, share: float = 1.0) -> Enough:
    """Read the finished runs of a curve and answer.

    Parameters
    ----------
    plan, store
        The runs, and their folder.
    share
        Share of the recipe's epochs that was spent, to say so.

    Raises
    ------
    InputError
        If a run is not finished or damaged.
    """
    table, found = plan.table, read_results(plan, store).configurations
    rows = tuple(int(each.factors["train"]) for each in found)
    ceiling = noise_ceiling(table.frame)
    own = np.array([each.r("valid") for each in found])
    ridge = np.array([_ridge(each) for each in found])
    errors = np.array([_error(each, table) for each in found])
    sides = [Side(r, _fit(rows, r, errors, ceiling.r)) for r in (own, ridge)]
    seconds = tuple(float(np.mean(each.seconds)) for each in found)
    return Enough(
        rows=rows,
        valid=len(found[-1].rows),
        network=sides[0],
        ridge=sides[1],
        ceiling=ceiling,
        seconds=seconds,
        words=(
            words(sides[0].curve, rows[-1], ceiling.r, sides[1].curve),
            ceiling.words,
            f"The network took {duration(seconds[-1])} to train on {rows[-1]:,} sequences with one worker.",
            *_shortened(share),
        ),
    )


def _shortened(share: float) -> list[str]:
    if share >= 1:
        return []
    return [
        f"To keep to the budget, every network saw its sequences {share:.0%} as often as the recipe asks: with more "
        f"time it would do better, the {RIDGE} would not."
    ]


def _ridge(found: Configuration) -> list[float]:
    """Validation r of the k-mer ridge of every draw."""
    scores = ({(each["model"], each["split"]): each["r"] for each in m["results"]} for m in found.metrics)
    return [each[RIDGE, "valid"]["value"] if each[RIDGE, "valid"] else float("nan") for each in scores]


def _error(found: Configuration, table: Table) -> float:
    """Standard error of r that comes from the validation rows, groups of homologs drawn whole."""
    groups = table.frame[GROUP].to_numpy()[found.rows - 1]
    spread = bootstrap("pearson", found.expression, found.predictions[0], by=groups)
    return (spread.high - spread.low) / (2 * 1.96)


def _fit(rows: tuple[int, ...], r: np.ndarray, errors: np.ndarray, ceiling: float | None) -> Curve:
    draws = r.shape[1]
    return fit_curve(np.repeat(rows, draws), r.ravel(), se=np.repeat(errors, draws), ceiling=ceiling)


def to_dict(found: Enough) -> dict[str, Any]:
    """Plain values for `plan.json`."""
    last = found.rows[-1]
    return {
        "rows": list(found.rows),
        "validation_rows": found.valid,
        "ceiling": {"r": found.ceiling.r, "words": found.ceiling.words},
        "words": list(found.words),
        "seconds": list(found.seconds),
        **{
            name: {
                "r": side.r.tolist(),
                "now": side.curve.at(last)._asdict(),
                "gain": {f"x{factor:g}": side.curve.gain(last, factor)._asdict() for factor in FACTORS},
            }
            for name, side in (("network", found.network), ("kmer_ridge", found.ridge))
        },
    }
