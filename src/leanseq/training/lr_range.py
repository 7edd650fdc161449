"""Learning-rate range test: raise the rate at every step and see where the loss falls (Smith 2017)."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from itertools import cycle, islice

import torch
from torch import nn

from ..errors import InputError
from .inputs import Channels, Examples
from .learner import Learner
from .objectives import Objective
from .recipe import Recipe

SMOOTHING = 0.9


@dataclass(frozen=True)
class RangeTest:
    """Outcome of a range test.

    Attributes
    ----------
    lr, loss
        Learning rate and smoothed training loss of each step made, in the objective's reported unit.
    steepest
        Rate at which the loss falls fastest: a safe constant rate.
    highest
        A tenth of the rate at which the loss leaves its lowest level upwards: a safe peak for one-cycle.
    """

    lr: list[float]
    loss: list[float]
    steepest: float
    highest: float


def range_test(
    network: nn.Module,
    objective: Objective,
    channels: Channels,
    recipe: Recipe,
    train: Examples,
    *,
    seed: int,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
) -> RangeTest:
    """Train a copy of the network for `steps` steps while the learning rate rises from `low` to `high`.

    Stops early when the loss is four times its lowest value or no longer finite.

    Raises
    ------
    InputError
        If the bounds or the number of steps make no range, or the loss is lost at once.
    """
    if not 0 < low < high or steps < 10:
        raise InputError(
            f"learning-rate range {low:g} to {high:g} in {steps} steps, expected 0 < low < high and 10 steps or more"
        )
    with torch.random.fork_rng(devices=[]):
        # the clipping of a real run would hide where the loss blows up
        learner = Learner(copy.deepcopy(network), objective, channels, replace(recipe, clip=0.0), train, seed)
        rates, losses, average = [], [], 0.0
        batches = list(learner.rest_of_epoch())
        for number, batch in enumerate(islice(cycle(batches), steps)):
            rate = low * (high / low) ** (number / (steps - 1))
            learner.shown = 0
            try:
                learner.learn(*batch, lr=rate)
            except InputError:  # the loss is not finite: the end of the range
                break
            average = SMOOTHING * average + (1 - SMOOTHING) * float(learner.seen[0, : learner.shown].mean())
            rates.append(rate)
            losses.append(average / (1 - SMOOTHING ** (number + 1)) * objective.unit)
            if losses[-1] > 4 * min(losses):
                break
    if len(rates) < 10:
        raise InputError(f"the loss is lost within {len(rates)} steps; start lower than {low:g}")
    return RangeTest(rates, losses, *_choose(rates, losses))


def _choose(rates: list[float], losses: list[float]) -> tuple[float, float]:
    logs = [math.log(rate) for rate in rates]
    width = max(2, len(rates) // 20)
    slopes = [
        (losses[i + width] - losses[i - width]) / (logs[i + width] - logs[i - width])
        for i in range(width, len(rates) - width)
    ]
    steepest = rates[width + min(range(len(slopes)), key=slopes.__getitem__)]
    lowest = min(range(len(losses)), key=losses.__getitem__)
    return steepest, rates[lowest] / 10 if lowest > width else steepest
