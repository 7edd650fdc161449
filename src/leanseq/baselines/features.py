"""What a tree sees of a sequence: counts of k-mers, and how well every motif fits, wherever it stands.

For each motif there are two numbers over all sites on both strands. The occupancy at low concentration of the factor
is the sum over sites of exp(score), the score being the log odds of the site below that of the best possible one
(Djordjevic 2003, Genome Research 13, 2381-2390; Granek and Clarke 2005, Genome Biology 6, R87): weak sites add up. The
best site's score is the largest of these. Both are given as natural logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from ..data.encoding import N
from ..data.motifs import Motif
from . import kmers

WORD = 5
"""Letters of a site looked up together, bp."""
FLOOR = 1e-9
"""Added before the logarithm: no site at all then counts as a very bad one."""

_ROWS = 8  # rows scored together: their sites fit the processor cache
_BLOCK = 4096  # rows counted together


def features(
    codes: UInt8[np.ndarray, "n length"], motifs: Sequence[Motif], k_max: int
) -> Float32[np.ndarray, "n features"]:
    """Counts of k-mers, then occupancy of every motif, then score of every motif's best site.

    Parameters
    ----------
    codes
        Windows or inserts, N where a row is shorter.
    motifs
        The collection; none for an organism without one.
    k_max
        Longest k-mer counted, bp; 0 for none.
    """
    count = kmers.total(k_max)
    out = np.empty((len(codes), count + 2 * len(motifs)), dtype=np.float32)
    for start in range(0, len(codes) if k_max else 0, _BLOCK):
        part = slice(start, start + _BLOCK)
        out[part, :count] = kmers.counts(codes[part], k_max)
    if motifs:
        out[:, count:] = motif_fits(codes, motifs)
    return out


def motif_fits(codes: UInt8[np.ndarray, "n length"], motifs: Sequence[Motif]) -> Float32[np.ndarray, "n columns"]:
    """Log occupancy of every motif, then log odds of its best site below the best possible one (0), nats.

    Sites with N or over the end do not count; a row without any site gets the logarithm of `FLOOR`.

    Examples
    --------
    >>> always_g = Motif("toy", "toy", np.array([[0.0, 0.0, 1.0, 0.0]]))
    >>> motif_fits(np.array([[2, 2, 0, 4]], np.uint8), [always_g]).astype(float).round(2).tolist()
    [[0.71, 0.0]]
    """
    # Wide motifs first, both strands side by side: a word of letters then concerns the first columns only.
    order = sorted(range(len(motifs)), key=lambda index: -len(motifs[index]))
    tables = _tables([strand for index in order for strand in (motifs[index], motifs[index].reverse_complement())])
    out = np.empty((2, len(codes), len(motifs)), dtype=np.float32)
    for start in range(0, len(codes), _ROWS):
        odds = _odds(codes[start : start + _ROWS], tables)
        strands = (len(odds), len(motifs), 2)
        out[0, start : start + _ROWS, order] = odds.sum(axis=1).reshape(strands).sum(axis=2).T
        out[1, start : start + _ROWS, order] = odds.max(axis=1, initial=0).reshape(strands).max(axis=2).T
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
