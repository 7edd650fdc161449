"""Rows that share ancestry: identical sequences, overlapping tiles, mutated and reverse-complement copies.

Two rows are homologous when they share at least `SHARED` distinct `K`-mers on either strand; groups are the
connected components. Give these functions inserts (see `inserts`): constant adapters would link every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Int64, UInt8
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .construct import Construct
from .encoding import LETTERS, PART, N, encode

K = 11
SHARED = 8

_BLOCK = 20_000_000  # multiplications of one sparse product: bounds its memory to about 0.3 GB
_DIRECT = 400_000_000  # multiplications that all pairs may take at once: a few seconds
_ROWS = 200_000  # reference rows whose k-mers stand in memory at once: 0.1 GB
_PART = 20_000  # rows whose k-mers are numbered at once
_SOME = 1_000  # rows that are asked first for their common end
_NUMBERED = 12  # up to this k, a k-mer is its own column


def inserts(sequences: pl.Series, construct: Construct) -> UInt8[np.ndarray, "n length"]:
    """Encode rows without the adapters of their construct, right-aligned, N on the left.

    Examples
    --------
    >>> from leanseq.data.encoding import decode
    >>> decode(inserts(pl.Series(["TTACGTGG", "TTCCCGG"]), Construct("toy", "TT", "GG")))
    ['ACGT', 'NCCC']
    """
    lengths = (sequences.str.len_bytes().cast(pl.Int64) - construct.adapter_length).clip(lower_bound=0)
    name, width = sequences.name, int(lengths.max() or 0)  # pyright: ignore[reportArgumentType]
    codes = np.empty((len(sequences), width), dtype=np.uint8)
    for start in range(0, len(sequences), PART):
        part = pl.DataFrame({name: sequences[start : start + PART], "_length": lengths[start : start + PART]})
        cut = part.select(pl.col(name).str.slice(len(construct.left_adapter), pl.col("_length")))[name]
        codes[start : start + PART] = encode(cut, width)
    return codes


def constant_ends(sequences: pl.Series, share: float = 0.95) -> tuple[str, str]:
    """Letters that over `share` of the rows have in common at their left and right end.

    These are adapters, whether a construct names them or not; they say nothing about descent.

    Examples
    --------
    >>> constant_ends(pl.Series(["TTACGTGG", "TTCCCGG", "TTGAGG"]))
    ('TT', 'GG')
    """
    longest = int(sequences.str.len_bytes().min()) // 2  # pyright: ignore[reportArgumentType]
    return _common_end(sequences, share, longest, left=True), _common_end(sequences, share, longest, left=False)


def _common_end(sequences: pl.Series, share: float, longest: int, *, left: bool) -> str:
    def is_common(end: str) -> bool:
        carry = sequences.str.starts_with(end) if left else sequences.str.ends_with(end)
        return int(carry.sum()) > share * len(sequences)

    # the end of the first rows is most often that of all; it saves going letter by letter through every row
    end = _common_end(sequences.head(_SOME), share, longest, left=left) if len(sequences) > _SOME else ""
    end = end if is_common(end) else ""
    while len(end) < longest:
        longer = [letter + end if not left else end + letter for letter in LETTERS]
        if (found := next(filter(is_common, longer), None)) is None:
            break
        end = found
    return end


def identical_groups(codes: UInt8[np.ndarray, "n length"]) -> Int64[np.ndarray, " n"]:
    """Number the distinct rows; equal rows get equal numbers.

    Examples
    --------
    >>> identical_groups(encode(["ACG", "TTT", "ACG"])).tolist()
    [0, 1, 0]
    """
    if not codes.size:
        return np.zeros(len(codes), dtype=np.int64)
    rows = np.ascontiguousarray(codes).view(np.dtype((np.void, codes.shape[1]))).ravel()
    order = rows.argsort()
    new = np.zeros(len(codes), dtype=bool)
    for start in range(1, len(codes), PART):
        here = order[start : start + PART]
        new[start : start + PART] = (codes[here] != codes[order[start - 1 : start - 1 + len(here)]]).any(axis=1)
    groups = np.empty(len(codes), dtype=np.int64)
    groups[order] = np.cumsum(new)
    return groups


def homology_groups(codes: UInt8[np.ndarray, "n length"], k: int = K, shared: int = SHARED) -> Int64[np.ndarray, " n"]:
    """Group rows that are linked, directly or through others, by shared k-mers.

    Two rows are linked when they are identical or have at least `shared` distinct canonical k-mers in common
    (a k-mer and its reverse complement are one; k-mers with N do not count). No k-mer is left out for being
    common: blank constant regions by N, or cut them with `inserts`, before the call.

    Parameters
    ----------
    codes
        n inserts, right-aligned.
    k
        Length of a k-mer, odd, 3 to 31 bp.
    shared
        Distinct k-mers that two rows must share.

    Returns
    -------
    Int64[np.ndarray, " n"]
        Group numbers from 0, in the order of first appearance.

    Notes
    -----
    All pairs are found by sparse products in blocks of bounded memory. Where families are so large that all
    pairs would take long (variant libraries of a few promoters), they are grown one at a time first, each row
    meeting only rows that no family holds yet. Both ways are exact.

    Examples
    --------
    >>> family = "ACGTTGCATCCGATTAGCCATGACT"
    >>> homology_groups(encode([family, "T" * 25, family[:20] + "GGGGG"])).tolist()
    [0, 1, 0]
    """
    identical = identical_groups(codes)
    first = np.unique(identical, return_index=True)[1]
    (kmers,) = _kmer_sets([codes[first]], k)
    links = [np.zeros((0, 2), dtype=np.int64)]
    rest = np.arange(len(first))
    while True:
        kmers, rest = _linkable(kmers, rest, shared)
        cost = _cost(kmers, kmers)
        if cost.sum() <= _DIRECT:
            break
        found = _grow(kmers, int(cost.argmax()), shared)
        links.append(np.stack([np.full(found.sum(), rest[cost.argmax()]), rest[found]], axis=1))
        kmers, rest = kmers[~found], rest[~found]
        if found.mean() < 0.001:
            break  # common k-mers without large families: all pairs, block by block
    links += [rest[pairs] for pairs in _pairs(kmers, kmers, shared)]
    a, b = np.concatenate(links).T
    graph = sparse.coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(len(first), len(first)))
    labels = connected_components(graph, directed=False)[1][identical]
    _, appearance, labels = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(appearance))[labels].astype(np.int64)


def homologous_to(
    codes: UInt8[np.ndarray, "n length"],
    reference: UInt8[np.ndarray, "reference length"],
    k: int = K,
    shared: int = SHARED,
) -> Bool[np.ndarray, " n"]:
    """Which rows share at least `shared` distinct canonical k-mers with some one row of `reference`."""
    found = np.zeros(len(codes), dtype=bool)
    # A sample of the reference first: rows of large families are found at once and need no second look.
    for step in (257, 16, 1):
        some = reference[::step]
        for start in range(0, len(some), _ROWS):
            left = np.flatnonzero(~found)
            rows, others = _kmer_sets([codes[left], some[start : start + _ROWS]], k)
            for pairs in _pairs(others, rows, shared):
                found[left[pairs[:, 1]]] = True
    return found


def _kmer_sets(parts: Sequence[np.ndarray], k: int) -> list[sparse.csr_array]:
    """Incidence matrices [n, k-mers] of the distinct canonical k-mers of some sets of rows, in common columns."""
    if k % 2 == 0 or not 3 <= k <= 31:
        raise ValueError(f"k is {k}, expected an odd number from 3 to 31")
    found = [_distinct_kmers(part, k) for part in parts]
    columns, width = [kmers for kmers, _ in found], 4**k
    if k > _NUMBERED:
        names, numbers = np.unique(np.concatenate(columns), return_inverse=True)
        columns, width = (
            np.split(numbers.astype(np.int32), np.cumsum([len(kmers) for kmers in columns])[:-1]),
            len(names),
        )
    return [
        sparse.csr_array(
            (np.ones(len(kmers), dtype=np.int32), kmers, np.concatenate([[0], np.cumsum(counts)])),
            shape=(len(counts), width),
        )
        for kmers, (_, counts) in zip(columns, found, strict=True)
    ]


def _distinct_kmers(codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the distinct canonical k-mers of each row, row after row and sorted, and how many each row has."""
    blocks = [_kmers_of_block(codes[start : start + _PART], k) for start in range(0, max(len(codes), 1), _PART)]
    kmers, counts = zip(*blocks, strict=True)
    return np.concatenate(kmers), np.concatenate(counts)


