"""The answer as files: `report.html`, `plan.json` and the learning curve as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from .. import __version__
from ..baselines import RIDGE, TREES
from ..files import write_json, write_text
from ..report import svg
from ..report.page import environment
from ..report.svg import CEILING, Label, Panel, label_right, panel, style, to_panel
from ..report.words import number
from ..study.figures import standalone
from .enough import FACTORS, Enough, Side
from .fitting import ENSEMBLE, NETWORK

AHEAD = 4.0
"""How many times the present rows the curve is drawn to."""
COLOURS = {ENSEMBLE: svg.INK, NETWORK: svg.NETWORK, TREES: svg.TREES, RIDGE: svg.RIDGE}
BANDS = (ENSEMBLE, RIDGE)
"""Kinds whose interval is drawn: four bands on top of each other could not be told apart."""
LOWEST = -0.1
"""The figure goes no lower: a network that was cut short can have any r below, which would press all else together."""


def write_answer(found: Enough, plain: dict[str, Any], name: str, folder: Path) -> Path:
    """Write the files into a folder and give the page."""
    shown = draw(found)
    write_json(folder / "plan.json", plain)
    write_text(folder / "learning-curve.svg", standalone(shown))
    page = (
        environment()
        .get_template("plan.html")
        .render(
            version=__version__,
            name=name,
            found=found,
            ridge=RIDGE,
            figure=shown,
            cut=LOWEST if any((side.r < LOWEST).any() for side in found.sides.values()) else None,
            rows=_rows(found),
            gains=_gains(found),
        )
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def draw(found: Enough) -> Panel:
    """Draw r by number of sequences, with every draw as a dot and the curve continued to four times the data."""
    last = found.rows[-1]
    places = [float(n) for n in found.rows] + [last * factor for factor in FACTORS]
    with style():
        figure, axes = panel(3.8)
        labels, told = [], []
        for name, side in reversed([*found.sides.items()]):  # the ensemble on top
            _draw_side(axes, found.rows, name, side)
            end = side.curve.at(last * AHEAD).value
            labels.append(Label(end, f"{name} {number(end)}", COLOURS[name]))
            told.insert(0, f"{name}: " + ", ".join(f"{number(side.curve.at(n).value)} at {n:,.0f}" for n in places))
        if found.ceiling.r is not None:
            axes.axhline(found.ceiling.r, color=CEILING, linewidth=1.2, linestyle=":")
            labels.append(Label(found.ceiling.r, f"ceiling {number(found.ceiling.r)}", CEILING))
        axes.axvline(last, color="#BBBBBB", linewidth=1, zorder=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{n:,.0f}" for n in places], rotation=40, ha="right")
        axes.set_ylim(bottom=max(LOWEST, axes.get_ylim()[0]))
        axes.set(xlabel="training sequences", ylabel="Pearson r on validation rows")
        label_right(figure, axes, labels)
        return to_panel(figure, "learning-curve", f"Pearson r by training sequences. {'. '.join(told)}.")


def _draw_side(axes: Axes, rows: tuple[int, ...], name: str, side: Side) -> None:
    """Draw one kind of model: its trainings as dots, its curve, and its interval where it is one of `BANDS`."""
    last, colour = rows[-1], COLOURS[name]
    fine = np.geomspace(rows[0], last * AHEAD, 60)
    for part, dashes in ((fine[fine <= last], "-"), (np.concatenate([[last], fine[fine >= last]]), "--")):
        value, low, high = np.array([side.curve.at(n) for n in part]).T
        if name in BANDS:
            axes.fill_between(part, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.plot(part, value, dashes, color=colour, linewidth=1.7)
    for n, draws in zip(rows, side.r, strict=True):
        axes.plot([n] * len(draws), draws, "o", color=colour, markersize=3.5, alpha=0.8)


class _Cell(NamedTuple):
    """A value of one kind of model, and what it may be, in words."""

    name: str
    value: str
    spread: str


def _rows(found: Enough) -> list[tuple[str, list[_Cell], str]]:
    """Size, r of every kind of model (mean and range of the draws), seconds."""
    return [
        (f"{n:,}", [_reached(name, side.r[i]) for name, side in found.sides.items()], f"{found.seconds[i]:.0f}")
        for i, n in enumerate(found.rows)
    ]


def _reached(name: str, r: Float[np.ndarray, " draws"]) -> _Cell:
    mean, low, high = (number(float(each)) for each in (r.mean(), r.min(), r.max()))
    return _Cell(name, mean, f"({low} to {high})")


def _gains(found: Enough) -> list[tuple[str, list[_Cell]]]:
    """Times the data, gain of every kind of model."""
    last = found.rows[-1]
    return [
        (f"{factor:g} times: {last * factor:,.0f}", [_gain(*side, last, factor) for side in found.sides.items()])
        for factor in FACTORS
    ]


def _gain(name: str, side: Side, rows: int, factor: float) -> _Cell:
    value, low, high = (number(each, sign=True) for each in side.curve.gain(rows, factor))
    return _Cell(name, value, f"({low} to {high})")
