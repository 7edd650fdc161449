"""Learning curves: r by number of training rows, carried beyond the sizes that were trained on.

A learning curve rises towards an asymptote, and how it gets there is not known. Five forms are therefore averaged, each
weighted by how well it explains the measured r: a power law in r (Mukherjee 2003, Figueroa 2012) and one in r², that is
in the squared error, which large experiments favour (Hestness 2017), both with an offset for a slow start; a stretched
exponential and a Hill curve, which end sooner and start later (Viering and Loog 2023 review them); and a straight line
in log rows that bends into a plateau. The shape of each form is a grid of values; given the shape, asymptote and rise
are exact. The spread over seeds is a grid too, because three seeds tell it poorly. The answer is the posterior of all
of it. The asymptote lies below the noise ceiling where that is known, and no form falls with more rows.

One power law fitted by least squares, with a bootstrap over seeds, would be simpler, but takes its own form for granted
and has but a few seeds to draw from. Simulated: trained on 640 to 5,120 rows with three seeds, how often (in percent)
the nominal 90 % interval holds r of a training on 20,480 rows, with its mean width, where the ceiling is known, where
it is not, and by one power law where it is not (200 simulations, standard error 2.5 or less; 40 for the single power
law, standard error up to 8).

==========================  =====  =====  =======  =====  =======  =====
true curve                  known  width  unknown  width  one law  width
==========================  =====  =====  =======  =====  =======  =====
power law in r              97     .063   98       .069   60       .028
power law in r²             96     .058   97       .064   62       .026
power law in Fisher's z     95     .061   99       .068   57       .027
offset power law            98     .090   98       .101   15       .015
Hill curve                  96     .138   96       .159   5        .012
nearly flat                 98     .048   98       .053   50       .015
log-linear, bends to flat   91     .082   88       .091   22       .014
log-linear, suddenly flat   85     .078   84       .092   18       .013
==========================  =====  =====  =======  =====  =======  =====

A curve that is straight and then stops within a doubling, just beyond the data, cannot be foreseen; the others are
covered, most of them with room to spare. The gain by four times the rows is covered alike. With one seed, 320 to 5,120
rows and a known ceiling the mean over all lines is 92; with three seeds it is 95. On real tables, the k-mer ridge with
three seeds: native80, 640 to 5,120 rows, r at 20,480 foreseen as .816 (.789 to .842), measured .814; Abf1TATA, 320 to
2,560 rows, r at 10,240 foreseen as .660 (.630 to .691), measured .654.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri_exp

from ..errors import InputError
from .bootstrap import Interval, limits

FEWEST_SIZES = 3
"""Sizes without which a bend cannot be told from a straight line."""
REACH = 4
"""How many times the largest measured size the intervals were tested to."""
FAR = 1000
"""How many times the largest measured size is looked at for a wanted r; what lies beyond counts as never."""
MISFIT = 0.003
"""How far (SD, in r) the true curve may lie from the best form at a measured size, as no form is exact."""
DRIFT = 0.005
"""How much further it may drift with each doubling beyond the largest size."""
SCATTERS = tuple(np.geomspace(0.001, 0.03, 8))
"""SDs over seeds, in r at the largest size, that are thought possible."""
USUAL_SCATTER, SCATTER_WIDTH = 0.006, 0.8
"""SD over seeds expected before any is seen, and the SD of its logarithm: trained networks show .001 to .02."""
FALLS = (0.0, 0.25, 0.5)
"""Powers of rows by which the SD over seeds may fall: small training sets scatter more."""
DRAWS = 2000


class _Form(NamedTuple):
    """Log of the distance to the asymptote by rows, location and power; the grid of both; power of r it speaks of."""

    distance: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    locations: Callable[[float, float], np.ndarray]
    powers: np.ndarray
    squared: bool = False


def _offsets(low: float, high: float) -> np.ndarray:
    return np.sqrt(low * high) * np.array([0, 0.1, 0.3, 1, 3])


def _middles(low: float, high: float) -> np.ndarray:
    return np.geomspace(low / 10, high * 30, 28)


def _power_law(n: np.ndarray, m: np.ndarray, c: np.ndarray) -> np.ndarray:
    return -c * np.log(n + m)


_FORMS = (
    _Form(_power_law, _offsets, np.geomspace(0.05, 2, 16)),
    _Form(_power_law, _offsets, np.geomspace(0.05, 2, 16), squared=True),
    _Form(lambda n, m, c: -((n / m) ** c), _middles, np.geomspace(0.2, 1.5, 8)),
    _Form(lambda n, m, c: -np.log1p((n / m) ** c), _middles, np.geomspace(0.3, 2, 8)),
    _Form(lambda n, m, c: np.log(np.log1p((n / m) ** -c)), _middles, np.geomspace(0.3, 10, 10)),
)


class _Shapes(NamedTuple):
    """Shapes of curves, one an entry: number of the form, its location (rows) and power."""

    form: np.ndarray
    location: np.ndarray
    power: np.ndarray

    def distance(self, rows: np.ndarray, start: float | int) -> np.ndarray:
        """Distance to the asymptote at rows [n], [shapes, n]; 1 at `start` rows."""
        out = np.empty((len(self.form), len(rows)))
        for number, form in enumerate(_FORMS):
            mine = self.form == number
            m, c = self.location[mine, None], self.power[mine, None]
            out[mine] = np.exp(form.distance(rows, m, c) - form.distance(np.array([float(start)]), m, c))
        return out

    @property
    def squared(self) -> np.ndarray:
        return np.array([form.squared for form in _FORMS])[self.form]

    def take(self, which: np.ndarray) -> _Shapes:
        return _Shapes(*(each[which] for each in self))


class _Draws(NamedTuple):
    """Curves drawn from the posterior, one an entry."""

    shapes: _Shapes
    asymptote: np.ndarray
    rise: np.ndarray
    scatter: np.ndarray
    """SD over seeds at the largest size."""
    fall: np.ndarray
    """Power of rows by which that SD falls."""
    drift: np.ndarray
    """What is added for each doubling beyond the largest size."""
    test_rows: np.ndarray
    """Shift by the draw of the test rows, in Fisher's z."""
    training: np.ndarray
    """Standard normal: where one more training lies within the SD over seeds."""


