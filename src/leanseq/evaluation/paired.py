"""Compare two configurations that were trained with the same seeds and predict the same held-out rows.

A difference moves with the draw of the test rows and with the draw of the seeds, and the interval holds both. Rows are
resampled in whole groups, and every seed and both sides see the same resample (`bootstrap`). To the mean over seeds of
each row-resample is added a draw of Student's t with S - 1 degrees of freedom times the standard error over S seeds:
Student's interval joined to the rows' bootstrap, as Behrens and Fisher join two. Resampling the seeds themselves would
not do: the mean of three resampled seeds takes ten values, its variance is (S - 1)/S of what it should be, and the
scale is known from two degrees of freedom only.

Coverage of the nominal 95 % interval, in percent, was simulated for Pearson's r with 200 rows, 1,000 resamples and a
true difference of zero (2,000 simulations a number, standard error 0.5). "Equal": rows and seeds contribute the same
variance to the mean difference; "seeds only": rows contribute next to nothing. "Resampled" is the bootstrap over seeds
with its variance corrected by S/(S - 1), the method not taken.

=====  =====  ================  ==========  =====================
seeds  equal  equal, resampled  seeds only  seeds only, resampled
=====  =====  ================  ==========  =====================
3      96.8   91.6              95.3        82.8
5      96.2   93.6              95.9        87.8
10     95.8   94.6              95.6        91.8
=====  =====  ================  ==========  =====================

The seeds' differences were normal there; three seeds cannot show whether they are. Three are then covered, but at
a price: where seeds matter most the interval is wide, as the 97.5 % point of t is 4.3 for three seeds, 2.8 for five and
2.3 for ten, and at the level of twenty comparisons 20, 6.8 and 4.2. The comparisons of a study therefore steady the
spreads of one another (`moderate`), which gives each more degrees of freedom. With three seeds and nothing but seeds,
95 % intervals of 6 and of 13 comparisons then cover 96.0 and 96.2 % where all spreads are alike and 93.9 and 95.1 %
where they differ up to fourfold. Where one configuration is ten times as unsteady as the others, these have 97 %, but
its own interval only 88 and 84 %: such a one wants more seeds (600 simulated families each).

What is particular to a row and a seed at once is counted in both parts, so that the interval is rather too wide than
too narrow: with half of the rows' variance of that kind, about 98 % were covered (500 simulations).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from . import metrics
from .bootstrap import Interval, limits, resampled, two_sided_p

Correlation = Literal["pearson", "spearman"]

_TAIL = 25  # resamples beyond each limit, below which the limit is mostly chance


class SeedDifference(NamedTuple):
    """Score of `a` minus score of `b`, each the mean over the same seeds.

    All but `seeds` is nan where the score of one seed is undefined, as for constant predictions.

    Attributes
    ----------
    value
        Mean over seeds of the difference.
    low, high
        Interval over rows and seeds, at the level corrected for the number of comparisons.
    p
        Two-sided bootstrap p, not corrected (see `holm`).
    seeds
        Number of seeds.
    seed_sd
        Standard deviation over seeds of the difference; nan for one seed.
    """

    value: float
    low: float
    high: float
    p: float
    seeds: int
    seed_sd: float


class Spread(NamedTuple):
    """Standard deviation of a score over seeds, and the degrees of freedom it was estimated with (0: unknown)."""

    sd: float
    freedom: float


def moderate(deviations: Float[np.ndarray, " comparisons"], seeds: int) -> list[Spread]:
    """Steady the spreads of a family of comparisons by one another (Smyth 2004, the moderated t of limma).

    Three seeds tell a spread poorly. The family shows what spreads are usual and how much they differ; each is drawn
    towards the usual one, the more the less they differ, and gains the degrees of freedom of what it leans on. Unlike
    there, a spread is only ever widened: an unsteady configuration keeps its own, and hardly touches the others'.

    Parameters
    ----------
    deviations
        Standard deviation over seeds of each difference.
    seeds
        Seeds of each.

    Examples
    --------
    >>> alike, odd = moderate(np.array([0.004, 0.005, 0.003, 0.004]), 3), moderate(np.array([0.004, 0.005, 0.1]), 3)
    >>> [round(each.sd, 4) for each in alike], alike[0].freedom
    ([0.0053, 0.0053, 0.0053, 0.0053], 8.0)
    >>> odd[2].sd > 0.05 > odd[0].sd
    True
    """
    own = [Spread(float(each), seeds - 1) for each in deviations]
    known = np.isfinite(deviations) & (deviations > 0)
    if seeds < 2 or known.sum() < 2:
        return own
    freedom = float(seeds - 1)
    logs = np.log(deviations[known] ** 2) - digamma(freedom / 2) + np.log(freedom / 2)
    more = float(logs.var(ddof=1) - polygamma(1, freedom / 2))  # variance of the log spreads beyond that of chance
    prior = 2 * _inverse_trigamma(more) if more > 0 else np.inf
    usual = np.exp(logs.mean() + (0.0 if np.isinf(prior) else digamma(prior / 2) - np.log(prior / 2)))
    most = freedom * float(known.sum())  # no more than all seeds together hold
    share = 1.0 if np.isinf(prior) else prior / (prior + freedom)
    return [
        Spread(max(each.sd, float(np.sqrt(share * usual + (1 - share) * each.sd**2))), min(prior + freedom, most))
        if fits
        else each
        for each, fits in zip(own, known, strict=True)
    ]


def _inverse_trigamma(value: float) -> float:
    """The x whose trigamma is `value`."""
    root: float = brentq(lambda log: polygamma(1, np.exp(log)) - value, -20.0, 20.0)  # pyright: ignore[reportAssignmentType]
    return float(np.exp(root))


def compare_seeds(
    expression: Float[np.ndarray, " n"],
    a: Float[np.ndarray, "seeds n"],
    b: Float[np.ndarray, "seeds n"],
    by: Int64[np.ndarray, " n"] | None = None,
    *,
    comparisons: int = 1,
    spread: Spread | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    metric: Correlation = "pearson",
) -> SeedDifference:
    """Return the difference (a - b) of a correlation between two configurations, with its interval and p.

    With one seed there is no spread over seeds: the interval then speaks of rows only, that is of these two trained
    networks and not of the two configurations.

    Parameters
    ----------
    expression
        Measured values of n rows.
    a, b
        Predicted values; row s of both comes from the same training seed.
    by
        Groups drawn as a whole; by default each row is its own group.
    comparisons
        How many differences are looked at together. The interval is at the level 1 - (1 - level)/comparisons
        (Bonferroni).
    spread
        How far this difference varies from seed to seed, steadied by a family of comparisons (`moderate`); by
        default from these two alone, which few seeds tell poorly.
    level
        Chance that all intervals looked at together hold their true difference.
    resamples, seed
        The same seed gives the same interval. More resamples are drawn where the level asks for it, so that at least
        25 lie beyond each limit.
    metric
        "pearson" or "spearman".

    Examples
    --------
    >>> x = np.arange(50.0)
    >>> a = np.stack([x, x, x])
    >>> b = a + np.random.default_rng(0).normal(0, 5, a.shape)
    >>> found = compare_seeds(x, a, b)
    >>> found.low > 0, found.seeds
    (True, 3)
    """
    level, resamples = _corrected(level, comparisons, resamples)
    differences = _scores(metric, expression, a) - _scores(metric, expression, b)
    drawn = resampled(metric, expression, np.concatenate([a, b]), by, resamples, seed)
    means = _means(differences, drawn[: len(a)] - drawn[len(a) :], seed, spread or _own_spread(differences))
    return SeedDifference(
        _mean(differences), *limits(means, level), two_sided_p(means), len(differences), _deviation(differences)
    )


def score_seeds(
    expression: Float[np.ndarray, " n"],
    predicted: Float[np.ndarray, "seeds n"],
    by: Int64[np.ndarray, " n"] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    metric: Correlation = "pearson",
) -> Interval:
    """Return the mean correlation over seeds with its interval over rows and seeds; parameters as `compare_seeds`.

    Examples
    --------
    >>> x = np.arange(50.0)
    >>> [round(number, 3) for number in score_seeds(x, np.stack([x, x]))]
    [1.0, 1.0, 1.0]
    """
    level, resamples = _corrected(level, 1, resamples)
    scores = _scores(metric, expression, predicted)
    means = _means(scores, resampled(metric, expression, predicted, by, resamples, seed), seed, _own_spread(scores))
    return Interval(_mean(scores), *limits(np.clip(means, -1, 1), level))  # t knows no bounds, a correlation does


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979), in the given order.

    A nan stays nan and does not count: nothing was tested there.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, float("nan")])
    [0.03, 0.06, 0.06, nan]
    """
    adjusted, largest = [float("nan")] * len(p), 0.0
    known = sorted((index for index, value in enumerate(p) if not math.isnan(value)), key=lambda index: p[index])
    for rank, index in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def verdict(name: str, difference: SeedDifference, measure: str = "r") -> str:
    """Say in words what the interval of a difference allows.

    Examples
    --------
    >>> verdict("dilated 0.4", SeedDifference(0.004, -0.003, 0.011, 0.3, 5, 0.005))
    'dilated 0.4: +0.004 r, interval −0.003 to +0.011: no evidence of a gain'
    >>> verdict("lstm", SeedDifference(0.02, 0.01, 0.03, 0.001, 1, float("nan")))
    'lstm: +0.020 r, interval +0.010 to +0.030: a gain (one seed: the spread over seeds is unknown)'
    """
    if any(map(math.isnan, difference[:3])):
        return f"{name}: undefined"
    value, low, high = (f"{each:+z.3f}".replace("-", "−") for each in difference[:3])
    judged = "a gain" if difference.low > 0 else "a loss" if difference.high < 0 else "no evidence of a gain"
    rider = " (one seed: the spread over seeds is unknown)" if difference.seeds == 1 else ""
    return f"{name}: {value} {measure}, interval {low} to {high}: {judged}{rider}"


