"""The networks of an ensemble: one recipe, a seed each, trained as studies so that they can be stopped and resumed.

One network for each process is trained at first; the seconds that they took say how many more the time pays for.
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
from ..runs.folder import HISTORY, RUN
from ..runs.settings import DataSettings
from ..study.engine import Layout
from ..study.pace import estimate
from ..study.plan import Case, Plan, Unit, make_settings, run_key
from ..study.spec import Spec
from .fitting import Trained
from .kept import keep_number, kept_number
from .recipe import LEGNET, WINDOW, best_share, lean_settings

PACE = "pace.json"
MOST = 16
"""Networks beyond which another one changes nothing that can be measured."""
LEAST = 0.5
"""Share of a network below which another one is too short to fill time with: those of a third got no weight."""
RESERVE = 0.05
"""Share of the time for the networks that is kept for starting them, weighing them and the evaluation."""


@dataclass(frozen=True)
class Budget:
    """What the time pays for.

    Attributes
    ----------
    seconds
        For all networks and the evaluation.
    run
        Seconds of one network as long as the recipe asks, estimated.
    processes
        Networks that train at the same time.
    share
        Of the epochs of the recipe, to be learned for where there is time; from `best_share`.

    Examples
    --------
    >>> rich, poor = Budget(900.0, 250.0, 2, 1.5), Budget(100.0, 250.0, 2, 1.5)
    >>> rich.first, poor.first
    ((1.5, 1.5), (0.38, 0.38))
    >>> rich.members([370.0, 380.0]), rich.members([240.0, 230.0]), poor.members([99.0, 95.0])
    ((1.5, 1.5, 1.5, 1.5), (1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 0.84, 0.84), (0.38, 0.38))
    """

    seconds: float
    run: float
    processes: int
    share: float

    @property
    def first(self) -> tuple[float, ...]:
        """Share of the recipe's epochs of each network that is trained first, less where there is no time for more."""
        return (min(self.share, round(max(0.0, self._time / self.run), 4)),) * self.processes

    @property
    def _time(self) -> float:
        return self.seconds * (1 - RESERVE)

    def members(self, seconds: Sequence[float]) -> tuple[float, ...]:
        """Shares of all networks to have: the first, and as many as the time that is left pays for.

        Time that is enough for half of a network is filled with shorter ones.

        Parameters
        ----------
        seconds
            That each of the `first` networks took.
        """
        share, spent = self.first[0], max(seconds)
        rounds = max(0.0, (self._time - spent) / spent)
        shorter = (round(share * (rounds % 1), 2),) * self.processes if rounds % 1 >= LEAST else ()
        return (*self.first, *(share,) * (self.processes * int(rounds)), *shorter)[:MOST]


def budget_of(
    table: Table, data: DataSettings, seconds: float, layout: Layout, store: Path, folder: Path, *, noisy: bool
) -> Budget:
    """Measure a few steps, or take the measurement that the folder keeps: the same command has the same networks.

    Parameters
    ----------
    table, data
        As for `networks_plan`.
    seconds
        Time for the networks.
    layout
        Processes that train at the same time, and the threads of each.
    store
        Where measured speeds are kept.
    folder
        Of the fit.
    noisy
        Whether values may be noisy.
    """
    identity = {"table": fingerprint(table), "layout": list(layout)}
    if (run := kept_number(folder / PACE, identity)) is None:
        one = networks_plan(table, data, [(1.0, 0)])
        run = next(iter(estimate(one, list(one.units), store, layout.threads).values())).run
        keep_number(folder / PACE, identity, run)
    return Budget(seconds, run, layout.processes, best_share(_training_rows(table), noisy=noisy))


def networks_plan(table: Table, data: DataSettings, networks: Sequence[tuple[float, int]]) -> Plan:
    """Networks as a study; each is the same one in whatever company.

    Parameters
    ----------
    table
        As `with_split` made it, and kept: test rows are not in its split.
    data
        How the user's table is read, with its window; construct and window are used.
    networks
        Share of the recipe's epochs, and seed of each.
    """
    rows = _training_rows(table)
    return _plan(table, data, [(lean_settings(rows, share), seed) for share, seed in networks])


def legnet_plan(table: Table, data: DataSettings, recipe: str, seed: int) -> Plan:
    """LegNet at its full size on the same rows, with a recipe of `LEGNET`; other parameters as above."""
    return _plan(table, data, [(LEGNET[recipe], seed)])


def _plan(table: Table, data: DataSettings, networks: Sequence[tuple[dict[str, Any], int]]) -> Plan:
    """Settings and seed of each network, as a study on the rows of a fit."""
    kept = {name: getattr(data, name) for name in WINDOW}
    rows, print_ = _training_rows(table), fingerprint(table)
    cases: list[Case] = []
    units = []
    for own, seed in networks:
        case = Case(f"{own['epochs']} epochs", {}, {**own, **kept, "split": "column", "train": rows})
        if case not in cases:
            cases.append(case)
        settings = make_settings(case.settings, seed)
        units.append(Unit(cases.index(case), seed, settings, run_key(settings, print_)))
    seeds = tuple(dict.fromkeys(seed for _, seed in networks))
    spec = Spec(table.path, "The networks of an ensemble", table.path, seeds=seeds, rows="valid")
    return Plan(spec, table, tuple(cases), tuple(units))


def _training_rows(table: Table) -> int:
    return int((table.frame["split"] == "train").sum())


def seconds_of(plan: Plan, store: Path) -> list[float]:
    """Seconds from start to end of each finished network."""
    runs = (json.loads((store / unit.key / RUN).read_text(encoding="utf-8")) for unit in plan.units)
    return [float(run["seconds"]) for run in runs]


def load_networks(plan: Plan, store: Path) -> dict[int, list[Trained]]:
    """Networks of finished runs by their epochs, with the seconds of their training."""
    out: dict[int, list[Trained]] = {}
    for unit in dict.fromkeys(unit.key for unit in plan.units):
        history = pl.read_csv(store / unit / HISTORY)
        out.setdefault(len(history), []).append(Trained(load(store / unit), float(history["seconds"].sum())))
    return out
