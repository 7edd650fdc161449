"""What `metrics.json` says: scores of the network and of its baselines on the same rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..baselines import BASELINES, RIDGE

MEASURES = ("r", "rho", "mse", "r2", "kl")


@dataclass(frozen=True)
class Score:
    """A score and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """One model on the rows of one split.

    Attributes
    ----------
    scores
        Keyed by `MEASURES`; None where a score is undefined, such as r of a constant prediction.
    seconds
        Time of training.
    share
        r as a share of the noise ceiling, 0..1; None where no ceiling is known.
    """

    model: str
    split: str
    n: int
    scores: dict[str, Score | None]
    seconds: float | None
    share: float | None

    @property
    def r(self) -> Score | None:
        """Pearson's r."""
        return self.scores["r"]


@dataclass(frozen=True)
class Difference:
    """Score of `a` minus score of `b` on the same rows."""

    split: str
    a: str
    b: str
    measure: str
    score: Score


@dataclass(frozen=True)
class Metrics:
    """All of `metrics.json`.

    Attributes
    ----------
    no_skill
        Validation losses that need no sequence: `constant` and, for KL, `uniform`.
    ceiling
        Largest r that the noise of the labels allows; None where unknown.
    """

    selection: str
    ceiling: float | None
    ceiling_words: str
    loss: str
    no_skill: dict[str, float]
    results: tuple[Result, ...]
    differences: tuple[Difference, ...]

    @property
    def network(self) -> str:
        """Name of the trained network: the model that is no baseline."""
        return next(result.model for result in self.results if result.model not in BASELINES)

    @property
    def splits(self) -> list[str]:
        """Splits with results; the test rows first, because nothing was chosen on them."""
        return sorted({result.split for result in self.results}, key=lambda split: (split != "test", split))

    def result(self, model: str, split: str) -> Result | None:
        """Scores of one model on one split, if it was scored there."""
        return next((result for result in self.results if (result.model, result.split) == (model, split)), None)

    @property
    def baselines(self) -> list[str]:
        """Baselines that were scored, the strongest first."""
        known = {result.model for result in self.results}
        return [name for name in BASELINES if name in known]

    def gain(self, split: str, baseline: str = RIDGE) -> Score | None:
        """Difference in r between the network and a baseline, if it was estimated."""
        wanted = (split, self.network, baseline, "r")
        found = (d.score for d in self.differences if (d.split, d.a, d.b, d.measure) == wanted)
        return next(found, None)


def from_dict(values: Mapping[str, Any]) -> Metrics:
    """Read plain values, as they stand in the file.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a value is missing or of another kind.
    """
    if values["loss"] not in ("KL", "MSE"):
        raise ValueError(f"the loss is {values['loss']!r}, expected 'KL' or 'MSE'")
    metrics = Metrics(
        selection=str(values["selection"]),
        ceiling=_number(values["ceiling"]["r"]),
        ceiling_words=str(values["ceiling"]["words"]),
        loss=str(values["loss"]),
        no_skill={str(name): float(level) for name, level in values["no_skill"].items()},
        results=tuple(_result(each) for each in values["results"]),
        differences=tuple(
            Difference(str(each["split"]), str(each["a"]), str(each["b"]), str(each["measure"]), score)
            for each in values["differences"]
            if (score := _score(each)) is not None
        ),
    )
    if all(result.model in BASELINES for result in metrics.results):
        raise ValueError("no results of a network")
    return metrics


def _result(values: Mapping[str, Any]) -> Result:
    return Result(
        model=str(values["model"]),
        split=str(values["split"]),
        n=int(values["n"]),
        scores={name: _score(values[name]) for name in MEASURES},
        seconds=_number(values.get("seconds")),
        share=_number(values.get("share_of_ceiling")),
    )


def _score(values: Mapping[str, Any] | None) -> Score | None:
    if values is None:
        return None
    numbers = [_number(values[name]) for name in ("value", "low", "high")]
    if numbers[0] is None:
        return None
    return Score(*(numbers[0] if number is None else number for number in numbers))


def _number(value: Any) -> float | None:
    """Read a number; JSON's null and NaN both mean undefined."""
    return None if value is None or math.isnan(float(value)) else float(value)
