"""Read a run folder, as `leanseq train` leaves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ..baselines import BASELINES, RIDGE, column
from ..data.construct import Construct
from ..data.construct import from_dict as construct_from_dict
from ..errors import InputError
from . import scores
from .scores import Metrics

CURVES = ("epoch", "lr", "train_loss", "train_r", "valid_loss", "valid_r")
PREDICTIONS = ("expression", "prediction", column(RIDGE))
"""Columns of every run; more baselines have more."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    info
        `run.json`.
    lines, length, construct, words
        From `data.json`: names and values about the table, median row in bp, the reporter construct, and the
        sentences `construct`, `split` and `leakage`.
    leaked
        From `data.json`: share of the held-out rows with a relative among the training rows; 0 in older runs.
    history
        One row per epoch, columns `CURVES`, nan where unknown.
    predictions
        One row per held-out sequence: `split`, the columns `PREDICTIONS` and those of other baselines that were
        trained, in the unit of expression.
    """

    info: dict[str, Any]
    lines: list[tuple[str, str]]
    length: float
    construct: Construct
    words: dict[str, str]
    leaked: float
    history: pl.DataFrame
    metrics: Metrics
    predictions: pl.DataFrame


def load_run(folder: Path) -> Run:
    """Read and check the files of a run folder.

    Raises
    ------
    InputError
        If a file is missing, damaged, or the run is not finished.
    """
    with _reading(folder / "run.json") as path:
        info = _run_document(path)
        status = info["status"]
    if status != "finished":
        raise InputError(f"{path}: the run is {status!r}, expected 'finished'; let `leanseq train` finish it first")
    with _reading(folder / "data.json") as path:
        data = _document(path)
        lines = [(str(name), str(value)) for name, value in data["lines"]]
        length = float(data["summary"]["length_median"])
        construct = construct_from_dict(data["construct"], str(path))
        words = {name: str(data[f"{name}_words"] or "") for name in ("construct", "split", "leakage")}
        leaked = float(data.get("leaked") or 0)
    with _reading(folder / "history.csv") as path:
        history = _floats(pl.read_csv(path, null_values=["", "nan", "NaN"]), CURVES)
    with _reading(folder / "metrics.json") as path:
        metrics = scores.from_dict(_document(path))
    with _reading(folder / "predictions.parquet") as path:
        # opened here because the errors of a lazy reader name no file
        table = pl.read_parquet(path.read_bytes())
        others = [name for name in map(column, BASELINES) if name in table.columns and name not in PREDICTIONS]
        predictions = _floats(table, (*PREDICTIONS, *others)).with_columns(table["split"].cast(pl.String))
        if missing := set(metrics.splits) - set(predictions["split"]):
            raise ValueError(f"no rows of the split {min(missing)!r}, which metrics.json has")
    return Run(info, lines, length, construct, words, leaked, history, metrics, predictions)


@contextmanager
def _reading(path: Path) -> Iterator[Path]:
    """Turn whatever goes wrong while a file is read into one line that names the file."""
    try:
        yield path
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: the file is missing; give the folder of a finished run, as `leanseq train` leaves it"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise InputError(
            f"{path}: the file is damaged ({what}); restore it from a copy or train again into a new folder"
        ) from error


def _document(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())


def _run_document(path: Path) -> dict[str, Any]:
    """Read `run.json` so far that the page can rely on the kinds of what it shows."""
    info = _document(path)
    words = {name: str(info[name]) for name in ("status", "leanseq")}
    groups = {name: dict(info.get(name) or {}) for name in ("settings", "network", "data", "hardware")}
    groups["settings"]["model"] = str(groups["settings"]["model"])
    costs = {name: float(info.get(name) or 0) for name in ("seconds", "estimate_seconds", "peak_memory_mb")}
    return {**info, **words, **groups, **costs}


def _floats(table: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    if table.is_empty():
        raise ValueError("it has no rows")
    if missing := [name for name in columns if name not in table.columns]:
        raise ValueError(f"no column {missing[0]!r}")
    return table.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in columns)
