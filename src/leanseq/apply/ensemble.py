"""Several networks and baselines as one model, their predictions added up by weights; saved as one folder.

The folder holds `config.json`, `README.md`, a model folder `network-0`, `network-1`, ... for each network and a file
for each baseline, such as `boosted_trees.json`. `config.json` names the SHA-256 of every part and is written last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, UInt8

from .. import __version__
from ..baselines import BASELINES, Baseline
from ..baselines.familiarity import SCORES, Familiarity
from ..baselines.storage import file_name, from_bytes, to_bytes
from ..data import construct as constructs
from ..data.construct import Construct
from ..data.encoding import N
from ..data.table import Table
from ..errors import InputError
from ..evaluation.conformal import Conformal
from ..files import write_bytes, write_json, write_text
from ..training.cpu import choose_device
from . import bundle
from .bundle import Model
from .folder import CARD, CONFIG, ENSEMBLE, FORMATS, check_unchanged, model_of, read_bytes, read_config, sha256
from .predictor import BLOCK, Predictor

PART_CARD = "One network of the leanseq ensemble in the folder above; a model folder by itself.\n"


class Answer(NamedTuple):
    """What an ensemble says about n sequences, in the unit of the training table; nan where one was skipped.

    Attributes
    ----------
    prediction
        Expression.
    spread
        Weighted standard deviation of the parts.
    low, high
        Limits of the prediction interval; nan without intervals.
    unfamiliar
        Why a sequence is unlike the training sequences; empty for a familiar one and where nothing is known.
    """

    prediction: Float[np.ndarray, " n"]
    spread: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]
    unfamiliar: list[str]


@dataclass(frozen=True, eq=False)
class Ensemble(Predictor):
    """Expression = intercept + sum over parts of weight times prediction.

    Attributes
    ----------
    networks
        All with the windows of the ensemble's construct.
    baselines
        Fitted, by their names in `BASELINES`.
    weights
        Of each part, 0 or more: networks first, then baselines in their order.
    intercept
        In the unit of the training table.
    construct
        Window and adapters that sequences must fit.
    intervals
        Fitted on prediction and spread of calibration rows, or on the prediction alone.
    familiarity
        What the training sequences look like.
    """

    networks: tuple[Model, ...]
    baselines: Mapping[str, Baseline]
    weights: tuple[float, ...]
    intercept: float
    construct: Construct
    intervals: Conformal | None = None
    familiarity: Familiarity | None = None

    def __post_init__(self) -> None:
        count = len(self.networks) + len(self.baselines)
        if not count or len(self.weights) != count:
            raise InputError(
                f"ensemble: {len(self.weights)} weights for {count} parts, expected one for each of 1 or more"
            )
        if not all(math.isfinite(each) for each in (self.intercept, *self.weights)) or min(self.weights) < 0:
            raise InputError("ensemble: weights must be numbers of 0 or more, and the intercept a number")
        if not all(network.construct.same_windows(self.construct) for network in self.networks):
            raise InputError(
                "ensemble: a network has another construct than the ensemble, expected the same flanks and length"
            )
        for name, baseline in self.baselines.items():
            if not isinstance(baseline, BASELINES.get(name, ())):
                raise InputError(
                    f"ensemble: {name!r} is no fitted baseline of that name, known: {', '.join(BASELINES)}"
                )

    def parts(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, "parts n"]:
        """Predict windows with each part, in the order of the weights."""
        say: list[Callable[[np.ndarray], np.ndarray]] = [network.expression for network in self.networks]
        say += [baseline.predict for baseline in self.baselines.values()]
        out = np.empty((len(say), len(codes)))
        for start in range(0, len(codes), BLOCK):
            rows = slice(start, start + BLOCK)
            for i, each in enumerate(say):
                out[i, rows] = each(codes[rows])
        return out

    def combine(self, parts: Float[np.ndarray, "parts n"]) -> Float[np.ndarray, " n"]:
        """Return the prediction from those of the parts."""
        return self.intercept + _total(self.weights, parts)

    def spread(self, parts: Float[np.ndarray, "parts n"]) -> Float[np.ndarray, " n"]:
        """Return the standard deviation of the parts, each counted by its weight."""
        shares = np.array(self.weights) / (sum(self.weights) or 1.0)
        return np.sqrt(_total(shares, (parts - _total(shares, parts)) ** 2))

    def expression(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Predict windows of the construct, in the unit of the training table."""
        return self.combine(self.parts(codes))

    def answer(self, sequences: Sequence[str] | Table, *, misfits: str = "refuse") -> Answer:
        """Predict expression and say how sure it is; parameters and errors are those of `predict`."""
        windows = self.windows(sequences, misfits=misfits)
        parts = self.parts(windows.codes)
        prediction, spread = self.combine(parts), self.spread(parts)
        low = high = np.full(len(prediction), np.nan)
        if self.intervals is not None:
            low, high = _band(self.intervals, prediction, spread)
        reasons = [""] * len(windows.fits)
        if self.familiarity is not None:
            for row, reason in zip(np.flatnonzero(windows.fits), self.familiarity.reasons(windows.codes), strict=True):
                reasons[row] = reason
        place = windows.place
        return Answer(place(prediction), place(spread), place(low), place(high), reasons)

    def columns(self, sequences: Sequence[str] | Table, *, misfits: str = "refuse") -> pl.DataFrame:
        """Prediction, limits of its interval, spread, and why a sequence is unfamiliar; null where one is skipped.

        Limits and reasons are there if intervals and familiarity are. Parameters and errors are those of `predict`. No
        sequences give the names of the columns.
        """
        answer = self.answer(sequences, misfits=misfits)._asdict()
        names = ("prediction", "spread") if self.intervals is None else ("prediction", "low", "high", "spread")
        columns = pl.DataFrame({name: answer[name] for name in names}).fill_nan(None)
        if self.familiarity is None:
            return columns
        reasons = pl.Series(answer["unfamiliar"], dtype=pl.String)
        return columns.with_columns(unfamiliar=pl.when(pl.col("prediction").is_not_null()).then(reasons))


