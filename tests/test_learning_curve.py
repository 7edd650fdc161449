from __future__ import annotations

import numpy as np
import pytest

from leanseq.errors import InputError
from leanseq.evaluation.learning_curve import REACH, fit_curve
from leanseq.lab.enough import answer

SIZES = np.array([640, 1280, 2560, 5120])


def power(n):
    return 0.9 - 3 * np.asarray(n, dtype=float) ** -0.4


def trained(true, sizes=SIZES, seeds: int = 3, sd: float = 0.004, seed: int = 0):
    """Rows and r of trainings on a known curve."""
    rows = np.repeat(sizes, seeds)
    return rows, true(rows) + sd * np.random.default_rng(seed).normal(size=len(rows))


def width(found) -> float:
    return found.high - found.low


def ridge(n):
    """Better than `power` under about 1,900 rows."""
    return 0.80 - 0.3 * np.asarray(n, dtype=float) ** -0.25


TRUE = {
    "power law": lambda rng: (lambda top, b, c: lambda n: top - b * (n / 640) ** -c)(
        rng.uniform(0.6, 0.95), rng.uniform(0.05, 0.4), rng.uniform(0.2, 1)
    ),
    "offset power law": lambda rng: (lambda top, b, c, m: lambda n: top - b * ((n + m) / (640 + m)) ** -c)(
        rng.uniform(0.6, 0.95), rng.uniform(0.1, 0.4), rng.uniform(0.3, 1.2), rng.uniform(300, 4000)
    ),
    # straight in log rows, then bending into the plateau within some doublings
    "log-linear, then flat": lambda rng: (
        lambda top, b, k, m: lambda n: top - b * np.log1p((n / m) ** -k) / np.log1p((640 / m) ** -k)
    )(rng.uniform(0.6, 0.95), rng.uniform(0.1, 0.4), rng.uniform(1, 3), rng.uniform(2000, 30000)),
}


@pytest.mark.parametrize("form", TRUE)
def test_the_interval_covers_four_times_the_rows(form: str) -> None:
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(30):
        true = TRUE[form](rng)
        curve = fit_curve(*trained(true, seed=seed), seed=seed)
        at, gain = curve.at(REACH * 5120), curve.gain(5120, REACH)
        rise = true(REACH * 5120) - true(5120)
        covered.append([at.low <= true(REACH * 5120) <= at.high, gain.low <= rise <= gain.high])
    # nominal 0.9; 30 simulations have a standard error of 0.055
    assert (np.mean(covered, axis=0) >= 0.8).all()


def test_a_power_law_is_read_off_at_measured_sizes_and_beyond() -> None:
    curve = fit_curve(*trained(power, seeds=5, sd=0.002))
    assert curve.rows == tuple(SIZES)
    assert curve.at(2560).value == pytest.approx(power(2560), abs=0.005)
    assert curve.at(20480).value == pytest.approx(power(20480), abs=0.02)
    assert curve.gain(5120).value == pytest.approx(power(10240) - power(5120), abs=0.01)
    assert width(curve.at(2560)) < width(curve.at(10240)) < width(curve.at(40960))


def test_rows_for_inverts_the_curve() -> None:
    curve = fit_curve(*trained(power, seeds=5, sd=0.002))
    found = curve.rows_for(power(3000))
    assert found is not None
    assert found.low <= 3000 <= found.high
    assert found.value == pytest.approx(3000, rel=0.1)
    below = curve.rows_for(0.0)
    assert below is not None
    assert below.value == 640  # reached at the smallest size already
    assert curve.rows_for(0.99) is None


def test_rows_that_may_never_suffice_have_no_upper_limit() -> None:
    curve = fit_curve(*trained(power))
    found = curve.rows_for(curve.at(40 * 5120).value)
    assert found is not None
    assert np.isfinite(found.value)
    assert found.high == np.inf


def test_the_ceiling_bounds_the_curve() -> None:
    rows, r = trained(lambda n: 0.2 + 0.08 * np.log(n / 100))
    free, bounded = fit_curve(rows, r), fit_curve(rows, r, ceiling=0.6)
    assert free.at(81920).value > 0.6
    assert bounded.at(81920).high <= 0.6
    assert bounded.rows_for(0.61) is None
    passed = fit_curve(rows, r, ceiling=0.3)  # a ceiling that is passed already says less than the curve
    assert passed.bound == max(passed.r) > 0.3
    assert passed.at(81920).high == pytest.approx(passed.bound)


def test_test_rows_shift_the_curve_and_leave_its_gains() -> None:
    rows, r = trained(power)
    plain, shifted = fit_curve(rows, r), fit_curve(rows, r, se=0.05 * (1 - r**2))
    # half the width of a 90 % interval is 1.645 standard errors
    test_rows = 2 * 1.645 * 0.05 * (1 - power(5120) ** 2)
    assert width(shifted.at(5120)) == pytest.approx(np.hypot(width(plain.at(5120)), test_rows), rel=0.1)
    assert width(shifted.gain(5120)) < 1.2 * width(plain.gain(5120))
    assert fit_curve(rows, r, se=np.zeros(len(r))).at(5120) == plain.at(5120)


def test_seeds_that_scatter_widen_the_interval_and_more_of_them_narrow_it() -> None:
    calm, wild, many = (
        fit_curve(*trained(power, seeds=seeds, sd=sd)) for seeds, sd in ((3, 0.001), (3, 0.02), (20, 0.02))
    )
    assert width(wild.at(5120)) > 2 * width(calm.at(5120))
    assert width(wild.gain(5120)) > 1.2 * width(calm.gain(5120))
    assert width(many.gain(5120)) < width(wild.gain(5120))


