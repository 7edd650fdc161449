"""How fast this machine is: the layout of processes and threads, and the time a study will take."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from distributed.scheduler import KilledWorker

from ..baselines import SETS, TREES
from ..baselines.boosted_trees import MOST_ROWS
from ..data.splits import split_by_column
from ..errors import InputError
from ..files import write_json
from ..runs.settings import Settings, read_budget
from .engine import Layout, candidates, cores, open_engine
from .plan import Plan, Unit
from .worker import Task, pace, pace_together, to_task

PACES, LAYOUTS = "paces.json", "layouts.json"
PROCESS_GB, ROW_GB = 0.7, 0.035
"""Memory of a process, and of each row of a batch in LegNet full while it trains: bounds the number of processes."""
TREES_ROW = 0.005
"""Seconds that boosted trees take for each training and held-out row, roughly: one thread, with motifs of yeast."""


class Paces:
    """Measured seconds per row of a network, kept in the store: (learn once, look once)."""

    def __init__(self, store: Path) -> None:
        self.path = store / PACES
        self.known: dict[str, list[float]] = _read(self.path)

    def get(self, settings: Settings, threads: int, measure: Callable[[], tuple[float, float]]) -> tuple[float, float]:
        """The pace of a network with so many threads; measured once."""
        key = pace_key(settings, threads)
        if key not in self.known:
            self.known[key] = list(measure())
            write_json(self.path, self.known)
        learn, look = self.known[key]
        return learn, look


def pace_key(settings: Settings, threads: int) -> str:
    """What the speed depends on, on this machine."""
    network, recipe, machine = settings.network, settings.recipe, settings.machine
    parts = (
        platform.node(),
        network.model,
        network.size,
        sorted(network.set),
        settings.data.construct,
        settings.data.length,
        min(recipe.batch, 64),
        recipe.precision,
        machine.device,
        machine.kernels,
        threads,
    )
    return json.dumps(parts)


def rows_of(plan: Plan, settings: Settings) -> tuple[int, int]:
    """Training and held-out rows of a run, without drawing a split: near enough for an estimate."""
    total = len(plan.table)
    wanted, valid = settings.data.train, settings.data.valid
    train = total * 8 // 10 if wanted == "all" else int(float(wanted) * (total if float(wanted) < 1 else 1))
    if settings.data.split == "column" and "split" in plan.table.frame.columns:
        return train, len(split_by_column(plan.table.frame["split"])[0].valid)
    held = total // 10 if valid == "auto" else int(float(valid) * (total if float(valid) < 1 else 1))
    return train, held


def seconds(plan: Plan, unit: Unit, learn: float, look: float) -> float:
    """Seconds that a run will take in one process."""
    settings = unit.settings
    if settings.machine.budget is not None:
        return read_budget(settings.machine.budget)
    train, held = rows_of(plan, settings)
    recipe = settings.recipe
    network = recipe.epochs * (recipe.rows_per_epoch(train) * learn + held * look) + 2 * held * look + 5
    return network + tree_seconds(plan, unit)


def tree_seconds(plan: Plan, unit: Unit) -> float:
    """Seconds that the boosted trees of a run will take, 0 where it has none."""
    train, held = rows_of(plan, unit.settings)
    return TREES_ROW * (min(train, MOST_ROWS) + held) if TREES in SETS[unit.baselines] else 0.0


class Estimate(NamedTuple):
    """Seconds of a whole run, of one step, and of one look at all validation rows."""

    run: float
    step: float
    look: float


def estimate(plan: Plan, units: list[Unit], store: Path, threads: int) -> dict[str, Estimate]:
    """Time of each run by its key; measures a few steps of every network that was not measured before."""
    paces = Paces(store)
    out = {}
    for unit in units:
        task = to_task(unit.settings, Path(plan.table.path), store / unit.key, threads)
        try:
            learn, look = paces.get(unit.settings, threads, lambda task=task: pace(task))
        except InputError as error:
            where = f"configuration {plan.cases[unit.case].label!r}: " if plan.cases else ""
            raise InputError(f"{plan.spec.path}: {where}{error}") from error
        train, held = rows_of(plan, unit.settings)
        step = learn * unit.settings.recipe.rows_per_epoch(train) / unit.settings.recipe.steps_per_epoch(train)
        out[unit.key] = Estimate(seconds(plan, unit, learn, look), step, held * look)
    return out


def choose_layout(plan: Plan, unit: Unit, runs: int, store: Path, say: Callable[[str], None]) -> Layout:
    """Processes and threads that train most rows a second, measured with one network and kept in the store.

    No more processes than `runs` that are to be done.
    """
    most = max(1, cores())
    path, key = store / LAYOUTS, json.dumps([pace_key(unit.settings, most), min(runs, most)])
    known = _read(path)
    if key not in known:
        speeds = {}
        for layout in candidates(most):
            if layout.processes > 1 and (layout.processes > runs or not _fits(layout, unit)):
                continue
            speeds[layout] = _speed(plan, unit, store, layout)
            say(f"{layout.processes} processes x {layout.threads} threads: {speeds[layout]:,.0f} rows a second")
        known[key] = list(max(speeds, key=lambda layout: speeds[layout]))
        write_json(path, known)
    return Layout(*(int(n) for n in known[key]))


def _speed(plan: Plan, unit: Unit, store: Path, layout: Layout) -> float:
    """Rows learned a second when every process of a layout works at once."""
    task: Task = to_task(unit.settings, Path(plan.table.path), store / unit.key, layout.threads)
    found: Any = ()
    with open_engine(layout) as engine:
        # a first round loads torch and the table in every process
        try:
            for _ in range(2):
                start = time.time() + 1
                tasks = [engine.submit(pace_together, task, start) for _ in range(layout.processes)]
                found = engine.client.gather(tasks)
        except KilledWorker:  # out of memory: not this layout
            return 0.0
    return sum(1 / learn for learn, _ in found)


def _fits(layout: Layout, unit: Unit) -> bool:
    """Whether so many processes of this network find room in memory, roughly."""
    import psutil

    share = {"full": 1.0, "small": 0.5, "tiny": 0.25}[unit.settings.network.size]
    needed = layout.processes * (PROCESS_GB + ROW_GB * share * unit.settings.recipe.batch)
    return needed < psutil.virtual_memory().total / 1e9


def _read(path: Path) -> dict[str, list[float]]:
    """A small file of measurements; one that is missing or damaged is measured anew."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: [float(value) for value in values] for key, values in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
