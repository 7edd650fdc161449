"""What commands that use a model share: opening it, and where their table goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from ..apply import Ensemble, Model
    from ..training.cpu import Processor


def open_model(run: Path, processor: Processor) -> Model | Ensemble:
    """Load a model onto a device, with the processor set up."""
    from ..apply import load

    return load(run, device=processor.prepare().device, keep_memory=processor.keep_memory)


def check_output(path: Path | None, *, overwrite: bool) -> None:
    """Refuse an output file that exists or has an unknown kind, before any work is done."""
    from ..data.writing import check_new, table_suffix

    if path is not None:
        table_suffix(path)
        check_new(path, overwrite)


def write_frame(frame: pl.DataFrame, path: Path | None) -> None:
    """Write a table to a file by its suffix, or as TSV to standard output."""
    from ..data.writing import table_writer

    if path is None:
        sys.stdout.write(frame.write_csv(separator="\t"))
        return
    with table_writer(path) as write:
        write(frame)
