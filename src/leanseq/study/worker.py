"""What happens in a worker: one run, or one measurement of speed. Arguments and results are plain values."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..data.table import read_table
from ..errors import InputError
from ..runs.job import make_job
from ..runs.main import train
from ..runs.settings import DataSettings, MachineSettings, NetworkSettings, Settings
from ..training.checkpoints import DamagedCheckpoint
from ..training.estimate import Pace, measure
from ..training.fit import Interrupted, Watcher
from ..training.recipe import Recipe
from .store import Busy, locked, make_ready, recorded_settings, seal, set_aside, state


@dataclass(frozen=True)
class Task:
    """A run as it is sent to a worker.

    Attributes
    ----------
    table
        Absolute path of the table, readable by every worker.
    folder
        Absolute path of the run's folder, in a store that all workers share.
    settings
        `Settings.to_dict()`.
    pace
        Seconds a step and a look at validation take, where known; measured otherwise.
    baselines
        Baselines to train beside the network, a key of `SETS`.
    """

    table: str
    folder: str
    settings: dict[str, Any]
    pace: tuple[float, float] | None = None
    baselines: str = "quick"


@dataclass(frozen=True)
class Outcome:
    """What became of a run: `finished`, `busy` (another process is at it) or `failed`, and the reason."""

    status: str
    reason: str = ""


def run(task: Task, watcher: Watcher | None = None) -> Outcome:
    """Train one run, or go on with it, unless it is finished already.

    A failure that another try would repeat (a loss that is not finite, a table that does not fit) is an outcome; what
    another try may mend (a lost process) is left to whoever sends the tasks.
    """
    folder = Path(task.folder)
    try:
        with locked(folder):
            if state(folder).name == "finished":
                return Outcome("finished")
            _train(task, folder, watcher)
            return Outcome("finished")
    except Busy:
        return Outcome("busy")
    except Interrupted:
        return Outcome("failed", "stopped by a signal")
    except InputError as error:
        return Outcome("failed", str(error))
    except MemoryError as error:
        return Outcome("failed", f"out of memory ({error})")


def _train(task: Task, folder: Path, watcher: Watcher | None) -> None:
    resume = make_ready(folder)
    settings = read_settings(recorded_settings(folder) if resume else task.settings)
    table = read_table(task.table, sequence=settings.data.sequence_column, expression=settings.data.expression_column)
    pace = None if task.pace is None else Pace(*task.pace)
    begin = partial(
        train, table, output=folder, settings=settings, watcher=watcher, pace=pace, baselines=task.baselines
    )
    try:
        begin(resume=resume)
    except DamagedCheckpoint:
        set_aside(folder)
        begin()
    seal(folder)


def read_settings(values: dict[str, Any]) -> Settings:
    """Inverse of `Settings.to_dict`."""
    return Settings(
        DataSettings(**values["data"]),
        NetworkSettings(**values["network"]),
        Recipe(**values["recipe"]),
        MachineSettings(**values["machine"]),
    )


PACE_ROWS, PACE_BATCH = 256, 64


def pace(task: Task) -> tuple[float, float]:
    """Seconds that this process takes to learn from one row once, and to look at one row.

    Measured on few rows in small batches, so that it takes seconds for any network.
    """
    settings = read_settings(task.settings)
    table = read_table(task.table, sequence=settings.data.sequence_column, expression=settings.data.expression_column)
    machine = settings.machine.prepare()
    job = make_job(table, settings, machine.device)
    batch = min(settings.recipe.batch, PACE_BATCH)
    # steps too small to end in a loss that is not finite: that is for the run to find out
    recipe = replace(job.recipe, batch=batch, stream=0, epochs=1, compile=False, lr=1e-9, weight_decay=0.0)
    train_rows, valid_rows = (job.prepared.examples.take(rows[:PACE_ROWS]) for rows in job.prepared.split[:2])
    found = measure(job.model.network, job.model.objective, job.model.channels, recipe, train_rows, valid_rows)
    shown = recipe.rows_per_epoch(len(train_rows)) / recipe.steps_per_epoch(len(train_rows))
    return found.step / shown, found.look / len(valid_rows)


def pace_together(task: Task, start: float) -> tuple[float, float]:
    """The same, begun at a time of day (seconds since 1970), so that several workers measure at once."""
    time.sleep(max(0.0, start - time.time()))
    return pace(task)


def to_task(settings: Settings, table: Path, folder: Path, threads: int, baselines: str = "quick") -> Task:
    """A run's task, with the threads of a worker."""
    machine = replace(settings.machine, threads=threads)
    values = {**settings.to_dict(), "machine": asdict(machine)}
    return Task(str(table.resolve()), str(folder.resolve()), values, baselines=baselines)
