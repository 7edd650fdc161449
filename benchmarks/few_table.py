"""Compare what `few.py` ran: r over rows and seeds, and the ensemble of a fit with each of its rivals, in Markdown.

python benchmarks/few_table.py --data FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from few import ELSEWHERE, KEPT, OTHERS, RUNS, TABLES, kept
from show import OURS, REFERENCE, STYLE

from leanseq.evaluation.bootstrap import Interval
from leanseq.evaluation.metrics import pearson
from leanseq.evaluation.paired import SeedDifference, Spread, compare_seeds, holm, moderate, score_seeds

ENSEMBLE, ONE = "ensemble of fit", "one network of it"
PARTS = {
    ENSEMBLE: "prediction",
    ONE: "one_network",
    "boosted trees": "boosted_trees",
    "k-mer ridge": "kmer_ridge",
}
"""Model -> its column in the predictions of a fit."""
LEAN, REPORT = "one lean network, 10 epochs", "LegNet full, report's rate"
LEGNETS = {
    "default": "LegNet full",
    "published": "LegNet full, published recipe",
    "report": REPORT,
    "lean": LEAN,
}
TITLES = {
    "native": "native80",
    "abf1": "Abf1TATA",
    "dream": "random DREAM",
    "k562": "human K562",
    "valid": "validation",
    "test": "test",
    "dream_random": "native80 to DREAM random",
    "snv": "native80 to DREAM SNV",
    "hq": "random DREAM to hq",
}


class Measure(NamedTuple):
    """Measured values of rows, their groups of homologs, and what the seeds of every model say of them."""

    expression: np.ndarray
    groups: np.ndarray | None
    said: dict[str, np.ndarray]


def found_runs(name: str) -> dict[str, list[pl.DataFrame]]:
    """What finished runs of a table predict, seed by seed: those of `fit` by budget, and each recipe of LegNet."""
    out: dict[str, list[pl.DataFrame]] = {}
    for key in json.loads(RUNS.read_text()):
        table, kind = key.split(" ", 1)
        if table == name and kept(key).exists():
            out.setdefault(kind.rsplit(" seed ", 1)[0], []).append(pl.read_parquet(kept(key)))
    return out


def measures(name: str, runs: dict[str, list[pl.DataFrame]], data: Path) -> dict[str, Measure]:
    """Everything that the models of a table were scored on."""
    budget, *longer = (kind for kind in runs if not kind.startswith("legnet"))
    out = {}
    for rows in ("valid", "test", *ELSEWHERE.get(name, ())):
        frames = {kind: [frame.filter(rows=rows) for frame in group] for kind, group in runs.items()}
        first = frames[budget][0]
        for frame in (frame for group in frames.values() for frame in group):
            if not frame["row"].equals(first["row"]):
                raise SystemExit(f"{name}, {rows}: runs were scored on different rows")
        said = {ENSEMBLE: _stack(frames[budget], PARTS[ENSEMBLE])}
        said |= {f"{ENSEMBLE}, {more}": _stack(frames[more], PARTS[ENSEMBLE]) for more in longer}
        said |= {model: _stack(frames[budget], column) for model, column in PARTS.items() if model != ENSEMBLE}
        for recipe, model in LEGNETS.items():
            if f"legnet {recipe}" in frames:
                said[model] = _stack(frames[f"legnet {recipe}"], "prediction")
        groups = None if first["group"].has_nulls() else first["group"].to_numpy()
        out[rows] = Measure(_measured(name, rows, data)[first["row"].to_numpy() - 1], groups, said)
    return out


def _measured(name: str, rows: str, data: Path) -> np.ndarray:
    file, column = OTHERS[rows][:2] if rows in OTHERS else (TABLES[name][0], "expression")
    return pl.read_csv(data / file, separator="\t")[column].cast(pl.Float64).to_numpy()


def _stack(frames: list[pl.DataFrame], column: str) -> np.ndarray:
    return np.stack([frame[column].to_numpy() / 1000 for frame in frames])


def compare(measure: Measure, first: str, others: list[str]) -> dict[str, tuple[SeedDifference, float]]:
    """The first model minus each of the others, with p adjusted for their number."""
    pairs = {}
    for other in others:
        seeds = min(len(measure.said[first]), len(measure.said[other]))
        pairs[other] = measure.said[first][:seeds], measure.said[other][:seeds]
    spreads = _spreads(measure.expression, pairs)
    found = {
        other: compare_seeds(
            measure.expression, ours, theirs, measure.groups, comparisons=len(pairs), spread=spreads.get(other)
        )
        for other, (ours, theirs) in pairs.items()
    }
    return dict(zip(found, zip(found.values(), holm([each.p for each in found.values()]), strict=True), strict=True))


def _spreads(expression: np.ndarray, pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Spread]:
    """Spreads over seeds, those of models with as many seeds steadied by one another."""
    out, counts = {}, {len(a) for a, _ in pairs.values()}
    for count in counts - {1}:
        alike = [name for name, (a, _) in pairs.items() if len(a) == count]
        deviations = [
            np.std([pearson(expression, x) - pearson(expression, y) for x, y in zip(*pairs[name], strict=True)], ddof=1)
            for name in alike
        ]
        out |= dict(zip(alike, moderate(np.array(deviations), count), strict=True))
    return out


def scores(measure: Measure) -> dict[str, Interval]:
    """Mean r over seeds of every model, with its interval over rows and seeds."""
    return {model: score_seeds(measure.expression, said, measure.groups) for model, said in measure.said.items()}


def lines(title: str, measure: Measure, found: dict[str, Interval]) -> list[str]:
    """One table in Markdown."""
    first, *others = measure.said
    differences = compare(measure, first, others)
    out = [f"| {title}, {len(measure.expression):,} rows | seeds | r | of each seed | ensemble minus it | p |"]
    out += ["| --- | --- | --- | --- | --- | --- |"]
    for model, said in measure.said.items():
        r = found[model]
        each = ", ".join(f"{pearson(measure.expression, one):.3f}" for one in said)
        gap = "| |"
        if model in differences:
            difference, p = differences[model]
            gap = f"{_signed(difference)} | {p:.2g} |"
        out += [f"| {model} | {len(said)} | {r.value:.3f} ({r.low:.3f} to {r.high:.3f}) | {each} | {gap}"]
    out += [""]
    for one in (ONE, LEAN):
        rivals = [model for model in LEGNETS.values() if model in measure.said and model != LEAN]
        if one in measure.said and rivals:
            alone = compare(measure, one, rivals).items()
            words = [f"{model} {_signed(difference)}, p {p:.2g}" for model, (difference, p) in alone]
            out += [f"{one.capitalize()} minus {'; '.join(words)}.", ""]
    return out


def _signed(difference: SeedDifference) -> str:
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"


def draw(panels: dict[str, dict[str, Interval]], path: Path) -> None:
    """Dots with intervals, a panel for each measure, the ensemble on top; `REPORT` in words where it lies below."""
    models = list(dict.fromkeys(model for found in panels.values() for model in found))
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(2, -(-len(panels) // 2), figsize=(10.5, 4.6), sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (title, found) in zip(grid.flat, panels.items(), strict=False):
            first = min(r.low for model, r in found.items() if model != REPORT)
            axes.set_xlim(first - 0.02, max(r.high for r in found.values()) + 0.02)
            for model, r in found.items():
                ours = model in (ONE, LEAN) or model.startswith(ENSEMBLE)
                colour = OURS if ours else REFERENCE if model in LEGNETS.values() else "#555555"
                place = models.index(model)
                if r.value < first:
                    axes.text(first - 0.015, place, f"← {r.value:.2f}", color=colour, va="center", fontsize=9)
                    continue
                axes.plot([r.low, r.high], [place, place], color=colour, linewidth=1.8)
                axes.plot(r.value, place, "o", color=colour, markersize=5)
            axes.axvline(found[models[0]].value, color="#BBBBBB", linewidth=1, linestyle=":", zorder=0)
            axes.set_title(title)
        grid[0, 0].set_yticks(range(len(models)), models)
        grid[0, 0].invert_yaxis()
        figure.supxlabel("Pearson r, 95 % interval over rows and seeds", fontsize=10)
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print and draw all that was run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    asked, panels = parser.parse_args(), {}
    for name, (table, split) in TABLES.items():
        runs = found_runs(name)
        if all(kind.startswith("legnet") for kind in runs):  # no fit to compare with
            continue
        print(f"### {TITLES[name]}: `{table} {' '.join(split)}`\n")
        for rows, measure in measures(name, runs, asked.data).items():
            found = scores(measure)
            print("\n".join(lines(TITLES[rows], measure, found)), flush=True)
            if rows != "valid":
                panels[TITLES[name] if rows == "test" else TITLES[rows]] = found
    if not panels:
        raise SystemExit(f"{KEPT}: holds no predictions of a fit; run few.py first")
    draw(panels, KEPT.with_suffix(".svg"))


if __name__ == "__main__":
    main()
