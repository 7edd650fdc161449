from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from leanseq.baselines import BASELINES, SETS, Constant, GcCurve, KmerRidge, column, kmer_ridge, kmers
from leanseq.data.construct import YEAST_PTPA
from leanseq.data.encoding import encode
from leanseq.errors import InputError
from leanseq.evaluation.metrics import pearson

RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 4, (500, 50)).astype(np.uint8)


def count(codes: np.ndarray, motif: str) -> np.ndarray:
    """How often a motif stands in each row."""
    (pattern,) = encode([motif])
    places = np.lib.stride_tricks.sliding_window_view(codes, len(motif), axis=1)
    return (places == pattern).all(axis=2).sum(axis=1)


SIGNAL = 2.0 * count(CODES, "GAT") - count(CODES, "CC") + 5


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """k-mers up to 3 only, for quick tests."""
    monkeypatch.setattr(kmer_ridge, "K_MAX", 3)
    monkeypatch.setattr(kmer_ridge, "KMERS", 84)


def test_counts_by_head() -> None:
    counts = kmers.counts(encode(["AACNA"]), 6)[0]
    assert counts[:4].tolist() == [3, 1, 0, 0]
    assert counts[4:20].tolist() == [1, 1, *[0] * 14]  # AA, AC
    assert np.flatnonzero(counts[20:84]).tolist() == [1]  # AAC
    assert counts.sum() == 4 + 2 + 1
    assert counts.shape == (5460,)


def test_counts_do_not_depend_on_padding() -> None:
    np.testing.assert_array_equal(kmers.counts(encode(["ACGTACGTT"]), 6), kmers.counts(encode(["ACGTACGTT"], 30), 6))


@pytest.mark.usefixtures("small")
def test_planted_motifs_are_learnt() -> None:
    model = KmerRidge.fit(CODES[:400], SIGNAL[:400], CODES[400:], SIGNAL[400:])
    assert model.valid_r > 0.99
    assert model.valid_r == pytest.approx(pearson(SIGNAL[400:], model.predict(CODES[400:])))
    assert model.penalty in kmer_ridge.PENALTIES
    heaviest = kmer_ridge.KMERS - 64 + 0b100011  # GAT: 2 0 3 in base 4
    assert np.argmax(model.weights) == heaviest


@pytest.mark.usefixtures("small")
def test_primal_and_dual_agree_with_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import Ridge

    weights = RNG.uniform(0.5, 2, 300)
    weights /= weights.mean()
    for n in (60, 300):  # fewer and more rows than k-mers
        monkeypatch.setattr(kmer_ridge, "_BLOCK", 37)
        w = weights[:n] / weights[:n].mean()
        found, intercept = kmer_ridge._solver(CODES[:n], SIGNAL[:n], w)(30.0)
        expected = Ridge(alpha=30.0).fit(kmers.counts(CODES[:n], 3).astype(float), SIGNAL[:n], sample_weight=w)
        np.testing.assert_allclose(found, expected.coef_, atol=1e-4)
        assert intercept == pytest.approx(expected.intercept_, abs=1e-2)


@pytest.mark.usefixtures("small")
def test_a_weight_of_zero_is_an_absent_row() -> None:
    wrong = np.where(np.arange(400) < 200, SIGNAL[:400], 100.0)
    weights = (np.arange(400) < 200).astype(float)
    part = KmerRidge.fit(CODES[:200], SIGNAL[:200], CODES[400:], SIGNAL[400:])
    weighted = KmerRidge.fit(CODES[:400], wrong, CODES[400:], SIGNAL[400:], weights)
    assert weighted.valid_r == pytest.approx(part.valid_r, abs=0.02)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_keeps_the_common_form(name: str) -> None:
    model = BASELINES[name].fit(CODES[:40], SIGNAL[:40], CODES[40:80], SIGNAL[40:80])
    assert model.predict(CODES[80:]).shape == (420,)
    assert model.predict(CODES[:0]).shape == (0,)


def test_names_columns_and_sets_of_baselines() -> None:
    assert list(BASELINES) == ["boosted trees", "k-mer ridge", "GC content", "constant"]
    assert list(map(column, BASELINES)) == ["boosted_trees", "kmer_ridge", "gc_content", "constant"]
    assert set(SETS["quick"]) == set(BASELINES) - {"boosted trees"}
    assert SETS["all"] == tuple(BASELINES)


