"""What a tree sees of a sequence: counts of k-mers, and how well every motif fits, on the whole and by place.

The occupancy of a motif at low concentration of its factor is the sum over sites, on both strands, of exp(score), the
score being the log odds of the site below that of the best possible one (Djordjevic 2003, Genome Research 13,
2381-2390; Granek and Clarke 2005, Genome Biology 6, R87): weak sites add up. It is given for the whole sequence and for
each quarter of it, since factors act by where they stand, and, on the whole, for weak sites as well: there the scores
are halved. The best site's score is the largest of all. All are natural logarithms. Short k-mers are counted in each
half as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, UInt8

from ..data.encoding import N
from ..data.motifs import Motif
from . import kmers

WORD = 5
"""Letters of a site looked up together, bp."""
QUARTERS, HALVES, HALF_K_MAX = 4, 2, 4
"""Parts with their own occupancies, parts with their own counts of k-mers, and the longest k-mer of these, bp."""
FLOOR = 1e-9
"""Added before the logarithm: no site at all then counts as a very bad one."""

_ROWS = 8  # rows scored together: their sites fit the processor cache
_BLOCK = 4096  # rows counted together


def total(motifs: int, k_max: int) -> int:
    """Number of features.

    Examples
    --------
    >>> total(176, 5)
    3276
    """
    return kmers.total(k_max) + HALVES * kmers.total(min(k_max, HALF_K_MAX)) + (3 + QUARTERS) * motifs


def features(
    codes: UInt8[np.ndarray, "n length"], motifs: Sequence[Motif], k_max: int
) -> Float32[np.ndarray, "n features"]:
    """Counts of k-mers, those of each half, then what `motif_fits` tells of every motif.

    Parameters
    ----------
    codes
        Windows or inserts, N where a row is shorter.
    motifs
        The collection; none for an organism without one.
    k_max
        Longest k-mer counted, bp; 0 for none.
    """
    out = np.empty((len(codes), total(len(motifs), k_max)), dtype=np.float32)
    length = codes.shape[1]
    edges = [length * i // HALVES for i in range(HALVES + 1)]
    places = [(0, length, k_max), *((*each, min(k_max, HALF_K_MAX)) for each in pairwise(edges))]
    column = 0
    for start, stop, k in places if k_max else ():
        for first in range(0, len(codes), _BLOCK):
            part = slice(first, first + _BLOCK)
            out[part, column : column + kmers.total(k)] = kmers.counts(codes[part, start:stop], k)
        column += kmers.total(k)
    if motifs:
        out[:, column:] = motif_fits(codes, motifs)
    return out


def motif_fits(codes: UInt8[np.ndarray, "n length"], motifs: Sequence[Motif]) -> Float32[np.ndarray, "n columns"]:
    """Log occupancy, log odds of the best site (0: the best possible), log occupancy with weak sites, and by quarter.

    Each for every motif, in nats.
    A site is where it starts. Sites with N or over the end do not count; a row or quarter without any site gets the
    logarithm of `FLOOR`.

    Examples
    --------
    >>> always_g = Motif("toy", "toy", np.array([[0.0, 0.0, 1.0, 0.0]]))
    >>> motif_fits(np.array([[2, 2, 0, 4]], np.uint8), [always_g]).astype(float).round(2).tolist()
    [[0.71, 0.0, 0.87, 0.01, 0.01, -3.92, -20.72]]
    """
    # Wide motifs first, both strands side by side: a word of letters then concerns the first columns only.
    order = sorted(range(len(motifs)), key=lambda index: -len(motifs[index]))
    tables = _tables([strand for index in order for strand in (motifs[index], motifs[index].reverse_complement())])
    length = codes.shape[1]
    edges = [length * i // QUARTERS for i in range(QUARTERS + 1)]
    out = np.zeros((3 + QUARTERS, len(codes), len(motifs)), dtype=np.float32)
    for start in range(0, len(codes), _ROWS):
        rows = slice(start, start + _ROWS)
        odds = _odds(codes[rows], tables)
        strands = (len(odds), len(motifs), 2)
        out[1, rows, order] = odds.max(axis=1, initial=0).reshape(strands).max(axis=2).T
        for i in range(QUARTERS):
            part = odds[:, edges[i] : edges[i + 1]].sum(axis=1).reshape(strands).sum(axis=2).T
            out[3 + i, rows, order] = part
            out[0, rows, order] += part
        np.sqrt(odds, out=odds)
        out[2, rows, order] = odds.sum(axis=1).reshape(strands).sum(axis=2).T
    out += np.float32(FLOOR)
    np.log(out, out=out)
    return np.concatenate(list(out), axis=1)


def _tables(columns: Sequence[Motif]) -> list[Float32[np.ndarray, "words active"]]:
    """Odds of every word of five letters at each place of a site: the odds of the site are their product.

    Words are numbers of base 5, as N counts too, with odds 0; columns too short for a place are left out. Look-ups
    give the same bits on every machine, which matrix products do not: trees split at exact values.
    """
    letters = np.indices((N + 1,) * WORD).reshape(WORD, -1)
    out = []
    for start in range(0, max(map(len, columns)), WORD):
        active = [motif for motif in columns if len(motif) > start]
        table = np.ones((letters.shape[1], len(active)))
        for column, motif in enumerate(active):
            score = motif.log_odds()
            odds = np.zeros((len(motif), N + 1))
            odds[:, :N] = np.exp(score - score.max(axis=1, keepdims=True))
            for place, row in enumerate(odds[start : start + WORD]):
                table[:, column] *= row[letters[place]]
        out.append(table.astype(np.float32))
    return out


def _odds(
    codes: UInt8[np.ndarray, "n length"], tables: Sequence[np.ndarray]
) -> Float32[np.ndarray, "n length columns"]:
    """Odds of every site by its start."""
    n, length = codes.shape
    padded = np.full((n, length + len(tables) * WORD), N, dtype=np.int32)
    padded[:, :length] = codes
    words = np.zeros((n, length + (len(tables) - 1) * WORD), dtype=np.int32)
    for place in range(WORD):
        words = words * (N + 1) + padded[:, place : place + words.shape[1]]
    odds = tables[0][words[:, :length]]
    for index, table in enumerate(tables[1:], start=1):
        odds[:, :, : table.shape[1]] *= table[words[:, index * WORD : index * WORD + length]]
    return odds
