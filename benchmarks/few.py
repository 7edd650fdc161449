"""What `leanseq fit` reaches with few sequences, on real tables: each fit with three seeds, test rows scored once.

    python benchmarks/few.py --data FOLDER [--only native abf1] [--seeds 3] [--budget 10m]
    python benchmarks/few.py --data FOLDER [--only native abf1] [--seeds 3] --legnet default

The second line trains LegNet at its full size instead, on the same rows.

FOLDER holds the tables that `docs/data.md` names. Results are added to `benchmarks/results/few.json` as they come; what
is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import leanseq
from leanseq.evaluation.bootstrap import bootstrap

RESULTS = Path(__file__).parent / "results" / "few.json"
TABLES = {
    "native": ("yeast_native80.tsv", ["--train", "10240"]),
    "abf1": ("yeast_random_abf1tata.tsv", ["--train", "10240", "--valid", "2048"]),
    "dream": ("yeast_random_dream.tsv", ["--train", "5120", "--valid", "1024"]),
    "k562": ("human_lentimpra_k562.tsv", ["--train", "2000"]),
}
"""Name -> table, and how it is split."""

LEGNET = {
    "default": [],
    "published": [
        "--model",
        "legnet-dream2022",
        "--reverse",
        "--singleton",
        "--strands",
        "both",
        "--batch",
        "1024",
        "--lr",
        "5e-3",
        "--weight-decay",
        "0.01",
        "--clip",
        "0",
    ],
}
"""Recipe -> options of `leanseq train`, for 8 epochs: ours, and that of the network's paper (docs/models.md)."""


def elsewhere(name: str, model: leanseq.Ensemble | leanseq.Model, data: Path) -> dict[str, dict[str, float]]:
    """Scores on tables of other experiments, which took no part in the fit."""
    if name == "native":
        return {"dream_random": _random(model, data), "snv": _snv(model, data)}
    return {"hq": _table(model, pl.read_csv(data / "yeast_random_hq.tsv", separator="\t"))} if name == "dream" else {}


def _random(model: leanseq.Ensemble | leanseq.Model, data: Path) -> dict[str, float]:
    public = pl.read_csv(data / "yeast_dream_public.tsv", separator="\t")
    return _table(model, public.filter(pl.col("is_random") == 1))


def _table(model: leanseq.Ensemble | leanseq.Model, table: pl.DataFrame) -> dict[str, float]:
    predicted = model.predict(table["sequence"].to_list(), misfits="skip")
    return _score(table["expression"].to_numpy(), predicted)


def _snv(model: leanseq.Ensemble | leanseq.Model, data: Path) -> dict[str, float]:
    pairs = pl.read_csv(data / "yeast_dream_public_snv.tsv", separator="\t")
    a, b = (model.predict(pairs[f"{side}_sequence"].to_list(), misfits="skip") for side in "ab")
    return _score(pairs["delta"].to_numpy(), b - a)


def _score(measured: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    known = np.isfinite(predicted)
    r = bootstrap("pearson", measured[known], predicted[known])
    return {"r": r.value, "low": r.low, "high": r.high, "n": int(known.sum())}


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
        "elsewhere": elsewhere(name, leanseq.load(folder), data),
    }


def legnet(name: str, recipe: str, seed: int, data: Path, work: Path) -> dict[str, Any]:
    """Train LegNet at its full size and read what the run says of itself."""
    table, split = TABLES[name]
    folder = work / f"{name}-legnet-{recipe}-seed-{seed}"
    command = ["train", table, *split, *LEGNET[recipe], "--seed", str(seed)]
    seconds = _run(command, data, "--output", folder, *(["--resume"] if folder.exists() else []))
    run = json.loads((folder / "run.json").read_text())
    return {
        "command": ["leanseq", *command],
        "seconds": round(seconds, 1),
        "leanseq": run["leanseq"],
        "hardware": run["hardware"],
        "r": _r(json.loads((folder / "metrics.json").read_text())),
        "elsewhere": elsewhere(name, leanseq.load(folder), data),
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
    parser.add_argument("--legnet", choices=list(LEGNET))
    parser.add_argument("--work", type=Path, default=Path("runs/few"))
    asked = parser.parse_args()
    for name in asked.only:
        for seed in range(asked.seeds):
            kind = f"legnet {asked.legnet}" if asked.legnet else asked.budget
            key = f"{name} {kind} seed {seed}"
            done = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            if key in done:
                continue
            if asked.legnet:
                done[key] = legnet(name, asked.legnet, seed, asked.data, asked.work)
            else:
                done[key] = fit(name, asked.budget, seed, asked.data, asked.work)
            RESULTS.write_text(json.dumps(done, indent=1) + "\n")


if __name__ == "__main__":
    main()
