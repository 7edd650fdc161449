"""Write a run's report: one HTML file that opens anywhere, offline."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ..baselines import GC, RIDGE, TREES
from ..files import write_text
from . import figures, tables, words
from .findings import findings, whole_numbers
from .loading import Run, load_run

MEASURES = (("r", "r"), ("rho", "rho"), ("mse", "MSE"), ("r2", "R²"), ("kl", "KL"))


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder.

    Parameters
    ----------
    folder
        As `leanseq train` leaves it: `run.json`, `data.json`, `history.csv`, `metrics.json` and
        `predictions.parquet`.

    Returns
    -------
    Path
        The page. The same run gives the same bytes.

    Raises
    ------
    InputError
        If a file of the run is missing or damaged, or the page cannot be written.
    """
    page = folder / "report.html"
    write_text(page, render(load_run(folder)))
    return page


def environment() -> Environment:
    """What pages share: their templates, and how numbers, names and figures are written in them."""
    made = Environment(
        loader=PackageLoader("leanseq.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=words.number,
        duration=words.duration,
        sentence=words.sentence,
        # between the parts of a network's name, not between a sign and its number
        breakable=lambda text: Markup(re.sub(r"\+(?=[a-z])", "+<wbr>", escape(text))),
        svg=lambda panel: Markup(panel.svg),  # drawn here, and its words are escaped there
    )
    return made


def render(run: Run) -> str:
    """Compose the page of a run."""
    metrics = run.metrics
    best = metrics.splits[0]
    valid_losses = run.history["valid_loss"].drop_nans()
    valid_loss = float(valid_losses[-1]) if len(valid_losses) else None
    return (
        environment()
        .get_template("report.html")
        .render(
            version=run.info["leanseq"],
            info=run.info,
            metrics=metrics,
            words=run.words,
            ridge=RIDGE,
            trees=TREES,
            gc=GC,
            table=str(run.info["data"].get("table", "")),
            headline=words.headline(metrics),
            split=words.SPLITS.get(best, best),
            splits=[(split, words.SPLITS.get(split, split)) for split in metrics.splits],
            curves=[figures.loss_curves(run), figures.r_curves(run)],
            loss_unit=words.loss_unit(metrics),
            skill=words.skill(metrics, valid_loss),
            gains=words.gains(metrics),
            stripes=whole_numbers(run, best) > 0.2,
            findings=findings(run),
            scatters=figures.scatters(run, best),
            dots=[figures.r_intervals(run, split) for split in metrics.splits],
            measures=[each for each in MEASURES if any(result.scores[each[0]] for result in metrics.results)],
            lines=run.lines,
            row=round(run.length),
            window=run.construct.length,
            parts=tables.construct_parts(run.construct, run.length),
            settings=tables.settings_rows(run),
            reproduction=tables.reproduction_rows(run),
        )
    )
