"""Write README.md and the figures from all results that there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Rows = list[dict[str, Any]]

REFERENCE, OURS, OTHERS = "#E69F00", "#0072B2", ("#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
"""Colours of Okabe and Ito, told apart by all eyes."""
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "svg.hashsalt": "leanseq",
    "figure.constrained_layout.use": True,
}
INTRODUCTION = (
    "# Benchmarks\n\n"
    "What leanseq costs, measured. The *reference* is a plain pipeline for the same networks, in the style in which\n"
    "such models are usually published (`reference.py`): strings encoded one by one, a data loader, `torch.nn`\n"
    "modules, torch's defaults. Contenders take turns on the same machine; figures are medians. This page is written\n"
    "by `python benchmarks/show.py`.\n\n"
    "How well it predicts stands elsewhere: [few sequences](../docs/results.md#leanseq-fit-on-few-sequences)\n"
    "(`few.py`), and [what a plan foresees](../docs/plan.md) (`hold_back.py`).\n"
)


# Words ------------------------------------------------------------------------------------------------------------


def spread(values: list[float]) -> str:
    """The range of some ratios in words."""
    low, high = (number(value) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def say_training_step(rows: Rows) -> str:
    ratios = [row["ratio"] for row in rows]
    return f"A training step of the plain reference takes {spread(ratios)} times as long as leanseq's."


def say_prediction(rows: Rows) -> str:
    batched, single = ([row[name] for row in rows] for name in ("ratio_batched", "ratio_single"))
    return (
        f"Leanseq predicts {spread(batched)} times as many sequences a second as the plain reference in batches, "
        f"{spread(single)} times as many when called for one sequence at a time."
    )


def say_mutagenesis(rows: Rows) -> str:
    minutes = "; ".join(f"{row['contender']}: {number(row['minutes_for_1000'])} min" for row in rows)
    return f"All single mutants of 1,000 promoters of 110 nt take: {minutes}."


def say_time_to_accuracy(rows: Rows) -> str:
    names = [name for name in rows[0] if name.startswith("seconds_to_")]
    words = []
    for name in names:
        reached = [row for row in rows if row[name] is not None]
        if reached:
            first = min(reached, key=lambda row: row[name])
            words.append(
                f"r = {name.removeprefix('seconds_to_')} is reached first by {first['contender']}, "
                f"after {number(first[name])} s"
            )
    return ("; ".join(words) or "No contender reached a target") + "."


def say_loading(rows: Rows) -> str:
    whole = summary(rows)
    if whole is None:
        return "How long it takes until a table is in memory, ready for training."
    return (
        f"A table of {whole['rows']:,} rows is in memory, ready for training, after {number(whole['seconds'])} s; the "
        f"plain way takes {number(whole['times_faster'])} times as long (extrapolated)."
    )


def say_scaling(rows: Rows) -> str:
    whole = summary(rows) or {}
    names = {"exponent_prepare_seconds": "preparation", "exponent_epoch": "an epoch"}
    words = [f"{name} with the power {number(whole[key])}" for key, name in names.items() if key in whole]
    grows = f": {' and '.join(words)} of the number of rows" if words else ""
    return f"How time and memory grow with the number of rows{grows}."


def say_studies(rows: Rows) -> str:
    slower = [row["times_the_last"] for row in rows[:-1]]
    return f"One run after another takes {spread(slower)} times as long as {rows[-1]['command']}."


def summary(rows: Rows) -> dict[str, Any] | None:
    """The row that sums the others up, where there is one."""
    return next((row for row in rows if row.get("what") == "summary"), None)


SENTENCES: dict[str, str | Callable[[Rows], str]] = {
    "time_to_accuracy": say_time_to_accuracy,
    "training_step": say_training_step,
    "engine": "What a training step of leanseq costs with one part of its engine changed or taken away.",
    "prediction": say_prediction,
    "mutagenesis": say_mutagenesis,
    "loading": say_loading,
    "startup": "How long a command takes that does nothing else than start.",
    "scaling": say_scaling,
    "studies": say_studies,
    "kills": "A study whose workers, scheduler and driver are killed with SIGKILL at random moments, again and again.",
}
"""The benchmarks in the order of the page."""


# Tables -----------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits that count.

    Examples
    --------
    >>> number(0.012345), number(12345.6), number(2.0)
    ('0.0123', '12,346', '2')
    """
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cell(value: object) -> str:
    """A value of a table."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else str(value)


def tables(rows: Rows) -> str:
    """A table for every kind of row (column `what`), for each has columns of its own."""
    kinds = dict.fromkeys(row.get("what") for row in rows)
    return "\n\n".join(table([row for row in rows if row.get("what") == kind]) for kind in kinds)


def table(rows: Rows) -> str:
    """Rows as a Markdown table; columns of lists are left to the figures."""
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if not isinstance(value, list)))
    right = {key for key in columns if any(is_number(row.get(key)) for row in rows)}
    lines = [
        [key.replace("_", " ") for key in columns],
        ["---:" if key in right else "---" for key in columns],
        *([cell(row.get(key)) for key in columns] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def is_number(value: object) -> bool:
    """Whether a value is a number and not true or false."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# Figures ----------------------------------------------------------------------------------------------------------