@dataclass(frozen=True)
class Curve:
    """A fitted learning curve.

    Attributes
    ----------
    rows, r
        The distinct numbers of training rows it was fitted on, and the mean r at each.
    bound
        The most that r can be: the noise ceiling, or the highest mean r where that lies above it; 1 where unknown.
    level
        Chance that an interval holds what it speaks of.
    """

    rows: tuple[int, ...]
    r: tuple[float, ...]
    bound: float
    level: float
    _draws: _Draws = field(repr=False, compare=False)

    def at(self, n: float | int) -> Interval:
        """Return r of one more training on n rows.

        Examples
        --------
        >>> rows = np.repeat([640, 1280, 2560, 5120], 3)
        >>> value, low, high = fit_curve(rows, 0.9 - 4 * rows**-0.5).at(20_480)
        >>> low < 0.9 - 4 * 20_480**-0.5 < high
        True
        """
        draws = self._draws
        scatter = draws.training * draws.scatter * (n / self.rows[-1]) ** -draws.fall
        return self._interval(np.clip(self._means(np.array([float(n)]))[:, 0] + scatter, -1, self.bound))

    def gain(self, n: float | int, factor: float | int = 2) -> Interval:
        """Return by how much the mean r rises when n rows become factor * n."""
        few, many = self._means(np.array([n, n * factor], dtype=np.float64)).T
        return self._interval(many - few)

    def rows_for(self, r: float) -> Interval | None:
        """Return how many rows bring the mean to r; None where it is more likely never reached.

        The upper limit is inf where r may never be reached, and the lower one the smallest measured size where r may
        be reached with fewer. To a step of about 4 %.
        """
        grid = np.geomspace(self.rows[0], FAR * self.rows[-1], 400)
        reached = self._means(grid) >= r
        needed = np.where(reached.any(axis=1), grid[reached.argmax(axis=1)], np.inf)
        tail = (1 - self.level) / 2
        low, value, high = (float(each) for each in np.quantile(needed, [tail, 0.5, 1 - tail], method="nearest"))
        return None if np.isinf(value) else Interval(value, low, high)

    def crossing(self, other: Curve, se: Float[np.ndarray, " sizes"] | None = None) -> float | None:
        """Return the number of rows from which `other` is shown to be worse; None where from the smallest size on.

        Shown is what the interval of the difference says: it lies above zero. Looked for from the smallest size that
        both were fitted on to 4 times the largest; inf where it is shown nowhere.

        Parameters
        ----------
        other
            Fitted to trainings that were judged by the same test rows.
        se
            Standard error of the difference in r by the draw of those rows, at each of `rows`. Without it, the
            answer speaks of these test rows only.

        Examples
        --------
        >>> rows = np.repeat([640, 1280, 2560, 5120], 3)
        >>> network, simple = (fit_curve(rows, top - 4 * rows**-0.5) for top in (0.92, 0.9))
        >>> network.crossing(simple, se=np.full(4, 0.02))
        inf
        """
        low = max(self.rows[0], other.rows[0])
        grid = np.geomspace(low, max(low, REACH * max(self.rows[-1], other.rows[-1])), 400)
        mine, theirs = (each._means(grid, shifted=False) for each in (self, other))
        theirs = np.roll(theirs, 1, axis=0)  # curves of one seed are drawn alike, and would rise and fall together
        error = 0.0 if se is None else np.interp(np.log(grid), np.log(self.rows), se)
        chance = ndtr((mine - theirs) / np.maximum(error, 1e-9)).mean(axis=0)
        shown = chance >= (1 + self.level) / 2
        if shown[0]:
            return None
        return float(grid[shown.argmax()]) if shown.any() else float("inf")

    def _means(self, rows: np.ndarray, shifted: bool = True) -> np.ndarray:
        """Mean r over seeds at rows [n] by each draw, [draws, n]."""
        draws = self._draws
        value = draws.asymptote[:, None] - draws.rise[:, None] * draws.shapes.distance(rows, self.rows[0])
        value = np.where(draws.shapes.squared[:, None], np.sign(value) * np.sqrt(np.abs(value)), value)
        beyond = np.log2(np.maximum(rows / self.rows[-1], 1))
        value = np.clip(value + draws.drift[:, None] * beyond, -1, self.bound)
        if not shifted or not draws.test_rows.any():
            return value
        return np.tanh(np.arctanh(value.clip(-1 + 1e-9, 1 - 1e-9)) + draws.test_rows[:, None])

    def _interval(self, values: np.ndarray) -> Interval:
        return Interval(float(np.median(values)), *limits(values, self.level))


