"""Predictions of a run and of its baselines, scored on the same rows; writes `metrics.json` and the predictions."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int64

from ..apply.bundle import Model
from ..baselines import BASELINES, CONSTANT, SETS, TREES, Baseline, BoostedTrees, column
from ..data.motifs import motifs_of
from ..data.table import Table
from ..evaluation.bootstrap import Interval, bootstrap, bootstrap_mean, compare
from ..evaluation.ceiling import noise_ceiling
from ..files import atomic_path, write_json
from ..training.evaluate import activated_outputs
from ..training.inputs import Examples
from ..training.objectives import Objective
from .folder import METRICS, PREDICTIONS
from .job import Job
from .prepare import Prepared

SELECTION = {
    "last": "The last epoch was kept; the validation rows chose nothing but {chosen}.",
    "patience": "Training stopped when validation r no longer rose, so the validation figures are a little too high.",
    "best": "The epoch with the best validation r was kept, so the validation figures are too high; trust the test.",
}
MEASURES = {"r": "pearson", "rho": "spearman", "mse": "mse", "r2": "r2"}


@dataclass(frozen=True)
class Answer:
    """What one model says about rows: expression, KL of each row where it predicts bins, training seconds."""

    model: str
    expression: Float[np.ndarray, " n"]
    kl: Float[np.ndarray, " n"] | None
    seconds: float


def evaluate(
    folder: Path, table: Table, job: Job, seconds: float, baselines: Sequence[str] = SETS["quick"]
) -> dict[str, Any]:
    """Score a trained network and its baselines on validation and test rows; write predictions and metrics.

    `seconds` is what the training took; `baselines` are keys of `BASELINES`.
    """
    prepared, model = job.prepared, job.model
    parts = {"valid": prepared.split.valid, "test": prepared.split.test}
    asked = np.concatenate(list(parts.values()))
    own = _answer(model, prepared, asked, seconds)
    answers = [own, *baseline_answers(prepared, model.objective, asked, baselines)]
    ceiling = noise_ceiling(table.frame)
    train = prepared.examples.expression[prepared.split.train]
    results, differences = tabulate(answers, parts, prepared, ceiling.r)
    frame = prediction_frame(answers, parts, prepared, table)
    with atomic_path(folder / PREDICTIONS) as path:
        frame.write_parquet(path)
    metrics = {
        "selection": SELECTION[
            "patience" if job.recipe.patience and job.recipe.select == "last" else job.recipe.select
        ].format(chosen="the penalty of the k-mer ridge" + " and the number of trees" * (TREES in baselines)),
        "ceiling": {"r": ceiling.r, "words": ceiling.words},
        "loss": "KL" if model.objective.kind == "kl" else "MSE",
        "no_skill": model.objective.no_skill(train, prepared.examples.expression[parts["valid"]]),
        "rows": {
            "train": len(train),
            **{split: len(rows) for split, rows in parts.items()},
            "left_out": len(table) - len(train) - len(asked),
        },
        "results": results,
        "differences": differences,
    }
    write_json(folder / METRICS, metrics)
    return metrics


def tabulate(
    answers: Sequence[Answer],
    parts: Mapping[str, Int64[np.ndarray, " rows"]],
    prepared: Prepared,
    ceiling: float | None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Scores of every answer on each part, and differences in r of the first to the others.

    Parameters
    ----------
    answers
        About the rows of all parts, one part after the other.
    parts
        Name of a split -> its rows.
    prepared
        The table.
    ceiling
        Noise ceiling of r.
    """
    results, differences, start = [], [], 0
    for split, rows in parts.items():
        if not len(rows):
            continue
        place = slice(start, start := start + len(rows))
        here = [replace(a, expression=a.expression[place], kl=None if a.kl is None else a.kl[place]) for a in answers]
        examples, groups = prepared.examples.take(rows), prepared.groups[rows]
        results += [score(answer, split, examples, groups, ceiling) for answer in here]
        others = (answer for answer in here[1:] if answer.model != CONSTANT)  # its r is undefined
        differences += [difference(split, here[0], other, examples, groups) for other in others]
    return results, differences