def distinct(rows: Rows, key: str) -> list[Any]:
    """Values of a column in the order in which they first stand."""
    return list(dict.fromkeys(row[key] for row in rows))


def bars(axes: Axes, labels: list[str], groups: dict[str, tuple[list[float], str]]) -> None:
    """Horizontal bars, grouped by label, with their values; the first label on top."""
    height = 0.8 / len(groups)
    for index, (name, (values, colour)) in enumerate(groups.items()):
        places = [row + (index - (len(groups) - 1) / 2) * height for row in range(len(labels))]
        drawn = axes.barh(places, values, height, color=colour, label=name)
        axes.bar_label(drawn, [number(value) for value in values], padding=3, fontsize=8)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.margins(x=0.18)


def marks(axes: Axes, values: list[float], name: str) -> None:
    """A black line across each group of bars."""
    rows = range(len(values))
    axes.vlines(values, [row - 0.45 for row in rows], [row + 0.45 for row in rows], color="black", lw=2, label=name)


def draw_training_step(rows: Rows) -> Figure:
    figure, axes = plt.subplots(figsize=(8.5, 1.2 + 0.55 * len(rows)))
    labels = [f"{row['model']} {row['size']}, batch {row['batch']:,}" for row in rows]
    colours = {"reference": REFERENCE, "leanseq": OURS}
    bars(axes, labels, {name: ([row[f"{name}_ms"] for row in rows], colour) for name, colour in colours.items()})
    marks(axes, [row["floor_ms"] for row in rows], "floor: the same products at full speed")
    axes.set_xlabel("ms a sequence and step")
    share_legend(figure, axes)
    return figure


