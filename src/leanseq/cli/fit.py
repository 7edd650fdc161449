"""`leanseq fit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from ..runs.settings import DataSettings
from .study import Flag, Workers, asked_layout, carry_out

if TYPE_CHECKING:
    from ..data.table import Table
    from ..lab.fitting import Trained
    from ..lab.steady import Steadied
    from ..runs.prepare import Prepared


def fit(
    table: Path,
    *,
    budget: str = "15m",
    seed: int = 0,
    output: Path | None = None,
    store: Path = Path("runs/store"),
    legnet: Literal["default", "published"] | None = None,
    retry: Flag = False,
    processes: int = 0,
    threads: int = 0,
    data: Annotated[DataSettings, Parameter(name="*", group=Group("Data", sort_key=1))] = DataSettings(),  # noqa: B008
) -> None:
    """Make the best model of a table that a time budget allows, and say how good it is.

    Checks and splits the table, trains boosted trees, a k-mer ridge and as many small networks as fit into the budget,
    weighs them on validation rows, calibrates intervals and looks at the test rows once. Stop it as you like: the same
    command continues. A larger budget goes on from a smaller one.

    Parameters
    ----------
    table
        TSV, CSV (plain or gzipped) or Parquet with `sequence` and `expression`.
    budget
        Time to spend, such as 15m or 1h.
    seed
        Seed of the first network; the others follow.
    output
        Folder of the model and its report; by default `runs/fit/NAME`.
    store
        Folder of all runs, shared with plans and studies.
    legnet
        Also train LegNet at its full size for comparison: with the default recipe of `leanseq train`, or that of its
        paper; takes its time beyond the budget.
    retry
        Try failed runs again.
    processes
        Networks that are trained at the same time; 0 for one on each core.
    threads
        Processor threads of each; 0 shares the cores out.
    """
    from ..baselines import TREES
    from ..baselines.boosted_trees import library
    from ..data.table import read_table
    from ..errors import InputError
    from ..lab.fit_page import write_fit
    from ..lab.fitting import LEGNETS, assemble
    from ..lab.lines import train_baselines
    from ..lab.members import budget_of, legnet_plan, load_networks, networks_plan, seconds_of
    from ..lab.recipe import narrow
    from ..lab.record import begin, claim, counted, enough, finish
    from ..lab.steady import explained, noisy
    from ..lab.subsets import TABLE, keep, with_split
    from ..runs.folder import check_writable
    from ..runs.prepare import describe, prepare
    from ..runs.settings import read_budget
    from ..study.engine import Layout, cores
    from .progress import say

    if seed < 0:
        raise InputError(f"--seed is {seed}, expected 0 or more")
    seconds = read_budget(budget)
    library()  # not only after the checks of a large table
    layout = asked_layout(Workers(processes, threads), 2) or Layout(cores(), 1)
    check_writable(store)
    measured = read_table(table, sequence=data.sequence_column, expression=data.expression_column)
    asked, data = data, narrow(measured, data)
    prepared = prepare(measured, data)
    enough(measured, prepared)
    folder = output or Path("runs/fit") / table.name.split(".")[0]
    check_writable(folder)
    facts = describe(measured, prepared)
    for name, value in [*facts["lines"], *facts["choices"]]:
        say(f"{name:<22}{value}")
    say(f"{'time':<22}about {budget}: baselines first, then networks; the same command goes on if it is stopped")
    record = begin(measured, asked, budget, seed, legnet=legnet)
    split = with_split(measured, prepared)
    claim(folder, split)
    rows = keep(split, folder / TABLE)
    baselines = train_baselines(rows, prepared, folder, say)
    left = seconds - sum(each.seconds for each in baselines.values())
    is_noisy = noisy(explained(baselines[TREES].model))
    steadied = _steadied(rows, prepared, baselines[TREES], folder, left, layout.processes) if is_noisy else None
    shown, left = (steadied.table, left - steadied.estimate) if steadied else (rows, left)
    paid = budget_of(shown, data, left, layout, store, folder, noisy=is_noisy)
    placed = Workers(*layout)
    first = networks_plan(shown, data, [(share, seed + i) for i, share in enumerate(paid.first)])
    carry_out(first, store, placed, retry=retry, name="first networks")
    members = paid.members(seconds_of(first, store))
    planned = networks_plan(shown, data, [(share, seed + i) for i, share in enumerate(members)])
    say(f"{'networks':<22}{counted(unit.settings.recipe.epochs for unit in planned.units)}")
    carry_out(planned, store, placed, retry=retry, name="fit")
    networks = load_networks(planned, store)
    lines = baselines
    if legnet:
        plain = legnet_plan(rows, data, legnet, seed)
        carry_out(plain, store, Workers(processes=1), retry=retry, name=LEGNETS[legnet])
        ((trained,),) = load_networks(plain, store).values()
        lines = {LEGNETS[legnet]: trained, **baselines}
    fitted = assemble(measured, prepared, networks, lines)
    parts = [each for group in (*networks.values(), baselines.values()) for each in group]
    record = finish(record, planned, parts, steadied)
    for line in write_fit(fitted, measured, prepared, record, folder):
        print(line)
    print(f"model: {folder}; report: {folder / 'report.html'}")


def _steadied(
    rows: Table, prepared: Prepared, trees: Trained, folder: Path, seconds: float, threads: int
) -> Steadied | None:
    """Steady noisy values if the time allows it; None where networks learn them as measured."""
    from ..lab.steady import FOLDS, TIME, cost, explained, steady
    from ..report.words import duration
    from .progress import follow, say

    told = f"{'values':<22}may be noisy: trees explain {explained(trees.model):.0%} of their variance"
    expected = cost(trees, threads)
    if expected > TIME * seconds:
        say(
            f"{told}; too little time to steady them, which takes {duration(expected)}: networks learn them as measured"
        )
        return None
    say(f"{told}; networks learn the mean of each and of what trees without it say, about {duration(expected)}")
    done: list[int] = []
    with follow("values", lambda: len(done) / FOLDS, expected):
        return steady(rows, prepared, trees, folder, threads, done.append)
