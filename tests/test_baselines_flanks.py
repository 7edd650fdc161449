from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from leanseq.baselines.flanks import Flanks, cut, find_flanks
from leanseq.data.construct import Construct
from leanseq.data.encoding import decode, encode

LEFT, RIGHT = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
PLASMID = "ACTGCCATAGGATCCGTAACGTCAGTTGAC"
TOY = Construct("toy", LEFT, RIGHT, left_flank=PLASMID, length=100)


def library(n: int, low: int = 60, high: int = 60) -> list[str]:
    """Random inserts of low..high bp."""
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list("ACGT"), size)) for size in rng.integers(low, high + 1, n)]


def windows(inserts: list[str]) -> np.ndarray:
    return TOY.windows(pl.Series([LEFT + insert + RIGHT for insert in inserts]))


def test_flanks_are_found_wherever_they_stand() -> None:
    for low in (60, 40):  # all of one length; or of many, so that the left flank moves
        found = find_flanks(windows(library(300, low=low)))
        assert (found.left, found.right) == ((PLASMID + LEFT)[-24:], RIGHT)
        assert found.end == len(RIGHT)
        assert found.start == pytest.approx(len(RIGHT) + (low + 60) / 2, abs=2)
        assert found.altered == (2, 1)


def test_no_flanks_where_rows_share_nothing_or_everything() -> None:
    assert find_flanks(encode(library(50))) == Flanks("", "", 60, 0)
    assert find_flanks(encode([PLASMID] * 50)) == Flanks("", "", 30, 0)
    assert find_flanks(encode(["ACG"] * 50)) == Flanks("", "", 3, 0)
    right = find_flanks(encode([insert + RIGHT for insert in library(50)]))
    assert (right.left, right.right) == ("", RIGHT)
    left = find_flanks(encode([LEFT + insert for insert in library(50)]))
    assert (left.left, left.right) == (LEFT, "")


def test_as_many_letters_may_differ_as_do_in_some_rows() -> None:
    codes = windows(library(500))
    codes[:4, 4:27:3] ^= 1  # four rows with 8 other letters in the left flank
    assert find_flanks(codes).altered == (6, 1)  # no more than a quarter of it
    codes[:4, 4:27:3] ^= 1
    codes[:4, 8:27:5] ^= 1
    assert find_flanks(codes).altered == (4, 1)


def test_n_are_no_flank() -> None:
    assert find_flanks(encode(library(50), 90)) == Flanks("", "", 90, 0)


def test_an_adapter_of_some_rows_is_no_flank() -> None:
    rows = library(100)
    rows[:90] = [insert[:-13] + RIGHT for insert in rows[:90]]
    assert find_flanks(encode(rows)) == Flanks("", "", 60, 0)


def test_a_barcode_in_a_flank_ends_it() -> None:
    inserts = library(300)
    rows = [PLASMID + inserts[i - 1][:12] + LEFT + inserts[i] + RIGHT for i in range(300)]
    found = find_flanks(encode(rows))
    assert (found.left, found.right, found.start, found.end) == (LEFT, RIGHT, 73, 13)


def test_the_variable_part_is_cut_out() -> None:
    flanks = Flanks("AACCGGTT", "GGGTTTAA", start=14, end=8, altered=(1, 0))
    rows = [
        "AACCGGTTACNGTCGGGTTTAA",
        "AACCGGTTACGGGTTTAA",  # short: the left flank stands further right
        "AACCGGATACNGTCGGGTTTAA",  # a letter of the left flank differs
        "ATCCGGATACNGTCGGGTTTAA",  # two do: not found, so where the part usually starts
    ]
    part = cut(encode(rows), flanks)
    assert [row.strip("N") for row in decode(part.codes)] == ["ACNGTC", "AC", "ACNGTC", "ACNGTC"]
    assert part.bp.tolist() == [6, 2, 6, 6]
    assert part.unknown.tolist() == pytest.approx([1 / 6, 0, 1 / 6, 1 / 6])
    assert part.altered.tolist() == [[0, 0], [0, 0], [1, 0], [2, 0]]


def test_a_flank_may_reach_out_of_the_window() -> None:
    flanks = Flanks("CCTTAACCGGTTCCAA", "GGGTTTAACCGGAATT", start=32, end=16, altered=(1, 1))
    part = cut(encode(["AACCGGTTCCAATTTTTTTGGGTTTAACCGG", "AACCGGTTCCAATTTTGGGTTTAACCGGAATT"], 32), flanks)
    assert [row.strip("N") for row in decode(part.codes)] == ["TTTTTTT", "TTTT"]
    assert part.altered.tolist() == [[1, 0], [0, 0]]  # N before the first row stands where the flank has a letter
    short = cut(encode(["AACCGGTTCCAACG", "ATCCGGTTCCAATT"]), Flanks("AACCGGTTCCAA" * 2, "", 2, 0, (1, 0)))
    assert short.bp.tolist() == [2, 2]
    assert short.altered.tolist() == [[0, 0], [1, 0]]


def test_n_before_a_row_stand_for_no_letter() -> None:
    part = cut(encode(["NNNNACNG", "NNNNNNNN"]), Flanks("", "", 8, 0))
    assert part.bp.tolist() == [4, 0]
    assert part.unknown.tolist() == [0.25, 0]
