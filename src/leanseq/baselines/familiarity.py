"""Which sequences are unlike anything a model was trained on: a flag and a reason for each.

A model predicts every sequence it is given, also those that its training rows say nothing about. Called unfamiliar is a
row whose constant flanks or length differ from those of the training rows, that has many N, or whose variable part
exceeds one of four limits of composition: GC content, upwards and downwards; counts of 3-mers, as the Mahalanobis
distance from the training rows; and information, how badly the letters are foretold by a Markov chain of order 3 of the
training rows. The limits are one quantile of all four, chosen on validation rows so that `share` of rows like these are
flagged, for whatever reason.

Flagged rows in percent, at the default of 1 % (the first line is a mean over six splits):

========================================  =======  ===========  ===========  ======
rows, in the adapters of the model         native  random pTpA  random Abf1   human
========================================  =======  ===========  ===========  ======
test rows of the same library                 0.9          1.1          1.1     1.0
native yeast promoters                                      14           50      88
random, pTpA library                           13                       6.5      86
random, Abf1TATA library                       16          0.3                   69
human elements                                 43           33           48
their own reverse complement                  0.7           39           79     0.7
20 % GC                                        22           79          100     100
35 % GC                                       0.2          2.0           50      99
65 % GC                                        84           24           36      30
80 % GC                                       100           97           98      77
repeats of 1, 2 or 3 bp                       100          100          100     100
half of each row one base                     100          100          100     100
half of each row repeats of 6 bp               93          100          100      99
half as long                                  100          100          100     100
4 letters of the flanks differ                100          100          100     100
one flank replaced                             99           99          100      99
========================================  =======  ===========  ===========  ======

Single sequences of 80 bp do not show well which library they are from: even a linear discriminant of 4-mers that was
shown both libraries finds 35 % of the random (pTpA) and 45 % of the native ones, at 1 % false flags. A missing flag is
thus no proof that a sequence is of the model's kind; for a whole file, the share of flags tells.

With few rows, more rows of the same kind are flagged: 1.1 % with 2,000 training and 200 validation rows, 1.7 % with 200
and 25, 4.5 % with 50 and 10, 9 % with 20 and 10. Below 1,000 validation rows the training rows help to set the limits,
each judged by the others; by 25 validation rows alone 12 % would be flagged.

Whether flagged rows are predicted worse was measured with the k-mer ridge on held-out rows. Native promoters: yes, 348
flagged of 35,125 rows have 1.41 times the mean error of the others (1.28 to 1.56; 1.8 times for low complexity, 1.6 for
high GC, 1.3 for composition, 1.0 for low GC), and as much against rows of the same predicted value. Deeply sequenced
random promoters: 1.2 and 1.5 times in two splits of some 26 flagged rows. The other random libraries and the human one:
0.9 to 1.0 times, none; their errors are mostly noise of measurement. Between libraries 1.0 to 1.1 times.

What did not help: the distance to the nearest training rows (4-mers, mean of 5) finds fewer than the rest in native
promoters and adds 0 to 7 points in random libraries, for a copy of the training rows in every model; nor did 2-mers,
4-mers, chains of other orders or a limit on repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy import linalg

from ..errors import InputError
from . import kmers
from .checks import enough
from .flanks import Flanks, Part, cut, find_flanks

SLACK = 0.05
"""Share by which a length may leave the range of the training rows, and share of N letters that any row may have."""
TAIL = 0.001
"""Share of the training rows at either end that does not count for these ranges."""
REPEATS = 2.0
"""Repeats (see `_repeats`) below which no sequence is of low complexity; random DNA of 80 bp has about 0.6."""
SHRINKAGE = 0.5
"""Weight of the variances of independent 3-mers in the covariance of the training rows."""
SCORES = 4
"""Scores of composition: high GC, low GC, 3-mers, information."""
HELD_OUT = 1000
"""Validation rows below which training rows, each held out in turn, help to set the limits."""
FOLDS = 5

_SOME = 2000  # rows that show the constant flanks
_MOST = 50_000  # rows that show the composition, and that set the limits
_BLOCK = 4096  # rows worked on together
_LEAST = 1e-6  # limits are larger: all training rows may be equal
_LOWER = np.tril_indices(64)
_BASES, _TRIPLETS, _QUARTETS = slice(4), slice(kmers.total(2), kmers.total(3)), slice(kmers.total(3), kmers.total(4))


@dataclass(frozen=True, eq=False)
class Composition:
    """Composition of the training rows.

    Attributes
    ----------
    gc
        Share of G and C.
    triplets
        Share of each 3-mer, alphabetically.
    whitening
        Turns deviations of 3-mer counts into independent numbers of variance 1; lower triangular.
    information
        Of the last letter of each 4-mer after the first three, nats, alphabetically.
    entropy
        Mean information of a letter of the training rows, nats.
    """

    gc: float
    triplets: Float[np.ndarray, " 64"]
    whitening: Float[np.ndarray, "64 64"]
    information: Float[np.ndarray, " 256"]
    entropy: float

    @classmethod
    def fit(cls, counts: Float32[np.ndarray, "n 340"]) -> Composition:
        """Fit on the counts of all 1- to 4-mers of each row."""
        bases, quartets = counts[:, _BASES].sum(axis=0, dtype=float), counts[:, _QUARTETS].sum(axis=0, dtype=float)
        triplets = counts[:, _TRIPLETS].sum(axis=0, dtype=float) + 1
        triplets /= triplets.sum()
        off = _off(counts[:, _TRIPLETS], triplets)
        covariance = (1 - SHRINKAGE) * (off.T @ off) / len(off) + SHRINKAGE * np.diag(triplets)
        # in rows, as `from_dict` makes it: sums then go in the same order
        whitening = np.ascontiguousarray(
            linalg.solve_triangular(np.linalg.cholesky(covariance), np.eye(64), lower=True)
        )
        following = (quartets + 1).reshape(64, 4)
        information = -np.log(following / following.sum(axis=1, keepdims=True)).ravel()
        entropy = float(quartets @ information / max(quartets.sum(), 1))
        gc = float((bases[1] + bases[2] + 1) / (bases.sum() + 2))
        return cls(gc, triplets, whitening, information, entropy)

    def scores(self, counts: Float32[np.ndarray, "n 340"]) -> Float[np.ndarray, "n 4"]:
        """How far each row is off: in high GC, in low GC, in 3-mers, in information; about 0 where it is not.

        Sums are divided by the root of their terms, as those of random rows of any length then vary alike.
        """
        bases, quartets = counts[:, _BASES].astype(float), counts[:, _QUARTETS].astype(float)
        letters = bases.sum(axis=1)
        gc = (bases[:, 1] + bases[:, 2] - self.gc * letters) / _root(letters)
        # einsum and not a matrix product: a row gets the same bits, whatever rows stand beside it
        white = np.einsum("nj,ij->ni", _off(counts[:, _TRIPLETS], self.triplets), self.whitening)
        terms = quartets.sum(axis=1)
        information = ((quartets * self.information).sum(axis=1) - self.entropy * terms) / _root(terms)
        return np.stack([gc, -gc, np.sqrt((white**2).sum(axis=1)), information], axis=1)


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What the training sequences look like, and from where on a sequence is called unfamiliar.

    Attributes
    ----------
    flanks
        The constant flanks.
    lengths
        Shortest and longest familiar variable part, bp.
    unknown
        Largest familiar share of N letters in the variable part.
    composition
        Composition of the variable part.
    limits
        Largest familiar scores of composition: high GC, low GC, 3-mers, information.
    repeats
        Most repeats of a sequence that is not of low complexity.
    """

    flanks: Flanks
    lengths: tuple[float, float]
    unknown: float
    composition: Composition
    limits: tuple[float, ...]
    repeats: float

    @classmethod
    def fit(
        cls,
        codes: UInt8[np.ndarray, "n length"],
        valid_codes: UInt8[np.ndarray, "valid length"],
        *,
        share: float = 0.01,
        seed: int = 0,
    ) -> Familiarity:
        """Learn what training rows look like, and set the limits by rows held out.

        Parameters
        ----------
        codes, valid_codes
            Windows of training and validation rows, N where a row is shorter.
        share
            Share of rows like the training rows that may be called unfamiliar.
        seed
            Draws the rows that are looked at where there are many, and those held out of few.

        Raises
        ------
        InputError
            If there are fewer than `MIN_ROWS` training or validation rows, or `share` is not between 0 and 1.
        """
        enough("familiarity", training=len(codes), validation=len(valid_codes))
        if not 0 < share < 1:
            raise InputError(f"share is {share:g}, expected a share between 0 and 1, such as 0.01")
        rng = np.random.default_rng(seed)
        codes, valid_codes = (rows[rng.permutation(len(rows))[:_MOST]] for rows in (codes, valid_codes))
        flanks = find_flanks(codes[:_SOME])
        part, valid = cut(codes, flanks), cut(valid_codes, flanks)
        shortest, longest = np.quantile(part.bp, [TAIL, 1 - TAIL])
        counts = _counts(part.codes)
        fitted = cls(
            flanks=flanks,
            lengths=(float(shortest) * (1 - SLACK), float(longest) * (1 + SLACK)),
            unknown=max(float(np.quantile(part.unknown, 1 - TAIL)), SLACK),
            composition=Composition.fit(counts),
            limits=(np.inf,) * SCORES,
            repeats=max(float(np.quantile(_repeats(counts), 0.99)), REPEATS),
        )
        scores, refused = fitted.composition.scores(_counts(valid.codes)), fitted._refused(valid)
        if len(valid_codes) < HELD_OUT:
            scores = np.concatenate([scores, _held_out_scores(counts)])
            refused = np.concatenate([refused, fitted._refused(part)])
        return replace(fitted, limits=_limits(scores, np.any(refused, axis=1), share))

    def distance(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """How unusual the composition of each row is: above 1 it is unfamiliar; nan where no letter is known."""
        distances = []
        for block in _blocks(codes):
            counts = kmers.counts(cut(block, self.flanks).codes, 4)
            known = counts[:, _BASES].any(axis=1)
            distances.append(np.where(known, self._relative(counts).max(axis=1), np.nan))
        return np.concatenate([*distances, np.zeros(0)])

    def reasons(self, codes: UInt8[np.ndarray, "n length"]) -> list[str]:
        """Why each row is unfamiliar, such as `length, high GC`; empty for a familiar one.

        `flanks`: the constant flanks are not those of the training rows; nothing else is then said. `length`: the
        variable part is shorter or longer than any. `N letters`: too many letters of it are unknown. `high GC`,
        `low GC`, `low complexity` (repeats) and `composition` (words that training rows hardly have, or an unusual mix
        of common ones) are about its letters.
        """
        found: list[str] = []
        for block in _blocks(codes):
            part = cut(block, self.flanks)
            counts = kmers.counts(part.codes, 4)
            high, low, triplets, information = (self._relative(counts) > 1).T
            simple = _repeats(counts) > self.repeats
            words = triplets | information
            flanks, length, unknown = self._refused(part).T
            said = {
                "length": length,
                "N letters": unknown,
                "high GC": high,
                "low GC": low,
                "low complexity": words & simple,
                "composition": words & ~simple & ~high & ~low,
            }
            rows = zip(*said.values(), strict=True)
            found += [
                "flanks" if altered else ", ".join(word for word, holds in zip(said, row, strict=True) if holds)
                for altered, row in zip(flanks, rows, strict=True)
            ]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        composition = {name: np.asarray(value).tolist() for name, value in vars(self.composition).items()}
        return {
            "flanks": asdict(self.flanks) | {"altered": list(self.flanks.altered)},
            "lengths": list(self.lengths),
            "unknown": self.unknown,
            "composition": composition | {"whitening": self.composition.whitening[_LOWER].tolist()},
            "limits": list(self.limits),
            "repeats": self.repeats,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Familiarity:
        """Make it again from `to_dict`."""
        composition = values["composition"]
        whitening = np.zeros((64, 64))
        whitening[_LOWER] = composition["whitening"]
        return cls(
            flanks=Flanks(**values["flanks"] | {"altered": tuple(values["flanks"]["altered"])}),
            lengths=tuple(values["lengths"]),
            unknown=values["unknown"],
            composition=Composition(
                gc=composition["gc"],
                triplets=np.array(composition["triplets"]),
                whitening=whitening,
                information=np.array(composition["information"]),
                entropy=composition["entropy"],
            ),
            limits=tuple(values["limits"]),
            repeats=values["repeats"],
        )

    def _refused(self, part: Part) -> Bool[np.ndarray, "n 3"]:
        """Which rows are unfamiliar in flanks, length, N letters."""
        shortest, longest = self.lengths
        return np.stack(
            [
                (part.altered > self.flanks.altered).any(axis=1),
                (part.bp < shortest) | (part.bp > longest) | (part.bp == 0),
                part.unknown > self.unknown,
            ],
            axis=1,
        )

    def _relative(self, counts: Float32[np.ndarray, "n 340"]) -> Float[np.ndarray, "n 4"]:
        return self.composition.scores(counts) / self.limits


def _held_out_scores(counts: np.ndarray) -> np.ndarray:
    """Scores of training rows by the composition of the others."""
    fold = np.arange(len(counts)) % FOLDS
    scores = np.empty((len(counts), SCORES))
    for each in range(FOLDS):
        scores[fold == each] = Composition.fit(counts[fold != each]).scores(counts[fold == each])
    return scores


def _limits(scores: np.ndarray, refused: np.ndarray, share: float) -> tuple[float, ...]:
    """The same quantile of every score, so that this share of the rows is above one of them, or refused already."""
    allowed = int((len(scores) + 1) * share) - int(refused.sum())
    scores = scores if refused.all() else scores[~refused]
    rank = (-scores).argsort(axis=0, kind="stable").argsort(axis=0)
    above = np.sort(rank.min(axis=1))[min(max(allowed, 0), len(scores) - 1)]
    return tuple(float(limit) for limit in np.sort(scores, axis=0)[-1 - above].clip(min=_LEAST))


def _repeats(counts: np.ndarray) -> Float[np.ndarray, " n"]:
    """Pairs of equal 3-mers for each 3-mer of a row (Morgulis 2006, Journal of Computational Biology 13, 1028)."""
    triplets = counts[:, _TRIPLETS].astype(float)
    return (triplets * (triplets - 1) / 2).sum(axis=1) / (triplets.sum(axis=1) - 1).clip(min=1)


def _off(triplets: np.ndarray, usual: np.ndarray) -> np.ndarray:
    terms = triplets.sum(axis=1, dtype=float)
    return (triplets - terms[:, None] * usual) / _root(terms)[:, None]


def _root(terms: np.ndarray) -> np.ndarray:
    return np.sqrt(terms.clip(min=1))


def _counts(codes: np.ndarray) -> np.ndarray:
    return np.concatenate([kmers.counts(block, 4) for block in _blocks(codes)])


def _blocks(codes: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(codes), _BLOCK):
        yield codes[start : start + _BLOCK]
