from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from leanseq.data import homology, splits
from leanseq.data.construct import YEAST_PTPA, Construct
from leanseq.data.encoding import encode, reverse_complement
from leanseq.errors import InputError

# without a fill value, which would often give most rows one group
GROUPS = hnp.arrays(np.int64, st.integers(20, 60), elements=st.integers(0, 12), fill=st.nothing()).filter(
    lambda groups: np.bincount(groups).max() <= len(groups) // 2
)


def random_codes(rng: np.random.Generator, n: int, length: int = 80) -> np.ndarray:
    return rng.integers(0, 4, (n, length)).astype(np.uint8)


def mutate(rng: np.random.Generator, codes: np.ndarray, rate: float) -> np.ndarray:
    changed = (codes + rng.integers(1, 4, codes.shape)) % 4
    return np.where(rng.random(codes.shape) < rate, changed, codes).astype(np.uint8)


def share_in_largest(groups: np.ndarray) -> float:
    """Share of rows [families, copies] that stand with most of their family."""
    return float(np.mean([np.bincount(family).max() for family in groups]) / groups.shape[1])


def test_mutated_and_reverse_copies_are_found() -> None:
    rng = np.random.default_rng(0)
    rows = mutate(rng, np.repeat(random_codes(rng, 300), 8, axis=0), 0.05)
    rows[::3] = reverse_complement(rows[::3])
    groups = homology.homology_groups(rows).reshape(300, 8)
    assert share_in_largest(groups) >= 0.99
    assert len({np.bincount(family).argmax() for family in groups}) >= 298


def test_overlapping_tiles_are_found() -> None:
    rng = np.random.default_rng(1)
    genes = random_codes(rng, 200, 330)
    tiles = np.stack([genes[:, start : start + 80] for start in range(0, 251, 50)], axis=1)  # overlap by 30
    groups = homology.homology_groups(tiles.reshape(-1, 80)).reshape(200, 6)
    assert share_in_largest(groups) >= 0.99


def test_unrelated_rows_are_not_linked() -> None:
    groups = homology.homology_groups(random_codes(np.random.default_rng(2), 3000))
    assert len(np.unique(groups)) >= 2995


def test_the_threshold_is_eight_kmers() -> None:
    rng = np.random.default_rng(3)
    rows = random_codes(rng, 3)
    rows[1, 10:27] = rows[0, 10:27]  # 17 bases: 7 shared 11-mers
    rows[1, [9, 27]] = (rows[0, [9, 27]] + 1) % 4
    rows[2, 40:58] = rows[0, 40:58]  # 18 bases: 8
    assert homology.homology_groups(rows).tolist() == [0, 1, 0]


def test_n_and_low_complexity_do_not_link_but_identity_does() -> None:
    codes = encode(["A" * 40, "A" * 39 + "C", "A" * 40, "N" * 40, "NNACG", "NNACG"])
    assert homology.homology_groups(codes).tolist() == [0, 1, 0, 2, 3, 3]


def test_adapters_link_every_row_unless_cut() -> None:
    rng = np.random.default_rng(4)
    names = pl.Series("sequence", ["".join(row) for row in np.array(list("ACGT"))[random_codes(rng, 50)]])
    rows = YEAST_PTPA.left_adapter * 2 + names + YEAST_PTPA.right_adapter
    construct = Construct("toy", YEAST_PTPA.left_adapter * 2, YEAST_PTPA.right_adapter)
    assert len(np.unique(homology.homology_groups(encode(rows)))) == 1
    codes = homology.inserts(rows, construct)
    assert codes.shape == (50, 80)
    assert len(np.unique(homology.homology_groups(codes))) == 50


def test_large_families_are_grown_to_the_same_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    parents = np.repeat(random_codes(rng, 6), [400, 200, 50, 5, 2, 1], axis=0)
    rows = rng.permutation(mutate(rng, np.concatenate([parents, random_codes(rng, 300)]), 0.04))
    direct = homology.homology_groups(rows)
    monkeypatch.setattr(homology, "_DIRECT", 1000)
    monkeypatch.setattr(homology, "_BLOCK", 5000)
    np.testing.assert_array_equal(homology.homology_groups(rows), direct)


