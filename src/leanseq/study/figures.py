"""Figures of a study, one panel each.

A panel shows at most six configurations: the reference in black, drawn again in every panel of a larger study, and five
others in colours that colour-blind readers can tell apart. Panels that belong together share their axes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import chain
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from ..baselines import RIDGE
from ..report.svg import CEILING, GREY, INK, NETWORK, WIDTH, Label, Panel, label_right, panel, style, to_panel
from ..report.svg import RIDGE as RIDGE_COLOUR
from ..report.words import number
from .judge import Comparison, Judged, Row
from .plan import label
from .results import Configuration, Results
from .tables import Range, text

COLOURS = ("#0067A6", "#C98500", "#009E73", "#B0578D", "#56A8DC")
"""Of configurations that are not the reference: after Okabe and Ito (2008), without the orange of the k-mer ridge."""
FEW = 5
"""Up to so many epochs each is a point with a bar, since a band needs a curve."""
UNITS = {"KL": "KL divergence, nats", "MSE": "MSE, expression²"}
_LINE = 0.19  # inches of a line of text
_LETTERS = 40  # in the width of a panel


class Line(NamedTuple):
    """A configuration in a panel: the name without what all of the panel share, its colour, and the runs."""

    name: str
    colour: str
    runs: Configuration


class Dot(NamedTuple):
    """A line of a dot plot: a number with its interval, seeds as small dots, and a mark to compare with."""

    name: str
    value: Range
    colour: str
    seeds: tuple[float, ...] = ()
    mark: float = float("nan")


def panel_values(results: Results) -> list[Any]:
    """Values of the factor that gets a panel a value, as far as they have runs; [None] without such a factor."""
    factor = results.plan.spec.panels
    found = [each.factors[factor] for each in results.configurations] if factor else [None]
    return [value for i, value in enumerate(found) if value not in found[:i]]


def curves(results: Results, panel_value: Any = None) -> dict[str, Panel]:
    """Draw loss and r over epochs: training and validation, the range over seeds around their mean.

    Parameters
    ----------
    results
        The study.
    panel_value
        Draw configurations with this value of the panels' factor; None for all.

    Returns
    -------
    dict of str to Panel
        A panel of each loss and one of r for every six configurations, by names of their own.
    """
    factor = results.plan.spec.panels if panel_value is not None else ""
    every = results.configurations
    shown = [i for i, each in enumerate(every) if not factor or each.factors[factor] == panel_value]
    place = "" if not factor else f"-{panel_values(results).index(panel_value) + 1}"
    title = "" if not factor else label({factor: panel_value})
    out: dict[str, Panel] = {}
    for loss in dict.fromkeys(every[i].loss for i in shown):
        part = [i for i in shown if every[i].loss == loss]
        for i, lines in enumerate(_groups(results, part, factor)):
            name = f"curves{place}-{loss.lower()}-{i + 1}"
            out[name] = _curves(name, title, "loss", lines, _limits(every, part, "loss"))
    for i, lines in enumerate(_groups(results, shown, factor)):
        name = f"curves{place}-r-{i + 1}"
        out[name] = _curves(name, title, "r", lines, _limits(every, shown, "r"))
    # the panels of one group side by side
    return dict(sorted(out.items(), key=lambda item: int(item[0].rsplit("-", 1)[1])))


def _groups(results: Results, shown: list[int], factor: str) -> list[list[Line]]:
    """Share configurations out over panels."""
    references = [i for i in shown if i in results.references.values()][:1]
    others = [i for i in shown if i not in references]
    count = max(1, -(-len(others) // len(COLOURS)))
    size = -(-len(others) // count)  # as equal as can be
    parts = [others[start * size : (start + 1) * size] for start in range(count)]
    return [
        [
            Line(_name(results.configurations[i], factor), colour, results.configurations[i])
            for i, colour in zip([*references, *part], [INK, *COLOURS] if references else COLOURS, strict=False)
        ]
        for part in parts
    ]


def _name(runs: Configuration | Row, factor: str) -> str:
    return label({name: value for name, value in runs.factors.items() if name != factor}) or runs.label


def _levels(lines: Sequence[Configuration], measure: str) -> list[tuple[float, str, str]]:
    """Lines that need no network: height, words, colour."""
    if measure == "loss":
        return [(level, f"no skill:\n{name} {number(level)}", GREY) for name, level in lines[0].no_skill.items()]
    ridge = [value for each in lines if (value := each.ridge("valid")) is not None]
    out = [(0.0, "no skill 0", GREY)]
    out += [(value, f"{RIDGE}\n{number(value)}", RIDGE_COLOUR) for value in sorted({round(each, 3) for each in ridge})]
    if (ceiling := lines[0].ceiling) is not None:
        out.append((ceiling, f"ceiling {number(ceiling)}", CEILING))
    return out


def _limits(every: Sequence[Configuration], shown: list[int], measure: str) -> tuple[float, float]:
    """The range of all panels that belong together."""
    runs = [every[i] for i in shown]
    values = [each.history[f"{side}_{measure}"].to_numpy() for each in runs for side in ("train", "valid")]
    everything = np.concatenate([*values, [level for level, _, _ in _levels(runs, measure)]])
    known = everything[np.isfinite(everything)]
    low, high = float(known.min()), float(known.max())
    edge = 0.06 * (high - low) or 0.5
    return low - edge, high + edge


def _curves(name: str, title: str, measure: str, lines: list[Line], limits: tuple[float, float]) -> Panel:
    last = max(int(line.runs.history["epoch"].max()) for line in lines)  # pyright: ignore[reportArgumentType]
    few = last <= FEW
    with style():
        figure, axes = panel(3.0)
        ends = []
        for i, line in enumerate(lines):
            # side by side where points would hide each other
            shift = 0.09 * (i - (len(lines) - 1) / 2) if few else 0.0
            for side in ("train", "valid"):
                end = _line(axes, line, f"{side}_{measure}", shift, few)
            ends.append((line, end))
        axes.set(ylim=limits, xlim=(0.6, last + 0.4) if few else (1 - 0.02 * last, last * 1.02), xlabel="epoch")
        axes.set_ylabel("Pearson r" if measure == "r" else f"loss ({UNITS[lines[0].runs.loss]})")
        axes.xaxis.set_major_locator(FixedLocator(range(1, last + 1)) if few else MaxNLocator(6, integer=True))
        if title:
            axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
        labels = []
        for level, words, colour in _levels([line.runs for line in lines], measure):
            axes.axhline(level, color=colour, linewidth=1.2, linestyle=":", zorder=0)
            labels.append(Label(level, words, colour))
        kind = ("filled", "open", "bars") if few else ("solid", "dashed", "bands")
        seeds = any(len(line.runs.seeds) > 1 for line in lines)
        key = (
            f"{kind[0]}: validation, its end in numbers;\n{kind[1]}: training"
            + f"; {kind[2]}: range over seeds" * seeds
        )
        names = [f"{number(end)}\N{NO-BREAK SPACE} {line.name}" for line, end in ends]
        _legend(figure, list(zip(names, [line.colour for line in lines], strict=True)), key)
        label_right(figure, axes, labels)
        told = ", ".join(f"{line.name} {number(end)}" for line, end in ends)
        levels = ", ".join(each.text.replace("\n", " ") for each in labels)
        what = "Pearson r" if measure == "r" else "the loss"
        where = f", {title}" if title else ""
        alt = f"Line chart of {what} by epoch{where}. Validation at the end: {told}. Lines: {levels}."
        return to_panel(figure, name, alt)


def _line(axes: Axes, line: Line, column: str, shift: float, few: bool) -> float | None:
    """Draw one measure of a configuration; returns its mean at the end."""
    seeds = line.runs.history.select("epoch", pl.col(column).cast(pl.Float64).fill_nan(None)).drop_nulls()
    table = seeds.group_by("epoch").agg(
        pl.col(column).mean().alias("mean"), pl.col(column).min().alias("low"), pl.col(column).max().alias("high")
    )
    epoch, mean, low, high = (table.sort("epoch")[name].to_numpy() for name in ("epoch", "mean", "low", "high"))
    training = column.startswith("train")
    x = epoch + shift
    dashes, width, alpha = ("--", 1.1, 0.75) if training else ("-", 1.8, 1.0)
    look: dict[str, Any] = {"color": line.colour, "linewidth": width, "linestyle": dashes, "alpha": alpha}
    if few:
        axes.vlines(x, low, high, color=line.colour, linewidth=width, alpha=alpha)
        look |= {"marker": "o", "markersize": 4.5, "markerfacecolor": "white" if training else line.colour}
    elif not training:  # ten bands hide one another: those of the training are left out
        axes.fill_between(x, low, high, color=line.colour, alpha=0.18, linewidth=0)
    axes.plot(x, mean, zorder=2 if training else 3, **look)
    return float(mean[-1]) if len(mean) else None


def _legend(figure: Figure, entries: list[tuple[str, str]], title: str) -> None:
    """Write the names below the axes, and make the figure higher by as much."""
    names = ["\n".join(broken(name, _LETTERS)) for name, _ in entries]
    rows = sum(name.count("\n") + 1.25 for name in names) + title.count("\n") + 1.6
    figure.set_size_inches(WIDTH, figure.get_figheight() + _LINE * rows)
    handles = [Line2D([], [], color=colour, linewidth=2.2) for _, colour in entries]
    legend = figure.legend(
        handles, names, loc="outside lower left", frameon=False, title=title, alignment="left", handlelength=1.2
    )
    legend.get_title().set_color(GREY)


def broken(name: str, width: int) -> list[str]:
    """Break a configuration's name into lines, at a blank or after a `+`.

    Examples
    --------
    >>> broken("legnet-dream2022+lstm, train 5,120", 18)
    ['legnet-dream2022+', 'lstm, train 5,120']
    """
    parts = wrap(name.replace("+", "+\0 "), width + 1, break_on_hyphens=False)
    return [part.replace("\0 ", "").replace("\0", "") for part in parts] or [name]


def intervals(judged: Judged) -> dict[str, Panel]:
    """Draw r on the compared rows: interval, every seed, and the k-mer ridge, by configuration."""
    dots = [
        Dot(row.label, Range(*row.r), INK if row.label in judged.references else NETWORK, row.seed_r, row.ridge_r)
        for row in judged.rows
    ]
    levels = [] if judged.ceiling is None else [(judged.ceiling, f"ceiling {number(judged.ceiling)}", CEILING)]
    told = "; ".join(f"{dot.name} {text(dot.value)}, {RIDGE} {number(_known(dot.mark))}" for dot in dots)
    alt = f"Pearson r on the {judged.compared} rows: {told}."
    return {"intervals": _dots("intervals", dots, "Pearson r", levels, alt)}


def differences(judged: Judged) -> dict[str, Panel]:
    """Draw every difference from the reference with its interval; nothing where nothing is compared."""
    one = len(judged.references) == 1
    axis = f"r minus r of {judged.references[0]}" if one else "r minus r of the reference"
    return _forest("differences", judged.comparisons, "\n".join(broken(axis, 36)))


def ridge_differences(judged: Judged) -> dict[str, Panel]:
    """Draw every difference from the k-mer ridge with its interval."""
    return _forest("ridge", judged.ridge, f"r minus r of the {RIDGE}")


def _forest(name: str, comparisons: Sequence[Comparison], axis: str) -> dict[str, Panel]:
    colours = {1: NETWORK, 0: GREY, -1: RIDGE_COLOUR}
    dots = [Dot(each.label, Range(*each.difference[:3], sign=True), colours[each.sign]) for each in comparisons]
    told = "; ".join(each.words for each in comparisons)
    alt = f"Forest plot, {axis}: {told}.".replace("\n", " ")
    return {name: _dots(name, dots, axis, [(0.0, "no difference", GREY)], alt)} if dots else {}


def _dots(name: str, dots: list[Dot], axis: str, levels: list[tuple[float, str, str]], alt: str) -> Panel:
    """Draw numbers with intervals, each below its name, beside vertical levels."""
    names = [broken(dot.name, _LETTERS) for dot in dots]
    # the number stands beside the last line of the name, or below it where both do not fit
    for dot, lines in zip(dots, names, strict=True):
        if len(lines[-1]) + len(text(dot.value)) > _LETTERS:
            lines.append("")
    heights = [len(lines) + 1.4 for lines in names]
    marked = any(np.isfinite(dot.mark) for dot in dots)
    head = 1.3 * (len(levels) + marked)
    total = head + sum(heights)
    numbers = np.array([*chain.from_iterable([*dot.value[:3], *dot.seeds, dot.mark] for dot in dots)])
    known = np.concatenate([numbers[np.isfinite(numbers)], [level for level, _, _ in levels]])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    edge = 0.05 * (high - low) or 0.05
    with style():
        figure, axes = panel(0.75 + _LINE * (total + axis.count("\n")))
        axes.set(ylim=(total, 0), xlim=(low - edge, high + edge), yticks=[], xlabel=axis)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        middle = (low + high) / 2
        marks = [(_mean([dot.mark for dot in dots]), f"{RIDGE}, same training rows", RIDGE_COLOUR)] if marked else []
        for i, (level, words, colour) in enumerate([*marks, *levels]):
            side, offset = ("right", (-4, 0)) if level > middle else ("left", (4, 0))
            y = 1.3 * i + 0.6
            axes.annotate(words, (level, y), offset, textcoords="offset points", color=colour, ha=side, va="center")
            if i >= len(marks):  # the ridge has a mark of its own in every line
                axes.plot([level, level], [y - 0.4, total], color=colour, linewidth=1.2, linestyle=":", zorder=0)
        top = head
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # keeps lines out of the words
        for dot, lines, height in zip(dots, names, heights, strict=True):
            look: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "bbox": ground}
            for i, part in enumerate(lines):
                if part:
                    axes.text(0, top + i + 0.5, part, color=dot.colour, fontweight="bold", **look)
            y = top + len(lines) + 0.5
            axes.text(1, y - 1, text(dot.value), ha="right", **look)
            axes.axhline(y, color="#DDDDDD", linewidth=0.8, zorder=0)
            axes.plot([dot.mark] * 2, [y - 0.45, y + 0.45], color=RIDGE_COLOUR, linewidth=2)
            axes.plot(dot.value[1:3], [y, y], color=dot.colour, linewidth=2.5, solid_capstyle="round")
            axes.plot([dot.value.value], [y], "o", markersize=7, color=dot.colour)
            # below, where the mean does not hide them
            axes.plot(dot.seeds, [y + 0.42] * len(dot.seeds), "o", markersize=3, color=dot.colour, alpha=0.7)
            top += height
        return to_panel(figure, name, alt)


def learning_curve(judged: Judged) -> dict[str, Panel]:
    """Draw r against the factor `plot.x`, a line for each value of the others; nothing without such a factor."""
    if not judged.x:
        return {}
    lines: dict[str, list[Row]] = {}
    for row in judged.rows:
        lines.setdefault(label({k: v for k, v in row.factors.items() if k not in judged.along}) or "r", []).append(row)
    first = [name for name, rows in lines.items() if any(row.label in judged.references for row in rows)][:1]
    others = [name for name in lines if name not in first]
    out = {}
    for start in range(0, max(1, len(others)), len(COLOURS)):
        shown = [*first, *others[start : start + len(COLOURS)]]
        name = f"learning-curve-{start // len(COLOURS) + 1}"
        colours = [INK, *COLOURS] if first else COLOURS
        out[name] = _learning(name, judged, [(each, c, lines[each]) for each, c in zip(shown, colours, strict=False)])
    return out


def _learning(name: str, judged: Judged, lines: list[tuple[str, str, list[Row]]]) -> Panel:
    places = sorted({float(row.factors[judged.x]) for row in judged.rows})
    with style():
        figure, axes = panel(3.0)
        told = []
        for words, colour, rows in lines:
            rows = sorted(rows, key=lambda row: row.factors[judged.x])
            x = [float(row.factors[judged.x]) for row in rows]
            value, low, high = np.array([row.r for row in rows]).T
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(x, value, color=colour, marker="o", markersize=5, linewidth=1.7)
            told.append(
                f"{words}: " + ", ".join(f"{number(_known(r))} at {at:g}" for r, at in zip(value, x, strict=True))
            )
        ridge = [_mean([row.ridge_r for row in judged.rows if row.factors[judged.x] == at]) for at in places]
        axes.plot(places, ridge, ":", color=RIDGE_COLOUR, marker="s", markersize=3.5, linewidth=1.5)
        if places[0] > 0 and places[-1] >= 2 * places[0]:
            axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{at:,.0f}" if at.is_integer() else f"{at:g}" for at in places])
        axes.set(xlabel="training sequences" if judged.x == "train" else judged.x, ylabel="Pearson r")
        axes.margins(x=0.08, y=0.08)
        labels = [Label(ridge[-1], RIDGE, RIDGE_COLOUR)]
        if judged.ceiling is not None:
            axes.axhline(judged.ceiling, color=CEILING, linewidth=1.2, linestyle=":", zorder=0)
            labels.append(Label(judged.ceiling, f"ceiling {number(judged.ceiling)}", CEILING))
        _legend(figure, [(words, colour) for words, colour, _ in lines], "bands: 95% intervals over rows and seeds")
        label_right(figure, axes, labels)
        alt = f"Pearson r on the {judged.compared} rows by {judged.x}. {'. '.join(told)}."
        return to_panel(figure, name, alt)


def draw(results: Results, judged: Judged) -> Iterator[tuple[str, Panel]]:
    """Draw every figure of a study, with its name."""
    for value in panel_values(results):
        yield from curves(results, value).items()
    for figure in (intervals, differences, ridge_differences, learning_curve):
        yield from figure(judged).items()


def standalone(shown: Panel) -> str:
    """Make a file of a panel: a size, the namespaces that a page does without, and fonts that are found elsewhere."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', shown.svg)
    assert box is not None
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = (
        f'<svg {spaces} width="{box[1]}pt" height="{box[2]}pt" {box[0]} role="img">\n<desc>{escape(shown.alt)}</desc>'
    )
    look = "<style>text { font-family: 'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif !important; }</style>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{look}{shown.svg[shown.svg.index(">") + 1 :]}\n'


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
