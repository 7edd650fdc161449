"""The runs behind a learning curve: nested subsets of the training rows, each drawn several times.

A draw has its own order of the training rows, of which every subset is the beginning, and its own seed of the network:
what differs between draws is what would differ between labs that measured as many sequences. All are judged on the same
validation rows; test rows take no part.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from ..data.summary import fingerprint
from ..data.table import Table, read_table
from ..errors import InputError
from ..files import atomic_path
from ..runs.prepare import Prepared
from ..runs.settings import DataSettings, Settings
from ..study.plan import Case, Plan, Unit, make_settings, run_key
from ..study.spec import Spec
from .recipe import WINDOW, lean_settings

TABLE = "table.parquet"
SPLIT, GROUP, UNTOUCHED = "split", "split_group", "untouched"
BASELINES, CHEAP = "all", "quick"
"""Baselines of a run, keys of `SETS`: with boosted trees, as the ensemble of a fit has them, and without."""
SIZES, SMALLEST = 5, 100
"""Most sizes of a curve, and the fewest training rows of a size."""


def sizes(rows: int) -> list[int]:
    """Numbers of training rows of a curve, each half of the next.

    Examples
    --------
    >>> sizes(10240), sizes(1500)
    ([640, 1280, 2560, 5120, 10240], [188, 375, 750, 1500])

    Raises
    ------
    InputError
        If the rows allow fewer than three sizes.
    """
    found = [round(rows / 2**i) for i in reversed(range(SIZES)) if rows / 2**i >= SMALLEST]
    if len(found) < 3:
        raise InputError(
            f"{rows:,} training rows, expected at least {4 * SMALLEST} for a learning curve: with fewer there is "
            "nothing to plan by; measure a few hundred sequences first"
        )
    return found


def with_split(table: Table, prepared: Prepared) -> Table:
    """The table with its split, but for the test rows, and with its groups of homologs."""
    split = np.full(len(table), UNTOUCHED, dtype=object)
    for name, rows in (("train", prepared.split.train), ("valid", prepared.split.valid)):
        split[rows] = name
    columns = pl.Series(SPLIT, split, dtype=pl.String), pl.Series(GROUP, prepared.groups)
    return replace(table, frame=table.frame.with_columns(*columns))


def keep(table: Table, path: Path) -> Table:
    """Write a table where every worker can read it."""
    with atomic_path(path) as draft:
        table.frame.write_parquet(draft)
    return read_table(path)


def curve_plan(table: Table, data: DataSettings, draws: int, share: float = 1.0) -> Plan:
    """All runs of a curve, as a study.

    Draws of all training rows have the same trees, which are grown with the first alone.

    Parameters
    ----------
    table
        As `with_split` made it, and kept.
    data
        How the user's table is read, with its window; construct, window and organism are used.
    draws
        Subsets of each size.
    share
        Share of the recipe's epochs.
    """
    kept = {name: getattr(data, name) for name in (*WINDOW, "organism")}
    print_, cases, units = fingerprint(table), [], []
    everything = int((table.frame[SPLIT] == "train").sum())
    for i, rows in enumerate(sizes(everything)):
        values = {**lean_settings(rows, share), **kept, "split": "column", "train": rows}
        cases.append(Case(f"{rows:,} sequences", {"train": rows}, values))
        for draw in range(draws):
            settings: Settings = make_settings({**values, "split_seed": draw}, draw)
            baselines = CHEAP if draw and rows == everything else BASELINES
            units.append(Unit(i, draw, settings, run_key(settings, print_, baselines), baselines))
    spec = Spec(table.path, "Is this data enough?", table.path, seeds=tuple(range(draws)), rows="valid", x="train")
    return Plan(spec, table, tuple(cases), tuple(units))
