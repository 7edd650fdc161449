"""How long a training will take, measured on its own batches before it starts."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from .evaluate import BATCH, activated_outputs
from .inputs import Channels, Examples
from .learner import Learner
from .objectives import Objective
from .recipe import Recipe

WARM_UP, TIMED = 2, 3


@dataclass(frozen=True)
class Pace:
    """Measured speed on this machine.

    Attributes
    ----------
    step
        Seconds a training step.
    look
        Seconds for a look at all validation rows after an epoch.
    """

    step: float
    look: float

    def seconds(self, recipe: Recipe, rows: int) -> float:
        """Seconds that a whole training of `rows` rows takes."""
        return recipe.epochs * (recipe.steps_per_epoch(rows) * self.step + self.look)

    def within(self, recipe: Recipe, rows: int, seconds: float) -> Recipe:
        """The recipe with as many epochs as fit into `seconds`; if none fits, one of fewer rows, drawn at random."""
        epoch = recipe.steps_per_epoch(rows) * self.step + self.look
        if epoch <= seconds:
            return replace(recipe, epochs=int(seconds / epoch))
        steps = max(1, int((seconds - self.look) / self.step))
        shown = steps * recipe.batch // (2 if recipe.strands == "both" else 1)
        return replace(recipe, epochs=1, stream=min(max(shown, 1), rows))


def measure(
    network: nn.Module,
    objective: Objective,
    channels: Channels,
    recipe: Recipe,
    train: Examples,
    valid: Examples,
) -> Pace:
    """Time a few steps on a copy of the network; the network and torch's random state stay as they are."""
    with torch.random.fork_rng(devices=[]):
        learner = Learner(copy.deepcopy(network), objective, channels, recipe, train, seed=0)
        batches = list(learner.rest_of_epoch())
        times = []
        for i in range(WARM_UP + TIMED):
            learner.shown = 0
            began = time.perf_counter()
            learner.learn(*batches[i % len(batches)])
            times.append(time.perf_counter() - began)
        some = valid.codes[:BATCH]
        both = recipe.strands != "forward"
        looks = []
        for _ in range(2):
            began = time.perf_counter()
            activated_outputs(learner.network, objective, channels, some, both_strands=both)
            looks.append(time.perf_counter() - began)
    return Pace(float(np.median(times[WARM_UP:])), looks[-1] * len(valid) / max(len(some), 1))
