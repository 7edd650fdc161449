"""What `leanseq fit` reaches with few sequences, on real tables: each fit with three seeds, test rows scored once.

    python benchmarks/few.py --data FOLDER [--only native abf1] [--seeds 3] [--budget 10m]
    python benchmarks/few.py --data FOLDER [--only native abf1] [--seeds 3] --legnet default

The second line trains one network instead, on the same rows: LegNet at its full size (`default`, `published` or
`report`), or the lean one of a fit for less than a third of its time (`lean`).

FOLDER holds the tables that `docs/data.md` names. Results are added to `benchmarks/results/few` as they come:
`runs.json`, and what each run predicted. What is there is not run again. `few_table.py` compares them.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

import leanseq
from leanseq.baselines import RIDGE, TREES, Baseline, column
from leanseq.baselines.storage import file_name, from_bytes
from leanseq.lab.recipe import EPOCHS, LEGNET, ROWS, lean_settings
from leanseq.runs.settings import Settings

KEPT = Path(__file__).parent / "results" / "few"
RUNS = KEPT / "runs.json"
TABLES = {
    "native": ("yeast_native80.tsv", ["--train", "10240"]),
    "abf1": ("yeast_random_abf1tata.tsv", ["--train", "10240", "--valid", "2048"]),
    "dream": ("yeast_random_dream.tsv", ["--train", "5120", "--valid", "1024"]),
    "k562": ("human_lentimpra_k562.tsv", ["--train", "2000"]),
}
"""Name -> table, and how it is split."""

RECIPES: dict[str, dict[str, Any]] = {
    **LEGNET,
    "report": {"model": "legnet-dream2022", "batch": 8, "stream": 2000, "epochs": 8, "lr": 1e-5, "weight_decay": 0.01},
    "lean": lean_settings(ROWS, 10 / EPOCHS),
}
"""Settings of `leanseq train`, by name.

