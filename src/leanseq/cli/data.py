"""`leanseq data`: public data sets by name."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

if TYPE_CHECKING:
    from ..data.download import Progress

EVERY = 10.0
"""Seconds between two lines of progress where no terminal listens."""


app = App(name="data", help="List and fetch public data sets.")


@app.command(name="list")
def list_sets() -> None:
    """List the public data sets that `leanseq data fetch` knows."""
    from ..data.sources import DATA_SETS

    for data_set in DATA_SETS:
        print(f"{data_set.name}: {data_set.about}")
        print(f"    rows: {data_set.rows}; licence: {data_set.licence}")
        print(f"    cite: {data_set.citation}")


@app.command
def fetch(
    name: str,
    /,
    *,
    output: Path | None = None,
    folder: Path | None = None,
    keep: bool = False,
    timeout: float = 30.0,
    overwrite: bool = False,
) -> None:
    """Download a public data set and write it as one table.

    An interrupted download continues where it stopped when the same command is run again.

    Parameters
    ----------
    name
        Name of the set; `leanseq data list` shows them.
    output
        Table to write: .tsv, .tsv.gz or .parquet; by default NAME.tsv in the current folder.
    folder
        Where the downloaded files go; by default the folder of the output.
    keep
        Keep the downloaded files as they came.
    timeout
        Longest wait without a byte, seconds.
    overwrite
        Replace the output if it exists.
    """
    from ..data.datasets import fetch as fetch_set
    from ..data.sources import find
    from ..data.writing import check_new, table_suffix
    from ..errors import InputError

    if not 0 < timeout < 1e6:
        raise InputError(f"--timeout is {timeout:g}, expected seconds above 0")
    data_set = find(name)
    output = output or Path(f"{name}.tsv")
    table_suffix(output)
    check_new(output, overwrite)
    with progress_on_stderr() as progress:
        rows = fetch_set(data_set, output, folder=folder, keep=keep, timeout=timeout, progress=progress)
    print(f"{output}: {rows:,} rows; licence: {data_set.licence}; cite: {data_set.citation}")


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Show a bar where a terminal listens, a line every ten seconds elsewhere; always on stderr."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("download")
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _lines() -> Progress:
    last = float("-inf")

    def show(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY or done == total:
            last = now
            print(f"{done:,} of {'?' if total is None else f'{total:,}'} bytes", file=sys.stderr, flush=True)

    return show
