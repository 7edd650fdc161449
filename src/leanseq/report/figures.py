"""Figures of a run, one panel each."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FixedLocator, MaxNLocator
from scipy.ndimage import gaussian_filter

from ..baselines import BASELINES, RIDGE, TREES, column
from .loading import Run
from .scores import Metrics, Score
from .svg import CEILING, GREY, NETWORK, TRAINING, Label, Panel, label_right, panel, style, to_panel
from .svg import RIDGE as RIDGE_COLOUR
from .svg import TREES as TREES_COLOUR
from .tables import broken
from .words import SPLITS, interval, loss_unit, number

_DENSITY = {
    NETWORK: ("#8FC1E3", "#052F5F"),
    RIDGE_COLOUR: ("#F0B58C", "#5E2600"),
    TREES_COLOUR: ("#E0A9CC", "#4A1638"),
}
_COLOURS = {TREES: TREES_COLOUR, RIDGE: RIDGE_COLOUR}
"""Of the baselines that a network has to beat; the others are grey."""


def loss_curves(run: Run) -> Panel:
    """Draw the loss over epochs with the levels that need no skill."""
    with style():
        figure, axes = panel(3.1)
        labels = _curves(axes, run, "loss")
        for name, level in run.metrics.no_skill.items():
            axes.axhline(level, color=GREY, linewidth=1.2, linestyle=":")
            labels.append(Label(level, f"no skill:\n{name} {number(level)}", GREY))
        axes.margins(y=0.08)
        axes.set_ylabel(f"loss ({loss_unit(run.metrics)})")
        label_right(figure, axes, labels)
        levels = ", ".join(f"{name} {number(level)}" for name, level in run.metrics.no_skill.items())
        return to_panel(figure, "loss", f"Line chart of the loss by epoch. {_ends(labels)}. No-skill levels: {levels}.")


def r_curves(run: Run) -> Panel:
    """Draw r over epochs with the baselines to beat, no skill (0) and the noise ceiling."""
    with style():
        figure, axes = panel(3.1)
        labels = _curves(axes, run, "r")
        lines = [(0.0, "no skill 0", GREY)]
        for name, colour in _COLOURS.items():
            baseline = run.metrics.result(name, "valid")
            if baseline is not None and baseline.r is not None:
                lines.append((baseline.r.value, f"{name} {number(baseline.r.value)}", colour))
        if run.metrics.ceiling is not None:
            lines.append((run.metrics.ceiling, f"ceiling {number(run.metrics.ceiling)}", CEILING))
        for level, text, colour in lines:
            axes.axhline(level, color=colour, linewidth=1.2, linestyle=":")
            labels.append(Label(level, text, colour))
        axes.margins(y=0.08)
        axes.set_ylabel("Pearson r")
        label_right(figure, axes, labels)
        return to_panel(figure, "r", f"Line chart of Pearson r by epoch. {_ends(labels)}.")


def _curves(axes: Axes, run: Run, measure: str) -> list[Label]:
    epochs = run.history["epoch"].to_numpy()
    # points show every epoch where there are few, and are the whole curve where there is one
    marker = "o" if len(epochs) <= 20 else ""
    labels = []
    for side, words, colour, dashes in (("train", "training", TRAINING, "--"), ("valid", "validation", NETWORK, "-")):
        values = run.history[f"{side}_{measure}"].to_numpy()
        axes.plot(epochs, values, dashes, color=colour, marker=marker, markersize=3.5, linewidth=1.7, clip_on=False)
        known = values[np.isfinite(values)]
        if len(known):
            labels.append(Label(float(known[-1]), f"{words} {number(float(known[-1]))}", colour))
    first, last = epochs[0], epochs[-1]
    margin = 0.5 if first == last else min(0.5, 0.02 * (last - first))
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(FixedLocator([first]) if first == last else MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlabel("epoch")
    return labels


def _ends(labels: list[Label]) -> str:
    return "At the end: " + ", ".join(label.text.replace("\n", " ") for label in labels)


@runtime_checkable
class Judged(Protocol):
    """Scores and predictions of a model and of its baselines: of a run, or of an ensemble."""

    @property
    def metrics(self) -> Metrics:
        """Scores on every split."""
        ...

    @property
    def predictions(self) -> pl.DataFrame:
        """Predictions of every held-out row, as a run has them."""
        ...


def scatters(run: Judged, split: str) -> list[Panel]:
    """Draw predicted against measured expression, for the network and the baselines to beat on the same axes."""
    rows = run.predictions.filter(run.predictions["split"] == split)
    measured = rows["expression"].to_numpy()
    sides = [(run.metrics.network, "prediction", NETWORK)]
    sides += [(name, column(name), colour) for name, colour in _COLOURS.items() if column(name) in rows.columns]
    shown = [(model, colour, rows[values].to_numpy()) for model, values, colour in sides]
    shown = [side for side in shown if np.isfinite(side[2]).any()]
    everything = np.concatenate([measured, *(predicted for _, _, predicted in shown)])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    edge = 0.04 * (high - low) or 1.0
    # names of as many lines, so that the panels align
    names = [broken(model, 34) for model, _, _ in shown]
    lines = max(map(len, names))
    titles = ["\n" * (lines - len(name)) + "\n".join(name) for name in names]
    limits = (low - edge, high + edge)
    return [
        _scatter(run, split, side, measured, limits, title, f"scatter{place}")
        for place, (side, title) in enumerate(zip(shown, titles, strict=True))
    ]


def _scatter(
    run: Judged,
    split: str,
    side: tuple[str, str, np.ndarray],
    measured: Float[np.ndarray, " n"],
    limits: tuple[float, float],
    title: str,
    name: str,
) -> Panel:
    model, colour, predicted = side
    known = np.isfinite(measured) & np.isfinite(predicted)
    x, y = measured[known], predicted[known]
    density = _density(x, y, limits)
    order = np.argsort(density, kind="stable")
    result = run.metrics.result(model, split)
    scores = (result.scores[measure] if result else None for measure in ("r", "rho"))
    r, rho = (number(score.value if score else None) for score in scores)
    with style():
        figure, axes = panel(4.15 + 0.17 * title.count("\n"))
        axes.plot(limits, limits, color=GREY, linewidth=1, linestyle=":")
        colours = LinearSegmentedColormap.from_list("density", _DENSITY[colour])
        # points become one picture: a vector for each would make the page heavy
        axes.scatter(x[order], y[order], c=density[order], cmap=colours, s=7, linewidths=0, rasterized=True)
        axes.set(xlim=limits, ylim=limits, xlabel="measured expression", ylabel="predicted expression")
        axes.set_aspect("equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6))
        axes.set_title(title, loc="left", fontsize=10, color=colour, fontweight="bold")
        axes.text(
            0.03,
            0.97,
            f"r = {r}\nrho = {rho}",
            transform=axes.transAxes,
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2},
        )
        what = f"{len(x):,} {SPLITS.get(split, split)} sequences"
        alt = f"Predicted against measured expression of {what} by {model}: r = {r}, rho = {rho}."
        return to_panel(figure, name, alt)


def _density(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], limits: tuple[float, float]
) -> Float[np.ndarray, " n"]:
    """Count the points around each point, on a smoothed grid."""
    edges = np.linspace(*limits, 91)
    counts = gaussian_filter(np.histogram2d(x, y, [edges, edges])[0], 1.5)
    column, line = (np.clip(np.digitize(values, edges) - 1, 0, 89) for values in (x, y))
    return counts[column, line]


def r_intervals(run: Judged, split: str) -> Panel:
    """Draw r of every model with its interval, beside no skill (0) and the noise ceiling."""
    metrics = run.metrics
    results = [result for result in metrics.results if result.split == split]
    names = [broken(result.model, 26) for result in results]
    # one line for the ceiling's label; then for each model its name and, below it, the point
    heights = [len(name) + 1.4 for name in names]
    head = 1.3 if metrics.ceiling is not None else 0.2
    total = head + sum(heights)
    lows = [result.r.low for result in results if result.r] + [0.0]
    with style():
        figure, axes = panel(0.75 + 0.19 * total)
        axes.set(ylim=(total, 0), xlim=(min(-0.03, min(lows) - 0.05), 1.02), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=GREY, linewidth=1.2, linestyle=":", ymax=1 - (head - 0.2) / total)
        axes.set_xlabel("Pearson r (0: no skill, 1: perfect)")
        if metrics.ceiling is not None:
            axes.axvline(metrics.ceiling, color=CEILING, linewidth=1.2, linestyle=":", ymax=1 - (head - 0.2) / total)
            side = "right" if metrics.ceiling > 0.5 else "left"
            axes.text(metrics.ceiling, 0.5, f"ceiling {number(metrics.ceiling)}", color=CEILING, ha=side, va="center")
        top = head
        for result, name, height in zip(results, names, heights, strict=True):
            colour = _COLOURS.get(result.model, GREY if result.model in BASELINES else NETWORK)
            # a white ground keeps the vertical lines out of the words
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            words = {"transform": axes.get_yaxis_transform(), "va": "center", "bbox": ground}
            for i, part in enumerate(name):
                axes.text(0, top + i + 0.5, part, color=colour, fontweight="bold", **words)
            value = interval(result.r) if result.r else "undefined, drawn at 0"
            axes.text(1, top + len(name) - 0.5, value, ha="right", **words)
            _point(axes, result.r, top + len(name) + 0.5, colour)
            top += height
        told = "; ".join(f"{result.model} {interval(result.r)}" for result in results)
        return to_panel(figure, f"dots-{split}", f"Pearson r on the {SPLITS.get(split, split)} sequences: {told}.")


def _point(axes: Axes, r: Score | None, y: float, colour: str) -> None:
    axes.axhline(y, color="#DDDDDD", linewidth=0.8, zorder=0)
    if r is None:
        axes.plot([0], [y], "o", markersize=7, markerfacecolor="white", markeredgecolor=colour)
        return
    axes.plot([r.low, r.high], [y, y], color=colour, linewidth=2.5, solid_capstyle="round")
    axes.plot([r.value], [y], "o", markersize=7, color=colour)
