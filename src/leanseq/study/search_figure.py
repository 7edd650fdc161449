"""The picture of a search: its history, and what each setting had to do with r."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from ..report.svg import GREY, NETWORK, RIDGE, WIDTH, style
from .space import Parameter, Space

if TYPE_CHECKING:
    from .search import Tried

COLUMNS, HEIGHT = 3, 2.9
_OUTSIDE = 0.75
"""How far below the lower quarter the axis of r goes, in spans from there to the best: what is worse is drawn at its
edge, since one hopeless trial would flatten all others."""


def draw(space: Space, tried: Sequence[Tried], winner: int, best: Collection[int]) -> str:
    """Draw r of the trials in their order, and over each setting, as SVG.

    Parameters
    ----------
    space
        What was searched.
    tried
        All trials.
    winner, best
        Numbers of the winner and of all that were repeated with more seeds.
    """
    with style():
        panels = 1 + len(space.parameters)
        rows = math.ceil(panels / COLUMNS)
        columns = min(panels, COLUMNS)
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
        low, high = _limits([each.r for each in tried if each.r is not None])
        groups = _groups(tried, winner, best)
        _history(axes[0], tried, groups, low)
        for place, (name, parameter) in zip(axes[1:], space.parameters.items(), strict=False):
            _setting(place, name, parameter, groups, low)
        for i, place in enumerate(axes):
            place.set_ylim(low, high)
            if i % columns == 0:
                place.set_ylabel("r on the rows of the search")
            place.set_visible(i < panels)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False)
        return _svg(figure)


def _groups(
    tried: Sequence[Tried], winner: int, best: Collection[int]
) -> list[tuple[str, dict[str, Any], list[Tried]]]:
    """Words, look and trials of each kind of trial."""
    known = [each for each in tried if each.r is not None]
    plain = {"linestyle": "", "clip_on": False, "markersize": 5}
    kinds = {
        "pruned": ({"marker": "x", "color": GREY}, [t for t in known if t.state == "pruned"]),
        "complete": (
            {"marker": "o", "color": NETWORK, "alpha": 0.55},
            [t for t in known if t.state == "complete" and t.number not in best],
        ),
        "repeated with more seeds": (
            {"marker": "o", "color": NETWORK},
            [t for t in known if t.number in best and t.number != winner],
        ),
        "winner": (
            {"marker": "*", "color": RIDGE, "markersize": 12, "zorder": 3},
            [t for t in known if t.number == winner],
        ),
    }
    return [(words, {**plain, **look}, trials) for words, (look, trials) in kinds.items() if trials]


def _history(axes: Axes, tried: Sequence[Tried], groups: list[Any], low: float) -> None:
    complete = [each for each in tried if each.state == "complete" and each.r is not None]
    if complete:
        best = np.maximum.accumulate(np.array([each.r for each in complete], dtype=float))
        numbers = [each.number for each in complete]
        axes.step(
            [*numbers, max(each.number for each in tried)], [*best, best[-1]], where="post", color=GREY, linewidth=1.3,
            label="best so far",
        )  # fmt: skip
    for words, look, trials in groups:
        values = np.array([each.r for each in trials], dtype=float)
        axes.plot([each.number for each in trials], np.maximum(values, low), label=words, **look)
    failed = [each.number for each in tried if each.state == "failed"]
    if failed:
        axes.plot(failed, [low] * len(failed), marker="|", linestyle="", color=GREY, markersize=9, label="failed")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _setting(axes: Axes, name: str, parameter: Parameter, groups: list[Any], low: float) -> None:
    places = {value: i for i, value in enumerate(parameter.choices)}
    rng = np.random.default_rng(0)
    for _, look, trials in groups:
        shown = [each for each in trials if name in each.parameters]
        at = np.array([places.get(each.parameters[name], each.parameters[name]) for each in shown], dtype=float)
        if places:  # trials with the same choice side by side
            at += rng.uniform(-0.15, 0.15, len(at))
        axes.plot(at, np.maximum(np.array([each.r for each in shown], dtype=float), low), **look)
    axes.set_xlabel(name)
    if places:
        words = [str(value).lower() if isinstance(value, bool) else str(value) for value in places]
        # names of networks are long
        turned = {"rotation": 20, "ha": "right"} if max(map(len, words)) * len(words) > 34 else {}
        axes.set_xticks(range(len(words)), words, **turned)
        axes.set_xlim(-0.5, len(words) - 0.5)
    elif parameter.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())


def _limits(r: list[float]) -> tuple[float, float]:
    """Range of the axis of r; trials far below the others are drawn at its edge."""
    if not r:
        return 0.0, 1.0
    quarter, half = np.quantile(r, [0.25, 0.5])
    top = max(r)
    low = max(min(r), float(quarter - _OUTSIDE * max(top - quarter, top - half, 0.02)))
    room = max(top - low, 0.02) * 0.08
    return low - room, top + room


def _svg(figure: Figure) -> str:
    """The figure as the text of an SVG file: same figure, same text."""
    out = StringIO()
    figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return re.sub(r"[ \t]+$", "", out.getvalue(), flags=re.MULTILINE)
