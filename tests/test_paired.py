from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from leanseq.evaluation.paired import (
    SeedDifference,
    Spread,
    compare_seeds,
    holm,
    moderate,
    score_seeds,
    verdict,
)

N = 300


def toy(
    seed: int, seeds: int, gain: float = 0.0, spread: float = 0.0, n: int = N
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measured values, and predictions a and b: `gain` is cut from the error of a, `spread` parts the seeds."""
    rng = np.random.default_rng(seed)
    x, *errors = rng.normal(size=(3, n))
    sizes = 1 + spread * rng.normal(size=(2, seeds, 1)) - np.array([gain, 0])[:, None, None]
    a, b = x + sizes * np.array(errors)[:, None]
    return x, a, b


def width(found) -> float:
    return found.high - found.low


def test_a_planted_gain_is_found_and_swapping_turns_its_sign() -> None:
    x, a, b = toy(0, 5, gain=0.4, spread=0.03)
    found, turned = compare_seeds(x, a, b), compare_seeds(x, b, a)
    expected = [np.corrcoef(x, p)[0, 1] - np.corrcoef(x, q)[0, 1] for p, q in zip(a, b, strict=True)]
    assert found.value == pytest.approx(np.mean(expected))
    assert found.seed_sd == pytest.approx(np.std(expected, ddof=1))
    assert found.low > 0
    assert found.p < 0.01
    assert turned.value == pytest.approx(-found.value)
    assert turned.high < 0
    assert verdict("a", found).endswith(": a gain")
    assert verdict("b", turned).endswith(": a loss")


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_no_difference_is_no_evidence(seeds: int) -> None:
    found = compare_seeds(*toy(13, seeds, spread=0.05))
    assert found.low < 0 < found.high
    assert found.p > 0.05
    assert "no evidence of a gain" in verdict("a", found)


def test_equal_predictions_differ_by_exactly_nothing() -> None:
    x, a, _ = toy(2, 3, spread=0.1)
    assert compare_seeds(x, a, a) == SeedDifference(0, 0, 0, 1, 3, 0)


def test_a_gain_of_one_seed_in_three_is_no_evidence() -> None:
    x, _, b = toy(3, 3)
    a = b.copy()
    a[0] = x + 0.2 * (b[0] - x)
    assert compare_seeds(x, a, b).low < 0
    assert compare_seeds(x, a[:1], b[:1]).low > 0


def test_seeds_are_paired() -> None:
    x, _, b = toy(4, 4, spread=0.2)
    a = x + 0.9 * (b - x)  # as good or bad as b, seed for seed, and a little better
    paired, crossed = compare_seeds(x, a, b), compare_seeds(x, a, b[::-1])
    assert paired.value == pytest.approx(crossed.value)
    assert paired.low > 0 > crossed.low
    assert paired.seed_sd < crossed.seed_sd


def test_rows_are_paired() -> None:
    x, _, b = toy(5, 3)
    a = x + 0.95 * (b - x)
    alone = score_seeds(x, a)
    assert compare_seeds(x, a, b).low > 0
    assert width(compare_seeds(x, a, b)) < width(alone) / 5


def test_groups_widen_the_interval() -> None:
    x, a, b = toy(6, 3, n=60)
    x, a, b, by = (np.repeat(values, 9, axis=-1) for values in (x, a, b, np.arange(60)))
    assert 2.3 < width(compare_seeds(x, a, b, by)) / width(compare_seeds(x, a, b)) < 3.8  # about sqrt(9)
    assert 2.3 < width(score_seeds(x, a, by)) / width(score_seeds(x, a)) < 3.8


def test_a_spread_over_seeds_widens_the_interval_and_more_seeds_narrow_it() -> None:
    shared, few, many = (score_seeds(*toy(7, seeds, spread=s)[:2]) for seeds, s in ((3, 0.0), (3, 0.2), (40, 0.2)))
    assert width(few) > 1.5 * width(shared)
    assert width(many) < width(few) / 1.5


def test_every_option_changes_the_interval() -> None:
    x, a, b = toy(8, 3, spread=0.05)
    plain = compare_seeds(x, a, b)
    assert plain == compare_seeds(x, a, b)
    assert width(compare_seeds(x, a, b, comparisons=4)) > width(plain)
    assert compare_seeds(x, a, b, comparisons=4).value == plain.value
    assert compare_seeds(x, a, b, comparisons=4, level=0.8) == plain  # both leave 5 % outside
    assert width(compare_seeds(x, a, b, level=0.8)) < width(plain)
    assert compare_seeds(x, a, b, resamples=3000) != plain
    assert compare_seeds(x, a, b, seed=1) != plain
    assert compare_seeds(x, a, b, metric="spearman").value != plain.value
    score = score_seeds(x, a)
    assert score == score_seeds(x, a)
    assert width(score_seeds(x, a, level=0.8)) < width(score)
    assert score_seeds(x, a, resamples=3000) != score
    assert score_seeds(x, a, seed=1) != score
    assert score_seeds(x, a, metric="spearman").value != score.value


def test_resamples_suffice_for_the_tails() -> None:
    x, a, b = toy(9, 1, gain=0.6, n=50)
    assert compare_seeds(x, a, b, resamples=10).p == pytest.approx(2 / 1001)
    assert compare_seeds(x, a, b, resamples=10, comparisons=3).p == pytest.approx(2 / 3001)


def test_one_seed_speaks_of_rows_only() -> None:
    x, a, b = toy(10, 1, gain=0.4)
    found = compare_seeds(x, a, b)
    assert found.seeds == 1
    assert np.isnan(found.seed_sd)
    assert found.low > 0
    assert verdict("a", found).endswith("a gain (one seed: the spread over seeds is unknown)")


def test_intervals_stay_among_the_possible_correlations() -> None:
    x, a, _ = toy(11, 2, spread=0.5)
    found = score_seeds(x, a)
    assert -1 <= found.low < found.value < found.high <= 1


@pytest.mark.parametrize("seeds", [3, 5])
def test_coverage_where_rows_and_seeds_matter_equally(seeds: int) -> None:
    # With 60 rows the rows' share of the deviation of the mean difference is 0.08; a seed's error enters r by 0.5.
    hits = 0
    for seed in range(100):
        found = compare_seeds(*toy(seed, seeds, spread=0.16 * np.sqrt(seeds), n=60), resamples=1000, seed=seed)
        hits += found.low <= 0 <= found.high
    assert hits / 100 > 0.9


def test_undefined_is_said() -> None:
    x, a, b = toy(12, 3)
    constant = np.concatenate([a[:2], np.zeros((1, N))])
    empty = compare_seeds(x[:0], a[:, :0], b[:, :0], metric="spearman")
    for found in (compare_seeds(x, a, constant), empty):
        assert np.isnan(found[:4]).all()
        assert verdict("a", found) == "a: undefined"
    assert np.isnan(score_seeds(x, constant)).all()


def test_verdict_names_the_measure_and_has_no_negative_zero() -> None:
    words = verdict("lstm", SeedDifference(-0.0001, -0.012, 0.0119, 0.9, 3, 0.01), measure="rho")
    assert words == "lstm: +0.000 rho, interval −0.012 to +0.012: no evidence of a gain"


def test_holm_equals_a_hand_computed_example() -> None:
    # sorted 0.005 0.01 0.03 0.04 times 4 3 2 1: 0.02 0.03 0.06 0.04, which may not fall
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []
    assert holm([float("nan"), 0.02, 0.5]) == pytest.approx([float("nan"), 0.04, 0.5], nan_ok=True)


def test_a_family_steadies_its_spreads():
    alike = moderate(np.array([0.004, 0.005, 0.003, 0.004, 0.0045]), 3)
    assert {each.freedom for each in alike} == {10.0}
    assert all(0.005 <= each.sd < 0.006 for each in alike)
    # one unsteady configuration keeps most of its spread and hardly widens the others
    odd = moderate(np.array([0.004, 0.005, 0.003, 0.004, 0.1]), 3)
    assert odd[4].sd == 0.1
    assert all(each.sd < 0.009 for each in odd[:4])
    assert 2 < odd[0].freedom < 10
    # nothing to lean on
    assert moderate(np.array([0.004]), 3) == [(0.004, 2)]
    assert moderate(np.array([0.004, 0.0]), 3) == [(0.004, 2), (0.0, 2)]
    assert [each.freedom for each in moderate(np.full(3, np.nan), 1)] == [0, 0, 0]


def test_a_steadied_spread_narrows_an_interval_of_few_seeds():
    x, a, b = toy(3, seeds=3, spread=0.3)
    own = compare_seeds(x, a, b, comparisons=7)
    steadied = compare_seeds(x, a, b, comparisons=7, spread=Spread(own.seed_sd, 14))
    assert steadied.high - steadied.low < own.high - own.low
    assert compare_seeds(x, a, b, comparisons=7, spread=Spread(own.seed_sd, 2))[:4] == own[:4]


def test_moderated_intervals_cover_a_true_difference_of_zero():
    """A family of six with three seeds each, nothing but seeds, one of them unsteady."""
    rng, sds = np.random.default_rng(0), np.array([1.0, 1, 1, 1, 1, 10])
    outside = np.zeros(6)
    for _ in range(400):
        differences = rng.normal(size=(6, 3)) * sds[:, None]
        for i, spread in enumerate(moderate(differences.std(axis=1, ddof=1), 3)):
            outside[i] += abs(differences[i].mean()) > stats.t.ppf(0.975, spread.freedom) * spread.sd / np.sqrt(3)
    assert 0.02 < outside[:5].mean() / 400 < 0.08
    assert outside[5] / 400 < 0.2
