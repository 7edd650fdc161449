"""What a table holds, in figures and in words, shown before anything is trained on it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from .construct import BUILT_IN
from .encoding import PART
from .table import Table


@dataclass(frozen=True)
class Summary:
    """Figures of a table; lengths in bp, expression in the unit of the file."""

    rows: int
    length_min: int
    length_median: float
    length_max: int
    gc: float
    """Share of G and C among all letters."""
    with_n: int
    """Rows with an N (or an IUPAC code read as N)."""
    ambiguous: int
    lower_case: int
    duplicates: int
    """Rows whose sequence stood in an earlier row."""
    contradicting: int
    """Sequences measured more than once with different values."""
    adapters: dict[str, float]
    """Share of rows that carry the adapters of each built-in construct."""
    expression_min: float
    expression_median: float
    expression_max: float
    expression_mean: float
    expression_sd: float
    integer_share: float
    """Share of whole-number values: sequences seen in one cell (singletons) of a sort-seq table."""
    reads_median: float | None
    replicates: list[str]
    optional: list[str]
    """Which of id, split, cluster, weight, sd were found."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Names and values for people, in reading order."""
        lengths = (
            f"{self.length_min} bp"
            if self.length_min == self.length_max
            else f"{self.length_min} to {self.length_max} bp, median {self.length_median:g}"
        )
        adapters = ", ".join(f"{name} {share:.1%}" for name, share in self.adapters.items() if share > 0)
        out = [
            ("sequences", f"{self.rows:,}"),
            ("length", lengths),
            ("GC", f"{self.gc:.1%}"),
            (
                "rows with N",
                f"{self.with_n:,}" + (f" ({self.ambiguous:,} IUPAC codes)" if self.ambiguous else ""),
            ),
            ("repeated sequences", f"{self.duplicates:,}, {self.contradicting:,} with contradicting values"),
            (
                "expression",
                f"{self.expression_min:.3g} to {self.expression_max:.3g}, median "
                f"{self.expression_median:.3g}, sd {self.expression_sd:.3g}",
            ),
            ("whole-number values", f"{self.integer_share:.1%}"),
            ("adapters matched", adapters or "none of the built-in constructs"),
            ("replicates", ", ".join(self.replicates) or "none"),
        ]
        if self.reads_median is not None:
            out.append(("reads a sequence", f"median {self.reads_median:g}"))
        if self.optional:
            out.append(("other columns used", ", ".join(self.optional)))
        if self.lower_case:
            out.append(("lower-case rows", f"{self.lower_case:,}, read as upper case"))
        return out


def summarise(table: Table) -> Summary:
    """Count what a table of measured sequences holds."""
    frame, sequences = table.frame, table.sequences
    lengths = sequences.str.len_bytes()
    values = table.expression
    repeats = frame.group_by("sequence").agg(
        pl.len().alias("times"), (pl.col("expression").max() - pl.col("expression").min()).alias("range")
    )
    return Summary(
        rows=len(table),
        length_min=int(lengths.min()),  # pyright: ignore[reportArgumentType]
        length_median=float(lengths.median()),  # pyright: ignore[reportArgumentType]
        length_max=int(lengths.max()),  # pyright: ignore[reportArgumentType]
        gc=int(sequences.str.count_matches("[GC]").sum()) / int(lengths.sum()),
        with_n=int(sequences.str.contains("N", literal=True).sum()),
        ambiguous=table.ambiguous,
        lower_case=table.lower_case,
        duplicates=len(table) - repeats.height,
        contradicting=int(((repeats["times"] > 1) & (repeats["range"] > 0)).sum()),
        adapters={name: float(construct.matches(sequences).mean()) for name, construct in BUILT_IN.items()},
        expression_min=float(values.min()),
        expression_median=float(np.median(values)),
        expression_max=float(values.max()),
        expression_mean=float(values.mean()),
        expression_sd=float(values.std()),
        integer_share=float(np.mean(values == np.round(values))),
        reads_median=float(np.median(frame["reads"].to_numpy())) if "reads" in frame.columns else None,
        replicates=table.replicates,
        optional=[name for name in ("id", "split", "cluster", "weight", "sd") if name in frame.columns],
    )


def fingerprint(table: Table) -> str:
    """SHA-256 of what training can depend on: every row's sequence and value, in order, and the used columns."""
    digest = hashlib.sha256()
    for name in ("sequence", "expression", "split", "cluster", "weight", "sd", "reads", *table.replicates):
        if name in table.frame.columns:
            column = table.frame[name]
            digest.update(f"\n{name}:{len(column)}\n".encode())
            if column.dtype == pl.Float64:
                digest.update(column.fill_null(float("nan")).to_numpy().tobytes())
            else:
                for start in range(0, len(column), PART):
                    part = column[start : start + PART].cast(pl.String).fill_null("")
                    digest.update(("\n" * (start > 0) + (part.str.join("\n").item() or "")).encode())
    return digest.hexdigest()