def test_tiny_tables_and_bad_k() -> None:
    assert homology.homology_groups(np.zeros((0, 80), np.uint8)).tolist() == []
    assert homology.homology_groups(encode(["ACG"])).tolist() == [0]
    with pytest.raises(ValueError, match="odd"):
        homology.homology_groups(encode(["ACG"]), k=10)


@settings(deadline=None, max_examples=40)
@given(groups=GROUPS, seed=st.integers(0, 9))
def test_groups_never_straddle_parts(groups: np.ndarray, seed: int) -> None:
    try:
        split = splits.split_by_group(groups, valid=0.2, test=0.2, seed=seed)
    except InputError:  # two or three large groups
        return
    assert sorted(np.concatenate(split)) == list(range(len(groups)))
    parts = [set(groups[rows]) for rows in split]
    assert sum(map(len, parts)) == len(set(groups))
    for again, rows in zip(splits.split_by_group(groups, 0.2, 0.2, seed), split, strict=True):
        np.testing.assert_array_equal(again, rows)


def test_sizes_are_exact_where_groups_allow() -> None:
    groups = np.concatenate([np.repeat(np.arange(50), 4), np.arange(50, 250)])
    split = splits.split_by_group(groups, valid=40, test=0.1, seed=1)
    assert [len(rows) for rows in split] == [320, 40, 40]
    assert (np.diff(split.train) > 0).all()
    assert not np.array_equal(split.test, splits.split_by_group(groups, 40, 0.1, seed=2).test)


def test_a_larger_group_is_taken_when_it_comes_nearer() -> None:
    split = splits.split_by_group(np.repeat(np.arange(5), 10), valid=8, test=12, seed=0)
    assert [len(rows) for rows in split] == [30, 10, 10]


def test_random_split_keeps_identical_rows_together() -> None:
    codes = encode(["ACGT", "CCCC", "ACGT", "GGGG", "TTTT", "CCCC"])
    groups = splits.identical_groups(codes)
    split = splits.split_random(groups, valid=2, test=2, seed=0)
    assert splits.leakage(codes, split).test_identical == 0
    assert [len(rows) for rows in split] == [2, 2, 2]


