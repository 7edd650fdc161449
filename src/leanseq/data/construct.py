"""The reporter construct: what stands left and right of every measured insert.

A table row is `left_adapter + insert + right_adapter`. A network sees a window of fixed `length`: the row,
completed on the left from `left_flank`, then on the right from `right_flank`, then with N on the left. No
base of a row is ever cut. With `yeast-ptpa` and 150 bp this is the padding of LegNet (Penzar 2023).
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, UInt8

from ..errors import InputError
from .encoding import LETTERS, PART, encode
from .organisms import ORGANISMS

MATCH_SHARE = 0.95
"""Share of rows that must carry a construct's adapters before the construct is accepted."""
MAX_LENGTH = 100_000
"""Longest window, bp: one row then takes megabytes in every layer."""


def _check_kind(name: str, value: object) -> None:
    kind, words = (int, "a whole number") if name == "length" else (str, "text")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"construct: {name} is {value!r}, expected {words}")


@dataclass(frozen=True)
class Construct:
    """A reporter construct; immutable and checked when made.

    Attributes
    ----------
    name
        Short name, stored in every model.
    left_adapter, right_adapter
        Constant ends of every row, 5' to 3'; empty where rows have none.
    left_flank, right_flank
        Plasmid context outside the row: 5' of the left adapter, 3' of the right one.
    length
        Window that the network sees, bp; 0 means not set yet (the longest row of the training table).
    organism
        Whose cells read the sequences, one of `ORGANISMS`: boosted trees look for its motifs. Empty if not known.

    Raises
    ------
    InputError
        If a sequence has letters other than A, C, G, T, N, `length` is negative or above `MAX_LENGTH`, or the motifs
        of the organism are not known.
    """

    name: str = "none"
    left_adapter: str = ""
    right_adapter: str = ""
    left_flank: str = ""
    right_flank: str = ""
    length: int = 0
    organism: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _check_kind(field.name, value)
            if isinstance(value, str) and field.name not in ("name", "organism"):
                letters = value.strip().upper()
                if wrong := set(letters) - set(LETTERS):
                    raise InputError(f"construct: {field.name} has the letter {min(wrong)!r}, expected A, C, G, T or N")
                object.__setattr__(self, field.name, letters)
        if self.organism not in ("", *ORGANISMS):
            raise InputError(
                f"construct: organism is {self.organism!r}, expected {', '.join(ORGANISMS)}, or nothing for another"
            )
        if self.length < 0:
            raise InputError(f"construct: length is {self.length}, expected a number of bp of 1 or more")
        if self.length > MAX_LENGTH:
            raise InputError(
                f"construct: length is {self.length:,} bp, expected at most {MAX_LENGTH:,}; are these short regulatory "
                "sequences?"
            )
        if self.length and self.length < self.adapter_length:
            raise InputError(
                f"construct: length {self.length} is shorter than its adapters, expected {self.adapter_length} bp"
            )

    @property
    def adapter_length(self) -> int:
        """Length of both adapters together, bp."""
        return len(self.left_adapter) + len(self.right_adapter)

    def matches(self, sequences: pl.Series) -> Bool[np.ndarray, " n"]:
        """Which rows carry both adapters (all rows, where the construct has none)."""
        ends = sequences.str.starts_with(self.left_adapter) & sequences.str.ends_with(self.right_adapter)
        return (ends & (sequences.str.len_bytes() >= self.adapter_length)).to_numpy()

    def fits(self, sequences: pl.Series) -> Bool[np.ndarray, " n"]:
        """Which rows can be predicted: both adapters present and no longer than the window."""
        return self.matches(sequences) & (sequences.str.len_bytes() <= self.length).to_numpy()

    def windows(self, sequences: pl.Series) -> UInt8[np.ndarray, "n length"]:
        """Codes of every row in its window of `length` bp.

        Raises
        ------
        ValueError
            If a row is longer than the window (ask `fits` first).

        Examples
        --------
        >>> from leanseq.data.encoding import decode
        >>> toy = Construct("toy", left_flank="AACC", right_flank="GG", length=8)
        >>> decode(toy.windows(pl.Series(["TTTTTT", "TTT", "T"])))
        ['CCTTTTTT', 'AACCTTTG', 'NAACCTGG']
        """
        rows = np.empty((len(sequences), self.length), dtype=np.uint8)
        for start in range(0, len(sequences), PART):
            rows[start : start + PART] = self._windows(sequences[start : start + PART])
        return rows

    def _windows(self, sequences: pl.Series) -> UInt8[np.ndarray, "n length"]:
        rows = encode(sequences, self.length)
        lengths = sequences.str.len_bytes().to_numpy()
        left, right = encode([self.left_flank])[0], encode([self.right_flank])[0]
        different = np.unique(lengths)
        for length in different:
            gap = self.length - int(length)
            from_left = min(gap, len(left))
            from_right = min(gap - from_left, len(right))
            chosen = slice(None) if len(different) == 1 else np.flatnonzero(lengths == length)
            end = self.length - from_right
            if from_right:
                rows[chosen, gap - from_right : end] = rows[chosen, gap:]
                rows[chosen, end:] = right[:from_right]
            if from_left:
                rows[chosen, gap - from_right - from_left : gap - from_right] = left[len(left) - from_left :]
        return rows

    def same_windows(self, other: Construct) -> bool:
        """Whether another construct puts the same rows into the same windows: adapters are part of the rows."""
        return (self.left_flank, self.right_flank, self.length) == (other.left_flank, other.right_flank, other.length)

    def start_of(self, row: int) -> int:
        """Index in the window of the first base of a row of this length, bp."""
        gap = self.length - row
        return gap - min(max(gap - len(self.left_flank), 0), len(self.right_flank))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON or TOML file."""
        return asdict(self)


YEAST_PTPA = Construct(
    "yeast-ptpa",
    left_adapter="TGCATTTTTTTCACATC",
    right_adapter="GGTTACGGCTGTT",
    left_flank=(
        "TTCCAGTTTGGAACAAGAGTCCACTATTAAAGAACGTGGACTCCAACGTCAAAGGGCGAAAAACCGTCTATCAGG"
        "GCGATGGCCCACTACGTGAACCATCACCCTAATCAAGTGCTAGCAGGAATGATGCAAAAGGTTCCCGATTCGAAC"
    ),
    right_flank=(
        "TCTTAATTAAAAAAAGATAGAAAACATTAGGAGTGTAACACAAGACTTTCGGATCCTGAGCAGGCAAGATAAACG"
        "AAGGCAAAGATGTCTAAAGGTGAAGAATTATTCACTGGTGTTGTCCCAATTTTGGTTGAATTAGATGGTGATGTT"
    ),
    length=150,
    organism="yeast",
)
"""The pTpA promoter library of de Boer (2020), as in DREAM 2022: 150 nt of plasmid on each side."""

YEAST_ABF1TATA = Construct(
    "yeast-abf1tata",
    left_adapter="TCACGCAGTATAGTTC",
    right_adapter="GGTTTATTGTTTATAAAAA",
    left_flank="GCTAGCTGATTATGGTAACTCTATCGGACTTGAGGGATCACATT",
    length=150,
    organism="yeast",
)
"""The Abf1TATA promoter library of de Boer (2020); 44 nt of its left context are known."""

HUMAN_LENTIMPRA = Construct(
    "human-lentimpra", left_adapter="AGGACCGGATCAACT", right_adapter="CATTGCGTGAACCGA", organism="human"
)
"""The lentiMPRA libraries of Agarwal (2025, Nature 639, 411-420): adapters as in the DREAM benchmarks (Rafi 2024)."""

BUILT_IN = {construct.name: construct for construct in (YEAST_PTPA, YEAST_ABF1TATA, HUMAN_LENTIMPRA)}


def infer(sequences: pl.Series) -> Construct:
    """Choose the construct from the adapters of a table.

    A built-in construct is chosen when over 95 % of the rows carry its adapters; when hardly any row does,
    the sequences are used as they are.

    Raises
    ------
    InputError
        If adapters are found on some rows only: two libraries in one table, or cut adapters.
    """
    shares = {name: float(construct.matches(sequences).mean()) for name, construct in BUILT_IN.items()}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] > MATCH_SHARE:
        return BUILT_IN[best]
    if sum(shares.values()) > 1 - MATCH_SHARE:
        found = ", ".join(f"{name} on {share:.1%}" for name, share in shares.items() if share)
        raise InputError(
            f"column 'sequence': mixed adapters, {found} of the rows; expected over {MATCH_SHARE:.0%} of one "
            "construct; split the table by library, or use the sequences as they are with --construct none"
        )
    return Construct()


def read_construct(path: Path) -> Construct:
    """Read a construct from a TOML file whose keys are the attributes of `Construct`.

    Raises
    ------
    InputError
        If the file cannot be read, is not TOML, or has an unknown key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read the construct file: {error.strerror}; check its path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}; expected lines such as length = 150") from error
    return from_dict(values, str(path))


def from_dict(values: dict[str, Any], where: str) -> Construct:
    """Make a construct from plain values; `where` names their source in errors."""
    known = [field.name for field in fields(Construct)]
    for key in values:
        if key not in known:
            close = get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
            raise InputError(f"{where}: unknown key {key!r} in a construct; {hint}")
    try:
        for key, value in values.items():
            _check_kind(key, value)
        return Construct(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