LegNet full for 8 epochs, with our recipe and with that of its paper; for the 2,000 steps of the student report at its
rate of 4e-7, taken as the start of a cycle (studies/table-2.toml); and the network of a fit for 10 epochs, less than a
third of the first one's time.
"""
LONGEST = {"native": 110, "abf1": 127, "dream": 135, "k562": 230}
"""Window of the longest row, to which the lean network keeps as in a fit."""


class Elsewhere(NamedTuple):
    """Rows of another experiment, which takes no part in a fit: a file, its measured column, and what to predict.

    Attributes
    ----------
    sequences
        Column of sequences, or two: the second minus the first is predicted.
    where
        Rows to take.
    """

    file: str
    measured: str
    sequences: tuple[str, ...] = ("sequence",)
    where: pl.Expr = pl.lit(value=True)


OTHERS = {
    "dream_random": Elsewhere("yeast_dream_public.tsv", "expression", where=pl.col("is_random") == 1),
    "snv": Elsewhere("yeast_dream_public_snv.tsv", "delta", ("a_sequence", "b_sequence")),
    "hq": Elsewhere("yeast_random_hq.tsv", "expression"),
}
ELSEWHERE = {"native": ("dream_random", "snv"), "dream": ("hq",)}
"""Table -> those of other experiments that its models are scored on."""


def keep(key: str, folder: Path, data: Path) -> None:
    """Keep what a run predicts, in thousandths, by the rows of each table: few_table.py needs no folder of a run."""
    models = models_of(folder)
    own = pl.read_parquet(folder / "predictions.parquet").rename({"split": "rows"})
    parts = [own, *(_elsewhere(name, models, data) for name in ELSEWHERE.get(key.split()[0], ()))]
    places = [pl.col("rows"), pl.col("row", "group").cast(pl.Int32)]
    said = [(pl.col(name) * 1000).round().cast(pl.Int16) for name in models]
    KEPT.mkdir(parents=True, exist_ok=True)
    pl.concat(parts, how="diagonal_relaxed").select(places + said).write_parquet(kept(key), compression_level=19)


def kept(key: str) -> Path:
    """Where the predictions of a run are kept."""
    return KEPT / f"{key.replace(' ', '-')}.parquet"


def _elsewhere(name: str, models: dict[str, leanseq.Ensemble | leanseq.Model], data: Path) -> pl.DataFrame:
    file, measured, sequences, where = OTHERS[name]
    table = pl.read_csv(data / file, separator="\t").with_row_index("row", 1)
    table = table.filter(where, pl.col(measured).cast(pl.Float64).is_finite())
    *before, after = (table[column].to_list() for column in sequences)
    said = {
        model: each.predict(after, misfits="skip") - sum(each.predict(one, misfits="skip") for one in before)
        for model, each in models.items()
    }
    fits = pl.all_horizontal(pl.col(*said).is_finite())  # not a row of another construct
    return table.select("row", rows=pl.lit(name)).with_columns(**said).filter(fits)


def models_of(folder: Path) -> dict[str, leanseq.Ensemble | leanseq.Model]:
    """The ensemble of a fit and its parts alone, by their columns in `predictions.parquet`; or the network of a run."""
    whole = leanseq.load(folder)
    if isinstance(whole, leanseq.Model):
        return {"prediction": whole}
    alone = {
        column(name): replace(
            whole, networks=(), baselines={name: _baseline(name, folder)}, weights=(1.0,), intercept=0.0
        )
        for name in (TREES, RIDGE)
    }
    return {"prediction": whole, "one_network": whole.networks[0], **alone}


def _baseline(name: str, folder: Path) -> Baseline:
    return from_bytes(name, (folder / "baselines" / file_name(name)).read_bytes())


def fit(name: str, budget: str, seed: int, data: Path, work: Path) -> dict[str, Any]:
    """Run `leanseq fit` and read what it says of itself."""
    table, split = TABLES[name]
    folder = work / f"{name}-{budget}-seed-{seed}"
    command = ["fit", table, *split, "--budget", budget, "--seed", str(100 * seed)]
    seconds = _run(command, data, "--output", folder, "--store", work / "store")
    metrics, record = (json.loads((folder / file).read_text()) for file in ("metrics.json", "fit.json"))
    return {
        "command": ["leanseq", *command],
        "seconds": round(seconds, 1),
        "members": record["members"],
        "epochs": record["recipe"]["epochs"],
        "leanseq": record["leanseq"],
        "hardware": record["hardware"],
        "r": _r(metrics),
        **{part: metrics[part] for part in ("weights", "coverage", "unfamiliar", "rows")},
    }


def legnet(name: str, recipe: str, seed: int, data: Path, work: Path) -> dict[str, Any]:
    """Train one network and read what the run says of itself."""
    table, split = TABLES[name]
    window = {"length": LONGEST[name]} if recipe == "lean" else {}
    folder = work / f"{name}-legnet-{recipe}-seed-{seed}"
    command = shlex.split(Settings.make(**RECIPES[recipe], **window, seed=seed).command(table))[1:] + split
    seconds = _run(command, data, "--output", folder, *(["--resume"] if folder.exists() else []))
    run = json.loads((folder / "run.json").read_text())
    return {
        "command": ["leanseq", *command],
        "seconds": round(seconds, 1),
        "leanseq": run["leanseq"],
        "hardware": run["hardware"],
        "r": _r(json.loads((folder / "metrics.json").read_text())),
    }


def _run(command: list[str], data: Path, *where: object) -> float:
    """Run a command of leanseq on a table of the folder; seconds."""
    code, began = "import sys; from leanseq.cli import main; main(sys.argv[1:])", time.perf_counter()
    task, table, *rest = command
    subprocess.run([sys.executable, "-c", code, task, str(data / table), *rest, *map(str, where)], check=True)
    return time.perf_counter() - began


def _r(metrics: dict[str, Any]) -> dict[str, Any]:
    return {f"{each['model']} {each['split']}": each["r"] for each in metrics["results"]}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--legnet", choices=list(RECIPES))
    parser.add_argument("--work", type=Path, default=Path("runs/few"))
    asked = parser.parse_args()
    for name in asked.only:
        for seed in range(asked.seeds):
            kind = f"legnet {asked.legnet}" if asked.legnet else asked.budget
            key = f"{name} {kind} seed {seed}"
            done = json.loads(RUNS.read_text()) if RUNS.exists() else {}
            if key in done and kept(key).exists():
                continue
            if asked.legnet:
                done[key] = legnet(name, asked.legnet, seed, asked.data, asked.work)
            else:
                done[key] = fit(name, asked.budget, seed, asked.data, asked.work)
            keep(key, asked.work / key.replace(" ", "-"), asked.data)
            RUNS.write_text(json.dumps(done, indent=1) + "\n")


if __name__ == "__main__":
    main()
