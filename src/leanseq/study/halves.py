"""The rows of a search: the table's training rows, and its validation rows in two halves, to search and to judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from ..data.splits import split_by_group
from ..data.table import Table, read_table
from ..errors import InputError
from ..files import atomic_path
from ..runs.prepare import FEWEST_VALID, prepare
from ..runs.settings import DataSettings

TABLE = "table.parquet"
SPLIT, GROUP = "split", "split_group"
SEARCH, FRESH, UNTOUCHED = "valid", "test", "untouched"
"""Values of the column `split` beside `train`: rows that compare trials, rows that judge the winner, rows not used."""


def split_rows(table: Table, data: DataSettings) -> pl.DataFrame:
    """The table with the column `split` of the search and the groups that it kept whole.

    Raises
    ------
    InputError
        If the rows do not fit, or either half of the validation rows is too small.
    """
    prepared = prepare(table, data)
    valid = prepared.split.valid
    # a half of one row or none is too small in any case, and cannot be drawn
    halves = split_by_group(prepared.groups[valid], 0, len(valid) // 2, data.split_seed) if len(valid) > 3 else None
    if halves is None or min(len(halves.train), len(halves.test)) < FEWEST_VALID:
        raise InputError(
            f"{table.path}: {len(valid)} validation rows, expected two halves of at least {FEWEST_VALID} each, one to "
            "search with, one to judge; set valid in [base] to more"
        )
    searched, fresh = valid[halves.train], valid[halves.test]
    split = np.full(len(table), UNTOUCHED, dtype=object)
    for name, rows in (("train", prepared.split.train), (SEARCH, searched), (FRESH, fresh)):
        split[rows] = name
    columns = pl.Series(SPLIT, split, dtype=pl.String), pl.Series(GROUP, prepared.groups)
    return table.frame.with_columns(*columns)


def split_table(table: Table, data: DataSettings, path: Path, *, anew: bool) -> Table:
    """The rows of a search in a file that every worker can read; made if it is missing or `anew`."""
    if anew or not path.exists():
        frame = split_rows(table, data)
        with atomic_path(path) as draft:
            frame.write_parquet(draft)
    return read_table(path)
