from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from leanseq.baselines import BASELINES, Constant, KmerRidge, kmer_ridge
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
    counts = kmer_ridge._counts(encode(["AACNA"]))[0]
    assert counts[:4].tolist() == [3, 1, 0, 0]
    assert counts[4:20].tolist() == [1, 1, *[0] * 14]  # AA, AC
    assert np.flatnonzero(counts[20:84]).tolist() == [1]  # AAC
    assert counts.sum() == 4 + 2 + 1
    assert counts.shape == (5460,)


def test_counts_do_not_depend_on_padding() -> None:
    np.testing.assert_array_equal(
        kmer_ridge._counts(encode(["ACGTACGTT"])), kmer_ridge._counts(encode(["ACGTACGTT"], 30))
    )


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
        expected = Ridge(alpha=30.0).fit(kmer_ridge._counts(CODES[:n]).astype(float), SIGNAL[:n], sample_weight=w)
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
