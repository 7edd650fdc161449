"""`leanseq predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from ..training.cpu import Processor

if TYPE_CHECKING:
    import polars as pl

    from ..apply.predictor import Predictor
    from ..data.table import Table


def predict(
    run: Path,
    sequences: Path,
    *,
    output: Path | None = None,
    sequence_column: str = "sequence",
    misfits: Literal["refuse", "skip"] = "refuse",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    processes: int = 1,
    scheduler: str | None = None,
    processor: Annotated[Processor, Parameter(name="*", group=Group("Machine", sort_key=1))] = Processor(),  # noqa: B008
) -> None:
    """Predict expression with a trained model.

    The result holds the columns of the input (the sequence as `sequence`) and a column `prediction`, in the unit of the
    training table. An ensemble of `leanseq fit` adds `low` and `high`, the limits of the prediction interval, `spread`,
    the standard deviation of its parts, and `unfamiliar`: why a sequence is unlike the training sequences, if it is.

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
    processes
        Worker processes on this machine, for large sets; each loads the model.
    scheduler
        Address of a Dask scheduler to use instead, such as `tcp://10.0.0.1:8786`.
    """
    from ..data.table import read_table
    from ..errors import InputError
    from .output import check_output, open_model, write_frame
    from .progress import say

    check_output(output, overwrite=overwrite)
    model = open_model(run, processor)
    table = read_table(sequences, sequence=sequence_column, expression=None)
    for name in model.columns([]).columns:
        if name in table.frame.columns:
            raise InputError(f"{sequences}: has a column {name!r} already; rename it")
    if processes < 1:
        raise InputError(f"--processes is {processes}, expected 1 or more")
    if processes > 1 or scheduler is not None:
        columns = _on_workers(run, model, table, misfits, processes, scheduler, processor)
    else:
        columns = model.columns(table, misfits=misfits)
    write_frame(table.frame.hstack(columns), output)
    if skipped := columns["prediction"].null_count():
        say(f"{skipped:,} of {len(table):,} sequences do not fit the construct: no prediction")
    if output is not None:
        say(f"{len(table):,} sequences: {output}")


def _on_workers(
    run: Path,
    model: Predictor,
    table: Table,
    misfits: str,
    processes: int,
    scheduler: str | None,
    processor: Processor,
) -> pl.DataFrame:
    """Predict by partitions on a local cluster or a scheduler, showing how far it is."""
    from dataclasses import replace

    from ..errors import InputError
    from ..study.engine import Layout, cores, open_engine
    from ..study.scoring import predict
    from .progress import follow

    if processes > 1 and scheduler is not None:
        raise InputError("--processes changes nothing with --scheduler: its workers decide")
    model.fits(table, misfits=misfits)  # before any process is started
    layout = Layout(processes, processor.threads or max(1, cores() // processes))
    share = 0.0

    def tell(now: float) -> None:
        nonlocal share
        share = now

    own = replace(processor, threads=processor.threads if scheduler else layout.threads)
    with open_engine(layout, scheduler) as engine, follow("prediction", lambda: share):
        return predict(run, model, table, engine, own, tell, misfits=misfits)
