"""Write tables whole or not at all: TSV, CSV, gzipped TSV or Parquet, chosen by the name."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from ..errors import InputError
from ..files import atomic_path

TABLE_SUFFIXES = (".tsv", ".csv", ".tsv.gz", ".parquet")


def check_new(path: Path, overwrite: bool = False) -> None:
    """Refuse to overwrite a file unless told to.

    Raises
    ------
    InputError
        If `path` exists and `overwrite` is false.
    """
    if not overwrite and os.path.lexists(path):
        raise InputError(f"{path}: exists already; choose another name or add --overwrite")


def table_suffix(path: Path) -> str:
    """Which of `TABLE_SUFFIXES` a file name ends in.

    Raises
    ------
    InputError
        If it is none of them.

    Examples
    --------
    >>> table_suffix(Path("a.b.tsv.gz"))
    '.tsv.gz'
    """
    for suffix in TABLE_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise InputError(f"{path}: unknown kind of output, expected a name that ends in {', '.join(TABLE_SUFFIXES)}")


@contextmanager
def table_writer(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Write a table part by part.

    Text grows on disk as parts come; Parquet holds all parts in memory until the end.

    Parameters
    ----------
    path
        A name that ends in one of `TABLE_SUFFIXES`.

    Yields
    ------
    Callable[[pl.DataFrame], None]
        Appends rows; every part has the same columns.

    Raises
    ------
    InputError
        If the suffix is unknown or the file cannot be written.
    """
    suffix = table_suffix(path)
    with atomic_path(path) as draft:
        if suffix == ".parquet":
            parts: list[pl.DataFrame] = []
            yield parts.append
            pl.concat(parts).write_parquet(draft)
            return
        first = True
        with draft.open("wb") as raw:
            # No name and no time in the header: the same table gives the same bytes.
            out = gzip.GzipFile("", "wb", 6, raw, mtime=0) if suffix == ".tsv.gz" else raw
            separator = "," if suffix == ".csv" else "\t"

            def append(part: pl.DataFrame) -> None:
                nonlocal first
                out.write(part.write_csv(separator=separator, include_header=first).encode())
                first = False

            try:
                yield append
            finally:
                if out is not raw:
                    out.close()
