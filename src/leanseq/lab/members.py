"""The networks of an ensemble: one recipe, a seed each, trained as studies so that they can be stopped and resumed.

How long to train depends on the noise of the table: noisy values are learned by heart where exact ones are still being
learned. So where values may be noisy, the first seed is trained for several lengths, validation rows choose the one
that is best together with the baselines, and the other seeds follow. Other values are learned for long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from ..apply import load
from ..data.summary import fingerprint
from ..data.table import Table
from ..evaluation.metrics import pearson
from ..runs.folder import HISTORY, PREDICTIONS, RUN
from ..runs.prepare import Prepared
from ..runs.settings import DataSettings
from ..study.engine import Layout
from ..study.pace import estimate
from ..study.plan import Case, Plan, Unit, make_settings, run_key
from ..study.spec import Spec
from .fitting import STACKED, Trained
from .kept import keep_number, kept_number
from .recipe import WINDOW, lean_settings
from .stack import held_out

PACE = "pace.json"
LENGTHS = (0.25, 0.5, 1.0)
"""Shares of the recipe's epochs that are tried where values may be noisy."""
LONG = 1.5
"""Share of the recipe's epochs for other values: little of them is noise to be learned by heart."""
MOST = 16
"""Networks beyond which another one changes nothing that can be measured."""
LEGNET_SETTINGS: dict[str, Any] = {"model": "legnet-optimized", "size": "full", "epochs": 8}
"""Of `leanseq train`, for the plain network that a fit may be compared with."""
LEAST = 0.5
"""Share of a length below which a network is too short to fill time with."""
RESERVE = 0.05
"""Share of the time for the networks that is kept for starting them, weighing them and the evaluation."""


class Pilot(NamedTuple):
    """A network that is trained first: its length (share of the recipe's epochs), and the seconds from start to end.

    `r` is that of the network and the baselines together on validation rows, each with weights fitted on others: a
    network that learned more by heart is worse alone, and may yet know more of what the baselines do not. -1 where all
    rows are said to be the same.
    """

    length: float
    r: float
    seconds: float


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
    noisy
        Whether values may be noisy, so that the length has to be found out.

    Examples
    --------
    >>> rich, poor = Budget(900.0, 250.0, 2, True), Budget(20.0, 250.0, 2, True)
    >>> rich.first, poor.first
    (((1.0, 0), (0.5, 0), (0.25, 0)), ((0.076, 0), (0.076, 1)))
    >>> rich.members([Pilot(1.0, 0.9, 260.0), Pilot(0.5, 0.91, 130.0), Pilot(0.25, 0.8, 65.0)])
    (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.29, 0.29)
    >>> exact = Budget(900.0, 250.0, 2, False)
    >>> exact.first, exact.members([Pilot(1.5, 0.9, 370.0), Pilot(1.5, 0.9, 380.0)])
    (((1.5, 0), (1.5, 1)), (1.5, 1.5, 1.5, 1.5))
    """

    seconds: float
    run: float
    processes: int
    noisy: bool

    @property
    def first(self) -> tuple[tuple[float, int], ...]:
        """Length of each network that is trained first, the longest before others, and what to add to its seed.

        One of each length that fits into the time, to see which is best; or one for each process where that is known,
        or where there is only time for shorter ones.
        """
        most = self._time / self.run
        tried = [each for each in sorted(LENGTHS, reverse=True) if each <= most] if self.noisy else []
        if len(tried) > 1:
            return tuple((each, 0) for each in tried)
        longest = max(LENGTHS) if self.noisy else LONG
        return tuple((min(longest, round(max(0.0, most), 4)), i) for i in range(self.processes))

    @property
    def _time(self) -> float:
        return self.seconds * (1 - RESERVE)

    def members(self, pilots: Sequence[Pilot]) -> tuple[float, ...]:
        """Lengths of the networks to have: pilots of the best length, and as many as the time that is left pays for.

        Time that is enough for half of a network is filled with shorter ones: those of a third got no weight.

        Parameters
        ----------
        pilots
            What was measured of the `first` networks.
        """
        length = best_length(pilots)
        alike = [each.seconds for each in pilots if each.length == length]
        spent = _side_by_side([each.seconds for each in pilots], self.processes)
        rounds = max(0.0, (self._time - spent) / (sum(alike) / len(alike)))
        whole = (length,) * (len(alike) + self.processes * int(rounds))
        shorter = (round(length * (rounds % 1), 2),) * self.processes if rounds % 1 >= LEAST else ()
        return (*whole, *shorter)[:MOST]


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
    return Budget(seconds, run, layout.processes, noisy)


def networks_plan(table: Table, data: DataSettings, networks: Sequence[tuple[float, int]]) -> Plan:
    """Networks as a study; each is the same one in whatever company.

    Parameters
    ----------
    table
        As `with_split` made it, and kept: test rows are not in its split.
    data
        How the user's table is read, with its window; construct and window are used.
    networks
        Length (share of the recipe's epochs) and seed of each.
    """
    rows = _training_rows(table)
    return _plan(table, data, [(lean_settings(rows, length), seed) for length, seed in networks])


def legnet_plan(table: Table, data: DataSettings, seed: int) -> Plan:
    """LegNet at its full size as `leanseq train` has it by default, on the same rows; parameters as above."""
    return _plan(table, data, [(LEGNET_SETTINGS, seed)])


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


def read_pilots(
    plan: Plan, lengths: Sequence[float], store: Path, prepared: Prepared, baselines: Mapping[str, Trained]
) -> list[Pilot]:
    """What finished pilots are worth.

    Parameters
    ----------
    plan, lengths, store
        The pilots, the length of each, and the folder of their runs.
    prepared
        The rows of the fit.
    baselines
        Trained; those in `STACKED` are added up with each pilot, as they will be in the ensemble.
    """
    out, others = [], None
    for unit, length in zip(plan.units, lengths, strict=True):
        frame = pl.read_parquet(store / unit.key / PREDICTIONS).filter(pl.col("split") == "valid")
        rows = frame["row"].to_numpy() - 1
        if others is None:
            codes = prepared.examples.codes[rows]
            others = [baselines[name].model.predict(codes) for name in STACKED if name in baselines]
        measured = frame["expression"].to_numpy()
        said = held_out(np.stack([frame["prediction"].to_numpy(), *others]), measured, prepared.groups[rows])
        r = float(np.nan_to_num(pearson(measured, said), nan=-1.0))
        seconds = float(json.loads((store / unit.key / RUN).read_text(encoding="utf-8"))["seconds"])
        out.append(Pilot(length, r, seconds))
    return out


def best_length(pilots: Sequence[Pilot]) -> float:
    """The length whose pilot, with the baselines, predicts the validation rows best."""
    return max(pilots, key=lambda pilot: pilot.r).length


def load_networks(plans: Sequence[Plan], store: Path) -> dict[int, list[Trained]]:
    """Networks of finished runs by their epochs, those of the first plan first, with the seconds of their training."""
    out: dict[int, list[Trained]] = {}
    for unit in dict.fromkeys(unit.key for plan in plans for unit in plan.units):
        history = pl.read_csv(store / unit / HISTORY)
        out.setdefault(len(history), []).append(Trained(load(store / unit), float(history["seconds"].sum())))
    return out


def _side_by_side(seconds: Sequence[float], processes: int) -> float:
    """Seconds until all are done, each begun when a process is free."""
    busy = [0.0] * processes
    for each in seconds:
        heapreplace(busy, busy[0] + each)
    return max(busy)