@pytest.mark.parametrize(
    ("valid", "test", "message"), [(6, 4, "leave none"), (1.5, 1, "1.5"), (-1, 0, "-1"), (True, 1, "True")]
)
def test_impossible_sizes(valid: float, test: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        splits.split_random(10, valid=valid, test=test, seed=0)


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(InputError, match="constant ends"):
        splits.split_by_group(np.zeros(10, np.int64), valid=2, test=2, seed=0)


def test_column_split() -> None:
    values = pl.Series("split", ["Train", "val", "TEST", "spare_test", None, "validation", "valid", "extra", "extra"])
    split, left_out = splits.split_by_column(values)
    assert [rows.tolist() for rows in split] == [[0], [1, 5, 6], [2]]
    assert left_out == {"extra": 2, "spare_test": 1, "": 1}


def test_column_split_without_validation() -> None:
    with pytest.raises(InputError, match=r"column 'part': found 'test', 'train', expected some validation rows"):
        splits.split_by_column(pl.Series("part", ["train", "test"]))


@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_subsets_are_nested(seed: int, sizes: list[int]) -> None:
    train = np.arange(100, 130)
    subsets = splits.nested_subsets(train, sizes, seed)
    largest = max(subsets, key=len)
    for size, subset in zip(sizes, subsets, strict=True):
        assert len(set(subset)) == size
        assert set(subset) <= set(train)
        np.testing.assert_array_equal(subset, largest[:size])


def test_too_large_a_subset() -> None:
    with pytest.raises(InputError, match="20,480 training rows asked for, the table has 10,240"):
        splits.nested_subsets(np.arange(10_240), [5_120, 20_480], seed=0)


def test_leakage_counts() -> None:
    rng = np.random.default_rng(6)
    codes = random_codes(rng, 40)
    codes[20] = codes[0]
    codes[21] = reverse_complement(codes[1:2])[0]
    codes[30] = mutate(rng, codes[2:3], 0.03)[0]
    split = splits.Split(np.arange(20), np.arange(20, 30), np.arange(30, 40))
    found = splits.leakage(codes, split)
    assert found == splits.Leakage(10, 1, 2, 10, 0, 1, 10, 10)
    assert found.share == 3 / 20
    assert found.words.startswith("2 of 10 validation rows (20.0%)")


def test_leakage_of_a_large_table_is_estimated_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    codes = np.concatenate([train := random_codes(rng, 500), random_codes(rng, 500)])
    codes[500:750] = mutate(rng, train[:250], 0.02)
    codes[999] = train[0]
    split = splits.Split(np.arange(500), np.arange(500, 1000), np.arange(0))
    whole = splits.leakage(codes, split)
    monkeypatch.setattr(splits, "PAIRS", 200 * 500)
    monkeypatch.setattr(splits, "FEWEST", 10)
    sampled = splits.leakage(codes, split)
    assert (sampled.valid_identical, sampled.valid_looked) == (whole.valid_identical, whole.valid_identical + 200)
    assert sampled.valid_homologous == pytest.approx(whole.valid_homologous, rel=0.2)
    assert sampled.words.startswith(f"about {sampled.valid_homologous} of 500 validation rows")
    assert f"estimated from {sampled.valid_looked} rows" in sampled.words
    assert "about" not in whole.words


@pytest.mark.parametrize("k", [3, 11, 13, 31])
def test_kmer_sets_are_those_of_strings(k: int) -> None:
    rng = np.random.default_rng(8)
    codes = rng.choice(5, (40, 50), p=[0.245] * 4 + [0.02]).astype(np.uint8)
    (both,), parts = homology._kmer_sets([codes], k), homology._kmer_sets([codes[:15], codes[15:]], k)
    shared = (both @ both.T).toarray()
    words = [kmer_words(row, k) for row in codes]
    np.testing.assert_array_equal(shared, [[len(a & b) for b in words] for a in words])
    np.testing.assert_array_equal((parts[0] @ parts[1].T).toarray(), shared[:15, 15:])


def kmer_words(row: np.ndarray, k: int) -> set[bytes]:
    """Distinct canonical k-mers of a row."""
    pairs = ((row[i : i + k], reverse_complement(row[None, i : i + k])[0]) for i in range(len(row) - k + 1))
    return {min(one.tobytes(), other.tobytes()) for one, other in pairs if 4 not in one}


def test_rows_are_compared_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    reference = random_codes(rng, 70)
    rows = mutate(rng, reference[::2], 0.05)
    whole = homology.homologous_to(rows, reference)
    monkeypatch.setattr(homology, "_ROWS", 8)
    monkeypatch.setattr(homology, "_PART", 3)
    assert whole.mean() > 0.9
    np.testing.assert_array_equal(homology.homologous_to(rows, reference), whole)


@pytest.mark.parametrize("rows", [900, 3000])
def test_constant_ends_are_those_of_all_rows_not_of_the_first(rows: int) -> None:
    rng = np.random.default_rng(10)
    middle = pl.Series(["".join(row) for row in np.array(list("ACGT"))[random_codes(rng, rows, 30)]])
    sequences = "ACG" + middle + "TTT"
    assert homology.constant_ends(sequences) == ("ACG", "TTT")
    first = pl.concat(["ACGTTTT" + middle.head(1000).str.slice(4) + "TTT", sequences])
    assert homology.constant_ends(first, share=0.9) == ("ACG", "TTT")


def test_homology_split_of_real_promoters_has_no_leak(real_data) -> None:
    table = pl.read_csv(real_data / "yeast_native80.tsv", separator="\t").filter(pl.col("split") != "extra")[:6000]
    codes = homology.inserts(table["sequence"], YEAST_PTPA)
    random = splits.leakage(codes, splits.split_random(len(codes), 500, 500, seed=0))
    assert random.test_homologous > 20
    split = splits.split_by_group(homology.homology_groups(codes), 500, 500, seed=0)
    grouped = splits.leakage(codes, split)
    assert (len(split.valid), len(split.test)) == (500, 500)
    assert grouped.valid_homologous == grouped.test_homologous == 0
