"""Seconds of training until a network predicts real promoters with a given r: plain reference against leanseq."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np
from contest import Contender, initial_weights, take_turns

TARGETS = (0.566, 0.65)
TABLE = "yeast_random_abf1tata.tsv"
CONTENDERS: dict[str, dict[str, Any]] = {
    "leanseq, legnet-optimized, default recipe": {},
    "leanseq, legnet-optimized small, default recipe": {"size": "small"},
    "leanseq, legnet-optimized tiny, default recipe": {"size": "tiny"},
}
"""Settings of leanseq for all but LegNet's own recipe."""
REFERENCE = "reference, legnet-dream2022, published recipe"
SAME_AS_REFERENCE = "leanseq, legnet-dream2022, published recipe"

Curve = list[tuple[float, float]]
"""Seconds and validation r after every epoch."""


def make_job(table: str, values: dict[str, Any]) -> Any:
    """Leanseq's rows, untrained model and recipe."""
    from leanseq.data.table import read_table
    from leanseq.runs.job import make_job
    from leanseq.runs.settings import Settings

    return make_job(read_table(table), Settings.make(**values), "cpu")


def leanseq(table: str, values: dict[str, Any]) -> Callable[[], Curve]:
    """Set up a training by leanseq; gives a function that runs it."""
    from leanseq.training.cpu import Processor
    from leanseq.training.fit import Watcher, fit

    Processor().prepare()
    job = make_job(table, values)
    train, valid = (job.prepared.examples.take(rows) for rows in job.prepared.split[:2])
    model = job.model

    def run() -> Curve:
        curve: Curve = []
        began = time.perf_counter()
        watcher = Watcher(epoch=lambda record: curve.append((time.perf_counter() - began, record.valid_r)))
        fit(model.network, model.objective, model.channels, job.recipe, train, valid, seed=0, watcher=watcher)
        return curve

    return run


def reference(data: dict[str, Any]) -> Callable[..., Any]:
    """Set up the plain pipeline; gives a function that trains, or makes one step or one validation look."""
    from reference import SequenceDataset, Trainer, forever, load_batches, plain_network, predict_batched

    network = plain_network("legnet-dream2022", data["size"], 6, data["weights"])
    trainer = Trainer(network, sum(map(len, data["order"])), data["lr"], data["weight_decay"])
    dataset = SequenceDataset(data["train"], data["train_labels"], 6)
    batches = forever(load_batches(dataset, data["order"][0]))

    def look() -> float:
        predicted = predict_batched(network, data["valid"], 6)
        return float(np.corrcoef(predicted, data["valid_labels"])[0, 1])

    def run(what: str) -> Any:
        if what == "step":
            return trainer.step(*next(batches))
        if what == "look":
            return look()
        began, curve = time.perf_counter(), []
        for epoch in data["order"]:
            for batch in load_batches(dataset, epoch):
                trainer.step(*batch)
            r = look()
            curve.append((time.perf_counter() - began, r))
        return curve

    return run


