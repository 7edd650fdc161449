"""A checked table of measured sequences.

Each thing that can be odd in a row has one outcome:

======================================  ====================================================
in the file                             outcome
======================================  ====================================================
lower case, blanks around values        accepted, put right
IUPAC codes R Y S W K M B D H V         kept as N, counted
any other letter, an empty sequence     refused
a sequence of N only                    refused
expression empty, not a number, NaN     refused (a decimal comma with a hint)
the same sequence twice                 kept, counted; always in one split together
the same with contradicting values      kept, counted (they are replicates)
a row without the construct's adapters  kept and counted in training, refused in prediction
======================================  ====================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from ..errors import InputError
from .reading import Columns, read_columns

NUMBERS = ("weight", "sd", "reads")
"""Optional columns that must hold a positive number in every row (0 is allowed for `weight`)."""

_REPLICATE = re.compile(r"rep\d+")
_AMBIGUOUS = "[RYSWKMBDHV]"
_GROUPED = re.compile(r"[-+]?\d[\d,.'’ ]*")
_LETTERS = {"U": "RNA? write T for U", "-": "remove the gaps of an alignment", ".": "remove the gaps of an alignment"}
_LETTERS |= {"*": "protein? DNA is needed", " ": "remove the blank", ">": "FASTA? it starts with '>name'"}
_LETTERS |= dict.fromkeys("EFILPQZJOX", "protein? DNA is needed")


@dataclass(frozen=True)
class Table:
    """Measured sequences, checked; row i of every column is one sequence.

    Attributes
    ----------
    path
        Where it was read, for messages.
    frame
        `sequence` (upper case A C G T N), `expression` (Float64, in the user's unit) unless only sequences
        were asked for, and all other columns of the file.
    first_line, unit
        Position of row 0 in the file and what a position is called there.
    lower_case, ambiguous
        Number of rows put right: lower-case letters; IUPAC codes read as N.
    """

    path: str
    frame: pl.DataFrame
    first_line: int = 1
    unit: str = "row"
    lower_case: int = 0
    ambiguous: int = 0

    def __len__(self) -> int:
        return self.frame.height

    @property
    def sequences(self) -> pl.Series:
        """The rows' sequences, 5' to 3', adapters included."""
        return self.frame["sequence"]

    @property
    def expression(self) -> Float[np.ndarray, " n"]:
        """Measured expression in the unit of the file."""
        return self.frame["expression"].to_numpy()

    @property
    def replicates(self) -> list[str]:
        """Names of the replicate columns rep1, rep2, ... that were found."""
        return [name for name in self.frame.columns if _REPLICATE.fullmatch(name)]

    def where(self, row: int) -> str:
        """Position of a row for messages: file and line.

        Examples
        --------
        >>> Table("a.tsv", pl.DataFrame({"sequence": ["ACGT"]}), 2, "line").where(0)
        'a.tsv: line 2'
        """
        return f"{self.path}: {self.unit} {self.first_line + row}"


def read_table(
    path: str | Path,
    *,
    sequence: str = "sequence",
    expression: str | None = "expression",
) -> Table:
    """Read and check a table of sequences.

    Parameters
    ----------
    path
        TSV, CSV (plain or gzipped), Parquet, a header-less DREAM table of two columns or, where only sequences
        are needed, FASTA or one sequence a line.
    sequence, expression
        Names of these columns; `expression=None` reads sequences only and keeps an `expression` column if
        there is one with that name.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file or one of its rows does not fit; names file, line and column.
    """
    columns = read_columns(Path(path))
    return _checked(columns, str(path), sequence, expression or "expression", expression is not None)


def from_columns(columns: Mapping[str, object], where: str = "the given data") -> Table:
    """Check columns that are in memory already; `where` names them in messages."""
    frame = pl.DataFrame(dict(columns), strict=False)
    return _checked(Columns(frame, 1, "row"), where, "sequence", "expression", "expression" in frame.columns)


def _checked(columns: Columns, path: str, sequence: str, expression: str, needs_expression: bool) -> Table:
    frame, first_line, unit = columns
    frame = frame.rename({name: name.strip() for name in frame.columns})
    if needs_expression and unit == "record":
        raise InputError(
            f"{path}: no column {expression!r}: FASTA holds sequences only; expected a table, TSV, CSV or Parquet"
        )
    frame = _renamed(frame, path, sequence, expression, needs_expression)
    if not frame.height:
        raise InputError(f"{path}: no rows, only a header; expected one row per sequence below it")

    def place(row: int) -> str:
        return f"{path}: {unit} {first_line + row}"

    frame, lower_case, ambiguous = _clean_sequences(frame, place)
    if "expression" in frame.columns:
        frame = frame.with_columns(_numbers(frame["expression"], place))
    for name in frame.columns:
        if name in NUMBERS:
            values = _numbers(frame[name], place)
            low = values < 0 if name == "weight" else values <= 0
            if (row := _first(low)) is not None:
                least = "0 or more" if name == "weight" else "more than 0"
                raise InputError(f"{place(row)}: column {name!r} is {values[row]:g}, expected {least}; correct it")
            frame = frame.with_columns(values)
        elif _REPLICATE.fullmatch(name):
            frame = frame.with_columns(_numbers(frame[name], place, may_be_empty=True))
    if "weight" in frame.columns and not frame["weight"].sum():
        raise InputError(f"{path}: column 'weight' is 0 in every row, expected a positive one; correct or remove it")
    return Table(path, frame, first_line, unit, lower_case, ambiguous)


def _renamed(frame: pl.DataFrame, path: str, sequence: str, expression: str, needs_expression: bool) -> pl.DataFrame:
    """Give the columns that mean something their own names, whatever their case or the user's names for them."""
    wanted = {"sequence": sequence, "expression": expression}
    wanted |= {name: name for name in ("id", "split", "cluster", *NUMBERS)}
    found: dict[str, str] = {}
    for name, given in wanted.items():
        required = name == "sequence" or (name == "expression" and needs_expression)
        column = _find(frame.columns, given, path, name) if required else _same_name(frame.columns, given)
        if column in found:
            raise InputError(
                f"{path}: column {column!r} cannot be both {found[column]} and {name}; give two columns with "
                "--sequence-column and --expression-column"
            )
        if column is not None:
            found[column] = name
    hidden = [name for name in found.values() if name in frame.columns and name not in found]
    return frame.drop(hidden).rename(found)


def _same_name(columns: list[str], name: str) -> str | None:
    return name if name in columns else next((c for c in columns if c.lower() == name.lower()), None)


def _find(columns: list[str], wanted: str, path: str, name: str) -> str:
    """The column of a name that must be there."""
    found = _same_name(columns, wanted)
    if found is None:
        near = get_close_matches(wanted.lower(), [c.lower() for c in columns], 1)
        hint = f"did you mean {near[0]!r}? name it with" if near else "if it has another name, give it with"
        have = ", ".join(columns[:8]) or "none"
        raise InputError(f"{path}: no column {wanted!r} (found: {have}); {hint} --{name}-column")
    return found


def _clean_sequences(frame: pl.DataFrame, place) -> tuple[pl.DataFrame, int, int]:
    raw = frame["sequence"]
    if raw.dtype != pl.String:
        raise InputError(f"{place(0)}: column 'sequence' holds {raw.dtype}, expected letters A, C, G, T, N; convert it")
    # most rows of most tables are letters A C G T already; only the others are worked on
    rows = np.flatnonzero(~raw.str.contains(r"\A[ACGT]+\z").fill_null(False).to_numpy())
    if not len(rows):
        return frame, 0, 0

    def at(row: int) -> str:
        return place(int(rows[row]))

    text = raw.gather(rows).fill_null("").str.strip_chars()
    if (row := _first(text == "")) is not None:
        raise InputError(f"{at(row)}: column 'sequence' is empty, expected A, C, G, T and N; remove the row")
    upper = text.str.to_uppercase()
    lower_case = int((upper != text).sum())
    wrong = upper.str.contains(f"[^ACGTN{_AMBIGUOUS[1:-1]}]")
    if (row := _first(wrong)) is not None:
        letter = re.search(f"[^ACGTN{_AMBIGUOUS[1:-1]}]", upper[row])
        position = letter.start() if letter else 0
        found = upper[row][position]
        raise InputError(
            f"{at(row)}: column 'sequence' has {found!r} at position {position + 1}, expected A, C, G, T, N or an "
            f"IUPAC code; {_LETTERS.get(found, 'correct it or leave the row out')}"
        )
    ambiguous = int(upper.str.contains(_AMBIGUOUS).sum())
    upper = upper.str.replace_all(_AMBIGUOUS, "N")
    if (row := _first(~upper.str.contains("[ACGT]"))) is not None:
        raise InputError(f"{at(row)}: column 'sequence' has no letter but N, expected A, C, G, T; remove the row")
    return frame.with_columns(raw.clone().scatter(rows, upper).alias("sequence")), lower_case, ambiguous


def _numbers(raw: pl.Series, place, *, may_be_empty: bool = False) -> pl.Series:
    """A column as finite Float64; empty cells become null where they may."""
    if not (raw.dtype in (pl.String, pl.Null, pl.Object) or raw.dtype.is_numeric()):
        raise InputError(f"{place(0)}: column {raw.name!r} holds {raw.dtype}, expected numbers; convert it")
    text = raw.str.strip_chars() if raw.dtype == pl.String else raw
    values = text.cast(pl.Float64, strict=False)
    empty = (text.is_null() | (text == "")).fill_null(True) if raw.dtype == pl.String else raw.is_null()
    bad = ~values.is_finite().fill_null(False)
    if may_be_empty:
        bad = bad & ~empty & ~values.is_nan().fill_null(False)
    if (row := _first(bad)) is not None:
        found = "empty" if empty[row] else repr(raw[row])
        hint = "leave it empty" if may_be_empty else "correct it or leave the row out"
        if isinstance(raw[row], str) and _GROUPED.fullmatch(raw[row].strip()):
            hint = "write the decimal point as '.', not ',', and nothing between thousands"
        raise InputError(f"{place(row)}: column {raw.name!r} is {found}, expected a finite number; {hint}")
    return values.fill_nan(None).alias(raw.name)


def _first(mask: pl.Series) -> int | None:
    return int(mask.fill_null(False).arg_max() or 0) if mask.any() else None
