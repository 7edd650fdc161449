"""Networks and baselines that were trained become one model, judged once on test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float

from ..apply.bundle import Model
from ..apply.ensemble import Ensemble
from ..baselines import RIDGE, TREES
from ..baselines.familiarity import Familiarity
from ..data.table import Table
from ..evaluation.ceiling import noise_ceiling
from ..evaluation.conformal import Conformal, coverage
from ..runs.prepare import Prepared
from ..runs.scores import Answer, prediction_frame, tabulate
from .stack import held_out, stack

ENSEMBLE, NETWORKS, NETWORK = "ensemble", "its networks alone", "one network"
"""The whole, the mean of its networks that were trained longest, and the first of them, in tables."""
LEGNETS = {"default": "LegNet", "published": "LegNet as published"}
"""Recipe of `LEGNET` -> name of the plain network at full size, a line to clear."""
STACKED = (TREES, RIDGE)
"""Baselines that may become a part of the whole; the others are lines to clear."""
LEVEL = 0.9
"""Chance that a new sequence lies in its interval."""
SELECTION = (
    "Validation rows chose the weights of the parts, the number of trees and the penalty of the k-mer ridge, so "
    "validation figures are a little too high, though the ensemble's are of weights fitted on other validation rows. "
    "Test rows chose nothing."
)


class Trained(NamedTuple):
    """A network or a baseline, and the seconds that its training took."""

    model: Any
    seconds: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """The whole and what it is worth.

    Attributes
    ----------
    ensemble
        Ready to predict.
    metrics
        As `metrics.json` of a run, and `weights` of each kind of model, `coverage` of the intervals and share of
        `unfamiliar` rows by split.
    predictions
        As `predictions.parquet` of a run, with the limits of the intervals.
    """

    ensemble: Ensemble
    metrics: dict[str, Any]
    predictions: pl.DataFrame


def assemble(
    table: Table,
    prepared: Prepared,
    networks: Mapping[int, Sequence[Trained]],
    lines: Mapping[str, Trained],
) -> Fitted:
    """Weigh all models on validation rows, calibrate on them, and look at the test rows once.

    Parameters
    ----------
    table, prepared
        The measured rows and their split.
    networks
        Trained networks by their epochs, those trained longest first; may be none. Each length has a weight.
    lines
        Trained baselines by their names in `BASELINES`, of which those in `STACKED` become parts; and one of
        `LEGNETS`, if it is compared with.
    """
    split = {"valid": prepared.split.valid, "test": prepared.split.test}
    codes, values = prepared.examples.codes, prepared.examples.expression
    models, counts = [each.model for group in networks.values() for each in group], [*map(len, networks.values())]
    stacked = {name: lines[name].model for name in STACKED if name in lines}
    whole = Ensemble(tuple(models), stacked, (1.0,) * (len(models) + len(stacked)), 0.0, prepared.construct)
    parts = {name: whole.parts(codes[rows]) for name, rows in split.items()}

    measured = values[split["valid"]]
    kinds = _kinds(parts["valid"], counts)
    found = stack(kinds, measured)
    ensemble, kept = _weighted(whole, counts, found.weights, found.intercept)
    spread = {name: ensemble.spread(each[kept]) for name, each in parts.items()}
    honest = held_out(kinds, measured, prepared.groups[split["valid"]])
    intervals = Conformal.fit(honest, spread["valid"], measured, level=LEVEL)
    familiarity = Familiarity.fit(codes[prepared.split.train], codes[split["valid"]])
    ensemble = replace(ensemble, intervals=intervals, familiarity=familiarity)
    said = {"valid": honest, "test": ensemble.combine(parts["test"][kept])}

    answers = _answers(said, parts, codes, split, networks, lines)
    ceiling = noise_ceiling(table.frame)
    results, differences = tabulate(answers, split, prepared, ceiling.r)
    bands = {name: intervals.interval(said[name], spread[name]) for name in split}
    names = [*(f"networks of {epochs} epochs" for epochs in networks), *stacked]
    return Fitted(
        ensemble,
        {
            "selection": SELECTION,
            "ceiling": {"r": ceiling.r, "words": ceiling.words},
            "loss": "MSE",
            "no_skill": {"constant": float(np.mean((measured - values[prepared.split.train].mean()) ** 2))},
            "weights": dict(zip(names, map(float, found.weights), strict=True)),
            "coverage": {
                name: coverage(values[rows], *bands[name])._asdict() for name, rows in split.items() if len(rows)
            },
            "unfamiliar": {
                name: float(np.mean([bool(each) for each in familiarity.reasons(codes[rows])]))
                for name, rows in split.items()
                if len(rows)
            },
            "rows": {"train": len(prepared.split.train), **{name: len(rows) for name, rows in split.items()}},
            "results": results,
            "differences": differences,
        },
        prediction_frame(answers, split, prepared, table).with_columns(
            low=np.concatenate([each.low for each in bands.values()]),
            high=np.concatenate([each.high for each in bands.values()]),
        ),
    )


def _kinds(parts: Float[np.ndarray, "parts n"], counts: Sequence[int]) -> Float[np.ndarray, "kinds n"]:
    """The mean of the networks of each length, then the baselines: seeds of one recipe have no weights of their own."""
    bounds = np.cumsum([0, *counts])
    means = [parts[first:last].mean(axis=0) for first, last in pairwise(bounds)]
    return np.stack([*means, *parts[bounds[-1] :]])


def _weighted(
    whole: Ensemble, counts: Sequence[int], weights: np.ndarray, intercept: float
) -> tuple[Ensemble, np.ndarray]:
    """The whole without parts that count for nothing, and which parts are left."""
    shared = [weight / count for weight, count in zip(weights, counts, strict=False) for _ in range(count)]
    each = np.array([*shared, *weights[len(counts) :]])
    kept = each > 0 if (each > 0).any() else np.ones(len(each), dtype=bool)
    count = len(whole.networks)
    baselines = zip(whole.baselines.items(), kept[count:], strict=True)
    made = Ensemble(
        networks=tuple(network for network, use in zip(whole.networks, kept, strict=False) if use),
        baselines={name: model for (name, model), use in baselines if use},
        weights=tuple(map(float, each[kept])),
        intercept=intercept,
        construct=whole.construct,
    )
    return made, kept


def _answers(
    said: Mapping[str, np.ndarray],
    parts: Mapping[str, np.ndarray],
    codes: np.ndarray,
    split: Mapping[str, np.ndarray],
    networks: Mapping[int, Sequence[Trained]],
    lines: Mapping[str, Trained],
) -> list[Answer]:
    """What every model says about validation and test rows, the whole first."""
    spoken = np.concatenate([parts[name] for name in split], axis=1)
    count = sum(map(len, networks.values()))
    everything = [*(each for group in networks.values() for each in group)]
    everything += [each for name, each in lines.items() if name in STACKED]
    total = sum(each.seconds for each in everything)
    out = [Answer(ENSEMBLE, np.concatenate([said[name] for name in split]), None, total)]
    chosen = next(iter(networks.values()), [])
    if len(chosen) > 1:
        out.append(Answer(NETWORKS, spoken[: len(chosen)].mean(axis=0), None, sum(each.seconds for each in chosen)))
    if chosen:
        out.append(Answer(NETWORK, spoken[0], None, chosen[0].seconds))
    place, asked = count, np.concatenate([codes[rows] for rows in split.values()])
    for name, each in lines.items():
        if name in STACKED:
            predicted, place = spoken[place], place + 1
        else:
            say = each.model.expression if isinstance(each.model, Model) else each.model.predict
            predicted = np.asarray(say(asked), dtype=np.float64)
        out.append(Answer(name, predicted, None, each.seconds))
    return out
