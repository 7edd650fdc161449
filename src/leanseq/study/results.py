"""Read what a study's runs left: curves, predictions and scores, configuration by configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int64

from ..baselines import BASELINES, RIDGE
from ..errors import InputError
from ..runs.folder import HISTORY, METRICS, PREDICTIONS, RUN
from .plan import Case, Plan, Unit
from .store import check, state


@dataclass(frozen=True, eq=False)
class Configuration:
    """The finished runs of one configuration, one a seed.

    Attributes
    ----------
    label, factors
        Its name and its factor values.
    seeds
        Seeds of the runs, in order; all arrays below follow it.
    history
        Curves of all runs: the columns of `history.csv` and `seed`.
    rows
        Number in the table (1-based) of every compared row.
    expression, groups
        Measured value of every compared row, and its group of homologs.
    predictions
        What each run says about them, in the unit of expression.
    kmer_ridge
        What the k-mer ridge says, trained on the same rows as this configuration.
    metrics
        `metrics.json` of each run.
    parameters
        Weights of the network.
    seconds
        Training time of each run.
    hardware
        `hardware` of each run's `run.json`.
    """

    label: str
    factors: Mapping[str, Any]
    seeds: tuple[int, ...]
    history: pl.DataFrame
    rows: Int64[np.ndarray, " n"]
    expression: Float[np.ndarray, " n"]
    groups: Int64[np.ndarray, " n"]
    predictions: Float[np.ndarray, "seeds n"]
    kmer_ridge: Float[np.ndarray, " n"]
    metrics: tuple[dict[str, Any], ...]
    parameters: int
    seconds: tuple[float, ...]
    hardware: tuple[dict[str, Any], ...]

    @property
    def ceiling(self) -> float | None:
        """Noise ceiling of r; None where unknown."""
        return self.metrics[0]["ceiling"]["r"]

    @property
    def no_skill(self) -> dict[str, float]:
        """Validation losses that need no sequence."""
        return self.metrics[0]["no_skill"]

    @property
    def loss(self) -> str:
        """`KL` or `MSE`."""
        return self.metrics[0]["loss"]

    def ridge(self, split: str) -> float | None:
        """Pearson r of the k-mer ridge on `valid` or `test` rows."""
        return self._score(RIDGE, split, self.metrics[0])

    def r(self, split: str) -> list[float]:
        """Pearson r of each run on `valid` or `test` rows, nan where undefined."""
        found = [self._score(None, split, metrics) for metrics in self.metrics]
        return [float("nan") if value is None else value for value in found]

    @staticmethod
    def _score(model: str | None, split: str, metrics: dict[str, Any]) -> float | None:
        for result in metrics["results"]:
            own = model is None and result["model"] not in BASELINES
            if (own or result["model"] == model) and result["split"] == split and result["r"]:
                return float(result["r"]["value"])
        return None


@dataclass(frozen=True, eq=False)
class Results:
    """A study with what its runs found.

    Attributes
    ----------
    plan
        The study.
    configurations
        Those with at least one finished run, in the order of the plan.
    references
        Index of a configuration -> index of the one it is compared with.
    missing
        Runs that are not there, in words; empty for a finished study.
    """

    plan: Plan
    configurations: tuple[Configuration, ...]
    references: dict[int, int]
    missing: tuple[str, ...]


def read_results(plan: Plan, store: Path, *, partial: bool = False) -> Results:
    """Read all runs of a study.

    Parameters
    ----------
    plan
        The study.
    store
        Folder of all runs.
    partial
        Report what is there, and say what is missing, instead of refusing.

    Raises
    ------
    InputError
        If a run is damaged; if one is not finished and `partial` is not set; or if none is.
    """
    found: dict[int, Configuration] = {}
    missing = []
    for i, case in enumerate(plan.cases):
        finished = []
        for unit in plan.of(i):
            folder = store / unit.key
            if not partial:
                check(folder)
            elif (here := state(folder)).name != "finished":
                reason = f" ({here.reason})" if here.reason else ""
                missing.append(f"{case.label}, seed {unit.seed}: {here.name}{reason}")
                continue
            finished.append(unit)
        if finished:
            found[i] = _read(plan, case, finished, store)
    if not found:
        raise InputError(f"{plan.spec.path}: none of its runs is finished; run the study first")
    place = {case: at for at, case in enumerate(found)}
    references = {place[a]: place[b] for a, b in plan.references().items() if a in place and b in place}
    return Results(plan, tuple(found.values()), references, tuple(missing))


def _read(plan: Plan, case: Case, units: list[Unit], store: Path) -> Configuration:
    folders = [store / unit.key for unit in units]
    records = [_json(folder / RUN) for folder in folders]
    splits = ["valid", "test"] if plan.spec.rows == "held-out" else [plan.spec.rows]
    frames = [pl.read_parquet(folder / PREDICTIONS).filter(pl.col("split").is_in(splits)) for folder in folders]
    if not frames[0].height:
        raise InputError(f"{plan.spec.path}: the split has no {plan.spec.rows} rows to compare; set compare.rows")
    history = pl.concat(
        pl.read_csv(folder / HISTORY).with_columns(seed=pl.lit(unit.seed))
        for folder, unit in zip(folders, units, strict=True)
    )
    metrics = tuple(_json(folder / METRICS) for folder in folders)
    return Configuration(
        label=case.label,
        factors=case.factors,
        seeds=tuple(unit.seed for unit in units),
        history=history,
        rows=frames[0]["row"].cast(pl.Int64).to_numpy(),
        expression=frames[0]["expression"].to_numpy(),
        groups=frames[0]["group"].to_numpy(),
        predictions=np.stack([frame["prediction"].to_numpy() for frame in frames]),
        kmer_ridge=frames[0]["kmer_ridge"].to_numpy(),
        metrics=metrics,
        parameters=int(records[0]["network"]["parameters"]),
        seconds=tuple(float(history.filter(pl.col("seed") == unit.seed)["seconds"].sum()) for unit in units),
        hardware=tuple(record["hardware"] for record in records),
    )


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