def _corrected(level: float, comparisons: int, resamples: int) -> tuple[float, int]:
    """Level of one of several intervals, and enough resamples for its tails."""
    outside = (1 - level) / comparisons
    return 1 - outside, max(resamples, math.ceil(2 * _TAIL / outside))


def _scores(metric: Correlation, expression: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    score = getattr(metrics, metric)
    return np.array([score(expression, each) for each in predicted], dtype=np.float64)


def _means(scores: np.ndarray, drawn: np.ndarray, seed: int, spread: Spread) -> np.ndarray:
    """Mean over seeds, had rows and seeds been others, [resamples]; from `drawn`, the scores [seeds, resamples]."""
    if np.isnan(scores).any():
        return np.full(drawn.shape[1], np.nan)
    means = drawn.mean(axis=0)
    if not spread.freedom:
        return means
    other_seeds = np.random.default_rng([seed, 1]).standard_t(spread.freedom, len(means))  # not the stream of the rows
    return means + other_seeds * spread.sd / np.sqrt(len(scores))


def _own_spread(scores: np.ndarray) -> Spread:
    return Spread(_deviation(scores), len(scores) - 1)


def _mean(scores: np.ndarray) -> float:
    return float(scores.mean())


def _deviation(scores: np.ndarray) -> float:
    return float(scores.std(ddof=1)) if len(scores) > 1 else float("nan")
