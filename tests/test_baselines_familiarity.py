from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leanseq.baselines import familiarity, kmers
from leanseq.baselines.familiarity import Composition, Familiarity
from leanseq.data.construct import Construct
from leanseq.data.encoding import encode
from leanseq.errors import InputError

LEFT, RIGHT = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
PLASMID = "ACTGCCATAGGATCCGTAACGTCAGTTGAC"
TOY = Construct("toy", LEFT, RIGHT, left_flank=PLASMID, length=100)


def library(n: int, seed: int = 0, low: int = 60, high: int = 60, gc: float = 0.5) -> list[str]:
    """Random inserts of low..high bp."""
    rng = np.random.default_rng(seed)
    p = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    return ["".join(rng.choice(list("ACGT"), size, p=p)) for size in rng.integers(low, high + 1, n)]


def windows(inserts: list[str], left: str = LEFT, right: str = RIGHT) -> np.ndarray:
    return TOY.windows(pl.Series([left + insert + right for insert in inserts]))


@pytest.fixture(scope="module")
def fitted() -> Familiarity:
    """Of a library of 60 bp inserts, half of it GC."""
    return Familiarity.fit(windows(library(1500)), windows(library(1200, seed=1)))


def flagged(fitted: Familiarity, codes: np.ndarray) -> float:
    return float(np.mean([reason != "" for reason in fitted.reasons(codes)]))


def test_scores_by_hand() -> None:
    """Trained on half A, half G in long runs: 3-mers AAA and GGG."""
    counts = kmers.counts(encode(["A" * 50, "G" * 50]), 4)
    composition = Composition.fit(counts)
    high, low, _, information = composition.scores(kmers.counts(encode(["A" * 16, "G" * 16, "AG" * 8, "C" * 16]), 4)).T
    assert composition.gc == pytest.approx(0.5)
    assert high == pytest.approx([-2, 2, 0, 2])  # (letters of GC - half of 16) / root of 16
    assert (low == -high).all()
    # after AAA: 47 A in training, and 1 of each letter for fear of zeros; after AGA: nothing but that
    known, new = np.log(51 / 48), np.log(4)
    assert composition.entropy == pytest.approx(known)
    assert information == pytest.approx(np.array([0, 0, new - known, new - known]) * np.sqrt(13))


def test_distance_in_3_mers_is_that_of_mahalanobis() -> None:
    counts = kmers.counts(encode(library(400, gc=0.3)), 4)
    composition = Composition.fit(counts)
    triplets = counts[:, 20:84].astype(float)
    off = (triplets - 58 * composition.triplets) / np.sqrt(58)
    share = familiarity.SHRINKAGE
    covariance = (1 - share) * off.T @ off / 400 + share * np.diag(composition.triplets)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", off, np.linalg.inv(covariance), off))
    np.testing.assert_allclose(composition.scores(counts)[:, 2], expected)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_about_the_asked_share_of_new_rows_is_flagged(share: float) -> None:
    train, new = windows(library(1000, low=50)), windows(library(8000, seed=2, low=50))
    shares = [flagged(Familiarity.fit(train, windows(library(1000, seed, 50)), share=share), new) for seed in (3, 4, 5)]
    assert 0.4 * share < np.mean(shares) < 1.7 * share


def test_training_rows_help_where_validation_rows_are_few() -> None:
    new = windows(library(3000, seed=2))
    few = [Familiarity.fit(windows(library(300, seed)), windows(library(15, seed + 50))) for seed in range(3, 8)]
    assert np.mean([flagged(each, new) for each in few]) < 0.04  # by 15 rows alone it would be a fifth


