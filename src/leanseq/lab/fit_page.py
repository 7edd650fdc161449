"""A fit as files: the model itself, `report.html`, `metrics.json`, `predictions.parquet` and `fit.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.ticker import PercentFormatter

from .. import __version__
from ..apply.ensemble import save_ensemble
from ..baselines import RIDGE, TREES
from ..data.table import Table
from ..files import atomic_path, write_json, write_text
from ..report import figures, words
from ..report.page import environment
from ..report.scores import Metrics, from_dict
from ..report.svg import GREY, NETWORK, Panel, panel, style, to_panel
from ..report.tables import construct_parts
from ..runs.folder import METRICS, PREDICTIONS, REPORT
from ..runs.prepare import Prepared, describe
from .fitting import LEVEL, Fitted
from .record import counted

FIT = "fit.json"
TENTHS = 10
VALUES = {
    "as measured": "as measured",
    "steadied": "perhaps noisy, so steadied: the mean of each and of what trees say that were grown without it",
}
"""Name in `fit.json` -> in words."""
MEASURES = (("r", "r"), ("rho", "rho"), ("mse", "MSE"), ("r2", "R²"))


@dataclass(frozen=True)
class Judged:
    """What figures need of a fit."""

    metrics: Metrics
    predictions: pl.DataFrame


def answer(metrics: dict[str, Any]) -> list[str]:
    """Say what the model is worth, in sentences."""
    read = from_dict(metrics)
    split = read.splits[0]
    covered, odd = metrics["coverage"][split], metrics["unfamiliar"][split]
    rows = words.SPLITS.get(split, split)
    return [
        *words.headline(read, "The ensemble", "The ensemble"),
        f"Its {LEVEL:.0%} intervals hold {covered['value']:.1%} of the {rows} sequences ({covered['low']:.1%} to "
        f"{covered['high']:.1%}); {odd:.1%} of them look unlike the training sequences.",
    ]


def write_fit(fitted: Fitted, table: Table, prepared: Prepared, record: dict[str, Any], folder: Path) -> list[str]:
    """Write all files into a folder and give the answer in sentences.

    Parameters
    ----------
    fitted
        The model and its scores.
    table, prepared
        The rows.
    record
        Version, command, data fingerprint, seed, hardware, time: the content of `fit.json`.
    folder
        Of the fit.
    """
    said = answer(fitted.metrics)
    write_json(folder / METRICS, fitted.metrics)
    with atomic_path(folder / PREDICTIONS) as path:
        fitted.predictions.write_parquet(path)
    save_ensemble(fitted.ensemble, folder, _card(said, record))
    write_json(folder / FIT, record)
    write_text(folder / REPORT, _page(fitted, said, table, prepared, record))
    return said


def _page(fitted: Fitted, said: list[str], table: Table, prepared: Prepared, record: dict[str, Any]) -> str:
    judged = Judged(from_dict(fitted.metrics), fitted.predictions)
    best, facts = judged.metrics.splits[0], describe(table, prepared)
    row = float(table.sequences.str.len_bytes().median())  # pyright: ignore[reportArgumentType]
    return (
        environment()
        .get_template("fit.html")
        .render(
            version=__version__,
            name=Path(table.path).name,
            said=said,
            metrics=judged.metrics,
            ridge=RIDGE,
            trees=TREES,
            split=words.SPLITS.get(best, best),
            splits=[(split, words.SPLITS.get(split, split)) for split in judged.metrics.splits],
            dots=[figures.r_intervals(judged, split) for split in judged.metrics.splits],
            scatters=figures.scatters(judged, best),
            coverage=coverage_by_value(fitted.predictions.filter(pl.col("split") == best), best),
            width=float((fitted.predictions["high"] - fitted.predictions["low"]).mean()),  # pyright: ignore[reportArgumentType, reportOperatorIssue]
            level=LEVEL,
            unfamiliar=fitted.metrics["unfamiliar"],
            weights=[(name, f"{weight:.2f}") for name, weight in fitted.metrics["weights"].items()],
            measures=MEASURES,
            facts=facts,
            row=round(row),
            window=prepared.construct.length,
            parts=construct_parts(prepared.construct, row),
            record=_record_rows(record),
        )
    )


def coverage_by_value(predictions: pl.DataFrame, split: str) -> Panel:
    """Draw which share of sequences lies in its interval, by tenth of the predicted value."""
    order = np.argsort(predictions["prediction"].to_numpy(), kind="stable")
    inside = (
        (predictions["low"] <= predictions["expression"]) & (predictions["expression"] <= predictions["high"])
    ).to_numpy()
    parts = [part for part in np.array_split(order, TENTHS) if len(part)]
    value = predictions["prediction"].to_numpy()
    centres = np.array([value[part].mean() for part in parts])
    share = np.array([inside[part].mean() for part in parts])
    error = np.sqrt(LEVEL * (1 - LEVEL) / np.array([len(part) for part in parts]))
    with style():
        figure, axes = panel(3.0)
        axes.axhline(LEVEL, color=GREY, linewidth=1.2, linestyle=":")
        axes.errorbar(centres, share, 1.96 * error, color=NETWORK, fmt="o", markersize=6, elinewidth=1.7)
        axes.set(
            ylim=(min(0.5, float(share.min()) - 0.1), 1.02), xlabel="predicted expression, tenths of the sequences"
        )
        axes.set_ylabel("in their interval")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        told = ", ".join(f"{each:.0%}" for each in share)
        rows = words.SPLITS.get(split, split)
        return to_panel(
            figure, "coverage", f"Share of {rows} sequences in their interval by tenth of the prediction: {told}."
        )


def _record_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    machine, network = record["hardware"], record["network"]
    return [
        ("command", record["command"]),
        ("networks", f"{network['model']} ({network['size']}): {counted(record['epochs'])}"),
        ("values they learned", VALUES[record["values"]]),
        ("seed", f"{record['seed']} and following"),
        ("data fingerprint", record["fingerprint"][:16]),
        (
            "time of training",
            f"{words.duration(record['training_seconds'])} of one core; the budget was {record['budget']}",
        ),
        ("computed on", f"{machine['processor']}, {machine['cores']} cores, {machine['device']}"),
        ("software", f"leanseq {record['leanseq']}, PyTorch {machine['torch']}, Python {machine['python']}"),
        ("started", record["started"]),
    ]


def _card(said: list[str], record: dict[str, Any]) -> str:
    """The README of the model folder."""
    return "\n".join(
        [
            f"# Ensemble trained on {record['table']}",
            "",
            "A leanseq model: it predicts expression from short regulatory DNA. Several small networks and baselines,",
            "added up. No code, no pickle.",
            "",
            *said,
            "",
            f"Trained {record['started']} with leanseq {record['leanseq']}: {record['members']} networks, seed "
            f"{record['seed']}, data fingerprint `{record['fingerprint'][:16]}`.",
            "",
            "```sh",
            "leanseq predict THIS_FOLDER sequences.tsv",
            "```",
            "",
        ]
    )
