"""`leanseq evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from ..training.cpu import Processor


def evaluate(
    run: Path,
    table: Path,
    *,
    subsets: str = "",
    output: Path | None = None,
    sequence_column: str = "sequence",
    expression_column: str = "expression",
    misfits: Literal["refuse", "skip"] = "refuse",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    processor: Annotated[Processor, Parameter(name="*", group=Group("Machine", sort_key=1))] = Processor(),  # noqa: B008
) -> None:
    """Score a trained model on another table of measured sequences.

    Prints r and rho with 95 % bootstrap intervals. Another assay may have another scale, so only these two, which do
    not depend on it, are given.

    Parameters
    ----------
    run
        Folder of a run or model.
    table
        Measured sequences the model was not trained on.
    subsets
        Columns, with commas between, that mark rows with 1 (or true): each subset is also scored by itself.
    output
        Where to write the figures as well: `.tsv`, `.csv`, `.tsv.gz` or `.parquet`.
    sequence_column
        Column of the sequences.
    expression_column
        Column of the measured values.
    misfits
        A sequence that does not fit the model's construct: `refuse` the whole table, or `skip` it.
    overwrite
        Replace the output file.
    """
    import polars as pl

    from ..apply.evaluate import evaluate as score
    from ..data.table import read_table
    from .output import check_output, open_model, write_frame

    check_output(output, overwrite=overwrite)
    model = open_model(run, processor)
    measured = read_table(table, sequence=sequence_column, expression=expression_column)
    rows = score(model, measured, [name for name in subsets.split(",") if name], misfits=misfits)
    print(f"{'rows':<18}{'n':>8}  {'r (95 % interval)':<26}{'rho (95 % interval)'}")
    for row in rows:
        print(
            f"{row.rows:<18}{row.n:>8,}  {_interval(row.r, row.r_low, row.r_high):<26}"
            f"{_interval(row.rho, row.rho_low, row.rho_high)}"
        )
    if output is not None:
        write_frame(pl.DataFrame([row._asdict() for row in rows]), output)


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