def test_every_option_changes_the_curve() -> None:
    rows, r = trained(power)
    plain = fit_curve(rows, r).at(20480)
    assert fit_curve(rows, r).at(20480) == plain
    assert fit_curve(rows, r, seed=1).at(20480) != plain
    assert width(fit_curve(rows, r, level=0.5).at(20480)) < width(plain)
    assert width(fit_curve(rows, r, ceiling=0.87).at(20480)) < width(plain)


def test_one_seed_and_a_flat_curve_are_no_trouble() -> None:
    rows = np.array([500, 1000, 2000])
    flat = fit_curve(rows, np.array([0.5, 0.5, 0.5]))
    assert flat.at(1000).value == pytest.approx(0.5, abs=0.01)
    assert flat.gain(2000).low < 0.01
    falling = fit_curve(rows, np.array([0.6, 0.5, 0.4]))
    assert falling.gain(2000).value == pytest.approx(0, abs=0.01)  # more rows are never taken to harm
    assert np.isfinite(fit_curve(rows, np.array([-0.01, 0.0, 0.02])).at(8000)).all()


@pytest.mark.parametrize(
    ("rows", "r", "options", "message"),
    [
        ([640, 1280, 1280], [0.1, 0.2, 0.2], {}, r"2 distinct numbers of training rows \(640, 1,280\), expected 3"),
        ([0, 1280, 2560], [0.1, 0.2, 0.2], {}, "0 training rows, expected 1 or more"),
        ([640, 1280, 2560], [0.1, np.nan, 0.2], {}, r"r of training 2 \(1,280 rows\) is nan"),
        ([640, 1280, 2560], [0.1, 0.2, 0.3], {"ceiling": 98.0}, "the ceiling is 98"),
        ([640, 1280, 2560], [0.1, 0.2, 0.3], {"level": 90.0}, "level is 90"),
        ([640, 1280, 2560], [0.1, 0.2, 0.3], {"se": np.array([0.1, -0.1, 0.1])}, "a standard error is negative"),
    ],
)
def test_what_cannot_be_fitted_is_told(rows: list, r: list, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_curve(np.array(rows), np.array(r), **options)


def test_a_crossing_is_found_where_it_lies() -> None:
    network = fit_curve(*trained(power, sd=0.001))
    simple = fit_curve(*trained(ridge, sd=0.001, seed=1))
    grid = np.arange(640, 5120)
    true = grid[(power(grid) > ridge(grid)).argmax()]
    found = network.crossing(simple)
    assert found is not None
    assert true < found < 1.15 * true  # from there on it is shown, which takes a difference
    assert simple.crossing(network) is None  # the ridge is better at first
    assert fit_curve(*trained(lambda n: power(n) - 0.1)).crossing(network) == np.inf
    assert network.crossing(fit_curve(*trained(lambda n: power(n) - 0.1))) is None


def test_of_two_equals_none_is_shown_to_be_worse() -> None:
    pairs = [
        (fit_curve(*trained(power, sd=0.01, seed=2 * i)), fit_curve(*trained(power, sd=0.01, seed=2 * i + 1)))
        for i in range(15)
    ]
    shown = [np.isfinite(one.crossing(other) or 640) for one, other in pairs]
    assert np.mean(shown) <= 0.2  # 0.05 at every size, and of two medians one is the higher somewhere


def test_a_difference_that_the_test_rows_may_make_is_not_shown() -> None:
    network, simple = (fit_curve(*trained(lambda n, by=by: power(n) + by, sd=0.001)) for by in (0, -0.03))
    assert network.crossing(simple) is None
    assert network.crossing(simple, np.full(4, 0.005)) is None
    assert network.crossing(simple, np.full(4, 0.05)) == np.inf
    found = network.crossing(simple, np.array([0.05, 0.05, 0.005, 0.005]))  # each size has its own
    assert found is not None
    assert 1280 < found < 2560


def test_words_say_what_the_numbers_are() -> None:
    network = fit_curve(*trained(power, sd=0.001))
    low, high = (fit_curve(*trained(lambda n, by=by: power(n) + by, sd=0.001)) for by in (-0.1, 0.05))
    gain = network.gain(5120)
    said = answer(network, 5120, 0.97, low)
    assert said.startswith(f"At 5,120 sequences r is {power(5120):.2f} of at most 0.97; doubling them buys +")
    assert f"buys +{gain.value:.2f} ({gain.low:z.2f} to {gain.high:.2f}); the k-mer ridge is worse from 640 on." in said
    unknown = answer(network, 5120, None, high)
    assert unknown.endswith("; the k-mer ridge may be as good at every size looked at.")
    assert "r is 0.80 (the most possible is unknown); doubling" in unknown
    assert "is a guess" not in answer(network, 2 * 5120, None, low)
    far = answer(network, 4 * 5120, None, low)
    assert far.endswith("this reaches beyond 4 times the 5,120 measured and is a guess.")


def test_words_name_the_crossing_in_two_digits() -> None:
    network = fit_curve(*trained(power, sd=0.001))
    simple = fit_curve(*trained(ridge, sd=0.001, seed=1))
    rows = network.crossing(simple)
    assert rows is not None
    assert f"under {round(rows, -2):,.0f} the k-mer ridge may be as good." in answer(network, 5120, 0.97, simple)
