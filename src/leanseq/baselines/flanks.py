"""The constant flanks of a library, found in its windows, and the variable part between them.

A model sees windows that begin and end with adapters and plasmid. Where rows differ in length, neither flank needs to
stand at the same place in every row, so they are looked for and not only compared place by place. No construct is
needed: adapters that nobody named are found too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, UInt8

from ..data.encoding import LETTERS, N, encode

WORD = 8
"""Shortest constant flank that is recognised, bp: random inserts share no word of this length."""
FLANK = 24
"""Letters of each constant flank that are compared, those next to the variable part, bp."""
INSIDE = 12
"""Letters of a flank that tell it from other sequence, bp: the rest may stand outside the window."""
CONSTANT = 0.99
"""Share of the rows that hold a word of a constant flank."""
TAIL = 0.001
"""Share of the rows in which more letters of a flank may differ than are allowed for."""


@dataclass(frozen=True)
class Flanks:
    """Constant letters on both sides of the variable part.

    Attributes
    ----------
    left, right
        The letters next to the variable part, 5' to 3'; empty where rows have none in common.
    start, end
        Where the variable part usually starts and ends, in bp before the end of the window: used where a flank is not
        found.
    altered
        Letters of each flank that may differ.
    """

    left: str
    right: str
    start: int
    end: int
    altered: tuple[int, int] = (0, 0)


class Part(NamedTuple):
    """The variable part of each row."""

    codes: UInt8[np.ndarray, "n length"]
    """The window, N outside the variable part."""
    bp: Int64[np.ndarray, " n"]
    """Letters, N among them."""
    unknown: Float[np.ndarray, " n"]
    """Share of N among them."""
    altered: Int64[np.ndarray, "n 2"]
    """Letters of the left and right flank that differ."""


def find_flanks(codes: UInt8[np.ndarray, "n length"]) -> Flanks:
    """Find what nearly all rows have in common on both sides of where they differ, wherever in the window it stands.

    Words that nearly all rows hold are put in order; the widest gap between them is the variable part.

    Examples
    --------
    >>> rows = np.random.default_rng(0).integers(0, 4, (50, 60)).astype(np.uint8)
    >>> rows[:, 50:] = encode(["GGTTACGGCT"])[0]
    >>> find_flanks(rows)
    Flanks(left='', right='GGTTACGGCT', start=60, end=10, altered=(0, 1))
    """
    length = codes.shape[1]
    words, places = _common_words(codes)
    gaps = np.diff(places, prepend=-WORD, append=length)
    widest = int(gaps.argmax())
    if not len(words) or gaps[widest] < 3 * WORD:  # nothing in common, or nearly everything
        return Flanks("", "", length, 0)
    left, right = _joined(words[:widest][::-1, ::-1])[::-1], _joined(words[widest:])
    start, end, altered = _edges(codes, Flanks(left, right, length, 0, (len(left), len(right))))
    return Flanks(
        left,
        right,
        length - int(np.median(start)),
        length - int(np.median(end)),
        (_alterable(altered[:, 0], left), _alterable(altered[:, 1], right)),
    )


def cut(codes: UInt8[np.ndarray, "n length"], flanks: Flanks) -> Part:
    """Cut the variable part out of each row; leading N stand for no letter."""
    start, end, altered = _edges(codes, flanks)
    place = np.arange(codes.shape[1])
    inside = (place >= start[:, None]) & (place < end[:, None]) & np.logical_or.accumulate(codes != N, axis=1)
    bp = inside.sum(axis=1)
    unknown = (inside & (codes == N)).sum(axis=1) / bp.clip(min=1)
    return Part(np.where(inside, codes, np.uint8(N)), bp, unknown, altered)


def _common_words(codes: np.ndarray) -> tuple[UInt8[np.ndarray, "words word"], Int64[np.ndarray, " words"]]:
    """Words that nearly all rows hold, and where they usually start, in this order."""
    n, length = codes.shape
    numbers = np.zeros((n, max(length - WORD + 1, 0)), dtype=np.int64)
    for place in range(min(WORD, length)):
        numbers = numbers * (N + 1) + codes[:, place : place + numbers.shape[1]]
    held = np.sort(numbers, axis=1)
    again = np.diff(held, axis=1, prepend=-1) == 0
    common = np.flatnonzero(np.bincount(held[~again], minlength=(N + 1) ** WORD) >= CONSTANT * n)
    words = (common[:, None] // (N + 1) ** np.arange(WORD)[::-1] % (N + 1)).astype(np.uint8)
    common, words = common[(words != N).all(axis=1)], words[(words != N).all(axis=1)]
    row, place = np.nonzero(np.isin(numbers, common))
    index = np.searchsorted(common, numbers[row, place])
    place, index = place[np.lexsort((place, index))], np.sort(index)
    bounds = np.searchsorted(index, np.arange(len(common) + 1))
    usual = place[(bounds[:-1] + bounds[1:]) // 2]
    return words[np.argsort(usual, kind="stable")], np.sort(usual)


def _joined(words: UInt8[np.ndarray, "words word"]) -> str:
    """Join words from the first one on, as long as each overlaps the one before in all letters but one."""
    letters = words[0].tolist() if len(words) else []
    for word in words[1 : FLANK - WORD + 1].tolist():
        if word[:-1] != letters[1 - WORD :]:
            break
        letters.append(word[-1])
    return "".join(LETTERS[code] for code in letters)


def _alterable(altered: np.ndarray, flank: str) -> int:
    """Letters of a flank that may differ: a tenth, or as many as do, but no more than tell it from other sequence."""
    return max(min(int(np.quantile(altered, 1 - TAIL)), len(flank) // 4), len(flank) // 10)


def _edges(codes: np.ndarray, flanks: Flanks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start and end of the variable part in each row, 0-based half-open, and letters of both flanks that differ."""
    n, length = codes.shape
    start, end = np.full(n, max(length - flanks.start, 0)), np.full(n, length - flanks.end)
    altered = np.zeros((n, 2), dtype=np.int64)
    if flanks.left:
        place, altered[:, 0] = _find(codes, flanks.left)
        start = np.where(altered[:, 0] <= flanks.altered[0], place + len(flanks.left), start)
    if flanks.right:
        place, altered[:, 1] = _find(codes[:, ::-1], flanks.right[::-1])
        end = np.where(altered[:, 1] <= flanks.altered[1], length - place - len(flanks.right), end)
    return start, end, altered


def _find(codes: np.ndarray, flank: str) -> tuple[np.ndarray, np.ndarray]:
    """Where in each row a flank fits best, the first place if there are several, and how many letters differ there.

    The flank may begin before the row, where letters do not count, if `INSIDE` letters of it are inside.
    """
    n, length = codes.shape
    places, before = length - len(flank) + 1, max(len(flank) - INSIDE, 0)
    if places + before < 1:
        return np.zeros(n, dtype=np.int64), np.full(n, len(flank))
    different = np.zeros((n, before + places), dtype=np.uint8)
    for letter, code in enumerate(encode([flank])[0]):
        if places + letter > 0:
            first = max(before - letter, 0)
            different[:, first:] += codes[:, first - before + letter : places + letter] != code
    best = different.argmin(axis=1)
    return best - before, different[np.arange(n), best].astype(np.int64)
