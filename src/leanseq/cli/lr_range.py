"""`leanseq lr-range`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from ..runs.settings import DataSettings, MachineSettings, NetworkSettings, Settings
from ..training.recipe import Recipe


def lr_range(
    table: Path,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    output: Path | None = None,
    overwrite: bool = False,
    data: Annotated[DataSettings, Parameter(name="*", group=Group("Data", sort_key=1))] = DataSettings(),  # noqa: B008
    network: Annotated[NetworkSettings, Parameter(name="*", group=Group("Network", sort_key=2))] = NetworkSettings(),  # noqa: B008
    recipe: Annotated[Recipe, Parameter(name="*", group=Group("Training", sort_key=3))] = Recipe(),  # noqa: B008
    machine: Annotated[MachineSettings, Parameter(name="*", group=Group("Machine", sort_key=4))] = MachineSettings(),  # noqa: B008
) -> None:
    """Find the range of learning rates at which a network learns.

    Raises the learning rate at every step of a short training and prints where the loss falls fastest and how far the
    rate can go. Takes the settings of `leanseq train`; nothing is kept but the figures.

    Parameters
    ----------
    table
        Measured sequences, as for `leanseq train`.
    low
        First learning rate.
    high
        Last learning rate.
    steps
        Steps of the test.
    output
        Where to write learning rate and loss of each step: `.tsv`, `.csv`, `.tsv.gz` or `.parquet`.
    overwrite
        Replace the output file.
    """
    import polars as pl

    from ..data.table import read_table
    from ..errors import InputError
    from ..runs.job import make_job
    from ..training.lr_range import range_test
    from .output import check_output, write_frame

    check_output(output, overwrite=overwrite)
    settings = Settings(data, network, recipe, machine)
    if data.organism != "auto":
        raise InputError("--organism changes nothing here: boosted trees alone look for motifs, and none are grown")
    measured = read_table(table, sequence=data.sequence_column, expression=data.expression_column)
    job = make_job(measured, settings, machine.prepare().device)
    found = range_test(
        job.model.network,
        job.model.objective,
        job.model.channels,
        job.recipe,
        job.prepared.examples.take(job.prepared.split.train),
        seed=machine.seed,
        low=low,
        high=high,
        steps=steps,
    )
    print(f"loss falls fastest at {found.steepest:.2g}: a constant rate to try (--schedule constant --lr ...)")
    print(f"safe peak for one-cycle: {found.highest:.2g} (--lr ...)")
    if output is not None:
        write_frame(pl.DataFrame({"lr": found.lr, "loss": found.loss}), output)