def draw_engine(rows: Rows) -> Figure:
    figure, axes = plt.subplots(figsize=(7.5, 0.8 + 0.4 * len(rows)))
    drawn = axes.barh([row["options"] for row in rows], [row["ms"] for row in rows], color=OURS)
    axes.bar_label(drawn, [number(row["ms"]) for row in rows], padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("ms a sequence and training step")
    axes.margins(x=0.12)
    return figure


def share_legend(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """One legend below all panels."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=columns)


def draw_prediction(rows: Rows) -> Figure:
    names = {
        "reference, one by one": ("reference_single", "#F3CF80"),
        "leanseq, one by one": ("leanseq_single", "#80B8D8"),
        "reference, batched": ("reference_batched", REFERENCE),
        "leanseq, batched": ("leanseq_batched", OURS),
    }
    figure, grid = plt.subplots(len(rows), 1, figsize=(8.5, 1.4 + 1.6 * len(rows)), squeeze=False)
    for axes, row in zip(grid[:, 0], rows, strict=True):
        groups = {name: ([row[key]], colour) for name, (key, colour) in names.items()}
        bars(axes, [f"{row['model']}\n{row['size']}"], groups)
        marks(axes, [row["limit"]], "limit: the same products at full speed")
    axes.set_xlabel("sequences a second, both strands")
    share_legend(figure, axes, 2)
    return figure


def draw_mutagenesis(rows: Rows) -> Figure:
    figure, axes = plt.subplots(figsize=(7.5, 1.0 + 0.5 * len(rows)))
    colours = [REFERENCE if row["contender"].startswith("reference") else OURS for row in rows]
    drawn = axes.barh(range(len(rows)), [row["minutes_for_1000"] for row in rows], color=colours)
    axes.bar_label(drawn, [number(row["minutes_for_1000"]) for row in rows], padding=3)
    axes.set_yticks(range(len(rows)), [row["contender"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("minutes for all single mutants of 1,000 promoters")
    axes.margins(x=0.12)
    return figure


def draw_time_to_accuracy(rows: Rows) -> Figure:
    figure, axes = plt.subplots(figsize=(8, 5.2))
    targets = [float(name.removeprefix("seconds_to_")) for name in rows[0] if name.startswith("seconds_to_")]
    others = iter(OTHERS)
    ours_first = True
    for row in rows:
        if row["contender"].startswith("reference"):
            colour = REFERENCE
        else:
            colour, ours_first = (OURS if ours_first else next(others)), False
        line = "--" if row["computed"] else "-"
        name = row["contender"] + (" (computed)" if row["computed"] else "")
        axes.plot(*zip(*row["curve"], strict=True), line, color=colour, marker="o", ms=3, label=name)
    for target in targets:
        axes.axhline(target, color="grey", lw=1, ls=":")
        axes.annotate(f"{target:g}", (1, target), xycoords=("axes fraction", "data"), va="bottom", ha="right")
    axes.set_xscale("log")
    axes.set_xlabel("seconds, training and validation looks")
    axes.set_ylabel("validation r")
    share_legend(figure, axes, 1)
    return figure


def draw_loading(rows: Rows) -> Figure | None:
    """Time and memory of the whole table, leanseq's measured and the plain way's extrapolated."""
    whole = summary(rows)
    if whole is None:
        return None
    figure, grid = plt.subplots(1, 2, figsize=(9, 1.7))
    for axes, key, label in zip(grid, ("seconds", "peak_mb"), ("seconds", "peak memory, MB"), strict=True):
        values = [whole[f"plain_{key}_extrapolated"], whole[key]]
        drawn = axes.barh([0, 1], values, color=[REFERENCE, OURS])
        axes.bar_label(drawn, [number(value) for value in values], padding=3)
        axes.set_yticks([0, 1], ["plain (extrapolated)", "leanseq"] if key == "seconds" else ["", ""])
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.margins(x=0.2)
    figure.suptitle(f"{whole['rows']:,} rows into memory", fontsize=10)
    return figure


def draw_startup(rows: Rows) -> Figure:
    figure, axes = plt.subplots(figsize=(7.5, 0.8 + 0.4 * len(rows)))
    drawn = axes.barh([row["command"] for row in rows], [row["seconds"] for row in rows], color=OURS)
    axes.bar_label(drawn, [number(row["seconds"]) for row in rows], padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.margins(x=0.12)
    return figure


def draw_scaling(rows: Rows) -> Figure:
    """Time and memory against the number of rows, both logarithmic."""
    names = {"prepare": ("before training", OURS, "o"), "train": ("an epoch", REFERENCE, "s")}
    figure, grid = plt.subplots(1, 2, figsize=(9, 4))
    for axes, key, label in zip(grid, ("seconds", "peak_mb"), ("seconds", "peak memory, MB"), strict=True):
        for what, (name, colour, marker) in names.items():
            points = [(row["rows"], row[key]) for row in rows if row["what"] == what and key in row]
            if points:
                axes.loglog(*zip(*points, strict=True), marker=marker, color=colour, label=name)
        axes.set_xlabel("rows of the table")
        axes.set_ylabel(label)
    share_legend(figure, grid[0])
    return figure


FIGURES: dict[str, Callable[[Rows], Figure | None]] = {
    "time_to_accuracy": draw_time_to_accuracy,
    "training_step": draw_training_step,
    "engine": draw_engine,
    "prediction": draw_prediction,
    "mutagenesis": draw_mutagenesis,
    "loading": draw_loading,
    "startup": draw_startup,
    "scaling": draw_scaling,
    "studies": draw_startup,
}


# The page ---------------------------------------------------------------------------------------------------------


def section(record: dict[str, Any], figure: str) -> str:
    """The part of the page that shows one benchmark; `figure` is a path or nothing."""
    name, rows, machine = record["benchmark"], record["rows"], record["hardware"]
    sentence = SENTENCES.get(name, "")
    memory = f", {machine['memory_gib']:g} GiB" if machine.get("memory_gib") else ""
    parts = [
        f"## {name.replace('_', ' ').capitalize()}",
        sentence if isinstance(sentence, str) else sentence(rows),
        f"```sh\n{record['command']}\n```",
        tables(rows),
        f"![{name.replace('_', ' ')}]({figure})" if figure else "",
        record.get("note", ""),
        (
            f"*{record['date']}; {machine['processor']}, {machine['cores']} cores{memory}; Python {machine['python']}, "
            f"torch {machine['torch']}; leanseq {record['leanseq']}, commit {record['commit']}.*"
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def draw(name: str, rows: Rows, folder: Path) -> str:
    """Draw a benchmark's figure; gives its file name, or nothing where there is none."""
    maker = FIGURES.get(name)
    with matplotlib.rc_context(STYLE):
        figure = maker(rows) if maker else None
        if figure is None:
            return ""
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, facecolor="white", bbox_inches="tight")
        plt.close(figure)
    return f"{name}.svg"


def page(results: Path, home: Path) -> str:
    """The whole page; figures are written beside the results."""
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    names = [name for name in SENTENCES if name in found] + sorted(found.keys() - SENTENCES.keys())
    sections = []
    for name in names:
        if rows := found[name]["rows"]:
            figure = draw(name, rows, results)
            sections.append(section(found[name], figure and (results / figure).relative_to(home).as_posix()))
    return "\n\n".join([INTRODUCTION.strip(), *sections]) + "\n"


def main() -> None:
    """Write the page."""
    (common.HERE / "README.md").write_text(page(common.RESULTS, common.HERE))


if __name__ == "__main__":
    main()
