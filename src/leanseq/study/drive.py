"""Run a study: every run that is not finished, on the workers there are, whatever happens to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .engine import Done, Engine, died, work
from .pace import Estimate
from .plan import Plan, Unit
from .store import FAILURE, SOUND, State, fail, state, steps_done
from .worker import Outcome, Task, run, to_task

TRIES = 3
"""Times a run is sent out again after its worker was lost for good (each time Dask itself tries four workers)."""


class Progress(NamedTuple):
    """What is told when a run came back: how many have, which it was, and what became of it."""

    done: int
    total: int
    unit: Unit
    outcome: Outcome


def units_to_run(plan: Plan, store: Path, *, retry: bool) -> list[Unit]:
    """Distinct runs that are still to be done, in the order of the study."""
    out, seen = [], set()
    for unit in plan.units:
        if unit.key not in seen and state(store / unit.key).name in _wanted(retry):
            out.append(unit)
        seen.add(unit.key)
    return out


def _wanted(retry: bool) -> tuple[str, ...]:
    return ("waiting", "interrupted", "running", "damaged", *(("failed",) if retry else ()))


def run_study(
    plan: Plan,
    units: list[Unit],
    store: Path,
    engine: Engine,
    estimates: dict[str, Estimate],
    tell: Callable[[Progress], None],
) -> None:
    """Run units to their end; failures are recorded in the store and do not stop the others.

    Parameters
    ----------
    plan, units
        The study and its runs that are to be done.
    store
        Folder of all runs, shared by the workers.
    engine
        Where to run.
    estimates
        Time of each run by its key.
    tell
        Called after each run.
    """
    table = Path(plan.table.path)
    tasks = []
    for unit in units:
        task = to_task(unit.settings, table, store / unit.key, engine.threads, unit.baselines)
        if unit.settings.machine.budget is None:  # else the worker's own speed decides the number of epochs
            task = replace(task, pace=estimates[unit.key][1:])
        tasks.append((unit, task))
        (store / unit.key / FAILURE).unlink(missing_ok=True)
    lost: Counter[str] = Counter()

    def again(done: Done) -> bool:
        unit = done.item[0]
        if done.error is None:
            return done.result.status == "busy"
        lost[unit.key] += died(done.error)
        return died(done.error) and lost[unit.key] < TRIES

    for count, done in enumerate(work(engine, _run, tasks, again), start=1):
        unit = done.item[0]
        outcome = done.result or Outcome("failed", _words(done.error))
        if outcome.status == "failed" and state(store / unit.key).name != "finished":
            fail(store / unit.key, outcome.reason, 1 + lost[unit.key])
        tell(Progress(count, len(units), unit, outcome))


def share_done(units: list[Unit], store: Path, estimates: dict[str, Estimate]) -> float:
    """Share of the work of these runs that is done, 0..1, read off the store: sealed runs and checkpoints."""
    done = 0.0
    for unit in units:
        time_, folder = estimates[unit.key], store / unit.key
        if (folder / SOUND).exists() or (folder / FAILURE).exists():
            done += time_.run
        else:
            done += min(time_.run, steps_done(folder) * time_.step)
    return done / max(sum(estimates[unit.key].run for unit in units), 1e-9)


def _run(item: tuple[Unit, Task]) -> Outcome:
    return run(item[1])


def _words(error: BaseException | None) -> str:
    """Why a task came back without a result."""
    if died(error):
        return (
            f"the worker process was lost {TRIES} times over, most likely out of memory; use a smaller batch or fewer "
            "processes"
        )
    return f"{type(error).__name__}: {error}"


def states(plan: Plan, store: Path) -> list[tuple[Unit, State]]:
    """Where every run of a study stands."""
    return [(unit, state(store / unit.key)) for unit in plan.units]


def summary(found: list[tuple[Unit, State]]) -> str:
    """Count runs by state, in words, such as '3 runs: 2 finished, 1 failed'."""
    counts = Counter(here.name for _, here in found)
    return f"{len(found)} runs: " + ", ".join(f"{count} {name}" for name, count in counts.most_common())