def _total(weights: Sequence[float] | np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Weighted sum; a matrix product would have other bits for other numbers of rows."""
    out = np.zeros(parts.shape[1])
    for weight, part in zip(weights, parts, strict=True):
        out += weight * part
    return out


def _band(intervals: Conformal, prediction: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return intervals.interval(prediction, None if intervals.offset is None else spread)


def save_ensemble(ensemble: Ensemble, folder: Path, card: str) -> None:
    """Write an ensemble's files into a folder, `config.json` last; `card` is the text of its README."""
    networks, baselines = [], {}
    for i, network in enumerate(ensemble.networks):
        bundle.save(network, _network_folder(folder, i), PART_CARD)
        networks.append(sha256(read_bytes(_network_folder(folder, i) / CONFIG)))
    for name, baseline in ensemble.baselines.items():
        data = to_bytes(baseline)
        write_bytes(folder / file_name(name), data)
        baselines[name] = sha256(data)
    write_text(folder / CARD, card)
    write_json(
        folder / CONFIG,
        {
            "kind": ENSEMBLE,
            "format": FORMATS[ENSEMBLE],
            "leanseq": __version__,
            "construct": ensemble.construct.to_dict(),
            "networks": networks,
            "baselines": baselines,
            "weights": [float(each) for each in ensemble.weights],
            "intercept": float(ensemble.intercept),
            "intervals": None if ensemble.intervals is None else ensemble.intervals.to_dict(),
            "familiarity": None if ensemble.familiarity is None else ensemble.familiarity.to_dict(),
        },
    )


def load_ensemble(folder: str | Path, *, device: str = "cpu", keep_memory: bool = True) -> Ensemble:
    """Load what `save_ensemble` wrote; predictions are the same to the last bit.

    Parameters
    ----------
    folder
        Holds `config.json` and the parts.
    device
        Of the networks: `auto`, `cpu`, `cuda` or `mps`.
    keep_memory
        Keep freed memory in the process, which makes predictions faster (see `Processor`).

    Raises
    ------
    InputError
        If a file is missing, damaged, changed since it was saved, or does not fit the others.
    """
    folder, device = Path(folder), choose_device(device)
    config = read_config(folder, ENSEMBLE)
    with model_of(folder / CONFIG):
        construct = constructs.from_dict(config["construct"], "config")
        weights, intercept = tuple(float(each) for each in config["weights"]), float(config["intercept"])
        intervals = None if config["intervals"] is None else _intervals(config["intervals"])
        familiarity = None if config["familiarity"] is None else _familiarity(config["familiarity"], construct.length)
        network_digests = list(config["networks"])
        files = {name: (folder / file_name(name), digest) for name, digest in config["baselines"].items()}
    networks = tuple(
        _network(_network_folder(folder, i), digest, device, keep_memory) for i, digest in enumerate(network_digests)
    )
    baselines = {name: _baseline(name, *file, construct.length) for name, file in files.items()}
    with model_of(folder / CONFIG):
        return Ensemble(networks, baselines, weights, intercept, construct, intervals, familiarity)


def _network_folder(folder: Path, index: int) -> Path:
    return folder / f"network-{index}"


def _network(folder: Path, digest: object, device: str, keep_memory: bool) -> Model:
    """A network, whose configuration names the digest of its weights."""
    path = folder / CONFIG
    check_unchanged(path, read_bytes(path), digest)
    return bundle.load(folder, device=device, keep_memory=keep_memory)


def _baseline(name: str, path: Path, digest: object, length: int) -> Baseline:
    """A baseline that predicts windows of this length."""
    data = read_bytes(path)
    check_unchanged(path, data, digest)
    with model_of(path):
        baseline = from_bytes(name, data)
        if not np.isfinite(baseline.predict(np.full((1, length), N, dtype=np.uint8))).all():
            raise ValueError("its prediction is not finite")
    return baseline


def _intervals(values: dict[str, Any]) -> Conformal:
    """Intervals that give limits."""
    intervals = Conformal.from_dict(values)
    if not np.isfinite(_band(intervals, np.zeros(1), np.zeros(1))).all():
        raise ValueError("its intervals are not finite")
    return intervals


def _familiarity(values: dict[str, Any], length: int) -> Familiarity:
    """What gives a reason for windows of this length."""
    familiarity = Familiarity.from_dict(values)
    if not all(isinstance(each, float) for each in familiarity.limits) or len(familiarity.limits) != SCORES:
        raise ValueError("its limits of familiarity are no numbers")
    familiarity.reasons(np.full((1, length), N, dtype=np.uint8))
    return familiarity
