"""Predict large sets of sequences by partitions, on the workers of an engine."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from ..apply import Ensemble, Model, load
from ..apply.folder import CONFIG
from ..apply.predictor import BLOCK, Predictor
from ..data.table import Table
from ..errors import InputError
from ..training.cpu import Processor
from .drive import TRIES
from .engine import Done, Engine, died, work

PART = BLOCK
"""Sequences of a partition."""


@dataclass(frozen=True)
class Part:
    """A partition as it is sent to a worker: the model's folder and digest, and sequences that fit its construct."""

    index: int
    folder: str
    digest: str
    sequences: list[str]
    processor: Processor


def predict(
    folder: Path,
    model: Predictor,
    table: Table,
    engine: Engine,
    processor: Processor,
    tell: Callable[[float], None],
    *,
    misfits: str = "refuse",
) -> pl.DataFrame:
    """Predict the sequences of a table on workers; the columns are those of `Predictor.columns`, to the last bit.

    Parameters
    ----------
    folder, model
        The model, and its folder, which every worker can read.
    table
        Its sequences.
    engine, processor
        Where, and with what each worker computes.
    tell
        Called with the share that is done, 0..1.
    misfits
        As in `Predictor.predict`.

    Raises
    ------
    InputError
        If a sequence does not fit, or the workers are lost again and again.
    """
    fits = model.fits(table, misfits=misfits)
    sequences = table.sequences.filter(pl.Series(fits))
    starts = range(0, len(sequences), PART)
    digest = _digest(folder)
    parts = [
        Part(i, str(folder.resolve()), digest, sequences[start : start + PART].to_list(), processor)
        for i, start in enumerate(starts)
    ]
    lost: Counter[int] = Counter()

    def again(done: Done) -> bool:
        lost[done.item.index] += died(done.error)
        return died(done.error) and lost[done.item.index] < TRIES

    answers: dict[int, pl.DataFrame] = {}
    for done in work(engine, predict_part, parts, again):
        if died(done.error):
            raise InputError("the workers were lost again and again, most likely out of memory; use fewer --processes")
        if done.error is not None:
            raise done.error
        answers[done.item.index] = done.result
        tell(len(answers) / len(parts))
    said = pl.concat([model.columns([]), *(answers[i] for i in range(len(parts)))])
    place = pl.Series(np.cumsum(fits) - 1).set(pl.Series(~fits), None)
    return said.select(pl.all().gather(place))


def predict_part(part: Part) -> pl.DataFrame:
    """What happens in a worker."""
    return _model(part.folder, part.digest, part.processor).columns(part.sequences)


def _digest(folder: Path) -> str:
    """What tells a model from one that takes its folder later; its configuration names the digest of the weights."""
    return hashlib.sha256((folder / CONFIG).read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def _model(folder: str, digest: str, processor: Processor) -> Model | Ensemble:
    """The model, loaded once in a process."""
    if _digest(Path(folder)) != digest:
        raise InputError(f"{folder}: the model has changed since the prediction began; start it again")
    return load(Path(folder), device=processor.prepare().device, keep_memory=processor.keep_memory)
