"""How time and memory grow with the number of rows: preparing the data, and training an epoch on it."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
from loading import TABLE, apart, head, peak_mb, simulated

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
FITTED = 10_000
BYTES, DEVIATION = 300, 0.1
BATCH, STEPS, TURNS = 128, 5, 8
VIEW = 16  # bytes a row with which polars points to the text of a sequence; estimated_size leaves them out
NETWORK = {"size": "tiny", "batch": BATCH, "epochs": 1}


def prepare(path: Path) -> dict[str, Any]:
    """Do what `leanseq train` does before it trains, then make what training holds."""
    from leanseq.data.summary import fingerprint, summarise
    from leanseq.data.table import read_table
    from leanseq.runs.job import make_job
    from leanseq.runs.settings import Settings
    from leanseq.training.cpu import keep_memory
    from leanseq.training.learner import Learner

    settings, imports, times = Settings.make(**NETWORK), peak_mb(), [time.perf_counter()]
    table = read_table(path)
    times.append(time.perf_counter())
    keep_memory()
    job = make_job(table, settings, "cpu")
    times.append(time.perf_counter())
    fingerprint(table)
    summarise(table)
    times.append(time.perf_counter())
    data_peak, prepared, model = peak_mb(), job.prepared, job.model
    train = prepared.examples.take(prepared.split.train)
    learner = Learner(model.network, model.objective, model.channels, job.recipe, train, seed=0)
    batches = list(learner.rest_of_epoch())
    n, arrays = len(table), prepared.examples
    held = {
        "table": table.frame.estimated_size() / n + VIEW,
        "codes": arrays.codes.nbytes / n,
        "labels_weights_groups": (arrays.expression.nbytes + arrays.weight.nbytes + prepared.groups.nbytes) / n,
    }
    shown = sum(batch.rows.nbytes + batch.flipped.nbytes for batch in batches)
    training = {
        "copy_of_rows": train.codes.nbytes + train.expression.nbytes + train.weight.nbytes,
        "targets": learner.targets.nbytes,
        "other": learner.weights.nbytes + learner.integer.nbytes + learner.seen.nbytes + shown,
    }
    return {
        "rows": n,
        "seconds": times[-1] - times[0],
        "seconds_read": times[1] - times[0],
        "seconds_construct_split_leakage": times[2] - times[1],
        "seconds_fingerprint_summary": times[3] - times[2],
        "imports_mb": imports,
        "peak_mb": data_peak,
        "peak_mb_with_training_data": peak_mb(),
        "held_bytes_per_row": sum(held.values()),
        **{f"held_{name}": value for name, value in held.items()},
        "training_bytes_per_row": sum(training.values()) / len(train),
        **{f"training_{name}": value / len(train) for name, value in training.items()},
    }


class Epochs:
    """Training on a table, of which some steps at a time are timed."""

    def __init__(self, path: Path) -> None:
        from leanseq.data.table import read_table
        from leanseq.runs.job import make_job
        from leanseq.runs.settings import Settings
        from leanseq.training.inputs import Examples
        from leanseq.training.learner import Learner

        table = read_table(path)
        # the network, recipe and label scale come from the first rows, the same for every size
        first = type(table)(table.path, table.frame.head(SIZES[0]), table.first_line, table.unit)
        job = make_job(first, Settings.make(split="random", **NETWORK), "cpu")
        codes, n = job.prepared.construct.windows(table.sequences), len(table)
        rows = Examples(codes, table.expression, np.ones(n))
        model = job.model
        self.learner = Learner(model.network, model.objective, model.channels, job.recipe, rows, seed=0)
        self.valid = rows.take(np.arange(128))
        self.rows, self.whole = n, self.learner.steps_per_epoch
        self.steps, self.batching, self.ending = [], [], []

    def turn(self) -> None:
        """Time the making of an epoch's batches, some of its steps, spread over it, and its end."""
        learner, shown = self.learner, min(STEPS, self.whole)
        began = time.perf_counter()
        learner.step = 0
        batches = list(learner.rest_of_epoch())
        self.batching.append(time.perf_counter() - began)
        began = time.perf_counter()
        for place in np.linspace(0, self.whole - 1, shown).astype(int):
            learner.step = int(place)
            learner.learn(*batches[place], lr=1e-4)
        self.steps.append((time.perf_counter() - began) / shown)
        learner.shown, learner.step = self.rows, 0
        began = time.perf_counter()
        learner.finish_epoch(self.valid, 0.0)
        self.ending.append(time.perf_counter() - began)

    def seconds(self) -> dict[str, Any]:
        """An epoch, from the medians over the turns."""
        step, batching, ending = (common.median(times[1:]) for times in (self.steps, self.batching, self.ending))
        return {
            "rows": self.rows,
            "seconds": batching + self.whole * step + ending,
            "seconds_batches": batching,
            "seconds_a_step": step,
            "seconds_end": ending,
            "steps": self.whole,
            "steps_timed": (len(self.steps) - 1) * min(STEPS, self.whole),
        }


