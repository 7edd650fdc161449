"""DNA strings <-> uint8 codes, one-hot and reverse complement.

Codes are A 0, C 1, G 2, T 3, N 4: one byte a base, the whole table in memory. One-hot has the channel
order A C G T and zeros for N.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import UInt8

LETTERS = "ACGTN"
N = 4
PART = 1 << 16
"""Rows that are worked on at once: what stands in memory beside the result."""

_CODE = np.full(256, 255, dtype=np.uint8)
for _index, _letter in enumerate(LETTERS):
    _CODE[ord(_letter)] = _CODE[ord(_letter.lower())] = _index
_TRANSLATE = _CODE.tobytes()
_ASCII = np.frombuffer(LETTERS.encode(), dtype=np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], dtype=np.uint8)


def encode(sequences: pl.Series | Sequence[str], length: int | None = None) -> UInt8[np.ndarray, "n length"]:
    """Turn DNA strings into codes, right-aligned; shorter rows get N on the left.

    Parameters
    ----------
    sequences
        n strings of A, C, G, T and N, in either case.
    length
        Width of the result in bp; by default that of the longest sequence.

    Returns
    -------
    UInt8[np.ndarray, "n length"]

    Raises
    ------
    ValueError
        If a sequence is longer than `length` or has another letter.

    Examples
    --------
    >>> encode(["ACGTN", "gg"]).tolist()
    [[0, 1, 2, 3, 4], [4, 4, 4, 2, 2]]
    """
    series = sequences if isinstance(sequences, pl.Series) else pl.Series(list(sequences), dtype=pl.String)
    lengths = series.str.len_bytes().to_numpy().astype(np.int64)
    longest = int(lengths.max(initial=0))
    width = longest if length is None else length
    if longest > width:
        raise ValueError(f"a sequence of {longest} bp does not fit {width} bp")
    codes = np.full((len(series), width), N, dtype=np.uint8)
    for start in range(0, len(series), PART):
        part = slice(start, start + PART)
        _fill(codes[part], series[part], lengths[part])
    return codes


def _fill(codes: np.ndarray, sequences: pl.Series, lengths: np.ndarray) -> None:
    """Write the codes of some rows, right-aligned, into their place."""
    flat = np.frombuffer((sequences.str.join("").item() or "").encode().translate(_TRANSLATE), dtype=np.uint8)
    if flat.max(initial=0) == 255:
        raise ValueError("a sequence has a letter other than A, C, G, T and N")
    n, width = codes.shape
    longest = int(lengths.max())
    if (lengths == longest).all():
        codes[:, width - longest :] = flat.reshape(n, longest)
    else:
        codes[np.arange(width) >= width - lengths[:, None]] = flat


def decode(codes: UInt8[np.ndarray, "n length"]) -> list[str]:
    """Turn codes back into strings; N stays N.

    Examples
    --------
    >>> decode(encode(["ACGTN"]))
    ['ACGTN']
    """
    return [row.tobytes().decode() for row in _ASCII[codes]]


def reverse_complement(codes: UInt8[np.ndarray, "n length"]) -> UInt8[np.ndarray, "n length"]:
    """Codes of the other strand, 5' to 3'.

    Examples
    --------
    >>> decode(reverse_complement(encode(["AACGTN"])))
    ['NACGTT']
    """
    return np.ascontiguousarray(_COMPLEMENT[codes[:, ::-1]])
