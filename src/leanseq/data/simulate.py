"""A simulated sort-seq experiment whose right answers are known.

Random inserts stand between the adapters of a construct; some carry planted sites drawn from JASPAR motifs. The
promoter model of `occupancy.py` computes their noiseless expression. Then cells are drawn: most sequences get one,
few get many. A cell's log fluorescence is noisy, a sorter puts it into one of 18 bins, and the measured expression
is the mean bin of a sequence's cells, so most values are integers, as in de Boer (2020).

Rows are made in blocks of 2,048 with a generator of their own, so row i depends on the seed, i and the parameters
only: a smaller table is the beginning of a larger one.

Defaults against real tables (ridge = k-mer counts for k = 1..6, both strands; r on noisy validation labels):

=========================  ==========  ==========  ==========
what                        simulated  DREAM 2022    Abf1TATA
=========================  ==========  ==========  ==========
integer values                   71 %        58 %        78 %
mean                             11.1        11.1         7.5
standard deviation                2.5         2.3         3.7
r with the GC share              -.34        -.35        -.38
ridge, 5,120 rows                 .62         .61           -
ridge, 10,240 rows                .66           -         .65
noise ceiling of r                .82     unknown     unknown
=========================  ==========  ==========  ==========
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from ..errors import InputError
from .construct import YEAST_PTPA, Construct
from .encoding import decode, encode
from .occupancy import TOP, Promoter, respond
from .planting import describe, factor_motifs, plant

BLOCK = 2048
"""Rows that share one random generator."""


@dataclass(frozen=True)
class Experiment:
    """Parameters of a simulated experiment, checked when made.

    Attributes
    ----------
    insert_length
        Length of the random insert, bp.
    gc
        Expected share of G and C in the random bases, 0..1.
    planted
        Expected number of sites planted into a row (at most 4; a site that would overlap an earlier one is
        left out).
    extra_cells
        Expected number of cells of a sequence beyond the first.
    dispersion
        Shape of the gamma distribution of abundances; smaller has a heavier tail.
    cell_noise
        Standard deviation of a cell's log fluorescence, bins.
    stray
        Share of cells that end in any bin at random, 0..1.
    promoter
        The promoter model.
    construct
        Where the adapters come from.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    insert_length: int = 80
    gc: float = 0.475
    planted: float = 0.5
    extra_cells: float = 1.2
    dispersion: float = 0.45
    cell_noise: float = 1.6
    stray: float = 0.01
    promoter: Promoter = field(default_factory=Promoter)
    construct: Construct = YEAST_PTPA

    def __post_init__(self) -> None:
        widest = max(len(motif) for motif in factor_motifs())
        if not widest <= self.insert_length <= 10_000:
            raise InputError(f"simulation: insert_length is {self.insert_length}, expected {widest} to 10,000 bp")
        for name in ("gc", "stray"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"simulation: {name} is {getattr(self, name)}, expected a share from 0 to 1")
        for name in ("planted", "extra_cells", "cell_noise"):
            if not 0 <= getattr(self, name) < 1000:
                raise InputError(f"simulation: {name} is {getattr(self, name)}, expected 0 to 1,000")
        if not 0 < self.dispersion < 1000:
            raise InputError(f"simulation: dispersion is {self.dispersion}, expected above 0 and below 1,000")


class Simulation(NamedTuple):
    """A simulated experiment.

    Attributes
    ----------
    table
        `sequence` (5' to 3', adapters included), `expression` (mean bin of the cells, 0..17), `reads` (cells).
    truth
        One row per row of `table`: `noiseless` (expression without noise, 0..17), `openness` of the chromatin
        (0..1).
    sites
        One row per planted site: `row` (index in `table`, 0-based), `motif`, `matrix` (JASPAR accession),
        `start`, `end` (0-based half-open in the row), `strand`, `site` (letters as they stand in the row),
        `occupancy` (0..1).
    """

    table: pl.DataFrame
    truth: pl.DataFrame
    sites: pl.DataFrame


