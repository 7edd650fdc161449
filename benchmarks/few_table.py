"""Compare what `few.py` ran: r over rows and seeds, and the ensemble of a fit with each of its rivals, in Markdown.

python benchmarks/few_table.py --data FOLDER [--work runs/few]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from few import ELSEWHERE, LEGNET, RESULTS, TABLES, elsewhere, models_of

from leanseq.evaluation.metrics import pearson
from leanseq.evaluation.paired import SeedDifference, compare_seeds, holm, moderate, score_seeds

PARTS = {
    "ensemble of fit": "prediction",
    "one network of it": "one_network",
    "boosted trees": "boosted_trees",
    "k-mer ridge": "kmer_ridge",
}
"""Model -> its column in the predictions of a fit."""


class Measure(NamedTuple):
    """Measured values of rows, their groups of homologs, and what the seeds of every model say of them."""

    expression: np.ndarray
    groups: np.ndarray | None
    said: dict[str, np.ndarray]


def folders(name: str, work: Path) -> dict[str, list[Path]]:
    """Finished runs of a table, seed by seed: those of `fit`, and those of each recipe of LegNet."""
    out: dict[str, list[Path]] = {}
    for key in json.loads(RESULTS.read_text()):
        table, kind = key.split(" ", 1)
        kind, seed = kind.rsplit(" seed ", 1)
        if table == name:
            recipe = kind if kind.startswith("legnet") else "fit"
            out.setdefault(recipe, []).append(work / f"{name}-{kind.replace(' ', '-')}-seed-{seed}")
    return out


def measures(name: str, work: Path, data: Path) -> dict[str, Measure]:
    """Everything that the models of a table were scored on."""
    found = folders(name, work)
    for each in [folder for group in found.values() for folder in group]:
        elsewhere(name, models_of(each), data, each)
    out = {}
    for rows in ("valid", "test", *ELSEWHERE.get(name, ())):
        frames = {kind: [_read(folder, rows) for folder in group] for kind, group in found.items()}
        first = frames["fit"][0]
        for frame in (frame for group in frames.values() for frame in group):
            if not frame["expression"].equals(first["expression"]):
                raise SystemExit(f"{name}, {rows}: runs were scored on different rows")
        said = {model: _stack(frames["fit"], column) for model, column in PARTS.items()}
        for recipe in LEGNET:
            if f"legnet {recipe}" in frames:
                said[f"LegNet full, {recipe} recipe"] = _stack(frames[f"legnet {recipe}"], "prediction")
        groups = first["group"].to_numpy() if "group" in first.columns else None
        out[rows] = Measure(first["expression"].to_numpy(), groups, said)
    return out


def _read(folder: Path, rows: str) -> pl.DataFrame:
    if rows in ("valid", "test"):
        return pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == rows)
    return pl.read_parquet(folder / f"elsewhere-{rows}.parquet")


def _stack(frames: list[pl.DataFrame], column: str) -> np.ndarray:
    return np.stack([frame[column].to_numpy() for frame in frames])


def compare(measure: Measure) -> dict[str, tuple[SeedDifference, float]]:
    """The ensemble minus each other model, with p adjusted for their number."""
    first, *others = measure.said
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


def _spreads(expression: np.ndarray, pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict:
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


def lines(name: str, work: Path, data: Path) -> list[str]:
    """The table of one table."""
    out = [f"### {TABLES[name][0]} ({' '.join(TABLES[name][1])})", ""]
    for rows, measure in measures(name, work, data).items():
        differences = compare(measure)
        out += [f"| {rows}, {len(measure.expression):,} rows | seeds | r | of each seed | ensemble minus it | p |"]
        out += ["| --- | --- | --- | --- | --- | --- |"]
        for model, said in measure.said.items():
            r = score_seeds(measure.expression, said, measure.groups)
            each = ", ".join(f"{pearson(measure.expression, one):.3f}" for one in said)
            gap = "| |"
            if model in differences:
                difference, p = differences[model]
                gap = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}) | {p:.2g} |"
            out += [f"| {model} | {len(said)} | {r.value:.3f} ({r.low:.3f} to {r.high:.3f}) | {each} | {gap}"]
        out += [""]
    return out


def main() -> None:
    """Print the tables of all that was run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/few"))
    asked = parser.parse_args()
    for name in TABLES:
        if "fit" in folders(name, asked.work):
            print("\n".join(lines(name, asked.work, asked.data)))


if __name__ == "__main__":
    main()
