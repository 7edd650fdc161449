"""A promoter that can be computed: binding, opening and transcription of a DNA sequence, without noise.

A thermodynamic billboard model after de Boer (2020) Nature Biotechnology 38, 56-65, with real motifs:

1. A factor binds every position on both strands with odds `concentration * exp(score)`, where the score is the
   log odds of its JASPAR motif below that of the best site (0 there, in nats); occupancy is odds / (1 + odds).
2. General regulatory factors, AT-rich DNA and poly(dA:dT) open the chromatin: a logistic curve from 0 to 1.
3. Activators add to and repressors subtract from the free energy of transcription, more so near the right end
   of the row (where transcription starts) and, for some factors, on the forward strand. A TATA box multiplies
   what activators do. Everything counts as far as the chromatin is open.
4. Expression is a logistic curve of that energy, from 0 to 17 (the bins of the sorter).

It is a stand-in with known answers, not a fit to data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from ..errors import InputError
from .encoding import N
from .motifs import by_name

TOP = 17.0
"""Highest expression, bins: the sorter has 18, counted from 0."""
TATA = "SPT15"
RUN = 5
"""Length of a run of A or of T that counts as poly(dA:dT), bp."""
WORD = 5
"""Letters looked up together, bp."""
ROWS_AT_ONCE = 128
"""Rows computed together: their sites fit the processor cache."""


@dataclass(frozen=True)
class Factor:
    """A transcription factor of the model.

    Attributes
    ----------
    name
        Name of its motif in the yeast collection.
    activity
        What one bound molecule adds to the energy of transcription, in units of `Promoter.strength` (negative:
        a repressor).
    concentration
        Concentration over its dissociation constant at the best site; 1 means half occupied there.
    opening
        What one bound molecule adds to the opening of chromatin, kT.
    oriented
        Whether it acts less on the reverse strand.
    """

    name: str
    activity: float
    concentration: float = 1.0
    opening: float = 0.0
    oriented: bool = False


FACTORS = (
    Factor("ABF1", 0.9, 6.0, 2.2),
    Factor("REB1", 1.0, 6.0, 2.4),
    Factor("RAP1", 1.5, 5.0, 1.8, oriented=True),
    Factor("TBF1", 0.6, 3.0, 1.4),
    Factor("RSC3", -0.1, 0.3, 0.5),
    Factor("MCM1", 1.2, 3.0, 0.6),
    Factor("CBF1", 1.0, 3.0, 0.8),
    Factor("GCN4", 1.9, 3.0),
    Factor("HSF1", 1.2, 1.0, 0.4, oriented=True),
    Factor("MSN2", 0.8, 0.5),
    Factor("GCR1", 1.6, 2.0, oriented=True),
    Factor("BAS1", 1.2, 2.0),
    Factor("PHO4", 1.0, 1.5),
    Factor("YAP1", 1.2, 2.0),
    Factor("STE12", 1.0, 0.8, oriented=True),
    Factor("SWI4", 1.2, 1.0),
    Factor("RPN4", 1.4, 1.5, oriented=True),
    Factor("HAP5", 1.3, 2.0, oriented=True),
    Factor("INO2", 1.0, 1.5),
    Factor("PDR3", 1.1, 2.0),
    Factor("FKH1", 0.9, 2.0, 0.4),
    Factor("TEC1", 0.8, 0.8, oriented=True),
    Factor("STB3", 0.7, 1.5, 0.5),
    Factor("GAL4", -0.2, 0.5),
    Factor(TATA, 0.5, 15.0, oriented=True),
    Factor("MIG1", -1.6, 1.0),
    Factor("ROX1", -1.8, 3.0),
    Factor("UME6", -2.2, 4.0),
    Factor("NRG1", -1.5, 1.5),
    Factor("XBP1", -1.3, 0.8),
    Factor("SUM1", -0.5, 0.4),
    Factor("RGT1", -1.0, 0.8),
    Factor("RIM101", -1.2, 1.5),
    Factor("SKO1", -1.4, 2.0),
    Factor("RFX1", -1.3, 1.5),
    Factor("MOT3", -0.7, 0.5),
)
"""Well-known yeast factors; signs follow the literature (glucose medium), sizes are chosen."""


@dataclass(frozen=True)
class Promoter:
    """Parameters of the promoter model, checked when made.

    Attributes
    ----------
    strength
        Energy of one unit of activity, kT; at 0 factors only open chromatin.
    concentration
        Multiplies every concentration.
    stringency
        Binding energy per nat of log odds, kT; below 1 weak sites count for more.
    basal
        Energy of transcription of a closed promoter with nothing bound, kT.
    open_gain
        What open chromatin alone adds to that energy, kT.
    synergy
        How much one full TATA box multiplies activators: times (1 + synergy).
    position_decay
        Distance from the right end of the row over which a site's effect falls e-fold, bp.
    strand_bias
        Share of its effect that an oriented factor loses on the reverse strand, 0..1.
    closed
        Energy that keeps chromatin shut, kT; larger is more closed.
    at_opening
        Opening per AT share of the row above one half, kT.
    poly_a
        Opening per position in a run of five A or five T, kT.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    strength: float = 2.4
    concentration: float = 1.5
    stringency: float = 0.85
    basal: float = -1.0
    open_gain: float = 3.0
    synergy: float = 2.0
    position_decay: float = 35.0
    strand_bias: float = 0.8
    closed: float = 1.0
    at_opening: float = 8.5
    poly_a: float = 0.15

    def __post_init__(self) -> None:
        for name in ("strength", "concentration", "stringency", "synergy", "poly_a"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"simulation: {name} is {getattr(self, name)}, expected 0 or more")
        for name in ("basal", "open_gain", "closed", "at_opening"):
            if not np.isfinite(getattr(self, name)):
                raise InputError(f"simulation: {name} is {getattr(self, name)}, expected a finite number")
        if not 0 < self.position_decay < np.inf:
            raise InputError(f"simulation: position_decay is {self.position_decay}, expected bp above 0")
        if not 0 <= self.strand_bias <= 1:
            raise InputError(f"simulation: strand_bias is {self.strand_bias}, expected 0 to 1")