def fit_curve(
    rows: Int64[np.ndarray, " k"],
    r: Float[np.ndarray, " k"],
    se: Float[np.ndarray, " k"] | None = None,
    ceiling: float | None = None,
    seed: int = 0,
    level: float = 0.9,
) -> Curve:
    """Fit a learning curve to the scores of k trainings.

    Parameters
    ----------
    rows, r
        Training rows of each training and the Pearson's r it reached; seeds are several trainings with as many rows.
        The rows should be nested, and the test rows the same.
    se
        Standard error of each r by the draw of the test rows. The intervals then speak of other test rows too; without
        it, of these. It is taken as a shift of the whole curve, since all sizes are judged by the same test rows.
    ceiling
        The r that no model can pass (`ceiling.noise_ceiling`), where known.
    seed
        The same seed gives the same curve.
    level
        Chance that an interval holds what it speaks of.

    Raises
    ------
    InputError
        If there are fewer than 3 distinct sizes, or a number is not possible.
    """
    _check(rows, r, se, ceiling, level)
    sizes, place = np.unique(rows, return_inverse=True)
    count = np.bincount(place)
    mean = np.bincount(place, r) / count
    bound = 1.0 if ceiling is None else max(ceiling, float(mean.max()))
    shift = 0.0 if se is None else float(np.mean(se / np.maximum(1 - r**2, 1e-6)))
    within = np.bincount(place, (r - mean[place]) ** 2)
    draws = _posterior(sizes.astype(np.float64), mean, count, within, bound, shift, np.random.default_rng(seed))
    return Curve(tuple(sizes.tolist()), tuple(mean.tolist()), bound, level, draws)


def _check(rows: np.ndarray, r: np.ndarray, se: np.ndarray | None, ceiling: float | None, level: float) -> None:
    sizes = np.unique(rows)
    if len(sizes) < FEWEST_SIZES:
        raise InputError(
            f"learning curve: {len(sizes)} distinct numbers of training rows ({', '.join(f'{n:,}' for n in sizes)}), "
            f"expected {FEWEST_SIZES} or more; train on another size, such as half the smallest"
        )
    if sizes[0] < 1:
        raise InputError(f"learning curve: {sizes[0]} training rows, expected 1 or more")
    wrong = np.flatnonzero(~(np.abs(r) <= 1))
    if len(wrong):
        raise InputError(
            f"learning curve: r of training {wrong[0] + 1} ({rows[wrong[0]]:,} rows) is {r[wrong[0]]:g}, "
            "expected -1 to 1"
        )
    if se is not None and not (se >= 0).all():
        raise InputError("learning curve: a standard error is negative or not a number, expected 0 or more")
    if ceiling is not None and not 0 < ceiling <= 1:
        raise InputError(f"learning curve: the ceiling is {ceiling:g}, expected more than 0 and at most 1")
    if not 0 < level < 1:
        raise InputError(f"learning curve: level is {level:g}, expected a share between 0 and 1, such as 0.9")


