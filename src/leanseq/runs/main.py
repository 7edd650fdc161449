"""The main job: a table in, a trained and honestly evaluated model out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from ..apply.bundle import Model, load, save
from ..baselines import SETS, TREES
from ..baselines.boosted_trees import library
from ..data.summary import fingerprint
from ..data.table import Table, read_table
from ..errors import InputError
from ..files import atomic_path, write_json
from ..report.page import write_report
from ..training.checkpoints import remove_checkpoint
from ..training.cpu import Prepared, choose_device
from ..training.estimate import Pace, measure
from ..training.fit import Interrupted, Watcher, fit
from ..training.learner import Epoch
from ..training.recipe import Recipe
from .card import card
from .folder import (
    DATA,
    HISTORY,
    METRICS,
    REPORT,
    default_folder,
    hardware,
    now,
    open_folder,
    peak_memory_mb,
    write_record,
)
from .job import Job, make_job
from .prepare import describe
from .scores import evaluate
from .settings import Settings, read_budget


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder
        Its files.
    model
        The trained model, ready to predict.
    metrics
        The content of `metrics.json`.
    """

    folder: Path
    model: Model
    metrics: dict[str, Any]


def train(
    table: Table | str | Path,
    *,
    output: str | Path | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: None,
    watcher: Watcher | None = None,
    pace: Pace | None = None,
    baselines: str = "quick",
    **values: Any,
) -> Run:
    """Train, evaluate and save a model.

    Parameters
    ----------
    table
        Measured sequences: a `Table` or the path of a file.
    output
        Folder of the run; by default a name made of table and settings under `runs/`.
    settings
        All settings; or give them by name, such as `model="legnet-optimized+lstm", size="small", epochs=4`.
    resume
        Go on with an interrupted run in `output`.
    overwrite
        Replace a run in `output`.
    say
        Called with lines for people: the data summary, the estimate.
    watcher
        Called after each step and epoch.
    pace
        Seconds of a step and of a look, for the estimate; measured if not given.
    baselines
        `quick`, or `all` to grow boosted trees on motif occupancies too, which takes up to a minute.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If the table, a setting or the folder does not fit; nothing is written then.
    Interrupted
        If the training was stopped by a signal; `resume=True` goes on.
    """
    if settings is not None and values:
        raise InputError(f"settings are given whole and also by name ({', '.join(values)}); give one of them")
    if baselines not in SETS:
        raise InputError(f"--baselines is {baselines!r}, expected one of {', '.join(SETS)}")
    if TREES in SETS[baselines]:
        library()  # not only after the training
    settings = settings or Settings.make(**values)
    if settings.data.organism != "auto" and TREES not in SETS[baselines]:
        raise InputError(f"--organism changes nothing with --baselines {baselines}: no boosted trees; use all")
    if not isinstance(table, Table):
        data = settings.data
        table = read_table(table, sequence=data.sequence_column, expression=data.expression_column)
    job = make_job(table, settings, choose_device(settings.machine.device))
    # After the preparation, whose large temporary arrays need not be kept.
    machine = settings.machine.prepare()
    folder = Path(output) if output is not None else default_folder(table.path, settings)
    identity = {"settings": settings.to_dict(), "fingerprint": fingerprint(table)}
    if baselines != "quick":
        identity["baselines"] = baselines
    record = open_folder(folder, identity, resume=resume, overwrite=overwrite)
    if record is not None and record["status"] == "finished":
        say(f"{folder} is finished already; nothing to do")
        _finish(folder)
        return read_run(folder, machine.device)
    facts = describe(table, job.prepared)
    for name, words in [*facts["lines"], *facts["choices"]]:
        say(f"{name:<22}{words}")
    if record is None:
        record = _plan(job, table, settings, machine, identity, pace)
        record["command"] += "" if baselines == "quick" else f" --baselines {baselines}"
        folder.mkdir(parents=True, exist_ok=True)
    record["status"] = "running"
    write_record(folder, record)
    if not (folder / DATA).exists():  # a resumed run may have been killed before it was written
        write_json(folder / DATA, facts)
    recipe = replace(job.recipe, epochs=record["epochs"], stream=record["stream"])
    network = record["network"]
    say(f"{'network':<22}{network['spec']} ({network['size']}), {network['parameters']:,} parameters")
    used = machine.device if machine.device != "cpu" else f"{machine.threads} threads, kernels: {machine.kernels}"
    say(f"{'processor':<22}{used}")
    steps = recipe.steps_per_epoch(len(job.prepared.split.train))
    epochs = "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs"
    say(f"{'estimate':<22}{_duration(record['estimate_seconds'])} for {epochs} of {steps:,} steps")
    began = time.perf_counter()
    try:
        history = _fit(job, recipe, settings.machine.seed, folder, watcher)
    except (Interrupted, InputError) as error:
        _close(folder, record, "interrupted" if isinstance(error, Interrupted) else "failed", began)
        raise
    with atomic_path(folder / HISTORY) as path:
        pl.DataFrame([asdict(epoch) for epoch in history]).write_csv(path)
    metrics = evaluate(folder, table, job, sum(epoch.seconds for epoch in history), SETS[baselines])
    save(job.model, folder, card(settings, record, metrics))
    _close(folder, record, "finished", began)
    _finish(folder)
    return Run(folder, job.model, metrics)