def simulate(rows: int = 13_000, seed: int = 0, experiment: Experiment | None = None) -> Simulation:
    """Simulate a sort-seq experiment.

    Parameters
    ----------
    rows
        Number of sequences, 1 or more.
    seed
        Seed of every random draw, 0 or more.
    experiment
        Parameters; the defaults otherwise.

    Returns
    -------
    Simulation

    Raises
    ------
    InputError
        If `rows` or `seed` is out of its range.

    Examples
    --------
    >>> made = simulate(rows=3, seed=1)
    >>> made.table.columns, made.table["sequence"].str.len_bytes().to_list()
    (['sequence', 'expression', 'reads'], [110, 110, 110])
    """
    parts = list(simulate_chunks(rows, seed, experiment))
    return Simulation(*(pl.concat(frames) for frames in zip(*parts, strict=True)))


def simulate_chunks(
    rows: int, seed: int = 0, experiment: Experiment | None = None, start: int = 0
) -> Iterator[Simulation]:
    """Simulate block by block: memory stays the same for millions of rows.

    Parameters
    ----------
    rows, seed, experiment
        As for `simulate`.
    start
        Index of the first row, so that parts can be made apart: `start=a, rows=b` gives rows a to a + b.

    Yields
    ------
    Simulation
        Consecutive rows, up to 2,048 at a time; `sites` counts rows from 0, whatever `start` is.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    if rows < 1:
        raise InputError(f"simulation: rows is {rows}, expected 1 or more")
    if seed < 0 or start < 0:
        raise InputError(f"simulation: seed is {seed} and start is {start}, expected 0 or more")
    experiment = experiment or Experiment()
    for block in range(start // BLOCK, (start + rows - 1) // BLOCK + 1):
        first = block * BLOCK
        yield _part(_block(seed, block, experiment), first, max(start, first), min(start + rows, first + BLOCK))


def _part(whole: Simulation, first: int, start: int, end: int) -> Simulation:
    """Rows `start` to `end` of a block whose first row is `first`."""
    if end - start == BLOCK:
        return whole
    here, count = start - first, end - start
    inside = whole.sites.filter((pl.col("row") >= start) & (pl.col("row") < end))
    return Simulation(whole.table.slice(here, count), whole.truth.slice(here, count), inside)


def _block(seed: int, block: int, experiment: Experiment) -> Simulation:
    rng = np.random.default_rng([seed, block])
    construct, size = experiment.construct, experiment.insert_length
    left, right = encode([construct.left_adapter])[0], encode([construct.right_adapter])[0]
    codes = np.empty((BLOCK, len(left) + size + len(right)), dtype=np.uint8)
    codes[:, : len(left)], codes[:, len(left) + size :] = left, right
    insert = codes[:, len(left) : len(left) + size]
    strong = rng.random(insert.shape, dtype=np.float32) < experiment.gc
    insert[:] = np.array([0, 3, 1, 2], dtype=np.uint8)[2 * strong + rng.integers(2, size=insert.shape)]
    planted = plant(insert, experiment.planted, rng)
    response = respond(codes, experiment.promoter)
    expression, cells = _sort(response.expression, experiment, rng)
    return Simulation(
        pl.DataFrame({"sequence": decode(codes), "expression": expression, "reads": cells}),
        pl.DataFrame({"noiseless": response.expression, "openness": response.openness}),
        describe(planted, codes, len(left), block * BLOCK, experiment.promoter),
    )


def _sort(
    noiseless: Float[np.ndarray, " n"], experiment: Experiment, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Draw cells, sort them into bins 0..17 and take the mean bin of every sequence."""
    shape = experiment.dispersion
    abundance = rng.gamma(shape, experiment.extra_cells / shape, len(noiseless))
    cells = 1 + rng.poisson(abundance)
    owner = np.repeat(np.arange(len(noiseless)), cells)
    signal = noiseless[owner] + experiment.cell_noise * rng.standard_normal(len(owner))
    # A bin is one wide and centred on its number.
    bins = np.clip(np.floor(signal + 0.5), 0, TOP)
    lost = rng.random(len(owner)) < experiment.stray
    bins[lost] = rng.integers(int(TOP) + 1, size=int(lost.sum()))
    return np.bincount(owner, weights=bins, minlength=len(noiseless)) / cells, cells