def reference_data(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """Strings, labels, first weights and order of rows of the same training, for the plain pipeline."""
    from leanseq.data.encoding import decode
    from leanseq.training.batches import epoch_batches

    job = make_job(table, values)
    train, valid = (job.prepared.examples.take(rows) for rows in job.prepared.split[:2])
    rows, recipe, size = len(train), job.recipe, values.get("size", "full")
    epochs = [epoch_batches(recipe, rows, 0, epoch) for epoch in range(recipe.epochs)]
    return {
        "size": size,
        "weights": initial_weights(values["model"], size, 6),
        "lr": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "order": [[(batch.rows + rows * batch.flipped).tolist() for batch in epoch] for epoch in epochs],
        "train": decode(train.codes),
        "train_labels": train.expression.tolist(),
        "valid": decode(valid.codes),
        "valid_labels": valid.expression.tolist(),
    }


def computed_curve(curve: Curve, table: str, values: dict[str, Any], repeats: int) -> Curve:
    """The reference's curve: the r of leanseq's same training at the reference's measured pace."""
    data = reference_data(table, values)
    with Contender(reference, data) as plain:
        works = {"step": lambda: plain.work("step"), "look": lambda: plain.work("look")}
        pace = take_turns(works, repeats)
    epoch = len(data["order"][0]) * pace["step"] + pace["look"]
    return [(epoch * (index + 1), r) for index, (_, r) in enumerate(curve)]


def row(name: str, curve: Curve, *, computed: bool) -> dict[str, Any]:
    """One row of the results."""
    reached = {f"seconds_to_{target}": next((s for s, r in curve if r >= target), None) for target in TARGETS}
    best = float(np.nanmax([r for _, r in curve]))
    total = curve[-1][0]
    return {
        "contender": name,
        "epochs": len(curve),
        **reached,
        "best_r": best,
        "seconds": total,
        "computed": computed,
        "curve": curve,
    }


def find_table(given: str | None) -> str:
    """The table named, or the one in LEANSEQ_DATA or in shared/data beside the repository."""
    folder = Path(os.environ.get("LEANSEQ_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    path = Path(given) if given else folder / TABLE
    if not path.is_file():
        raise SystemExit(f"{path}: no such table; name it with --table, or its folder in LEANSEQ_DATA")
    return str(path)


def main() -> None:
    """Train every contender that has no result yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", help=TABLE)
    parser.add_argument("--train", type=int, default=10_240)
    parser.add_argument("--valid", type=int, default=2_048)
    parser.add_argument("--epochs-published", type=int, default=40, help="of the published recipe, both strands each")
    parser.add_argument("--epochs-default", type=int, default=8, help="of leanseq's recipe")
    parser.add_argument("--size-published", default="full", help="smaller for a trial")
    parser.add_argument("--only", default="", help="contenders whose name holds this")
    parser.add_argument("--repeats", type=int, default=3, help="turns that measure the reference's pace")
    parser.add_argument("--run-reference", action="store_true", help="train the reference too: hours")
    parser.add_argument("--again", action="store_true", help="forget former results")
    chosen = parser.parse_args()

    from leanseq.lab.recipe import LEGNET  # not at the top, as the reference's process has no leanseq

    table = find_table(chosen.table)
    data = {"train": str(chosen.train), "valid": str(chosen.valid), "test": "rest", "split_seed": 0}
    published = {**data, **LEGNET["published"], "epochs": chosen.epochs_published, "size": chosen.size_published}
    note = (
        f"Seconds of training and of one look at {chosen.valid:,} validation rows an epoch, {chosen.train:,} training "
        f"rows of {Path(table).name}, until validation r reaches the target. computed: the reference gives the same "
        "numbers to rounding, so its r are those of leanseq's same training and its seconds the number of steps times "
        "its own measured pace."
    )
    rows = [] if chosen.again else common.saved("time_to_accuracy")

    def wanted(name: str) -> bool:
        return chosen.only in name and name not in [row["contender"] for row in rows]

    def keep(name: str, curve: Curve, computed: bool = False) -> None:
        rows.append(row(name, curve, computed=computed))
        common.save("time_to_accuracy", rows, note)

    default = {**data, "epochs": chosen.epochs_default}
    contenders = {SAME_AS_REFERENCE: published, **{name: {**default, **own} for name, own in CONTENDERS.items()}}
    for name, settings in contenders.items():
        if wanted(name):
            with Contender(leanseq, table, settings) as ours:
                ours.work()
                keep(name, ours.result)
        same = next((one for one in rows if one["contender"] == name == SAME_AS_REFERENCE), None)
        if same and not chosen.run_reference and wanted(REFERENCE):
            keep(REFERENCE, computed_curve(same["curve"], table, published, chosen.repeats), computed=True)
    if chosen.run_reference and wanted(f"{REFERENCE}, run"):
        with Contender(reference, reference_data(table, published)) as plain:
            plain.work("run")
            keep(f"{REFERENCE}, run", plain.result)


if __name__ == "__main__":
    main()