def train(paths: list[Path]) -> list[dict[str, Any]]:
    """Seconds of an epoch for every size, the sizes taking turns; the first turn warms up."""
    from leanseq.training.cpu import keep_memory

    keep_memory()
    sizes = [Epochs(path) for path in paths]
    for _ in range(1 + TURNS):
        for size in sizes:
            size.turn()
    return [size.seconds() for size in sizes]


def slope(rows: list[dict[str, Any]], name: str) -> float:
    """Exponent of the growth of a column with the rows: 1 is linear."""
    return float(np.polyfit(np.log([row["rows"] for row in rows]), np.log([row[name] for row in rows]), 1)[0])


def summary(prepared: list[dict[str, Any]], trained: list[dict[str, Any]]) -> dict[str, Any]:
    """Exponents of time, and memory a row between the two largest tables."""
    out: dict[str, Any] = {"what": "summary", "fitted_from": FITTED}
    large = [row for row in prepared if row["rows"] >= FITTED]
    if len(large) > 1:
        before, last = large[-2:]
        more = last["rows"] - before["rows"]
        for name in ("seconds", "seconds_read"):
            out[f"exponent_prepare_{name}"] = slope(large, name)
        for name in ("peak_mb", "peak_mb_with_training_data"):
            out[f"{name}_growth_bytes_per_row"] = (last[name] - before[name]) * 1e6 / more
        out["held_bytes_per_row"] = last["held_bytes_per_row"]
        out["peak_growth_under_300_bytes"] = out["peak_mb_growth_bytes_per_row"] < BYTES
    large = [row for row in trained if row["rows"] >= FITTED]
    if len(large) > 1:
        out["exponent_epoch"] = slope(large, "seconds")
        out["exponent_epoch_all_sizes"] = slope(trained, "seconds")
        out["linear_within_10_percent"] = abs(out["exponent_epoch"] - 1) <= DEVIATION
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="numbers of rows (default: %(default)s)")
    parser.add_argument("--table", type=Path, default=TABLE, help="simulated table, made if absent (%(default)s)")
    given = parser.parse_args()
    sizes = sorted(given.rows)
    simulated(given.table, sizes[-1])
    note = (
        "prepare: what leanseq train does before training (read, check, construct, split, leakage, codes, fingerprint, "
        "summary), each size in a process of its own. train: an epoch of legnet-optimized, "
        f"{NETWORK['size']}, batch {BATCH}; steps per epoch x median time of a step + batches + end of epoch (128 "
        f"validation rows). Only {STEPS} steps spread over an epoch are timed in each of {TURNS} turns; the sizes take "
        f"turns. Exponents: log-log fits from {FITTED:,} rows; 1 is linear. Up to 200,000 rows prepare groups rows by "
        "homology, above it splits at random."
    )
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = [head(given.table, n, Path(folder)) for n in sizes]
        for path in paths:
            rows.append({"what": "prepare", **apart(prepare, path)})
            common.save("scaling", rows, note)
        for row in apart(train, paths):
            rows.append({"what": "train", **row})
            common.save("scaling", rows, note)
    rows.append(summary(*([row for row in rows if row["what"] == what] for what in ("prepare", "train"))))
    common.save("scaling", rows, note)


if __name__ == "__main__":
    main()
