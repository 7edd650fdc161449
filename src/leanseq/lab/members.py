"""The networks of an ensemble: one recipe, a seed each, trained as studies so that they can be stopped and resumed.

How long to train depends on the noise of the table: noisy values are learned by heart where exact ones are still being
learned. So the first seed is trained for several lengths, validation rows choose one, and the other seeds follow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ..apply import load
from ..data.summary import fingerprint
from ..data.table import Table
from ..files import write_json
from ..runs.folder import HISTORY
from ..runs.settings import DataSettings
from ..study.engine import Layout
from ..study.pace import estimate
from ..study.plan import Case, Plan, Unit, make_settings, run_key
from ..study.spec import Spec
from .fitting import Trained
from .recipe import WINDOW, lean_settings

PACE = "pace.json"
LENGTHS = (0.25, 0.5, 1.0)
"""Shares of the recipe's epochs that are tried."""
MOST = 16
"""Networks beyond which another one changes nothing that can be measured."""


@dataclass(frozen=True)
class Budget:
    """What the time pays for.

    Attributes
    ----------
    seconds
        For all networks.
    run
        Seconds of one network as long as the recipe asks.
    processes
        Networks that train at the same time.

    Examples
    --------
    >>> rich, poor = Budget(900.0, 250.0, 2), Budget(20.0, 250.0, 2)
    >>> rich.lengths, rich.members(1.0), rich.members(0.5)
    ((0.25, 0.5, 1.0), 5, 11)
    >>> poor.lengths, poor.members(0.08)
    ((0.08,), 2)
    """

    seconds: float
    run: float
    processes: int

    @property
    def lengths(self) -> tuple[float, ...]:
        """Lengths to try: those that fit into the time, or the one that just does."""
        most = self.seconds / self.run
        return tuple(each for each in LENGTHS if each <= most) or (round(max(0.0, most), 4),)

    def members(self, length: float) -> int:
        """Networks of a length: the one that was tried, and as many more as fit into the time that is left."""
        if len(self.lengths) == 1:
            return self.processes
        tried = self.run * max(max(self.lengths), sum(self.lengths) / self.processes)
        return min(MOST, 1 + self.processes * int((self.seconds - tried) / (self.run * length)))


def budget_of(table: Table, data: DataSettings, seconds: float, layout: Layout, store: Path, folder: Path) -> Budget:
    """Measure a few steps, or take the measurement that the folder keeps: the same command has the same networks.

    Parameters
    ----------
    table, data
        As for `members_plan`.
    seconds
        Time for the networks.
    layout
        Processes that train at the same time, and the threads of each.
    store
        Where measured speeds are kept.
    folder
        Of the fit.
    """
    identity = {"table": fingerprint(table), "layout": list(layout)}
    if (run := _known(folder / PACE, identity)) is None:
        one = members_plan(table, data, 1.0, 1, 0)
        run = next(iter(estimate(one, list(one.units), store, layout.threads).values())).run
        write_json(folder / PACE, {"identity": identity, "seconds_a_network": run})
    return Budget(seconds, run, layout.processes)


def pilots_plan(table: Table, data: DataSettings, budget: Budget, seed: int) -> Plan:
    """The first network at every length that is tried."""
    plans = [members_plan(table, data, length, 1, seed) for length in reversed(budget.lengths)]
    units = [Unit(i, seed, plan.units[0].settings, plan.units[0].key) for i, plan in enumerate(plans)]
    cases = [
        Case(f"{unit.settings.recipe.epochs} epochs", {}, plans[i].cases[0].settings) for i, unit in enumerate(units)
    ]
    return Plan(plans[0].spec, table, tuple(cases), tuple(units))


def members_plan(table: Table, data: DataSettings, length: float, members: int, seed: int) -> Plan:
    """Networks of one length, as a study: the same ones, however many there are.

    Parameters
    ----------
    table
        As `with_split` made it, and kept: test rows are not in its split.
    data
        How the user's table is read, with its window; construct and window are used.
    length
        Share of the recipe's epochs.
    members
        Networks.
    seed
        Of the first network; the others follow.
    """
    kept = {name: getattr(data, name) for name in WINDOW}
    rows, print_ = int((table.frame["split"] == "train").sum()), fingerprint(table)
    values = {**lean_settings(rows, length), **kept, "split": "column", "train": rows}
    seeds = tuple(range(seed, seed + members))
    made = [make_settings(values, each) for each in seeds]
    units = [Unit(0, each, settings, run_key(settings, print_)) for each, settings in zip(seeds, made, strict=True)]
    spec = Spec(table.path, "The networks of an ensemble", table.path, seeds=seeds, rows="valid")
    return Plan(spec, table, (Case("network", {}, values),), tuple(units))


def best_length(plan: Plan, budget: Budget, store: Path) -> float:
    """The length whose pilot predicts the validation rows best."""
    r = {}
    for unit, length in zip(plan.units, reversed(budget.lengths), strict=True):
        last = pl.read_csv(store / unit.key / HISTORY)["valid_r"][-1]
        r[length] = -1.0 if last is None or last != last else float(last)
    return max(r, key=lambda length: r[length])


def load_networks(plans: Sequence[Plan], store: Path) -> dict[int, list[Trained]]:
    """Networks of finished runs by their epochs, those of the first plan first, with the seconds of their training."""
    out: dict[int, list[Trained]] = {}
    for unit in dict.fromkeys(unit.key for plan in plans for unit in plan.units):
        history = pl.read_csv(store / unit / HISTORY)
        out.setdefault(len(history), []).append(Trained(load(store / unit), float(history["seconds"].sum())))
    return out


def _known(path: Path, identity: dict[str, Any]) -> float | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return float(record["seconds_a_network"]) if record["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