def read_run(folder: Path, device: str = "cpu") -> Run:
    """Load a finished run."""
    import json

    return Run(folder, load(folder, device=device), json.loads((folder / METRICS).read_text(encoding="utf-8")))


def _plan(
    job: Job, table: Table, settings: Settings, used: Prepared, identity: dict[str, Any], pace: Pace | None
) -> dict[str, Any]:
    """Estimate the time, settle the number of epochs and start the content of `run.json`."""
    prepared, model = job.prepared, job.model
    rows = len(prepared.split.train)
    train, valid = (prepared.examples.take(part) for part in prepared.split[:2])
    pace = pace or measure(model.network, model.objective, model.channels, job.recipe, train, valid)
    recipe = job.recipe
    if settings.machine.budget is not None:
        recipe = pace.within(recipe, rows, read_budget(settings.machine.budget))
    machine = hardware(used)
    parameters = sum(weight.numel() for weight in model.network.parameters())
    groups = settings.to_dict()
    return {
        "status": "running",
        "leanseq": machine["leanseq"],
        "command": settings.command(table.path),
        "identity": identity,
        "settings": {**groups["network"], **groups["data"], **groups["machine"], "recipe": recipe.to_dict()},
        "epochs": recipe.epochs,
        "stream": recipe.stream,
        "network": {**model.network.config, "parameters": parameters},
        "data": {"table": Path(table.path).name, "fingerprint": identity["fingerprint"], "rows": len(table)},
        "hardware": machine,
        "started": now(),
        "seconds": 0.0,
        "estimate_seconds": round(pace.seconds(recipe, rows), 1),
        "peak_memory_mb": None,
    }


def _fit(job: Job, recipe: Recipe, seed: int, folder: Path, watcher: Watcher | None) -> list[Epoch]:
    parts = job.model.network, job.model.objective, job.model.channels, recipe
    train, valid = (job.prepared.examples.take(rows) for rows in job.prepared.split[:2])
    return fit(*parts, train, valid, seed=seed, folder=folder, watcher=watcher)


def _finish(folder: Path) -> None:
    """Write the report and drop the checkpoint, unless that is done: a kill may have come in between."""
    if not (folder / REPORT).exists():
        write_report(folder)
    remove_checkpoint(folder)


def _close(folder: Path, record: dict[str, Any], status: str, began: float) -> None:
    record["status"] = status
    record["finished"] = now()
    record["seconds"] = round(record["seconds"] + time.perf_counter() - began, 1)
    record["peak_memory_mb"] = peak_memory_mb()
    write_record(folder, record)


def _duration(seconds: float) -> str:
    """Seconds in words for people.

    Examples
    --------
    >>> _duration(45.0), _duration(600.0), _duration(9000.0)
    ('about 45 s', 'about 10 min', 'about 2.5 h')
    """
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
