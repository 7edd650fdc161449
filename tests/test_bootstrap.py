from __future__ import annotations

import numpy as np
import pytest

from leanseq.evaluation import bootstrap as b
from leanseq.evaluation import metrics

METRICS = ("pearson", "spearman", "mse", "r2")


def toy(seed: int, n: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, x + noise * rng.normal(size=n)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ties", [False, True])
def test_weighted_scores_equal_scores_of_the_repeated_rows(metric: str, ties: bool) -> None:
    x, y = toy(0, 30)
    x, y = (np.round(x), np.round(y)) if ties else (x + 1e6, y + 1e6)
    drawn = np.random.default_rng(1).integers(30, size=(20, 30))
    counts = np.stack([np.bincount(rows, minlength=30) for rows in drawn]).astype(float)
    expected = [getattr(metrics, metric)(x[rows], y[rows]) for rows in drawn]
    np.testing.assert_allclose(b._STATISTICS[metric](x, y)(counts), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("metric", METRICS)
def test_interval_is_deterministic_and_holds_the_value(metric: b.Metric) -> None:
    x, y = toy(2, 2048)
    found = b.bootstrap(metric, x, y)
    assert found.low < found.value < found.high
    assert found == b.bootstrap(metric, x, y)
    assert found != b.bootstrap(metric, x, y, seed=1)
    wide = b.bootstrap(metric, x, y, level=0.99)
    assert wide.low < found.low
    assert wide.high > found.high


def test_coverage_on_gaussians() -> None:
    truth = 1 / np.sqrt(2)
    hits = 0
    for seed in range(200):
        found = b.bootstrap("pearson", *toy(seed, 150), resamples=300, seed=seed)
        hits += found.low <= truth <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_mean_interval_has_the_gaussian_width() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    found = b.bootstrap_mean(values, resamples=4000)
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(1000), rel=0.08)


def test_groups_widen_the_interval() -> None:
    x, y = toy(3, 100)
    x, y, by = (np.repeat(values, 9) for values in (x, y, np.arange(100)))
    rows, groups = b.bootstrap("pearson", x, y), b.bootstrap("pearson", x, y, by=by)
    assert 2.3 < (groups.high - groups.low) / (rows.high - rows.low) < 3.8  # about sqrt(9)


def test_paired_difference() -> None:
    x, y = toy(4, 500)
    better = b.compare("pearson", x, x + 0.5 * (y - x), y)
    assert better.low > 0
    assert better.p == pytest.approx(2 / 1001)
    same = b.compare("pearson", x, y, y)
    assert same == b.Difference(0, 0, 0, 1)


def test_p_is_uniform_without_a_difference() -> None:
    p = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        x, a, c = rng.normal(size=(3, 200))
        p.append(b.compare("mse", x, x + a, x + c, resamples=200, seed=seed).p)
    assert np.mean(np.array(p) < 0.05) < 0.12
    assert 0.4 < np.mean(p) < 0.6


def test_undefined_scores_are_nan() -> None:
    assert np.isnan(b.bootstrap("pearson", np.zeros(20), np.arange(20.0))).all()
    assert np.isnan(b.bootstrap("spearman", np.zeros(0), np.zeros(0))).all()
    assert np.isnan(b.compare("r2", np.ones(20), np.arange(20.0), np.arange(20.0))).all()
    assert np.isnan(b.bootstrap_mean(np.zeros(0))).all()


def test_memory_is_bounded_by_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = toy(5, 100)
    monkeypatch.setattr(b, "_CELLS", 1000)
    assert sum(len(counts) for counts in b._counts(100, None, 95, 0)) == 95
    assert b.bootstrap("mse", x, y, resamples=95).low > 0