def composed(n: int = 2000, length: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Rows of every composition between the same adapters, and their GC share there."""
    rng = np.random.default_rng(2)
    gc = rng.random((n, length)) < rng.uniform(0.1, 0.9, (n, 1))
    inserts = np.where(gc, rng.choice([1, 2], gc.shape), rng.choice([0, 3], gc.shape)).astype(np.uint8)
    ends = [np.repeat(encode([adapter]), n, axis=0) for adapter in ("NNGCGCGC", "ATATAT")]
    return np.concatenate([ends[0], inserts, ends[1]], axis=1), gc.mean(axis=1)


def test_gc_curve_is_found_and_ends_straight() -> None:
    codes, share = composed()
    hump = 10 - 30 * (share - 0.5) ** 2
    model = GcCurve.fit(codes, hump)
    assert model.varying.sum() == 40
    assert pearson(hump, model.predict(codes)) > 0.995
    grid = np.repeat(codes[:1], 41, axis=0)
    for number, row in enumerate(grid):
        row[8:48] = np.where(np.arange(40) < number, 1, 0)  # GC share 0 to 1 in steps of 1 / 40
    curve = model.predict(grid)
    assert curve.argmax() in range(17, 24)
    for end in (curve[np.arange(41) / 40 < model.knots[0]], curve[np.arange(41) / 40 > model.knots[-1]]):
        assert len(end) >= 3
        np.testing.assert_allclose(np.diff(end, 2), 0, atol=1e-9)


def test_gc_curve_ignores_n_adapters_and_what_letters_stand_where() -> None:
    codes, share = composed()
    model = GcCurve.fit(codes, share)
    assert model.predict(codes) == pytest.approx(share)
    swapped = np.array([3, 2, 1, 0, 4], np.uint8)[codes]
    assert model.predict(swapped) == pytest.approx(share)
    short = codes.copy()
    short[:, 28:48] = 4
    half = np.isin(codes[:, 8:28], [1, 2]).mean(axis=1)
    assert model.predict(short) == pytest.approx(half)
    assert model.predict(np.full_like(codes[:1], 4)) == pytest.approx(share.mean())


def test_gc_curve_weighs_rows() -> None:
    codes, share = composed()
    wrong = np.where(np.arange(2000) < 1000, share, 100.0)
    weights = (np.arange(2000) < 1000).astype(float)
    part, weighted = GcCurve.fit(codes[:1000], share[:1000]), GcCurve.fit(codes, wrong, weights=weights)
    np.testing.assert_array_equal(weighted.predict(codes), part.predict(codes))
    assert GcCurve.fit(codes, wrong).predict(codes).mean() > 40


def test_gc_curve_of_rows_that_are_alike_is_their_mean() -> None:
    alike = np.repeat(CODES[:1], 20, axis=0)
    alike[:, 0] = np.arange(20) % 2 * 3  # A or T
    np.testing.assert_allclose(GcCurve.fit(alike, np.arange(20.0)).predict(alike), 9.5)
    np.testing.assert_allclose(GcCurve.fit(alike[:10] * 0, np.arange(10.0)).predict(alike), 4.5)


@pytest.mark.usefixtures("small")
def test_constant_expression_gives_the_constant() -> None:
    model = KmerRidge.fit(CODES[:200], np.full(200, 3.0), CODES[200:], SIGNAL[200:])
    np.testing.assert_allclose(model.predict(CODES), 3, atol=1e-5)
    assert np.isnan(model.valid_r)


def test_too_few_rows() -> None:
    with pytest.raises(InputError, match="9 training rows, expected 10 or more"):
        KmerRidge.fit(CODES[:9], SIGNAL[:9], CODES[9:], SIGNAL[9:])
    with pytest.raises(InputError, match="2 validation rows"):
        KmerRidge.fit(CODES[:90], SIGNAL[:90], CODES[:2], SIGNAL[:2])
    with pytest.raises(InputError, match="GC content: 9 training rows"):
        GcCurve.fit(CODES[:9], SIGNAL[:9])
    with pytest.raises(InputError, match="windows of 49 bp, expected 50 bp"):
        GcCurve.fit(CODES, SIGNAL).predict(CODES[:, 1:])
    with pytest.raises(InputError, match="0 training rows"):
        Constant.fit(CODES[:0], SIGNAL[:0])


def test_native_promoters(real_data) -> None:
    table = pl.read_csv(real_data / "yeast_native80.tsv", separator="\t")
    train, valid = table.filter(split="train")[:2048], table.filter(split="val")
    model = KmerRidge.fit(
        YEAST_PTPA.windows(train["sequence"]),
        train["expression"].to_numpy(),
        YEAST_PTPA.windows(valid["sequence"]),
        valid["expression"].to_numpy(),
    )
    assert model.valid_r > 0.7
