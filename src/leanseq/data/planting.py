"""Plant binding sites into random sequences, and say where they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Int, UInt8

from .encoding import LETTERS
from .motifs import Motif, by_name
from .occupancy import FACTORS, Promoter, occupancy

SLOTS = 4
"""Most sites planted into one row."""


@dataclass(frozen=True, eq=False)
class Planted:
    """Planted sites, ordered by row and start.

    Attributes
    ----------
    row, start
        Where they are: index of the insert, and first base in it (0-based).
    factor
        Whose they are: index in `FACTORS`.
    strand
        0 forward, 1 reverse.
    """

    row: Int[np.ndarray, " sites"]
    factor: Int[np.ndarray, " sites"]
    start: Int[np.ndarray, " sites"]
    strand: Int[np.ndarray, " sites"]


def factor_motifs() -> tuple[Motif, ...]:
    """Motifs of the factors, in the order of `FACTORS`."""
    return by_name([factor.name for factor in FACTORS])


def plant(insert: UInt8[np.ndarray, "n length"], mean: float, rng: np.random.Generator) -> Planted:
    """Write sites drawn from the motifs over random inserts, in place.

    Parameters
    ----------
    insert
        Codes of n inserts; changed.
    mean
        Expected number of sites of an insert, at most 4 in one; a site that would overlap an earlier one is
        left out. Factor, strand and place are uniform.
    rng
        Source of randomness.
    """
    motifs = factor_motifs()
    widths = np.array([len(motif) for motif in motifs])
    n, length = insert.shape
    counts = np.minimum(rng.poisson(mean, n), SLOTS)
    taken = np.zeros(insert.shape, dtype=bool)
    kept: list[tuple[np.ndarray, ...]] = []
    for slot in range(SLOTS):
        rows = np.flatnonzero(counts > slot)
        factor = rng.integers(len(FACTORS), size=len(rows))
        start = (rng.random(len(rows)) * (length - widths[factor] + 1)).astype(np.int64)
        strand = rng.integers(2, size=len(rows))
        draws = rng.random((len(rows), widths.max()))
        inside = np.arange(widths.max()) < widths[factor][:, None]
        places = np.minimum(start[:, None] + np.arange(widths.max()), length - 1)
        free = ~(taken[rows[:, None], places] & inside).any(axis=1)
        for index in np.unique(factor[free]):
            here = np.flatnonzero(free & (factor == index))
            for side in (0, 1):
                chosen = here[strand[here] == side]
                motif = motifs[index] if side == 0 else motifs[index].reverse_complement()
                limits = motif.probabilities.cumsum(axis=1)[:, :3]
                letters = (draws[chosen, : len(motif), None] > limits).sum(axis=2).astype(np.uint8)
                at = rows[chosen, None], places[chosen, : len(motif)]
                insert[at], taken[at] = letters, True
        kept.append((rows[free], factor[free], start[free], strand[free]))
    row, factor, start, strand = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    order = np.lexsort((start, row))
    return Planted(row[order], factor[order], start[order], strand[order])


def describe(
    planted: Planted, codes: UInt8[np.ndarray, "n length"], offset: int, first: int, model: Promoter
) -> pl.DataFrame:
    """Table of planted sites, as in `Simulation.sites`.

    Parameters
    ----------
    planted
        What `plant` returned.
    codes
        The n rows, adapters included.
    offset
        Where the insert starts in a row, bp.
    first
        Index of the first row in the whole experiment.
    model
        Gives the occupancy of the sites.
    """
    motifs = factor_motifs()
    widths = np.array([len(motif) for motif in motifs], dtype=np.int64)
    start = planted.start + offset
    end = start + widths[planted.factor]
    bound = np.zeros(len(start))
    for index in np.unique(planted.factor):
        here = np.flatnonzero(planted.factor == index)
        windows = codes[planted.row[here, None], start[here, None] + np.arange(len(motifs[index]))]
        column = index + planted.strand[here] * len(motifs)
        bound[here] = occupancy(windows, model)[np.arange(len(here)), 0, column]
    letters = [
        "".join(LETTERS[code] for code in codes[row, low:high])
        for row, low, high in zip(planted.row, start, end, strict=True)
    ]
    return pl.DataFrame(
        {
            "row": planted.row + first,
            "motif": [motifs[index].name for index in planted.factor],
            "matrix": [motifs[index].identifier for index in planted.factor],
            "start": start,
            "end": end,
            "strand": np.where(planted.strand == 0, "+", "-").tolist(),
            "site": letters,
            "occupancy": bound,
        },
        schema={
            "row": pl.Int64,
            "motif": pl.String,
            "matrix": pl.String,
            "start": pl.Int64,
            "end": pl.Int64,
            "strand": pl.String,
            "site": pl.String,
            "occupancy": pl.Float64,
        },
    )
