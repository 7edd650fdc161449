"""The answer as files: `report.html`, `plan.json` and the learning curve as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator

from .. import __version__
from ..baselines import RIDGE
from ..files import write_json, write_text
from ..report.page import environment
from ..report.svg import CEILING, NETWORK, Label, Panel, label_right, panel, style, to_panel
from ..report.svg import RIDGE as RIDGE_COLOUR
from ..report.words import number
from ..study.figures import standalone
from .enough import FACTORS, Enough, Side

AHEAD = 4.0
"""How many times the present rows the curve is drawn to."""


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
    fine = np.geomspace(found.rows[0], last * AHEAD, 60)
    with style():
        figure, axes = panel(3.4)
        labels, told = [], []
        for name, side, colour in (("network", found.network, NETWORK), (RIDGE, found.ridge, RIDGE_COLOUR)):
            known, ahead = fine[fine <= last], fine[fine >= last]
            for part, dashes in ((known, "-"), (np.concatenate([[last], ahead]), "--")):
                value, low, high = np.array([side.curve.at(n) for n in part]).T
                axes.fill_between(part, low, high, color=colour, alpha=0.13, linewidth=0)
                axes.plot(part, value, dashes, color=colour, linewidth=1.7)
            for n, draws in zip(found.rows, side.r, strict=True):
                axes.plot([n] * len(draws), draws, "o", color=colour, markersize=3.5, alpha=0.8)
            end = side.curve.at(last * AHEAD).value
            labels.append(Label(end, f"{name} {number(end)}", colour))
            told.append(f"{name}: " + ", ".join(f"{number(side.curve.at(n).value)} at {n:,.0f}" for n in places))
        if found.ceiling.r is not None:
            axes.axhline(found.ceiling.r, color=CEILING, linewidth=1.2, linestyle=":")
            labels.append(Label(found.ceiling.r, f"ceiling {number(found.ceiling.r)}", CEILING))
        axes.axvline(last, color="#BBBBBB", linewidth=1, zorder=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{n:,.0f}" for n in places], rotation=40, ha="right")
        axes.set(xlabel="training sequences", ylabel="Pearson r on validation rows")
        label_right(figure, axes, labels)
        return to_panel(figure, "learning-curve", f"Pearson r by training sequences. {'. '.join(told)}.")


def _rows(found: Enough) -> list[tuple[str, str, str, str]]:
    """Size, r of the network and of the ridge (mean and range of the draws), seconds."""
    return [
        (f"{n:,}", _spread(found.network, i), _spread(found.ridge, i), f"{found.seconds[i]:.0f}")
        for i, n in enumerate(found.rows)
    ]


def _spread(side: Side, at: int) -> str:
    r = side.r[at]
    return f"{number(float(r.mean()))} ({number(float(r.min()))} to {number(float(r.max()))})"


def _gains(found: Enough) -> list[tuple[str, str, str]]:
    """Times the data, gain of the network and of the ridge."""
    last = found.rows[-1]
    out = []
    for factor in FACTORS:
        said = []
        for side in (found.network, found.ridge):
            gain = side.curve.gain(last, factor)
            said.append(
                f"{number(gain.value, sign=True)} ({number(gain.low, sign=True)} to {number(gain.high, sign=True)})"
            )
        out.append((f"{factor:g} times: {last * factor:,.0f}", *said))
    return out
