"""Motifs of transcription factors: the yeast and human collections of JASPAR and a reader for MEME files.

`motifs_of` gives the 176 motifs of *S. cerevisiae* or the 857 of *H. sapiens* in JASPAR 2026 CORE (CC BY 4.0;
Rauluseviciute 2024), shipped beside this file; `script/export_motifs.py` made the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import InputError
from ..organisms import ORGANISMS

FILES = {organism: Path(__file__).with_name(f"jaspar2026_{organism}.meme") for organism in ORGANISMS}
TOLERANCE = 0.01
"""How far the probabilities of a column may sum from 1; files are rounded."""


@dataclass(frozen=True, eq=False)
class Motif:
    """One position probability matrix.

    Attributes
    ----------
    name
        Name of the factor, such as `REB1`.
    identifier
        Accession of the matrix, such as `MA0363.3`.
    probabilities
        Probability of A, C, G, T at every position, 5' to 3'; rows sum to 1.
    """

    name: str
    identifier: str
    probabilities: Float[np.ndarray, "width 4"]

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def consensus(self) -> str:
        """The likeliest letter at every position."""
        return "".join("ACGT"[index] for index in self.probabilities.argmax(axis=1))

    @property
    def information(self) -> float:
        """Information content against equal letters, bits."""
        safe = np.clip(self.probabilities, 1e-12, None)
        return float((self.probabilities * np.log2(safe * 4)).sum())

    def reverse_complement(self) -> Motif:
        """The motif as it reads on the other strand."""
        return Motif(self.name, self.identifier, np.ascontiguousarray(self.probabilities[::-1, ::-1]))

    def log_odds(self, pseudo: float = 0.01) -> Float[np.ndarray, "width 4"]:
        """Log ratio to equal letters, nats.

        Parameters
        ----------
        pseudo
            Probability added to every letter, so that no score is infinite.
        """
        return np.log((self.probabilities + pseudo) / (1 + 4 * pseudo) * 4)


def read_meme(path: Path) -> tuple[Motif, ...]:
    """Read every motif of a file in MEME minimal format (DNA).

    Parameters
    ----------
    path
        A text file with `MOTIF identifier [name]` lines, each followed by a `letter-probability matrix`.

    Raises
    ------
    InputError
        If the file cannot be read, holds no motif, or a column is not four probabilities that sum to 1.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot read the motifs: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file; expected MEME minimal format") from error
    motifs: list[Motif] = []
    title: list[str] = []
    rows: list[list[float]] | None = None
    for number, line in enumerate([*lines, "MOTIF end"], start=1):
        words = line.split()
        if words[:1] == ["MOTIF"]:
            if title:
                motifs.append(_motif(title, rows or [], f"{path}, before line {number}"))
            title, rows = words[1:3], None
        elif title and words[:2] == ["letter-probability", "matrix:"]:
            rows = []
        elif rows is not None and words and not words[0].startswith(("#", "URL")):
            rows.append(_column(words, f"{path}, line {number}"))
    if not motifs:
        raise InputError(f"{path}: no motif found; expected MEME minimal format with lines 'MOTIF name'")
    return tuple(motifs)


def _column(words: Sequence[str], where: str) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 4 or min(values) < 0 or not abs(sum(values) - 1) <= TOLERANCE:
        raise InputError(f"{where}: found {' '.join(words)!r}, expected four probabilities that sum to 1")
    return values


def _motif(title: Sequence[str], rows: Sequence[Sequence[float]], where: str) -> Motif:
    if not rows:
        raise InputError(f"{where}: motif {title[0]} has no letter-probability matrix")
    matrix = np.asarray(rows, dtype=np.float64)
    return Motif(title[-1], title[0], matrix / matrix.sum(axis=1, keepdims=True))


@cache
def motifs_of(organism: str) -> tuple[Motif, ...]:
    """The motifs of JASPAR 2026 CORE of one of `ORGANISMS`, ordered by name (read once).

    Of an organism without a name, as in a construct that does not tell, none are known.

    Examples
    --------
    >>> [len(motifs_of(organism)) for organism in ("yeast", "human", "")]
    [176, 857, 0]
    """
    return read_meme(FILES[organism]) if organism else ()


def yeast_motifs() -> tuple[Motif, ...]:
    """The 176 motifs of *S. cerevisiae*."""
    return motifs_of("yeast")


def by_name(names: Sequence[str], motifs: Sequence[Motif] | None = None) -> tuple[Motif, ...]:
    """Choose motifs by the name of their factor, in the order asked for.

    Parameters
    ----------
    names
        Names in any case, such as `["REB1", "abf1"]`; of several motifs of one factor the last is taken.
    motifs
        The collection to choose from; by default the yeast motifs.

    Raises
    ------
    InputError
        If a name is not in the collection.
    """
    known = {motif.name.upper(): motif for motif in (yeast_motifs() if motifs is None else motifs)}
    chosen = []
    for name in names:
        if name.upper() not in known:
            raise InputError(f"motif {name!r} is not in the collection of {len(known)} motifs")
        chosen.append(known[name.upper()])
    return tuple(chosen)
