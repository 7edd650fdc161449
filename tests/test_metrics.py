from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from leanseq.evaluation import metrics

PAIRS = st.integers(3, 40).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.float64, n, elements=st.integers(-20, 20).map(float))] * 2)
)


@given(PAIRS)
def test_correlations_agree_with_scipy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(metrics.pearson(x, y))
        assert np.isnan(metrics.spearman(x, y))
    else:
        assert metrics.pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-9)
        assert metrics.spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-9)


def test_a_constant_with_rounding_is_constant() -> None:
    constant = np.full(1000, 0.1) + 1e-16
    assert np.isnan(metrics.pearson(constant, np.arange(1000.0)))
    assert np.isnan(metrics.r2(constant, np.arange(1000.0)))


@pytest.mark.parametrize("score", [metrics.pearson, metrics.spearman, metrics.mse, metrics.r2])
def test_empty_and_missing_are_nan(score) -> None:
    assert np.isnan(score(np.zeros(0), np.zeros(0)))
    assert np.isnan(score(np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, 3.0])))
    assert np.isnan(score(np.array([1.0, 3.0, 2.0]), np.array([1.0, np.nan, 3.0])))


def test_single_precision_is_widened() -> None:
    x = np.arange(100, dtype=np.float32)
    assert metrics.pearson(x, x + 1e6) == pytest.approx(1, abs=1e-6)


def test_r2_is_zero_for_the_mean_and_negative_below() -> None:
    x = np.array([1.0, 2.0, 3.0])
    assert metrics.r2(x, np.full(3, 2.0)) == pytest.approx(0)
    assert metrics.r2(x, x) == pytest.approx(1)
    assert metrics.r2(x, -x) < 0


def test_kl() -> None:
    target = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert metrics.kl(target, target) == pytest.approx(0)
    uniform = np.full((2, 3), 1 / 3)
    np.testing.assert_allclose(metrics.kl_rows(target, uniform), [np.log(1.5), np.log(3)])
    assert metrics.kl(target, target[::-1]) == np.inf
    assert np.isnan(metrics.kl(np.zeros((0, 3)), np.zeros((0, 3))))
