"""Fetch a public data set and write it as one table.

The files of a set (`sources.py`) are downloaded, checked, and turned into a table with `sequence` and `expression`,
and `split` where the source has one, without holding it in memory.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ..errors import InputError
from ..files import atomic_path
from .download import Progress, download
from .sources import DATA_SETS, DataSet, Layout, Remote, find
from .writing import table_suffix

__all__ = ["DATA_SETS", "DataSet", "Remote", "convert", "fetch", "find"]

DNA = "ACGTNRYSWKMBDHV"
"""Letters a source may hold; `table.py` reads the ambiguous ones as N."""


def fetch(
    data_set: DataSet,
    output: Path,
    *,
    folder: Path | None = None,
    keep: bool = False,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> int:
    """Download a data set and write it as one table.

    Parameters
    ----------
    data_set
        Which one (see `find`).
    output
        Table to write: `.tsv`, `.tsv.gz` or `.parquet`, with `sequence`, `expression` and, where the source has
        it, `split`.
    folder
        Where the downloaded files go; by default the folder of `output`. After an interruption they stay there
        (`.part`), and the next call continues.
    keep
        Leave the downloaded files as they came; otherwise they are removed when the table is written.
    timeout
        Longest wait without a byte, seconds.
    progress
        Called with the bytes so far and the total (None where unknown), file by file.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    InputError
        If a download fails, a file is not what was expected, or the table cannot be written.
    """
    table_suffix(output)
    folder = output.parent if folder is None else folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make the folder: {error.strerror}") from error
    paths = []
    for remote in data_set.files:
        path = folder / f"{data_set.name}-{remote.name}"
        if not path.exists():
            download(remote.url, path, sha256=remote.sha256, size=remote.size, timeout=timeout, progress=progress)
        paths.append(path)
    rows = convert(data_set, paths, output)
    if not keep:
        for path in paths:
            path.unlink(missing_ok=True)
    return rows


def convert(data_set: DataSet, paths: list[Path], output: Path) -> int:
    """Turn the downloaded files of a set into one table, without holding it in memory.

    Parameters
    ----------
    data_set
        Says how the files are written and what their rows are for.
    paths
        The files, in the order of `data_set.files`.
    output
        Table to write.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    InputError
        If a file is not written as expected, or the table cannot be written.
    """
    parts = []
    rows = 0
    for remote, path in zip(data_set.files, paths, strict=True):
        part = _scan(path, data_set.layout)
        rows += _checked(part, path)
        parts.append(part.with_columns(split=pl.lit(remote.split)) if remote.split else part)
    whole = pl.concat(parts)
    with atomic_path(output) as draft:
        if table_suffix(output) == ".parquet":
            whole.sink_parquet(draft)
        else:
            kind = "gzip" if table_suffix(output) == ".tsv.gz" else "uncompressed"
            whole.sink_csv(draft, separator="\t", compression=kind, check_extension=False)
    return rows


def _scan(path: Path, layout: Layout) -> pl.LazyFrame:
    if layout == "parquet":
        frame = pl.scan_parquet(path).rename({"activity": "expression"}, strict=False)
    elif layout == "native csv":
        frame = pl.scan_csv(path, infer_schema=False).rename({"Measured Expression": "expression"}, strict=False)
    else:
        frame = pl.scan_csv(
            path,
            has_header=False,
            separator="\t",
            quote_char=None,
            schema={"sequence": pl.String, "expression": pl.String},
            truncate_ragged_lines=True,
        )
    return frame.select(
        pl.col("sequence").str.strip_chars().str.to_uppercase(),
        pl.col("expression").cast(pl.Float64, strict=False),
    )


def _checked(frame: pl.LazyFrame, path: Path) -> int:
    """Number of rows, once every one holds DNA and a finite number."""
    good = pl.col("sequence").str.contains(f"^[{DNA}]+$") & pl.col("expression").is_finite()
    wrong = ~good.fill_null(False)
    try:
        rows, bad, first = (
            frame.select(pl.len(), wrong.sum().alias("bad"), wrong.arg_max().alias("first")).collect().row(0)
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not in the expected form ({reason}); remove it and fetch again") from error
    if not rows or bad:
        found = f"row {first + 1:,} (of {bad:,} such rows)" if rows else "no row at all"
        raise InputError(
            f"{path}: {found} where DNA and a number were expected; the file changed at its source or is damaged: "
            "remove it and fetch again"
        )
    return rows
