"""Which rows train, which choose (validation) and which judge (test): pure functions of indices and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Int64, UInt8

from ..errors import InputError
from .homology import SHARED, K, homologous_to, identical_groups

PAIRS, FEWEST = 20_000_000_000, 1_000
"""Most pairs of rows that are compared for leakage (some ten seconds), and the fewest rows of a part that are."""

_PARTS = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}


class Split(NamedTuple):
    """Sorted, disjoint row indices of the three parts of a table."""

    train: Int64[np.ndarray, " train"]
    valid: Int64[np.ndarray, " valid"]
    test: Int64[np.ndarray, " test"]


class ColumnSplit(NamedTuple):
    """A split read from a column, and how many rows each value that names no part left out."""

    split: Split
    left_out: dict[str, int]


def split_by_group(groups: Int64[np.ndarray, " n"], valid: float | int, test: float | int, seed: int) -> Split:
    """Split rows at random, a whole group at a time, with sizes as near to the wanted ones as groups allow.

    Parameters
    ----------
    groups
        Group number of each row, from `homology_groups`, `identical_groups` or a column of the user.
    valid, test
        Rows wanted: a count (int) or a share of all rows (float under 1). 0 makes that part empty.
    seed
        The same seed gives the same split.

    Raises
    ------
    InputError
        If a size is not a count or a share, or a part that was asked for gets no row.

    Examples
    --------
    >>> split = split_by_group(np.array([7, 7, 7, 8, 8, 9]), valid=2, test=1, seed=0)
    >>> split.train.tolist(), split.valid.tolist(), split.test.tolist()
    ([0, 1, 2], [3, 4], [5])
    """
    n = len(groups)
    wanted = {"test": _count(test, n, "test"), "valid": _count(valid, n, "valid")}
    if sum(wanted.values()) >= n:
        raise InputError(
            f"split: {wanted['valid']:,} validation and {wanted['test']:,} test rows leave none of {n:,} to "
            "train on; ask for fewer"
        )
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    part = np.zeros(len(sizes), dtype=np.int64)  # 0 train, 1 valid, 2 test
    for number, name in ((2, "test"), (1, "valid")):
        free = order[part[order] == 0]
        part[_fill(free, sizes[free], wanted[name])] = number
    split = Split(*(np.flatnonzero(part[member] == number) for number in range(3)))
    for name, rows in split._asdict().items():
        if not len(rows) and wanted.get(name, 1):
            raise InputError(
                f"split: no row is left for {name}: the {n:,} rows form {len(sizes):,} groups, the largest of "
                f"{sizes.max(initial=0):,} rows; if all rows share constant ends, name these in a construct, "
                "or split at random"
            )
    return split


def split_random(rows: int | Int64[np.ndarray, " n"], valid: float | int, test: float | int, seed: int) -> Split:
    """Split rows at random.

    Parameters
    ----------
    rows
        Number of rows, or the group of each row (`identical_groups` keeps equal sequences together).
    valid, test, seed
        As in `split_by_group`.

    Examples
    --------
    >>> [len(part) for part in split_random(10, valid=0.2, test=1, seed=0)]
    [7, 2, 1]
    """
    groups = np.arange(rows, dtype=np.int64) if isinstance(rows, int) else rows
    return split_by_group(groups, valid, test, seed)


def split_by_column(values: pl.Series) -> ColumnSplit:
    """Read the split from a column that names the part of each row.

    Parts are train, val (or valid, validation) and test, in any case. Rows with another value, or none, are
    left out and counted. Test may be missing.

    Raises
    ------
    InputError
        If no row is named train, or none valid.

    Examples
    --------
    >>> split, left_out = split_by_column(pl.Series("split", ["train", "VAL", "extra", "train"]))
    >>> split.train.tolist(), split.valid.tolist(), split.test.tolist(), left_out
    ([0, 3], [1], [], {'extra': 1})
    """
    names = values.cast(pl.String).fill_null("").str.strip_chars()
    parts = names.str.to_lowercase().replace_strict(_PARTS, default="", return_dtype=pl.String)
    split = Split(*(np.flatnonzero((parts == name).to_numpy()) for name in Split._fields))
    for name, rows, example in (("train", split.train, "'train'"), ("validation", split.valid, "'valid'")):
        if not len(rows):
            found = ", ".join(repr(value) for value in names.unique().sort().head(6)) or "no rows"
            raise InputError(
                f"column {values.name!r}: found {found}, expected some {name} rows; write {example} there, "
                "or let leanseq split the rows"
            )
    counts = names.filter(parts == "").value_counts(sort=True, name="rows")
    return ColumnSplit(split, dict(counts.iter_rows()))


def nested_subsets(
    train: Int64[np.ndarray, " train"], sizes: Sequence[int], seed: int
) -> list[Int64[np.ndarray, " size"]]:
    """Draw random subsets of which each smaller one lies inside each larger one.

    Every subset is a prefix of one seeded permutation of `train`; they come in the order of `sizes`.

    Raises
    ------
    InputError
        If a size is under 1 or larger than `train`.

    Examples
    --------
    >>> small, large = nested_subsets(np.arange(10), [2, 4], seed=0)
    >>> (small == large[:2]).all()
    np.True_
    """
    for size in sizes:
        if not 1 <= size <= len(train):
            raise InputError(
                f"subset: {size:,} training rows asked for, the table has {len(train):,}; ask for 1 to {len(train):,}"
            )
    order = np.random.default_rng(seed).permutation(train)
    return [order[:size] for size in sizes]


@dataclass(frozen=True)
class Leakage:
    """How many validation and test rows have a close relative among the training rows.

    Attributes
    ----------
    valid_rows, test_rows
        Rows of each part.
    valid_identical, test_identical
        Rows whose sequence also stands in train.
    valid_homologous, test_homologous
        Rows identical to a training row or with at least 8 shared 11-mers with one.
    valid_looked, test_looked
        Rows that were compared with the training rows; where these are not all, the homologous ones are an estimate.
    """

    valid_rows: int
    valid_identical: int
    valid_homologous: int
    test_rows: int
    test_identical: int
    test_homologous: int
    valid_looked: int
    test_looked: int

    @property
    def share(self) -> float:
        """Share of the validation and test rows that have a relative in train."""
        rows = self.valid_rows + self.test_rows
        return (self.valid_homologous + self.test_homologous) / rows if rows else 0.0

    @property
    def words(self) -> str:
        """The finding in one plain sentence for each part."""
        return " ".join(
            f"{'about ' if looked < rows else ''}{homologous:,} of {rows:,} {name} rows ({homologous / rows:.1%}) are "
            f"homologous to a training row (at least {SHARED} shared {K}-mers"
            f"{f', estimated from {looked:,} rows' if looked < rows else ''}), {identical:,} of them identical."
            for name, rows, identical, homologous, looked in (
                ("validation", self.valid_rows, self.valid_identical, self.valid_homologous, self.valid_looked),
                ("test", self.test_rows, self.test_identical, self.test_homologous, self.test_looked),
            )
            if rows
        )


def leakage(codes: UInt8[np.ndarray, "n length"], split: Split) -> Leakage:
    """Count validation and test rows that have an identical or homologous row in train.

    `codes` are inserts without constant adapters, as in `homology_groups`. Where a part and train make more than
    `PAIRS` pairs of rows, a random sample of the part's rows is compared.
    """
    identical = identical_groups(codes)
    counts: dict[str, int] = {}
    reference = codes[split.train]
    for name, rows in (("valid", split.valid), ("test", split.test)):
        same = np.isin(identical[rows], identical[split.train])
        other = rows[~same]
        most = max(PAIRS // max(len(reference), 1), FEWEST)
        looked = other if len(other) <= most else np.random.default_rng(0).choice(other, most, replace=False)
        related = homologous_to(codes[looked], reference).mean() if len(looked) else 0.0
        counts[f"{name}_rows"] = len(rows)
        counts[f"{name}_identical"] = int(same.sum())
        counts[f"{name}_homologous"] = int(same.sum()) + round(float(related) * len(other))
        counts[f"{name}_looked"] = len(rows) - len(other) + len(looked)
    return Leakage(**counts)


def _count(size: float | int, n: int, name: str) -> int:
    """Rows wanted, from a count or a share."""
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    if isinstance(size, float) and 0 <= size < 1:
        return max(round(size * n), 1 if size else 0)
    raise InputError(f"split: {name} is {size!r}, expected a number of rows (such as 2048) or a share (0.1)")


def _fill(groups: np.ndarray, sizes: np.ndarray, wanted: int) -> list[int]:
    """Take groups in their order while they fit, then one more if that comes nearer to the wanted size."""
    chosen: list[int] = []
    missing = wanted
    for group, size in zip(groups.tolist(), sizes.tolist(), strict=True):
        if size <= missing:
            chosen.append(group)
            missing -= size
    left = ~np.isin(groups, chosen)
    if missing and left.sum() > 1:  # the last group is train's
        smallest = np.flatnonzero(left)[sizes[left].argmin()]
        if sizes[smallest] - missing < missing:
            chosen.append(int(groups[smallest]))
    return chosen