def test_every_score_gets_the_same_quantile() -> None:
    rows = np.arange(1.0, 101)
    scores = np.stack([rows, np.roll(rows, 50), -rows, rows * 1000], axis=1)
    none = np.zeros(100, bool)
    # each limit lets one row in a hundred pass: rows 100 (twice), 50 and 1, that is three in a hundred
    assert familiarity._limits(scores, none, 0.03) == (99, 99, 1e-6, 99_000)
    assert familiarity._limits(scores, none, 0.02) == (100, 100, 1e-6, 100_000)
    some = none.copy()
    some[10] = True  # a row refused already counts
    assert familiarity._limits(scores, some, 0.03) == (100, 100, 1e-6, 100_000)
    assert familiarity._limits(scores, ~none, 0.03) == (100, 100, 1e-6, 100_000)


@pytest.mark.parametrize(
    ("insert", "reason"),
    [
        (library(1, seed=9)[0], ""),
        ("A" * 60, "low GC, low complexity"),
        ("GC" * 30, "high GC, low complexity"),
        ("CA" * 30, "low complexity"),
        ("ACGTTC" * 10, "low complexity"),
        (library(1, seed=9)[0][:30] + "T" * 30, "low GC, low complexity"),
        (library(1, seed=9, gc=0.9)[0], "high GC"),
        (library(1, seed=9, gc=0.1)[0], "low GC, low complexity"),
        (library(1, seed=9, gc=0.25)[0], "low GC"),
        (library(1, seed=9)[0][:30], "length"),
        (library(1, seed=9)[0] + "ACTG", "length"),
        (library(1, seed=9)[0] + "ACTGCATG", "length"),  # pushes a part of the left flank out of the window
        (library(1, seed=9)[0][:58], ""),
        ("N" * 10 + library(1, seed=9)[0][10:], "N letters"),
        ("N" * 2 + library(1, seed=9)[0][2:], ""),
        ("N" * 60, "N letters"),
        ("", "length"),
    ],
)
def test_each_kind_of_odd_sequence_is_named(fitted: Familiarity, insert: str, reason: str) -> None:
    assert fitted.reasons(windows([insert])) == [reason]


def test_repeats_are_named_only_where_words_are_odd(fitted: Familiarity) -> None:
    lenient = replace(fitted, limits=(99.0,) * 4, repeats=0.1)
    assert lenient.reasons(windows(["CA" * 30])) == [""]


def test_words_that_training_rows_lack_are_odd() -> None:
    """Without CG in training: as it is in vertebrates."""

    def without(inserts: list[str]) -> list[str]:
        return [insert.replace("CG", "CA") for insert in inserts]

    trained = Familiarity.fit(windows(without(library(1200))), windows(without(library(1200, seed=1))))
    assert flagged(trained, windows(without(library(1000, seed=2)))) < 0.03
    reasons = trained.reasons(windows(library(1000, seed=2)))
    assert np.mean([reason == "composition" for reason in reasons]) > 0.7


def test_other_flanks_are_told_and_nothing_else_is(fitted: Familiarity) -> None:
    (insert,) = library(1, seed=9)
    assert fitted.reasons(windows([insert], left="TCACGCAGTATAGTTCA")) == ["flanks"]
    assert fitted.reasons(windows([insert], right="TTTATTGTTTATA")) == ["flanks"]
    assert fitted.reasons(windows(["A" * 20], right="TTTATTGTTTATA")) == ["flanks"]
    codes = windows([insert] * 5)
    for row, count in enumerate((1, 2, 3, 4)):
        codes[row, 15 : 15 + 3 * count : 3] ^= 1  # the left flank ends at 27
    assert fitted.reasons(codes) == ["", "", "flanks", "flanks", ""]


def test_the_distance_is_1_at_the_limit(fitted: Familiarity) -> None:
    codes = windows(library(3000, seed=3))
    distance = fitted.distance(codes)
    odd = np.array([reason != "" for reason in fitted.reasons(codes)])
    assert 0 < odd.sum() < 100
    np.testing.assert_array_equal(odd, distance > 1)
    mixed = [fitted.distance(windows(library(200, seed=4, gc=gc))).mean() for gc in (0.5, 0.65, 0.8)]
    assert mixed[0] < mixed[1] < mixed[2]


