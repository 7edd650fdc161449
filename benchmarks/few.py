"""What `leanseq fit` reaches with few sequences, on real tables: each fit with three seeds, test rows scored once.

    python benchmarks/few.py --data FOLDER [--only native abf1] [--seeds 3] [--budget 10m]

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


def elsewhere(name: str, model: leanseq.Ensemble, data: Path) -> dict[str, dict[str, float]]:
    """Scores on tables of other experiments, which took no part in the fit."""
    if name == "native":
        return {"dream_random": _random(model, data), "snv": _snv(model, data)}
    return {"hq": _table(model, pl.read_csv(data / "yeast_random_hq.tsv", separator="\t"))} if name == "dream" else {}


def _random(model: leanseq.Ensemble, data: Path) -> dict[str, float]:
    public = pl.read_csv(data / "yeast_dream_public.tsv", separator="\t")
    return _table(model, public.filter(pl.col("is_random") == 1))


def _table(model: leanseq.Ensemble, table: pl.DataFrame) -> dict[str, float]:
    predicted = model.predict(table["sequence"].to_list(), misfits="skip")
    return _score(table["expression"].to_numpy(), predicted)


def _snv(model: leanseq.Ensemble, data: Path) -> dict[str, float]:
    pairs = pl.read_csv(data / "yeast_dream_public_snv.tsv", separator="\t")
    a, b = (model.predict(pairs[f"{side}_sequence"].to_list(), misfits="skip") for side in "ab")
    return _score(pairs["delta"].to_numpy(), b - a)


def _score(measured: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    known = np.isfinite(predicted)
    r = bootstrap("pearson", measured[known], predicted[known])
    return {"r": r.value, "low": r.low, "high": r.high, "n": int(known.sum())}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--work", type=Path, default=Path("runs/few"))
    asked = parser.parse_args()
    for name in asked.only:
        table, split = TABLES[name]
        for seed in range(asked.seeds):
            key = f"{name} {asked.budget} seed {seed}"
            done = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            if key in done:
                continue
            folder, began = asked.work / key.replace(" ", "-"), time.perf_counter()
            command = ["fit", table, *split, "--budget", asked.budget, "--seed", str(100 * seed)]
            where = ["--output", str(folder), "--store", str(asked.work / "store")]
            code = "import sys; from leanseq.cli import main; main(sys.argv[1:])"
            subprocess.run(
                [sys.executable, "-c", code, "fit", str(asked.data / table), *command[2:], *where], check=True
            )
            seconds = time.perf_counter() - began
            metrics = json.loads((folder / "metrics.json").read_text())
            record = json.loads((folder / "fit.json").read_text())
            done[key] = {
                "command": ["leanseq", *command],
                "seconds": round(seconds, 1),
                "members": record["members"],
                "epochs": record["recipe"]["epochs"],
                "leanseq": record["leanseq"],
                "hardware": record["hardware"],
                "r": {f"{each['model']} {each['split']}": each["r"] for each in metrics["results"]},
                **{part: metrics[part] for part in ("weights", "coverage", "unfamiliar", "rows")},
                "elsewhere": elsewhere(name, leanseq.load(folder), asked.data),
            }
            RESULTS.write_text(json.dumps(done, indent=1) + "\n")


if __name__ == "__main__":
    main()
