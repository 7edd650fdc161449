from __future__ import annotations

import json

import numpy as np
import pytest

from leanseq.errors import InputError
from leanseq.evaluation.conformal import CHOOSING, Conformal, coverage


def drawn(rng, n: int, kind: str):
    """Prediction, spread and measured value; the noise is equal, follows the spread, or follows the prediction."""
    p, s = rng.normal(size=n), np.exp(rng.normal(size=n))
    size = {"equal": np.ones(n), "spread": s, "prediction": np.where(p > 0, 3.0, 0.3)}[kind]
    return p, s, p + size * rng.normal(size=n)


def inside(fitted: Conformal, p, s, y):
    low, high = fitted.interval(p, None if fitted.offset is None else s)
    return (low <= y) & (y <= high)


@pytest.mark.parametrize(
    ("n", "level", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (99, 0.9, 90), (100, 0.9, 91), (4, 0.8, 4)]
)
def test_the_width_is_the_error_of_the_known_rank(n: int, level: float, rank: int) -> None:
    error = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    fitted = Conformal.fit(np.full(n, 5.0), None, 5 - error, level=level, bins=1)
    assert fitted == Conformal(level, n, None, (), (float(rank),))
    low, high = fitted.interval(np.array([0.0, 2.0, np.nan]))
    assert low == pytest.approx([-rank, 2 - rank, np.nan], nan_ok=True)
    assert high == pytest.approx([rank, 2 + rank, np.nan], nan_ok=True)


@pytest.mark.parametrize(("level", "least"), [(0.9, 9), (0.95, 19), (0.99, 99), (0.5, 1)])
def test_too_few_rows_for_the_level_are_refused(level: float, least: int) -> None:
    zeros = np.zeros(least)
    assert Conformal.fit(zeros, None, zeros, level=level).factors == (0.0,)
    with pytest.raises(InputError, match=f"needs {least} or more; give more rows or a lower level"):
        Conformal.fit(zeros[1:], None, zeros[1:], level=level)
    with pytest.raises(InputError, match=f"{least} calibration rows leave"):
        Conformal.fit(zeros, zeros, zeros, level=level)  # a quarter of them chooses the offset


def test_a_bin_with_too_few_rows_is_refused() -> None:
    p = np.arange(40.0)
    with pytest.raises(
        InputError, match=r"40 calibration rows leave \d for the quantile in one of 8 bins, a level of 0\.9 needs 9"
    ):
        Conformal.fit(p, None, p, bins=8)


@pytest.mark.parametrize("kind", ["equal", "spread", "prediction"])
@pytest.mark.parametrize("with_spread", [False, True])
@pytest.mark.parametrize("bins", [1, 3])
def test_the_coverage_is_as_promised(kind: str, with_spread: bool, bins: int) -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(150):
        p, s, y = drawn(rng, 120, kind)
        fitted = Conformal.fit(p, s if with_spread else None, y, level=0.8, bins=bins)
        shares.append(inside(fitted, *drawn(rng, 300, kind)).mean())
    # between 0.8 and 0.8 + bins / (rows + 1); the standard error of the mean is about 0.004
    assert 0.787 < np.mean(shares) < 0.8 + bins / 90 + 0.013


def test_the_spread_tells_wide_from_narrow_where_it_carries_the_noise() -> None:
    rng = np.random.default_rng(2)
    p, s, y = drawn(rng, 2000, "spread")
    new = drawn(rng, 4000, "spread")
    noisy = new[1] > np.quantile(new[1], 0.9)
    plain, scaled = (Conformal.fit(p, each, y, bins=1) for each in (None, s))
    assert inside(plain, *new)[noisy].mean() < 0.7
    assert inside(scaled, *new)[noisy].mean() > 0.85


def test_a_spread_that_says_nothing_is_ignored() -> None:
    p, s, y = drawn(np.random.default_rng(3), 2000, "equal")
    low, high = Conformal.fit(p, s, y, bins=1).interval(p, s)
    assert (high - low).std() / (high - low).mean() < 0.1


