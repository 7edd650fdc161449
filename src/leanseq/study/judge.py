"""Judge a study: what each configuration reaches, and which differences its seeds and rows allow to be called real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Int64

from ..baselines import RIDGE
from ..evaluation.bootstrap import Interval
from ..evaluation.metrics import pearson
from ..evaluation.observations import Fit, loss_gap, observe_all, r_gap
from ..evaluation.paired import (
    SeedDifference,
    Spread,
    compare_seeds,
    holm,
    moderate,
    score_seeds,
    verdict,
)
from .results import Configuration, Results


@dataclass(frozen=True)
class Row:
    """What one configuration reaches; a mean is over its seeds, nan is undefined.

    Attributes
    ----------
    label, factors
        Its name and its factor values.
    seeds, epochs, seconds
        Seeds of its runs, with the epochs and the training time of each.
    parameters
        Weights of the network.
    n
        Number of compared rows.
    r
        Mean Pearson r on the compared rows, with its interval over rows and seeds.
    seed_r
        r of each seed on the compared rows.
    valid_r, test_r
        Mean r on all validation and all test rows.
    ridge_r
        r of the k-mer ridge on the compared rows, trained on the same rows as this configuration.
    fit
        Mean loss and r on training and validation rows after the last epoch.
    observation
        `fit` in the words of the report's Table 2.
    loss
        `KL` or `MSE`.
    """

    label: str
    factors: Mapping[str, Any]
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    seconds: tuple[float, ...]
    parameters: int
    n: int
    r: Interval
    seed_r: tuple[float, ...]
    valid_r: float
    test_r: float
    ridge_r: float
    fit: Fit
    observation: str
    loss: str

    @property
    def loss_gap(self) -> float:
        """Validation loss - training loss."""
        return loss_gap(self.fit)

    @property
    def r_gap(self) -> float:
        """Training r - validation r."""
        return r_gap(self.fit)


@dataclass(frozen=True)
class Comparison:
    """A configuration minus what it is compared with, on rows and seeds that both have.

    Attributes
    ----------
    label, reference
        The two sides.
    n
        Number of rows.
    difference
        In mean Pearson r; the interval is corrected for the number of comparisons of its family (Bonferroni), with
        the spread over seeds steadied by the whole family.
    p
        Of the difference, adjusted by the method of Holm.
    words
        The verdict.
    """

    label: str
    reference: str
    n: int
    difference: SeedDifference
    p: float
    words: str

    @property
    def sign(self) -> int:
        """1 for a gain, -1 for a loss, 0 where there is no evidence of either."""
        return int(self.difference.low > 0) - int(self.difference.high < 0)


@dataclass(frozen=True)
class Judged:
    """A study in plain numbers.

    Attributes
    ----------
    rows
        One of each configuration.
    references
        Labels of the configurations that others are compared with.
    comparisons
        Every configuration with its reference.
    ridge
        Every configuration with the k-mer ridge that was trained on the same rows: a family of its own.
    skipped
        Comparisons that cannot be made, and why.
    compared
        Which rows are compared: `test`, `valid` or `held-out`.
    x
        Factor on the axis of a learning curve; empty for none.
    along
        This factor and those that change together with it.
    ceiling
        Largest r that the noise of the labels allows; None where unknown.
    no_skill
        Loss -> validation losses that need no sequence, of the first configuration with this loss.
    """

    rows: tuple[Row, ...]
    references: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    ridge: tuple[Comparison, ...]
    skipped: tuple[str, ...]
    compared: str
    x: str
    along: tuple[str, ...]
    ceiling: float | None
    no_skill: Mapping[str, Mapping[str, float]]


def judge(results: Results) -> Judged:
    """Score every configuration and compare it with its reference and with the k-mer ridge."""
    configurations = results.configurations
    references = sorted(set(results.references.values()))
    fits = [_fit(each) for each in configurations]
    observations = observe_all(fits, references[0] if len(references) == 1 else None)
    pairs, skipped = [], _without_reference(results)
    for at, other in results.references.items():
        a, b = configurations[at], configurations[other]
        pair = _pair(a, b)
        if isinstance(pair, str):
            skipped.append(f"{a.label} and {b.label}: {pair}")
        else:
            pairs.append(pair)
    spec, first = results.plan.spec, {}
    for each in configurations:
        first.setdefault(each.loss, each.no_skill)
    return Judged(
        rows=tuple(_row(*each) for each in zip(configurations, fits, observations, strict=True)),
        references=tuple(configurations[at].label for at in references),
        comparisons=_family(pairs, naming=len(references) > 1),
        ridge=_family([_ridge_pair(each) for each in configurations]),
        skipped=tuple(skipped),
        compared=spec.rows,
        x=spec.x,
        along=(spec.x, *(spec.paired if spec.x in spec.paired else ())),
        ceiling=configurations[0].ceiling,
        no_skill=first,
    )


def answer(judged: Judged) -> list[str]:
    """Sum up in sentences what the study found; the verdicts on single configurations are in its comparisons.

    Returns
    -------
    list of str
        How many configurations are better than their reference, and how many than the k-mer ridge.
    """
    said = []
    if judged.comparisons:
        what = judged.references[0] if len(judged.references) == 1 else "its reference"
        said += _counted(judged.comparisons, f"than {what}")
    said += _counted(judged.ridge, f"than the {RIDGE}")
    if any(len(row.seeds) == 1 for row in judged.rows):
        said.append("Where there is one seed, another one could turn the answer.")
    return said


def _counted(comparisons: Sequence[Comparison], than: str) -> list[str]:
    """How many are better, naming those or, where they are most, the others; and which are worse."""
    better, others = ([each.label for each in comparisons if (each.sign > 0) is side] for side in (True, False))
    verb = "is" if len(better) == 1 else "are"
    counted = f"{len(better)} of {len(comparisons)} configurations {verb} better {than}"
    if not better:
        first = f"There is no evidence that any configuration is better {than}."
    elif not others:
        first = f"{better[0] if len(better) == 1 else f'All {len(better)} configurations'} {verb} better {than}."
    elif len(better) > len(others):
        first = f"{counted}, all but {'; '.join(others)}."
    else:
        first = f"{counted}: {'; '.join(better)}."
    worse = [each.label for each in comparisons if each.sign < 0]
    return [first, *([f"Worse {than}: {'; '.join(worse)}."] if worse else [])]


def _without_reference(results: Results) -> list[str]:
    """Configurations of an unfinished study that have runs while their reference has none."""
    labels = {each.label for each in results.configurations}
    pairs = [(results.plan.cases[a].label, results.plan.cases[b].label) for a, b in results.plan.references().items()]
    return [f"{a} and {b}: no run of {b} is finished" for a, b in pairs if a in labels and b not in labels]


class _Pair(NamedTuple):
    """Two predictions of the same rows by the same seeds."""

    label: str
    reference: str
    expression: np.ndarray
    a: np.ndarray
    b: np.ndarray
    groups: np.ndarray


def _pair(a: Configuration, b: Configuration) -> _Pair | str:
    """What both have, or why there is nothing."""
    seeds = [seed for seed in a.seeds if seed in b.seeds]
    if not seeds:
        return "no seed in common"
    in_a, in_b = _shared(a.rows, b.rows)
    if not len(in_a):
        return "no compared row in common"
    of_a, of_b = ([each.seeds.index(seed) for seed in seeds] for each in (a, b))
    predicted = a.predictions[of_a][:, in_a], b.predictions[of_b][:, in_b]
    return _Pair(a.label, b.label, a.expression[in_a], *predicted, a.groups[in_a])


def _shared(a: Int64[np.ndarray, " n"], b: Int64[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
    """Places in `a` and in `b` of the rows that both hold, in the order of `a`.

    Examples
    --------
    >>> _shared(np.array([7, 3, 5]), np.array([5, 9, 7]))
    (array([0, 2]), array([2, 0]))
    """
    in_a, in_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)[1:]
    order = np.argsort(in_a)
    return in_a[order], in_b[order]


def _ridge_pair(each: Configuration) -> _Pair:
    ridge = np.broadcast_to(each.kmer_ridge, each.predictions.shape)
    return _Pair(each.label, RIDGE, each.expression, each.predictions, ridge, each.groups)


def _family(pairs: Sequence[_Pair], *, naming: bool = False) -> tuple[Comparison, ...]:
    """Compare pairs that are looked at together; `naming` puts the reference into the verdict."""
    found = [
        compare_seeds(each.expression, each.a, each.b, each.groups, comparisons=len(pairs), spread=spread)
        for each, spread in zip(pairs, _spreads(pairs), strict=True)
    ]
    adjusted = holm([each.p for each in found])
    return tuple(
        Comparison(
            label=pair.label,
            reference=pair.reference,
            n=len(pair.expression),
            difference=difference,
            p=p,
            words=verdict(f"{pair.label} against {pair.reference}" if naming else pair.label, difference),
        )
        for pair, difference, p in zip(pairs, found, adjusted, strict=True)
    )


def _spreads(pairs: Sequence[_Pair]) -> Sequence[Spread | None]:
    """Spread over seeds of every difference, steadied by the others; None for its own, where seeds differ in number."""
    if len({len(each.a) for each in pairs}) != 1 or len(pairs[0].a) < 2:
        return [None] * len(pairs)
    differences = [
        [pearson(each.expression, a) - pearson(each.expression, b) for a, b in zip(each.a, each.b, strict=True)]
        for each in pairs
    ]
    return moderate(np.std(differences, axis=1, ddof=1), len(pairs[0].a))


def _row(each: Configuration, fit: Fit, observation: str) -> Row:
    last = each.history.group_by("seed").agg(pl.col("epoch").max())
    epochs = dict(zip(last["seed"], last["epoch"], strict=True))
    return Row(
        label=each.label,
        factors=each.factors,
        seeds=each.seeds,
        epochs=tuple(int(epochs[seed]) for seed in each.seeds),
        seconds=each.seconds,
        parameters=each.parameters,
        n=len(each.rows),
        r=score_seeds(each.expression, each.predictions, each.groups),
        seed_r=tuple(float(pearson(each.expression, predicted)) for predicted in each.predictions),
        valid_r=float(np.mean(each.r("valid"))),
        test_r=float(np.mean(each.r("test"))),
        ridge_r=float(pearson(each.expression, each.kmer_ridge)),
        fit=fit,
        observation=observation,
        loss=each.loss,
    )


def _fit(each: Configuration) -> Fit:
    """Means over seeds after the last epoch of each."""
    last = each.history.filter(pl.col("epoch") == pl.col("epoch").max().over("seed"))
    return Fit(*(float(np.mean(last[name].cast(pl.Float64).to_numpy())) for name in Fit._fields))
