"""Counts of k-mers, k = 1 up to some length: overlapping, on the strand given, k-mers with N left out.

k-mers are ordered by k, then alphabetically.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from scipy import sparse

from ..data.encoding import N


def total(k_max: int) -> int:
    """Number of k-mers of 1 to `k_max` bp.

    Examples
    --------
    >>> total(6)
    5460
    """
    return (4 ** (k_max + 1) - 4) // 3


def numbers(codes: UInt8[np.ndarray, "n length"], k_max: int) -> Int32[np.ndarray, "n places"]:
    """Number the k-mer at every place, for all k; k-mers with N get the number after the last.

    Examples
    --------
    >>> numbers(np.array([[0, 1, 4]], np.uint8), 2).tolist()
    [[0, 1, 20, 5, 20]]
    """
    n, length = codes.shape
    none = total(k_max)
    parts = []
    value = np.zeros((n, length + 1), dtype=np.int32)
    unknown = np.zeros((n, length + 1), dtype=bool)
    for k in range(1, min(k_max, length) + 1):
        last = codes[:, k - 1 :]
        value = value[:, :-1] * 4 + (last & 3)
        unknown = unknown[:, :-1] | (last == N)
        parts.append(np.where(unknown, none, value + total(k - 1)).astype(np.int32))
    return np.concatenate(parts, axis=1) if parts else np.zeros((n, 0), dtype=np.int32)


def counts(codes: UInt8[np.ndarray, "n length"], k_max: int) -> Float32[np.ndarray, "n kmers"]:
    """Count every k-mer in every row, dense: give blocks of rows where `total(k_max)` is large."""
    index, kmers = numbers(codes, k_max), total(k_max)
    n, places = index.shape
    known = index < kmers
    pointer = np.arange(n + 1) * places
    found = (known.ravel().astype(np.float32), np.where(known, index, 0).ravel(), pointer)
    return sparse.csr_array(found, shape=(n, kmers)).toarray()
