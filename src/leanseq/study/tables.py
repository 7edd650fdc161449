"""Tables of a study, and how they are written as CSV, Markdown and LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from csv import writer
from io import StringIO
from typing import NamedTuple

import numpy as np

from ..report.words import number
from .judge import Judged
from .results import Results


class Range(NamedTuple):
    """A number with its interval; `sign` writes a plus where it is positive."""

    value: float
    low: float
    high: float
    sign: bool = False


Cell = str | int | float | Range


class Rows(NamedTuple):
    """A table of any format: the cells are values, not yet text."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def configurations(judged: Judged) -> Rows:
    """Table what each configuration reaches."""
    header = ("configuration", "seeds", "epochs", "parameters", "r", "validation r", "test r", "ridge r", "seconds")
    return Rows(
        header,
        tuple(
            (
                row.label,
                len(row.seeds),
                round(np.mean(row.epochs)),
                row.parameters,
                Range(*row.r),
                row.valid_r,
                row.test_r,
                row.ridge_r,
                float(np.mean(row.seconds)),
            )
            for row in judged.rows
        ),
    )


def fits(judged: Judged) -> Rows:
    """Table how training ended, with the columns of the report's Table 2."""
    header = (
        *("configuration", "train loss", "validation loss", "train r", "validation r"),
        *("loss gap", "r gap", "observation"),
    )
    return Rows(header, tuple((row.label, *row.fit, row.loss_gap, row.r_gap, row.observation) for row in judged.rows))


def comparisons(judged: Judged) -> Rows:
    """Table every comparison, those with references first, then those with the k-mer ridge."""
    header = (
        "configuration",
        "compared with",
        "rows",
        "seeds",
        "difference in r",
        "SD over seeds",
        "p (Holm)",
        "verdict",
    )
    words = {1: "gain", 0: "no evidence", -1: "loss"}
    return Rows(
        header,
        tuple(
            (
                each.label,
                each.reference,
                each.n,
                each.difference.seeds,
                Range(*each.difference[:3], sign=True),
                each.difference.seed_sd,
                each.p,
                words[each.sign],
            )
            for each in (*judged.comparisons, *judged.ridge)
        ),
    )


def curves(results: Results) -> Rows:
    """Table loss and r of every epoch of every run."""
    names = ("train_loss", "valid_loss", "train_r", "valid_r")
    return Rows(
        ("configuration", "seed", "epoch", *names),
        tuple(
            (each.label, *values)
            for each in results.configurations
            for values in each.history.select("seed", "epoch", *names).iter_rows()
        ),
    )


def text(cell: Cell) -> str:
    """Write a cell for people.

    Examples
    --------
    >>> text("plain"), text(2126018), text(0.5), text(float("nan"))
    ('plain', '2,126,018', '0.500', '–')
    >>> text(Range(0.004, -0.003, 0.011, sign=True))
    '+0.004 (−0.003 to +0.011)'
    """
    if isinstance(cell, str):
        return " ".join(cell.split())
    if isinstance(cell, Range):
        value, low, high = (number(_known(each), cell.sign, like=cell.value) for each in cell[:3])
        return f"{value} ({low} to {high})" if _known(cell.value) is not None else value
    return f"{cell:,}" if isinstance(cell, int) else number(_known(cell))


def csv(table: Rows) -> str:
    """Write a table for programs: full precision, an interval in columns of its own, nothing where undefined.

    Examples
    --------
    >>> print(csv(Rows(("a", "r"), (("x", Range(0.5, 0.25, 0.75)), ("y, z", Range(*[float("nan")] * 3))))), end="")
    a,r,r low,r high
    x,0.5,0.25,0.75
    "y, z",,,
    """
    ranges = [any(isinstance(row[i], Range) for row in table.rows) for i in range(len(table.header))]
    parts = zip(table.header, ranges, strict=True)
    names = [[name, f"{name} low", f"{name} high"][: 3 if wide else 1] for name, wide in parts]
    out = StringIO()
    write = writer(out, lineterminator="\n").writerow
    write([name for part in names for name in part])
    for row in table.rows:
        flat = [value for cell in row for value in (cell[:3] if isinstance(cell, Range) else (cell,))]
        write(["" if isinstance(value, float) and math.isnan(value) else value for value in flat])
    return out.getvalue()


def markdown(table: Rows) -> str:
    r"""Write a table in GitHub's Markdown, numbers to the right.

    Examples
    --------
    >>> print(markdown(Rows(("a|b", "r"), (("x", 0.5),))), end="")
    | a\|b | r |
    | :--- | ---: |
    | x | 0.500 |
    """
    rules = ["---:" if numeric else ":---" for numeric in _numeric(table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in _lines(table, lambda cell: cell.replace("|", r"\|"), rules))


def latex(table: Rows) -> str:
    r"""Write a table as a LaTeX tabular; it needs the package booktabs.

    Examples
    --------
    >>> print(latex(Rows(("a_b", "r"), (("5 %", -0.5),))), end="")
    \begin{tabular}{lr}
    \toprule
    a\_b & r \\
    \midrule
    5 \% & $-$0.500 \\
    \bottomrule
    \end{tabular}
    """
    head, *body = (rf"{' & '.join(line)} \\" for line in _lines(table, escape))
    columns = "".join("r" if numeric else "l" for numeric in _numeric(table))
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$", "–": "--"},
}


def escape(words: str) -> str:
    r"""Write text so that LaTeX prints it.

    Examples
    --------
    >>> escape("a_b & 50 % of {x^2}")
    'a\\_b \\& 50 \\% of \\{x\\textasciicircum{}2\\}'
    """
    return re.sub(r"[&%$#_{}\\~^<>−–]", lambda found: _LATEX[found[0]], words)


def _lines(table: Rows, clean: Callable[[str], str], rules: list[str] | None = None) -> list[list[str]]:
    """The header, rules if there are any, and the rows, all as clean text."""
    body = [[clean(text(cell)) for cell in row] for row in table.rows]
    return [[clean(name) for name in table.header], *([rules] if rules else []), *body]


def _numeric(table: Rows) -> list[bool]:
    """Which columns hold numbers."""
    return [not any(isinstance(row[i], str) for row in table.rows) for i in range(len(table.header))]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