def test_a_row_gets_the_same_bits_alone_and_among_others(fitted: Familiarity, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = windows([*library(50, seed=3), "A" * 60, "", "N" * 60])
    together, reasons = fitted.distance(codes), fitted.reasons(codes)
    monkeypatch.setattr(familiarity, "_BLOCK", 7)
    np.testing.assert_array_equal(fitted.distance(codes), together)
    assert fitted.reasons(codes) == reasons
    np.testing.assert_array_equal(np.concatenate([fitted.distance(codes[i : i + 1]) for i in range(53)]), together)


def test_it_is_the_same_after_json(fitted: Familiarity) -> None:
    text = json.dumps(fitted.to_dict(), allow_nan=False)
    assert len(text) < 100_000
    again = Familiarity.from_dict(json.loads(text))
    assert again.to_dict() == fitted.to_dict()
    codes = windows(library(50, seed=3, low=40, gc=0.6))
    np.testing.assert_array_equal(again.distance(codes), fitted.distance(codes))
    assert again.reasons(codes) == fitted.reasons(codes)


def test_the_seed_draws_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(familiarity, "_MOST", 100)
    train, valid = windows(library(300)), windows(library(50, seed=1))
    first, same, other = (Familiarity.fit(train, valid, seed=seed).to_dict() for seed in (0, 0, 1))
    assert first == same
    assert first != other


def test_nothing_is_said_about_no_rows(fitted: Familiarity) -> None:
    none = np.zeros((0, 100), np.uint8)
    assert fitted.distance(none).shape == (0,)
    assert fitted.reasons(none) == []


def test_rows_without_letters_have_no_distance_but_a_reason(fitted: Familiarity) -> None:
    codes = np.full((2, 100), 4, np.uint8)
    assert np.isnan(fitted.distance(codes)).all()
    assert fitted.reasons(codes) == ["flanks", "flanks"]
    bare = Familiarity.fit(encode(library(50)), encode(library(20, seed=1)))
    assert bare.reasons(codes[:, :60]) == ["length", "length"]


def test_training_rows_may_be_equal_or_of_n_alone() -> None:
    same = encode(library(1) * 20)
    trained = Familiarity.fit(same, same[:10])
    assert trained.reasons(same) == [""] * 20
    assert (trained.distance(same) <= 1).all()
    assert np.isfinite(trained.distance(encode(library(20, seed=1)))).all()
    assert flagged(trained, encode(library(20, seed=1))) == 1
    nothing = Familiarity.fit(np.full((20, 60), 4, np.uint8), np.full((10, 60), 4, np.uint8))
    assert nothing.reasons(same) == ["length, high GC"] * 20 or flagged(nothing, same) == 1
    assert json.loads(json.dumps(nothing.to_dict(), allow_nan=False)) == nothing.to_dict()


@settings(max_examples=25, deadline=None)
@given(length=st.integers(0, 40), letters=st.integers(1, 5), seed=st.integers(0, 99))
def test_any_window_is_judged(length: int, letters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(5 - letters, 5, (30, length)).astype(np.uint8)
    trained = Familiarity.fit(codes[:20], codes[20:], seed=seed)
    assert len(trained.reasons(codes)) == 30
    known = (codes != 4).any(axis=1)
    np.testing.assert_array_equal(np.isfinite(trained.distance(codes)), known)
    assert all(reason for reason, some in zip(trained.reasons(codes), known, strict=True) if not some)


def test_too_few_rows_and_wrong_shares_are_refused() -> None:
    rows = encode(library(20))
    with pytest.raises(InputError, match="familiarity: 9 training rows, expected 10 or more"):
        Familiarity.fit(rows[:9], rows)
    with pytest.raises(InputError, match="familiarity: 0 validation rows, expected 10 or more"):
        Familiarity.fit(rows, rows[:0])
    for share in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(InputError, match=r"share is .*, expected a share between 0 and 1"):
            Familiarity.fit(rows, rows, share=share)
