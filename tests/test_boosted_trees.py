"""Features of trees against their definition, and trees that learn what k-mers cannot see."""

import json

import numpy as np
import pytest

from leanseq.baselines import BoostedTrees, boosted_trees, kmers
from leanseq.baselines.features import FLOOR, features, motif_fits, total
from leanseq.data.encoding import decode, encode, reverse_complement
from leanseq.data.motifs import Motif, by_name, yeast_motifs
from leanseq.errors import InputError
from leanseq.evaluation.metrics import pearson
from toy import random_sequences

CODES = encode(random_sequences(400, 60))
HALVES, GAP = ("CGGAT", "TCGAC"), 6
"""A site of two fixed halves; what lies between them is free."""
SPACED = Motif(
    "SPACED",
    "toy",
    np.concatenate([np.eye(4)[encode([HALVES[0]])[0]], np.full((GAP, 4), 0.25), np.eye(4)[encode([HALVES[1]])[0]]]),
)


def planted(n=600, seed=1):
    """Rows with both halves, in every other row at the distance of the motif; on either strand."""
    rng = np.random.default_rng(seed)
    codes = encode(random_sequences(n, 60, seed))
    near = np.arange(n) % 2 == 0
    for row, close in zip(codes, near, strict=True):
        gap = GAP if close else rng.choice([3, 9, 12, 15])
        start = rng.integers(0, len(row) - 10 - gap)
        row[start : start + 5] = encode([HALVES[0]])[0]
        row[start + 5 + gap : start + 10 + gap] = encode([HALVES[1]])[0]
    flipped = rng.random(n) < 0.5
    codes[flipped] = reverse_complement(codes[flipped])
    return codes, np.where(near, 12.0, 5.0) + rng.normal(0, 0.5, n)


@pytest.fixture(scope="module")
def rows():
    return planted()


@pytest.fixture(scope="module")
def fitted(rows):
    codes, expression = rows
    return BoostedTrees.fit(codes[:400], expression[:400], codes[400:], expression[400:], motifs=[SPACED], k_max=2)


def sites(sequence, motif):
    """Start and odds below the best possible one of every site, by the definition, letter by letter."""
    odds = []
    for strand in (motif, motif.reverse_complement()):
        below = strand.log_odds() - strand.log_odds().max(axis=1, keepdims=True)
        for start in range(len(sequence) - len(motif) + 1):
            site = sequence[start : start + len(motif)]
            if "N" not in site:
                score = sum(below[place, "ACGT".index(letter)] for place, letter in enumerate(site))
                odds.append((start, np.exp(score)))
    return odds


def test_motif_fits_follow_their_definition():
    codes = CODES[:6].copy()
    codes[1, :20] = codes[2, 30] = 4
    codes[3, 10:] = codes[4] = 4
    motifs = [*by_name(["REB1", "ABF1", "MCM1"]), SPACED, Motif("A", "toy", np.array([[0.9, 0.1, 0.0, 0.0]]))]
    found = [[sites(sequence, motif) for motif in motifs] for sequence in decode(codes)]
    parts = [(0, 60), *((start, start + 15) for start in (0, 15, 30, 45))]
    expected = [
        [[sum(odds for start, odds in each if a <= start < b) for each in row] for row in found] for a, b in parts
    ]
    best = [[max((odds for _, odds in each), default=0) for each in row] for row in found]
    weak = [[sum(np.sqrt(odds) for _, odds in each) for each in row] for row in found]
    columns = np.log(np.hstack([expected[0], best, weak, *expected[1:]]) + FLOOR)
    np.testing.assert_allclose(motif_fits(codes, motifs), columns, rtol=1e-4, atol=1e-4)


def test_features_are_counts_then_motifs_row_by_row(monkeypatch):
    motifs = yeast_motifs()[:7]
    whole = features(CODES[:30], motifs, 5)
    assert whole.shape == (30, total(7, 5)) == (30, 1364 + 2 * 340 + 7 * 7)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole[:, :1364], kmers.counts(CODES[:30], 5))
    np.testing.assert_array_equal(whole[:, 1364:1704], kmers.counts(CODES[:30, :30], 4))
    np.testing.assert_array_equal(whole[:, 1704:2044], kmers.counts(CODES[:30, 30:], 4))
    np.testing.assert_array_equal(whole[:, 2044:], motif_fits(CODES[:30], motifs))
    monkeypatch.setattr("leanseq.baselines.features._BLOCK", 7)
    monkeypatch.setattr("leanseq.baselines.features._ROWS", 3)
    np.testing.assert_array_equal(features(CODES[:30], motifs, 5), whole)
    assert features(CODES[:0], motifs, 3).shape == (0, 3 * 84 + 49)
    assert features(CODES[:30], motifs, 0).shape == (30, 49)
    assert features(CODES[:30], (), 3).shape == (30, 3 * 84)


def test_both_strands_fit_alike():
    motifs = by_name(["REB1", "SPT15"])
    both = (motif_fits(codes, motifs)[:, :6] for codes in (CODES, reverse_complement(CODES)))  # of the whole row
    np.testing.assert_allclose(*both, rtol=1e-4)


def test_a_motif_tells_what_5_mers_cannot_see(rows, fitted):
    codes, expression = rows
    parts = codes[:400], expression[:400], codes[400:], expression[400:]
    assert fitted.valid_r > 0.9
    assert fitted.valid_r == pytest.approx(pearson(expression[400:], fitted.predict(codes[400:])))
    assert BoostedTrees.fit(*parts, k_max=5).valid_r < 0.3