def _kmers_of_block(codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    letters = (codes & 3).astype(np.int32 if k <= 15 else np.int64)
    forward, reverse = _words(letters, k), _words(3 - letters[:, ::-1], k)[:, ::-1]
    canonical = np.minimum(forward, reverse)
    unknown = codes == N
    if unknown.any():
        before = np.cumsum(np.pad(unknown, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
        canonical[before[:, k:] > before[:, :-k]] = -1
    canonical.sort(axis=1)
    keep = canonical >= 0
    keep[:, 1:] &= canonical[:, 1:] != canonical[:, :-1]
    return canonical[keep], keep.sum(axis=1)


def _words(letters: np.ndarray, k: int) -> np.ndarray:
    """Every k letters of each row as one number of base 4; longer words are put together from shorter ones."""
    if k == 1:
        return letters
    places = max(letters.shape[1] - k + 1, 0)
    half = _words(letters, k // 2)
    words = (half[:, :places] << 2 * (k // 2)) | half[:, k // 2 : k // 2 + places]
    return (words << 2) | letters[:, k - 1 : k - 1 + places] if k % 2 else words


def _linkable(kmers: sparse.csr_array, rest: np.ndarray, shared: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Drop k-mers that only one row holds, then rows with too few k-mers left to link to any other."""
    kmers = kmers[:, np.flatnonzero(kmers.sum(axis=0) > 1)]
    enough = kmers.sum(axis=1) >= shared
    return kmers[enough], rest[enough]


def _cost(rows: sparse.csr_array, others: sparse.csr_array) -> np.ndarray:
    """Multiplications that the product of each row with all others takes."""
    return rows @ others.sum(axis=0, dtype=np.int64)


def _pairs(rows: sparse.csr_array, others: sparse.csr_array, shared: int) -> Iterator[np.ndarray]:
    """Pairs [pairs, 2] (row, other) that share enough k-mers, one block of rows after another."""
    work = np.cumsum(_cost(rows, others))
    transposed = others.T.tocsr()
    start = 0
    while start < len(work):
        done = work[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(work, done + _BLOCK)))
        product = (rows[start:stop] @ transposed).tocoo()
        enough = product.data >= shared
        yield np.stack([product.row[enough].astype(np.int64) + start, product.col[enough]], axis=1)
        start = stop


def _grow(kmers: sparse.csr_array, seed: int, shared: int) -> np.ndarray:
    """Mask of the rows linked to the row `seed`, directly or through others."""
    found = np.zeros(len(kmers.indptr) - 1, dtype=bool)
    found[seed] = True
    frontier = np.array([seed])
    while len(frontier):
        free = np.flatnonzero(~found)
        new = np.zeros(len(free), dtype=bool)
        for pairs in _pairs(kmers[frontier], kmers[free], shared):
            new[pairs[:, 1]] = True
        frontier = free[new]
        found[frontier] = True
    return found
