"""Where a command's table goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".tsv", ".csv", ".parquet")


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse an output file that exists or has an unknown kind, before any work is done."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown kind of output, expected a name that ends in {', '.join(SUFFIXES)}")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: exists already; give another --output, or --overwrite")


def write_frame(frame: pl.DataFrame, path: Path | None) -> None:
    """Write a table to a file by its suffix, or as TSV to standard output."""
    from ..files import atomic_path

    if path is None:
        sys.stdout.write(frame.write_csv(separator="\t"))
        return
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            frame.write_parquet(temporary)
        else:
            frame.write_csv(temporary, separator="\t" if path.suffix == ".tsv" else ",")
