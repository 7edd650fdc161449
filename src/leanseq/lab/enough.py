"""Is the data enough: what a fit and its parts reach by number of sequences, and what more would buy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int64

from ..baselines import RIDGE, TREES, column
from ..evaluation.bootstrap import bootstrap, resampled
from ..evaluation.ceiling import Ceiling, noise_ceiling
from ..evaluation.learning_curve import REACH, Curve, fit_curve
from ..evaluation.metrics import pearson
from ..report.words import duration
from ..runs.folder import PREDICTIONS
from ..study.plan import Plan
from ..study.results import read_results
from .fitting import ENSEMBLE, NETWORK
from .stack import held_out
from .subsets import GROUP

FACTORS = (2.0, 4.0)
"""How many times the data, for which the gain is said."""
WHOLE = 0.9
"""From this share of the epochs on, the answer does not call networks cut short: a missing epoch of 29 is no advice."""
PARTS = {NETWORK: "prediction", TREES: column(TREES), RIDGE: column(RIDGE)}
"""Parts of the ensemble -> their column in `predictions.parquet`."""


@dataclass(frozen=True)
class Side:
    """One kind of model along the curve.

    Attributes
    ----------
    r
        Validation r of every draw at every size; 0 where a model says the same of every row.
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
    sides
        The ensemble, and then its parts alone, by their names in a fit.
    ceiling
        The most that the noise of the labels allows.
    seconds
        Mean seconds of training the network at every size, on one worker.
    share
        Share of the recipe's epochs that was spent.
    words
        The answer in sentences.
    """

    rows: tuple[int, ...]
    valid: int
    sides: Mapping[str, Side]
    ceiling: Ceiling
    seconds: tuple[float, ...]
    share: float
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
    rows, last = tuple(int(each.factors["train"]) for each in found), found[-1]
    groups = table.frame[GROUP].to_numpy()[last.rows - 1]
    runs = [[store / unit.key for unit in plan.of(i)] for i in range(len(found))]
    said = np.array([[_said(run, draws[0], groups) for run in draws] for draws in runs])
    ceiling = noise_ceiling(table.frame)
    names = (ENSEMBLE, *PARTS)
    sides = {name: _side(rows, said[:, :, i], last.expression, groups, ceiling.r) for i, name in enumerate(names)}
    pair = [names.index(ENSEMBLE), names.index(RIDGE)]
    apart = np.array([_apart(last.expression, each[0, pair], groups) for each in said])
    seconds = tuple(float(np.mean(each.seconds)) for each in found)
    return Enough(
        rows=rows,
        valid=len(last.rows),
        sides=sides,
        ceiling=ceiling,
        seconds=seconds,
        share=share,
        words=(
            answer(sides[ENSEMBLE].curve, rows[-1], ceiling.r, sides[RIDGE].curve, apart),
            _alone(sides, rows[-1]),
            ceiling.words,
            f"The network took {duration(seconds[-1])} to train on {rows[-1]:,} sequences with one worker.",
            *_shortened(share),
        ),
    )


def answer(
    curve: Curve, n: int, ceiling: float | None, ridge: Curve, apart: Float[np.ndarray, " sizes"] | None = None
) -> str:
    """Say what more sequences would buy.

    Parameters
    ----------
    curve, n
        The learning curve and the number of training rows it is read at.
    ceiling
        The highest r possible, None where unknown.
    ridge, apart
        The curve of the k-mer ridge from the same rows, and the standard error of the difference (`Curve.crossing`).

    Examples
    --------
    >>> rows = np.repeat([640, 1280, 2560, 5120], 3)
    >>> network, ridge = fit_curve(rows, 0.9 - 4 * rows**-0.5), fit_curve(rows, 0.7 - 4 * rows**-0.5)
    >>> answer(network, 5120, 0.97, ridge)  # doctest: +NORMALIZE_WHITESPACE
    'At 5,120 sequences r is 0.84 of at most 0.97; doubling them buys +0.02 (0.00 to 0.03); the k-mer ridge is worse
    from 640 on.'
    """
    gain = curve.gain(n)
    most = f"of at most {ceiling:.2f}" if ceiling is not None else "(the most possible is unknown)"
    said = [
        f"At {n:,} sequences r is {curve.at(n).value:z.2f} {most}",
        f"doubling them buys {gain.value:+z.2f} ({gain.low:z.2f} to {gain.high:z.2f})".replace("-", "−"),
    ]
    below = curve.crossing(ridge, apart)
    if below is None:
        said.append(f"the {RIDGE} is worse from {max(curve.rows[0], ridge.rows[0]):,} on")
    elif np.isinf(below):
        said.append(f"the {RIDGE} may be as good at every size looked at")
    else:
        said.append(f"under {float(f'{below:.2g}'):,.0f} the {RIDGE} may be as good")
    if 2 * n > REACH * curve.rows[-1]:
        said.append(f"this reaches beyond {REACH} times the {curve.rows[-1]:,} measured and is a guess")
    return "; ".join(said) + "."


def _alone(sides: Mapping[str, Side], rows: int) -> str:
    network, trees = (f"{sides[name].curve.at(rows).value:z.2f}".replace("-", "−") for name in (NETWORK, TREES))
    return (
        f"This is the r of one network, {TREES} and {RIDGE} together, as leanseq fit weighs them; the network alone "
        f"reaches {network}, the trees alone {trees}."
    )


def _shortened(share: float) -> list[str]:
    if share >= WHOLE:
        return []
    return [
        f"To keep to the budget, every network saw its sequences {share:.0%} as often as the recipe asks: with more "
        f"time it would do better, and may gain more from more sequences; the {RIDGE} would not."
    ]


def _said(run: Path, first: Path, groups: Int64[np.ndarray, " n"]) -> Float[np.ndarray, "kinds n"]:
    """What the ensemble, and then each part of it, says about the validation rows.

    Each row of the ensemble has weights that were fitted without its group of homologs. The trees are those of the
    first draw of the same size where a run has none.
    """
    frame = pl.read_parquet(run / PREDICTIONS).filter(pl.col("split") == "valid")
    if (trees := column(TREES)) not in frame.columns:
        others = pl.read_parquet(first / PREDICTIONS, columns=["row", trees])
        frame = frame.join(others, on="row", how="left", maintain_order="left")
    parts = np.stack([frame[name].to_numpy() for name in PARTS.values()])
    return np.stack([held_out(parts, frame["expression"].to_numpy(), groups), *parts])


def _side(
    rows: tuple[int, ...],
    said: Float[np.ndarray, "sizes draws n"],
    measured: Float[np.ndarray, " n"],
    groups: Int64[np.ndarray, " n"],
    ceiling: float | None,
) -> Side:
    r = np.nan_to_num([[pearson(measured, draw) for draw in draws] for draws in said])
    errors = np.array([_error(measured, draws[0], groups) for draws in said])
    count = r.shape[1]
    curve = fit_curve(np.repeat(rows, count), r.ravel(), se=np.repeat(errors, count), ceiling=ceiling)
    return Side(r, curve)


def _error(measured: np.ndarray, predicted: np.ndarray, groups: np.ndarray) -> float:
    """Standard error of r that comes from the validation rows, groups of homologs drawn whole; 0 where r has none."""
    spread = bootstrap("pearson", measured, predicted, by=groups)
    return float(np.nan_to_num(spread.high - spread.low)) / (2 * 1.96)


def _apart(measured: np.ndarray, pair: Float[np.ndarray, "2 n"], groups: np.ndarray) -> float:
    """Standard error of the difference in r of two predictions that comes from the validation rows."""
    one, other = np.nan_to_num(resampled("pearson", measured, pair, by=groups))
    return float((one - other).std())


def to_dict(found: Enough) -> dict[str, Any]:
    """Plain values for `plan.json`."""
    last = found.rows[-1]
    return {
        "rows": list(found.rows),
        "validation_rows": found.valid,
        "ceiling": {"r": found.ceiling.r, "words": found.ceiling.words},
        "words": list(found.words),
        "seconds": list(found.seconds),
        "share_of_epochs": found.share,
        **{
            column(name): {
                "r": side.r.tolist(),
                "now": side.curve.at(last)._asdict(),
                "gain": {f"x{factor:g}": side.curve.gain(last, factor)._asdict() for factor in FACTORS},
            }
            for name, side in found.sides.items()
        },
    }