def test_bins_hold_the_coverage_where_the_noise_follows_the_prediction() -> None:
    rng = np.random.default_rng(4)
    p, _, y = drawn(rng, 1000, "prediction")
    new = drawn(rng, 4000, "prediction")
    one, two = (Conformal.fit(p, None, y, bins=bins) for bins in (1, 2))
    upper = new[0] >= two.edges[0]
    assert inside(one, *new)[upper].mean() < 0.84 < 0.96 < inside(one, *new)[~upper].mean()
    assert 0.86 < inside(two, *new)[upper].mean() < 0.94
    assert 0.86 < inside(two, *new)[~upper].mean() < 0.94


@pytest.mark.parametrize(("n", "bins"), [(250, 1), (300, 2), (800, 6), (5000, 8)])
def test_bins_by_default_hold_a_hundred_rows(n: int, bins: int) -> None:
    p, _, y = drawn(np.random.default_rng(5), n, "equal")
    fitted = Conformal.fit(p, None, y)
    assert len(fitted.factors) == bins
    assert fitted.rows == (n if bins == 1 else n - round(CHOOSING * n))


def test_the_seed_draws_the_choosing_rows() -> None:
    p, s, y = drawn(np.random.default_rng(6), 200, "spread")
    assert Conformal.fit(p, s, y) == Conformal.fit(p, s, y)
    assert Conformal.fit(p, s, y) != Conformal.fit(p, s, y, seed=1)


@pytest.mark.parametrize("with_spread", [False, True])
def test_it_is_the_same_after_json(with_spread: bool) -> None:
    p, s, y = drawn(np.random.default_rng(7), 400, "spread")
    fitted = Conformal.fit(p, s if with_spread else None, y)
    assert Conformal.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted


def test_wrong_rows_are_told() -> None:
    p, s, y = drawn(np.random.default_rng(8), 50, "equal")
    bad = y.copy()
    bad[6] = np.nan
    with pytest.raises(InputError, match="calibration row 7: measured is nan"):
        Conformal.fit(p, s, bad)
    with pytest.raises(InputError, match="calibration row 1: spread is -1, expected a number of 0 or more"):
        Conformal.fit(p, s * 0 - 1, y)
    with pytest.raises(InputError, match="level is 90"):
        Conformal.fit(p, s, y, level=90.0)
    with pytest.raises(InputError, match="bins is 0"):
        Conformal.fit(p, s, y, bins=0)
    with pytest.raises(InputError, match="asked without the spread of each row, but fitted with it"):
        Conformal.fit(p, s, y).interval(p)
    with pytest.raises(InputError, match="asked with the spread of each row, but fitted without it"):
        Conformal.fit(p, None, y).interval(p, s)


def test_spreads_of_zero_give_one_width() -> None:
    p, s, y = drawn(np.random.default_rng(9), 100, "equal")
    low, high = Conformal.fit(p, s * 0, y, bins=1).interval(p, s * 0)
    assert (high - low).min() == pytest.approx((high - low).max())
    assert 2 < (high - low)[0] < 6


def test_coverage_equals_tabulated_clopper_pearson_limits() -> None:
    y = np.arange(20.0)
    # 10 of 20: 0.272 to 0.728; 0 of 20: 0 to 0.168; 20 of 20: 0.832 to 1 (95 %)
    assert coverage(y, y * 0, np.full(20, 9.0)) == pytest.approx((0.5, 0.2720, 0.7280), abs=1e-4)
    assert coverage(y, y + 1, y + 2) == pytest.approx((0, 0, 0.1684), abs=1e-4)
    assert coverage(y, y, y) == pytest.approx((1, 0.8316, 1), abs=1e-4)
    assert coverage(y, y, y, level=0.9).low > 0.8316
    assert coverage(np.where(y < 10, y, np.nan), y, y) == pytest.approx(coverage(y[:10], y[:10], y[:10]))
    assert np.isnan(coverage(y * np.nan, y, y)).all()
