"""`leanseq train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from ..runs.settings import DataSettings, MachineSettings, NetworkSettings, Settings
from ..training.recipe import Recipe


def train(
    table: Path,
    *,
    output: Path | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    baselines: Literal["quick", "all"] = "quick",
    data: Annotated[DataSettings, Parameter(name="*", group=Group("Data", sort_key=1))] = DataSettings(),  # noqa: B008
    network: Annotated[NetworkSettings, Parameter(name="*", group=Group("Network", sort_key=2))] = NetworkSettings(),  # noqa: B008
    recipe: Annotated[Recipe, Parameter(name="*", group=Group("Training", sort_key=3))] = Recipe(),  # noqa: B008
    machine: Annotated[MachineSettings, Parameter(name="*", group=Group("Machine", sort_key=4))] = MachineSettings(),  # noqa: B008
) -> None:
    """Train a network on a table of measured sequences and evaluate it.

    The run folder then holds the model, its predictions, all figures and `report.html`. Ctrl-C leaves a checkpoint:
    the same command with `--resume` goes on.

    Parameters
    ----------
    table
        TSV, CSV (plain or gzipped) or Parquet with `sequence` and `expression`, or a header-less DREAM table.
    output
        Folder of the run; by default named by table, network and seed under `runs/`.
    resume
        Go on with the interrupted run in the output folder.
    overwrite
        Replace the run in the output folder.
    baselines
        What the network is compared with: `quick` takes seconds, `all` also grows boosted trees on motif occupancies.
    """
    from ..report.tables import results_table
    from ..runs import main
    from ..training.fit import Interrupted
    from . import stop
    from .progress import say, watch

    settings = Settings(data, network, recipe, machine)
    try:
        with watch() as watcher:
            run = main.train(
                table,
                output=output,
                settings=settings,
                resume=resume,
                overwrite=overwrite,
                say=say,
                watcher=watcher,
                baselines=baselines,
            )
    except Interrupted:
        stop(130, "leanseq: stopped; a checkpoint is kept, the same command with --resume goes on")
        return
    print(results_table(run.metrics))
    print(f"\nreport: {run.folder / 'report.html'}")