class Response(NamedTuple):
    """What the model says of n rows: expression (bins, 0..17), how open the chromatin is (0..1)."""

    expression: Float[np.ndarray, " n"]
    openness: Float[np.ndarray, " n"]


@cache
def _widths() -> Int[np.ndarray, " factors"]:
    return np.array([len(motif) for motif in by_name([factor.name for factor in FACTORS])])


@lru_cache(maxsize=4)
def _tables(concentration: float, stringency: float) -> Float32[np.ndarray, "words kinds columns"]:
    """Binding odds by words of five letters: the odds of a site are the product of its words' odds.

    Axes are the word's place in the site, the word itself (a number of base 5, as N counts too) and the factor
    on the forward, then on the reverse strand. Looking words up needs neither exponentials nor matrix products,
    whose threads are slow on a busy machine.
    """
    motifs = by_name([factor.name for factor in FACTORS])
    count = -(-_widths().max() // WORD)
    odds = np.zeros((count * WORD, N + 1, 2 * len(motifs)))
    for index, motif in enumerate(motifs):
        for column, strand in ((index, motif), (index + len(motifs), motif.reverse_complement())):
            score = strand.log_odds()
            odds[: len(motif), :N, column] = score - score.max(axis=1, keepdims=True)
    letters = np.indices((N + 1,) * WORD).reshape(WORD, -1)
    places = odds.reshape(count, WORD, N + 1, -1)
    words = sum(places[:, place, letters[place]] for place in range(WORD))
    tables = np.exp(stringency * words)
    tables[0] *= concentration * np.tile([factor.concentration for factor in FACTORS], 2)
    return tables.astype(np.float32)


def occupancy(
    codes: UInt8[np.ndarray, "n length"], model: Promoter | None = None
) -> Float32[np.ndarray, "n length columns"]:
    """Occupancy of every site, 0..1.

    Parameters
    ----------
    codes
        n sequences.
    model
        Parameters; only `concentration` and `stringency` matter here.

    Returns
    -------
    Float32[np.ndarray, "n length columns"]
        By start of the site; columns are the factors on the forward strand, then on the reverse strand.
        A site that would leave the sequence has occupancy 0, as has a start in a run of N.
    """
    model = model or Promoter()
    tables = _tables(model.concentration, model.stringency)
    n, length = codes.shape
    padded = np.full((n, length + len(tables) * WORD), N, dtype=np.int32)
    padded[:, :length] = codes
    words = np.zeros((n, length + (len(tables) - 1) * WORD), dtype=np.int32)
    for place in range(WORD):
        words = words * (N + 1) + padded[:, place : place + words.shape[1]]
    bound = tables[0][words[:, :length]]
    for index, table in enumerate(tables[1:], start=1):
        bound *= table[words[:, index * WORD : index * WORD + length]]
    bound *= _inside(length)
    bound /= bound + 1
    if (codes == N).any():
        bound[codes == N] = 0
    return bound


def _inside(length: int) -> Float32[np.ndarray, "length columns"]:
    """1 where a site that starts here ends in the sequence."""
    starts = np.arange(length)[:, None]
    return np.tile(starts + _widths() <= length, 2).astype(np.float32)


def _effects(length: int, model: Promoter) -> Float32[np.ndarray, "sites 4"]:
    """What full occupancy of every site gives: activation, repression, opening, TATA."""
    activity = np.array([factor.activity for factor in FACTORS]) * model.strength
    oriented = np.array([factor.oriented for factor in FACTORS])
    opening = np.array([factor.opening for factor in FACTORS])
    distance = np.maximum(length - np.arange(length)[:, None] - _widths(), 0)
    near = np.exp(-distance / model.position_decay)
    strands = np.stack([np.ones(len(FACTORS)), 1 - model.strand_bias * oriented])
    acting = np.concatenate([near * strand for strand in strands], axis=1)
    activity, opening = np.tile(activity, 2), np.tile(opening, 2)
    tata = np.tile(np.array([factor.name == TATA for factor in FACTORS], dtype=float), 2)
    effects = [
        acting * np.maximum(activity, 0),
        acting * np.maximum(-activity, 0),
        np.broadcast_to(opening, acting.shape),
        acting * tata,
    ]
    return np.stack(effects, axis=-1).reshape(-1, 4).astype(np.float32)


def respond(codes: UInt8[np.ndarray, "n length"], model: Promoter | None = None) -> Response:
    """Compute noiseless expression of any sequences: the right answer to every question about the simulation.

    Parameters
    ----------
    codes
        n rows (adapters included), codes 0..3 and 4 for N.
    model
        Parameters; the defaults otherwise.

    Returns
    -------
    Response
        `expression` in bins, between 0 and 17; `openness` between 0 and 1.
    """
    model = model or Promoter()
    n, length = codes.shape
    effects = _effects(length, model)
    signals = np.empty((n, effects.shape[1]))
    for start in range(0, n, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        bound = occupancy(codes[part], model)
        signals[part] = bound.reshape(len(bound), -1) @ effects
    activation, repression, opening, tata = signals.T
    rich = ((codes == 0) | (codes == 3)).mean(axis=1) - 0.5
    energy = opening - model.closed + model.at_opening * rich + model.poly_a * _runs(codes)
    openness = _logistic(energy)
    drive = activation * (1 + model.synergy * np.minimum(tata, 1)) - repression
    return Response(TOP * _logistic(model.basal + openness * (model.open_gain + drive)), openness)


def _runs(codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
    """Number of starts of five A or five T."""
    found = np.zeros(len(codes))
    for letter in (0, 3):
        hit = codes == letter
        run = hit[:, : hit.shape[1] - RUN + 1].copy()
        for shift in range(1, RUN):
            run &= hit[:, shift : hit.shape[1] - RUN + 1 + shift]
        found += run.sum(axis=1)
    return found


def _logistic(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return 1 / (1 + np.exp(-x))
