"""`leanseq plan`."""

from __future__ import annotations

from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from ..runs.settings import DataSettings
from .study import Flag, Placed, Workers, asked_layout, carry_out, read_resources

if TYPE_CHECKING:
    from ..study.plan import Plan

BUDGET = "30m"
"""Time to spend on this machine if none is asked for."""
LEAST = 0.01
"""Share of the recipe's epochs below which no budget goes."""


def plan(
    table: Path,
    *,
    budget: str | None = None,
    draws: int = 3,
    output: Path | None = None,
    store: Path = Path("runs/store"),
    retry: Flag = False,
    data: Annotated[DataSettings, Parameter(name="*", group=Group("Data", sort_key=1))] = DataSettings(),  # noqa: B008
    workers: Placed = Workers(),  # noqa: B008
) -> None:
    """Say whether a table is large enough, and how much more sequences would buy.

    Trains a small network, boosted trees and a k-mer ridge on nested subsets of the training rows, adds them up as
    `leanseq fit` does, judges all on the validation rows, and fits a learning curve. Test rows take no part. Stop it as
    you like: the same command continues.

    Parameters
    ----------
    table
        TSV, CSV (plain or gzipped) or Parquet with `sequence` and `expression`.
    budget
        Time to spend, such as 1h; by default 30m, and without end where --scheduler places the runs. With less than
        needed, every network sees its sequences less often. Boosted trees are never cut short; their estimated time
        comes off the budget first.
    draws
        Subsets drawn of each size, each with its own seed.
    output
        Folder of the answer; by default `runs/plan/NAME`.
    store
        Folder of all runs, shared with studies.
    retry
        Try failed runs again.
    """
    from ..baselines.boosted_trees import library
    from ..data.table import read_table
    from ..errors import InputError
    from ..lab.enough import judge, to_dict
    from ..lab.plan_page import write_answer
    from ..lab.recipe import narrow
    from ..lab.record import enough
    from ..lab.subsets import TABLE, curve_plan, keep, sizes, with_split
    from ..runs.folder import check_writable
    from ..runs.prepare import prepare
    from ..runs.settings import read_budget

    if draws < 2:
        raise InputError(f"--draws is {draws}, expected 2 or more: one draw says nothing of how draws differ")
    if data.train != "all":
        raise InputError("--train changes nothing here: the curve is over subsets of all training rows")
    if budget is not None and workers.scheduler is not None:
        raise InputError("--budget is measured on this machine, which --scheduler does not use; give one of them")
    seconds = read_budget(budget or BUDGET) if workers.scheduler is None else None
    read_resources(workers.resources)
    asked_layout(workers, draws)
    library()  # not only after the checks of a large table
    check_writable(store)
    measured = read_table(table, sequence=data.sequence_column, expression=data.expression_column)
    folder = output or Path("runs/plan") / table.name.split(".")[0]
    check_writable(folder)
    data = narrow(measured, data)
    prepared = prepare(measured, data)
    enough(measured, prepared)
    sizes(len(prepared.split.train))  # enough rows, before anything is written
    rows = keep(with_split(measured, prepared), folder / TABLE)
    made, share = curve_plan(rows, data, draws), 1.0
    if seconds is not None:
        share = _share(made, store, workers, seconds)
        made = curve_plan(rows, data, draws, share)
    carry_out(made, store, workers, retry=retry, name="plan")
    found = judge(made, store, share)
    for line in found.words:
        print(line)
    print(f"report: {write_answer(found, to_dict(found), table.name, folder)}")


def _share(made: Plan, store: Path, workers: Workers, seconds: float) -> float:
    """Share of the recipe's epochs that fits into the time.

    Rounded down to whole epochs of the largest subset, which have the fewest: rounding would bend the curve there.
    """
    from ..lab.recipe import epochs
    from ..report.words import duration
    from ..study.engine import cores
    from ..study.pace import estimate, tree_seconds
    from .progress import say

    say(f"fitting the plan into {duration(seconds)} ...")
    processes = workers.processes or cores()
    times = estimate(made, list(made.units), store, max(1, cores() // processes))
    trees = sum(tree_seconds(made, unit) for unit in made.units) / processes
    needed = sum(time.run for time in times.values()) / processes
    share = min(1.0, max(LEAST, (seconds - trees) / (needed - trees)))
    most = epochs(max(int(case.factors["train"]) for case in made.cases))
    if share < 1:
        share = max(LEAST, floor(share * most) / most)
        say(f"the whole plan would take about {needed / 60:.0f} min: every network sees {share:.0%} of its epochs")
    return share