def test_the_same_arguments_give_the_same_trees_and_each_option_others(rows, fitted, monkeypatch):
    codes, expression = rows
    parts = codes[:400], expression[:400], codes[400:], expression[400:]
    options = {"motifs": [SPACED], "k_max": 2}
    assert BoostedTrees.fit(*parts, **options).booster == fitted.booster
    for changed in ({"seed": 1}, {"k_max": 3}, {"motifs": ()}, {"motifs": by_name(["REB1"])}):
        assert BoostedTrees.fit(*parts, **{**options, **changed}).booster != fitted.booster
    weights = np.linspace(0.5, 2, 400)
    weighted = BoostedTrees.fit(*parts, weights, **options)
    assert weighted.booster != fitted.booster
    assert BoostedTrees.fit(*parts, 4 * weights, **options).booster == weighted.booster
    monkeypatch.setattr(boosted_trees, "MOST_ROWS", 300)
    assert BoostedTrees.fit(*parts, **options).booster != fitted.booster


def test_flanks_are_read_as_far_as_a_site_may_reach_into_them(rows):
    codes, expression = rows
    flank = np.tile(encode(["ACGTT" * 6]), (len(codes), 1))
    framed = np.hstack([flank, codes, flank])
    model = BoostedTrees.fit(framed[:400], expression[:400], framed[400:], expression[400:], k_max=2)
    assert model.span == (15, 105)
    changed = framed.copy()
    changed[:, :15] = changed[:, 105:] = 0
    np.testing.assert_array_equal(model.predict(changed), model.predict(framed))
    changed[:, 15:30] = 0
    assert (model.predict(changed) != model.predict(framed)).any()
    assert BoostedTrees.from_text(model.to_text()).span == (15, 105)


def test_a_weight_of_zero_is_an_absent_row(rows):
    codes, expression = rows
    weights = (np.arange(400) < 300).astype(float)
    wrong = np.where(weights > 0, expression[:400], 100.0)
    valid = codes[400:], expression[400:]
    part = BoostedTrees.fit(codes[:300], expression[:300], *valid, k_max=2)
    assert BoostedTrees.fit(codes[:400], wrong, *valid, weights, k_max=2).booster == part.booster


def test_saved_trees_predict_the_same_bits(rows, fitted, monkeypatch):
    codes, _ = rows
    text = fitted.to_text()
    again = BoostedTrees.from_text(text)
    np.testing.assert_array_equal(again.predict(codes), fitted.predict(codes))
    assert again.to_text() == text
    assert (again.trees, again.k_max, again.valid_r) == (fitted.trees, 2, fitted.valid_r)
    monkeypatch.setattr(boosted_trees, "_BLOCK", 37)
    np.testing.assert_array_equal(again.predict(codes), fitted.predict(codes))


def test_constant_expression_gives_the_constant(rows):
    codes, expression = rows
    model = BoostedTrees.fit(codes[:400], np.full(400, 3.0), codes[400:], expression[400:], k_max=2)
    np.testing.assert_allclose(model.predict(codes), 3, atol=1e-5)
    assert np.isnan(model.valid_r)
    assert np.isnan(BoostedTrees.from_text(model.to_text()).valid_r)


def damaged(text):
    """Texts that are no model."""
    values = json.loads(text)
    yield from ("", "[1]", "{}", text[: len(text) // 2], "null")
    yield json.dumps({**values, "format": "leanseq boosted trees 99"})
    for name, wrong in (
        ("booster", ["tree"]),
        ("booster", 3),
        ("motifs", []),
        ("motifs", [{}]),
        ("k_max", 3),
        ("span", [1]),
    ):
        yield json.dumps({**values, name: wrong})
    yield json.dumps({**values, "trees": values["trees"] + 1})


def test_text_that_is_no_model_is_refused(fitted):
    for text in damaged(fitted.to_text()):
        with pytest.raises(InputError, match="boosted trees: cannot read the model"):
            BoostedTrees.from_text(text)


def test_bad_input_is_refused(rows):
    codes, expression = rows
    with pytest.raises(InputError, match="boosted trees: 9 training rows, expected 10 or more"):
        BoostedTrees.fit(codes[:9], expression[:9], codes[400:], expression[400:])
    with pytest.raises(InputError, match="2 validation rows"):
        BoostedTrees.fit(codes[:400], expression[:400], codes[:2], expression[:2])
    for k_max in (-1, 0):
        with pytest.raises(InputError, match=f"k_max is {k_max}"):
            BoostedTrees.fit(codes[:400], expression[:400], codes[400:], expression[400:], k_max=k_max)


def test_a_library_that_cannot_be_loaded_is_named_before_any_training(tmp_path, monkeypatch):
    import leanseq

    def missing(name):
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(boosted_trees, "import_module", missing)
    with pytest.raises(InputError, match=r"cannot load LightGBM .*libgomp on Linux"):
        leanseq.train(tmp_path / "no.tsv", baselines="all")


def test_native_promoters(real_data):
    import polars as pl

    from leanseq.data.construct import YEAST_PTPA

    table = pl.read_csv(real_data / "yeast_native80.tsv", separator="\t")
    train, valid = table.filter(split="train")[:2048], table.filter(split="val")
    parts = [(YEAST_PTPA.windows(part["sequence"]), part["expression"].to_numpy()) for part in (train, valid)]
    model = BoostedTrees.fit(*parts[0], *parts[1], motifs=yeast_motifs(), k_max=3)
    assert model.valid_r > 0.77
