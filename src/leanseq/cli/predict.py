"""`leanseq predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from ..training.cpu import Processor


def predict(
    run: Path,
    sequences: Path,
    *,
    output: Path | None = None,
    sequence_column: str = "sequence",
    misfits: Literal["refuse", "skip"] = "refuse",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    processor: Annotated[Processor, Parameter(name="*", group=Group("Machine", sort_key=1))] = Processor(),  # noqa: B008
) -> None:
    """Predict expression with a trained model.

    The result holds the columns of the input (the sequence as `sequence`) and a column `prediction`, in the unit of the
    training table.

    Parameters
    ----------
    run
        Folder of a run or model.
    sequences
        TSV, CSV, Parquet or FASTA with sequences as in the training table.
    output
        Where to write: `.tsv`, `.csv`, `.tsv.gz` or `.parquet`; by default TSV on standard output.
    sequence_column
        Column of the sequences.
    misfits
        A sequence that does not fit the model's construct: `refuse` the whole file, or `skip` it (empty prediction).
    overwrite
        Replace the output file.
    """
    import polars as pl

    from ..data.table import read_table
    from ..errors import InputError
    from .output import check_output, open_model, write_frame
    from .progress import say

    check_output(output, overwrite=overwrite)
    model = open_model(run, processor)
    table = read_table(sequences, sequence=sequence_column, expression=None)
    if "prediction" in table.frame.columns:
        raise InputError(f"{sequences}: has a column 'prediction' already; rename it")
    predicted = pl.Series("prediction", model.predict(table, misfits=misfits)).fill_nan(None)
    write_frame(table.frame.with_columns(predicted), output)
    if skipped := predicted.null_count():
        say(f"{skipped:,} of {len(table):,} sequences do not fit the construct: no prediction")
    if output is not None:
        say(f"{len(table):,} sequences: {output}")
