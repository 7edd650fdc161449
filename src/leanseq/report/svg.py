"""The look of the figures, and how they become text inside a page.

Text stays text (searchable, readable for assistive tools) and the page chooses the font, so labels get the
room they take in DejaVu Sans, which is wider than what a reader's system will use. Each panel is a picture of
its own, narrow enough to keep its letters at 9 pt or more on a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

# After Okabe and Ito (2008), safe for colour-blind readers; darkened until text in them has contrast on white.
NETWORK, TRAINING, RIDGE, CEILING, GREY, INK = "#0067A6", "#5C7F99", "#B84E00", "#00775A", "#666666", "#222222"
TREES = "#97477A"
WIDTH = 4.1
"""Inches of one panel."""

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # names are names, also with a dollar sign
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "leanseq",
}


class Panel(NamedTuple):
    """A drawn figure: inline SVG with its description for those who cannot see it."""

    svg: str
    alt: str


class Label(NamedTuple):
    """Words beside a line that ends at `y` (data units)."""

    y: float
    text: str
    colour: str


@contextmanager
def style() -> Iterator[None]:
    """Draw in the look of the report, whatever the user's own matplotlib settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def panel(height: float) -> tuple[Figure, Axes]:
    """Make an empty panel of `height` inches."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def to_panel(figure: Figure, name: str, alt: str) -> Panel:
    """Write a figure as inline SVG: same figure, same text. `name` must be unique in the page."""
    out = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(out, format="svg", dpi=200, metadata=nothing)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].rstrip()
    # ids are shared by everything in a page
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    box = re.search(r'viewBox="[^"]+"', svg)
    assert box is not None
    head = f'<svg class="figure" {box[0]} role="img" aria-label="{escape(alt)}">'
    return Panel(head + svg[svg.index(">") + 1 :], alt)


def label_right(figure: Figure, axes: Axes, labels: list[Label]) -> None:
    """Write labels in the right margin, each as near to its line as the others allow."""
    labels = sorted(label for label in labels if np.isfinite(label.y))
    figure.draw_without_rendering()  # fixes the height of the axes
    low, high = axes.get_ylim()
    line = 12.5 * (high - low) / (axes.bbox.height * 72 / figure.dpi)
    heights = np.array([label.text.count("\n") + 1.15 for label in labels]) * line
    places = spread(np.array([label.y for label in labels]), heights, low, high)
    for label, place in zip(labels, places, strict=True):
        axes.annotate(
            label.text,
            xy=(1, label.y),
            xytext=(1.08, place),
            xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(),
            color=label.colour,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": label.colour,
                "linewidth": 0.6,
                "relpos": (0, 0.5),  # to the start of the text, so that no line runs through a neighbour
                "shrinkA": 1,
                "shrinkB": 1,
            },
        )


def spread(wanted: np.ndarray, heights: np.ndarray, low: float, high: float) -> np.ndarray:
    """Move the middles of stacked labels apart by as little as keeps them from overlapping.

    Parameters
    ----------
    wanted
        Middles in rising order.
    heights
        Room each label takes.
    low, high
        The labels stay within this range if there is room.

    Examples
    --------
    >>> spread(np.array([4.0, 4.0]), np.array([2.0, 2.0]), 0.0, 10.0).tolist()
    [3.0, 5.0]
    """
    if not len(wanted):
        return wanted
    steps = np.concatenate([[0.0], np.cumsum((heights[1:] + heights[:-1]) / 2)])
    # without the room between them the labels only have to stay in order, which is isotonic regression
    bottom = isotonic_regression(wanted - steps).x
    return np.clip(bottom, low + heights[0] / 2, max(low + heights[0] / 2, high - steps[-1] - heights[-1] / 2)) + steps