def _grid(sizes: np.ndarray) -> tuple[_Shapes, np.ndarray]:
    """All shapes and the log of their prior: every form has the same share."""
    parts, prior = [], []
    for number, form in enumerate(_FORMS):
        m, c = (each.ravel() for each in np.meshgrid(form.locations(sizes[0], sizes[-1]), form.powers))
        parts.append((np.full(len(m), number), m, c))
        prior.append(np.full(len(m), -np.log(len(m))))
    return _Shapes(*(np.concatenate(each) for each in zip(*parts, strict=True))), np.concatenate(prior)


def _posterior(
    sizes: np.ndarray,
    mean: np.ndarray,
    count: np.ndarray,
    within: np.ndarray,
    bound: float,
    shift: float,
    rng: np.random.Generator,
) -> _Draws:
    """Draw curves. Axes of arrays: shapes, scatters, sizes.

    Given shape and scatter the curve is asymptote - rise * distance, a regression on two numbers with normal errors:
    its posterior is normal, cut at the bound above and at a rise of zero below.
    """
    shapes, prior = _grid(sizes)
    scatter, fall = (each.ravel() for each in np.meshgrid(SCATTERS, FALLS))
    seeds = scatter[:, None] ** 2 * (sizes / sizes[-1]) ** (-2 * fall[:, None])
    of_scatter = -0.5 * (np.log(scatter / USUAL_SCATTER) / SCATTER_WIDTH) ** 2
    of_scatter -= 0.5 * ((count - 1) * np.log(seeds) + within / seeds).sum(axis=1)
    variance = seeds / count + MISFIT**2

    squared = shapes.squared[:, None]
    y = np.where(squared, mean * np.abs(mean), mean)[:, None]
    slope = np.where(squared, 2 * np.maximum(np.abs(mean), 0.1), 1.0)[:, None]  # an r near 0 still says something
    weight = 1 / (variance * slope**2)
    distance = shapes.distance(sizes, sizes[0])[:, None]
    # normal equations; a prior of SD 1 on both unknowns, which are correlations, keeps them solvable
    aa, ab, bb = weight.sum(-1) + 1, -(weight * distance).sum(-1), (weight * distance**2).sum(-1) + 1
    ya, yb = (weight * y).sum(-1), -(weight * distance * y).sum(-1)
    determinant = aa * bb - ab**2
    a, b = (bb * ya - ab * yb) / determinant, (aa * yb - ab * ya) / determinant
    misfit = (weight * y**2).sum(-1) - a * ya - b * yb
    a_sd, b_sd, b_by_a = np.sqrt(bb / determinant), 1 / np.sqrt(bb), -ab / bb
    below = log_ndtr((np.where(squared, bound**2, bound) - a) / a_sd)
    evidence = prior[:, None] + of_scatter - 0.5 * (misfit + np.log(variance).sum(-1) + np.log(determinant)) + below

    chosen = rng.choice(evidence.size, 4 * DRAWS, p=np.exp(evidence - logsumexp(evidence)).ravel())
    a, b, a_sd, b_sd, b_by_a, below = (each.ravel()[chosen] for each in (a, b, a_sd, b_sd, b_by_a, below))
    asymptote = a + a_sd * ndtri_exp(np.log(rng.uniform(size=len(a))) + below)
    centre = b + b_by_a * (asymptote - a)
    rises = log_ndtr(centre / b_sd)
    kept = rng.choice(len(a), DRAWS, p=np.exp(rises - logsumexp(rises)))
    rise = centre[kept] - b_sd[kept] * ndtri_exp(np.log(rng.uniform(size=DRAWS)) + rises[kept])
    which, spread = np.divmod(chosen[kept], len(scatter))
    return _Draws(
        shapes.take(which),
        asymptote[kept],
        np.maximum(rise, 0),
        scatter[spread],
        fall[spread],
        DRIFT * rng.normal(size=DRAWS),
        shift * rng.normal(size=DRAWS),
        rng.normal(size=DRAWS),
    )
