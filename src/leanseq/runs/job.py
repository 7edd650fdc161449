"""Everything a training needs, made of a table and settings."""

from __future__ import annotations

from dataclasses import dataclass

from ..apply.bundle import Model
from ..data.labels import fit_bins
from ..data.table import Table
from ..errors import InputError
from ..models import create
from ..training.inputs import Channels
from ..training.objectives import Objective
from ..training.recipe import Recipe
from .prepare import Prepared, prepare
from .settings import Settings


@dataclass(frozen=True)
class Job:
    """Rows, an untrained model and a recipe; the same for the same table and settings."""

    prepared: Prepared
    model: Model
    recipe: Recipe


def make_job(table: Table, settings: Settings, device: str) -> Job:
    """Encode and split the table and make the untrained model."""
    prepared, network = prepare(table, settings.data), settings.network
    values = prepared.examples.expression[prepared.split.train]
    bins = fit_bins(values, count=network.bins, low=network.bin_low, high=network.bin_high, sd=network.bin_sd)
    objective = Objective(network.objective, bins, float(values.mean()), float(values.std()))
    channels = Channels(network.reverse, network.singleton)
    made = create(
        network.model,
        channels=channels.count,
        length=prepared.construct.length,
        outputs=objective.outputs,
        size=network.size,
        options=network.options,
        seed=settings.machine.seed,
    )
    recipe = settings.recipe
    model = Model(made.to(device), prepared.construct, objective, channels, recipe.strands != "forward")
    if recipe.stream > len(prepared.split.train):
        raise InputError(
            f"--stream is {recipe.stream:,}, expected at most the {len(prepared.split.train):,} training rows"
        )
    if recipe.shift >= (length := prepared.construct.length):
        raise InputError(f"--shift is {recipe.shift}, expected less than the {length} positions of the window")
    return Job(prepared, model, recipe)