def prediction_frame(
    answers: Sequence[Answer], parts: Mapping[str, Int64[np.ndarray, " rows"]], prepared: Prepared, table: Table
) -> pl.DataFrame:
    """Content of `predictions.parquet`: the first answer is the prediction, the others have their own columns."""
    asked = np.concatenate(list(parts.values()))
    frame = pl.DataFrame(
        {
            "row": asked + 1,
            "split": [split for split, rows in parts.items() for _ in rows],
            "group": prepared.groups[asked],
            "expression": prepared.examples.expression[asked],
            "prediction": answers[0].expression,
            **{column(answer.model): answer.expression for answer in answers[1:]},
        }
    )
    return frame.insert_column(0, table.frame["id"][asked]) if "id" in table.frame.columns else frame


def _answer(model: Model, prepared: Prepared, rows: np.ndarray, seconds: float) -> Answer:
    codes, values = prepared.examples.codes[rows], prepared.examples.expression[rows]
    activated = activated_outputs(
        model.network, model.objective, model.channels, codes, both_strands=model.both_strands
    )
    kl = None
    if model.objective.kind == "kl":
        kl = model.objective.loss_of_activated(activated, model.objective.targets(values)).double().numpy()
    return Answer(
        str(model.network.config["spec"]), model.objective.expression(activated).double().numpy(), kl, seconds
    )


def baseline_answers(
    prepared: Prepared,
    objective: Objective,
    rows: Int64[np.ndarray, " n"],
    baselines: Sequence[str] = SETS["quick"],
) -> list[Answer]:
    """Train baselines, keys of `BASELINES`, and ask them about `rows`.

    The ridge's penalty and the number of trees are chosen on the validation rows, which flatters them a little there.
    """
    asked, out = prepared.examples.take(rows), []
    train = prepared.examples.expression[prepared.split.train]
    for name in baselines:
        began = time.perf_counter()
        model = fit_baseline(name, prepared)
        seconds = time.perf_counter() - began
        known = name == CONSTANT and objective.kind == "kl"
        kl = objective.constant_losses(train, asked.expression) if known else None
        out.append(Answer(name, np.asarray(model.predict(asked.codes), dtype=np.float64), kl, seconds))
    return out


def fit_baseline(name: str, prepared: Prepared) -> Baseline:
    """Train a baseline, a key of `BASELINES`, on the training rows; validation rows choose its options."""
    train, valid = (prepared.examples.take(part) for part in prepared.split[:2])
    fitted = train.codes, train.expression, valid.codes, valid.expression, train.weight
    kind = BASELINES[name]
    if kind is BoostedTrees:
        return BoostedTrees.fit(*fitted, motifs=motifs_of(prepared.construct.organism))
    return kind.fit(*fitted)


def score(
    answer: Answer,
    split: str,
    rows: Examples,
    groups: Int64[np.ndarray, " n"],
    ceiling: float | None,
) -> dict[str, Any]:
    """All measures of one answer on the rows of one split, with 95 % bootstrap intervals over groups of rows."""
    out: dict[str, Any] = {"model": answer.model, "split": split, "n": len(rows)}
    for name, metric in MEASURES.items():
        out[name] = _plain(bootstrap(metric, rows.expression, answer.expression, by=groups))  # pyright: ignore[reportArgumentType]
    out["kl"] = None if answer.kl is None else _plain(bootstrap_mean(answer.kl, by=groups))
    out["seconds"] = answer.seconds
    out["share_of_ceiling"] = out["r"]["value"] / ceiling if ceiling and out["r"] else None
    return out


def difference(split: str, a: Answer, b: Answer, rows: Examples, groups: Int64[np.ndarray, " n"]) -> dict[str, Any]:
    """Paired difference in r between two answers about the same rows."""
    found = compare("pearson", rows.expression, a.expression, b.expression, by=groups)
    return {"split": split, "a": a.model, "b": b.model, "measure": "r", **found._asdict()}


def _plain(interval: Interval) -> dict[str, float] | None:
    return None if math.isnan(interval.value) else interval._asdict()
