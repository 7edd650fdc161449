"""Time of a training step, data included: the plain reference against leanseq, and the floor that arithmetic sets."""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import common
import numpy as np
from contest import (
    FLOOR_FLOPS,
    Contender,
    floor,
    initial_weights,
    network_arguments,
    random_sequences,
    take_turns,
)

MODELS = ["legnet-optimized", "legnet-dream2022"] + [
    f"legnet-optimized+{name}" for name in ("dilated", "embedding", "transformer", "lstm")
]
CHECKED_STEPS, CHECKED_BATCH, TOLERANCE = 20, 16, 1e-4
EPOCHS = 200
LARGE = 512
"""Batch from which two contenders do not fit into 24 GB at once."""


@dataclass(frozen=True)
class Plan:
    """A training: network, batch size and the recipe published with the network or, failing that, leanseq's own."""

    spec: str
    size: str
    batch: int

    @property
    def dream(self) -> bool:
        """Whether this is LegNet as it won DREAM 2022, with its recipe and its six channels."""
        return self.spec.startswith("legnet-dream2022")

    @property
    def channels(self) -> int:
        return 6 if self.dream else 4

    @property
    def rows(self) -> int:
        return 4 * self.batch

    @property
    def recipe(self) -> dict[str, Any]:
        """Fields of a `Recipe` that differ from the default."""
        dream = {"lr": 5e-3, "weight_decay": 0.01, "clip": 0.0, "strands": "both"}
        return {"epochs": EPOCHS, "batch": self.batch, **(dream if self.dream else {})}

    def data(self) -> tuple[list[str], np.ndarray]:
        """Random sequences, labels 0 to 17."""
        labels = np.random.default_rng(1).integers(0, 18, self.rows).astype(float)
        return random_sequences(self.rows), labels


def make_recipe(plan: Plan) -> Any:
    """The plan's recipe in full."""
    from leanseq.training.recipe import Recipe

    return Recipe(**plan.recipe)


def order(plan: Plan, steps: int) -> list[list[int]]:
    """Items of the reference's dataset that leanseq shows in each of its first steps."""
    from leanseq.training.batches import epoch_batches

    recipe = make_recipe(plan)
    batches = (batch for epoch in range(EPOCHS) for batch in epoch_batches(recipe, plan.rows, 0, epoch))
    return [(batch.rows + plan.rows * batch.flipped).tolist() for batch in islice(batches, steps)]


def reference(plan: Plan, weights: dict[str, np.ndarray], batches: list[list[int]], recipe: dict[str, Any]) -> Callable:
    """Set up the plain pipeline; gives a function that makes a number of steps and returns their losses."""
    from reference import SequenceDataset, Trainer, load_batches, plain_network

    network = plain_network(plan.spec, plan.size, plan.channels, weights)
    trainer = Trainer(network, **recipe)
    loader = iter(load_batches(SequenceDataset(*plan.data(), plan.channels), batches))
    return lambda steps: [trainer.step(*batch) for batch in islice(loader, steps)]


def reference_arguments(plan: Plan, steps: int) -> tuple[Any, ...]:
    """Arguments of `reference`: what it shares with leanseq, made without its help."""
    recipe = make_recipe(plan)
    total = recipe.steps_per_epoch(plan.rows) * recipe.epochs
    numbers = {"steps": total, "lr": recipe.lr, "weight_decay": recipe.weight_decay, "clip": recipe.clip}
    return plan, initial_weights(plan.spec, plan.size, plan.channels), order(plan, steps), numbers


def leanseq(plan: Plan) -> Callable[[int], list[float]]:
    """Set up leanseq's own loop; gives a function that makes a number of steps and returns their losses."""
    from leanseq.data.encoding import encode
    from leanseq.data.labels import SoftBins
    from leanseq.models import create
    from leanseq.training.cpu import Processor
    from leanseq.training.inputs import Channels, Examples
    from leanseq.training.learner import Learner
    from leanseq.training.objectives import Objective

    Processor().prepare()
    sequences, labels = plan.data()
    network = create(plan.spec, **network_arguments(plan.spec, plan.size, plan.channels))
    examples = Examples(encode(sequences), labels, np.ones(len(labels)))
    objective = Objective("kl", SoftBins(), float(labels.mean()), float(labels.std()))
    learner = Learner(network, objective, Channels(plan.dream, plan.dream), make_recipe(plan), examples, seed=0)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            yield from learner.rest_of_epoch()

    def losses() -> Iterator[float]:
        for batch in batches():
            learner.shown = 0
            learner.learn(*batch)
            yield float(learner.seen[0, : learner.shown].mean())

    made = losses()

    def work(steps: int) -> list[float]:
        """Make steps; none gives kept memory back."""
        if not steps:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        return list(islice(made, steps))

    return work


def largest_difference(spec: str, size: str, steps: int = CHECKED_STEPS) -> float:
    """Largest difference between the losses of both over the same first steps."""
    plan = Plan(spec, size, CHECKED_BATCH)
    with Contender(reference, *reference_arguments(plan, steps)) as plain, Contender(leanseq, plan) as ours:
        plain.work(steps)
        ours.work(steps)
        return float(np.abs(np.subtract(plain.result, ours.result)).max())


def flops(plan: Plan) -> int:
    """Operations of a sequence's training step."""
    from reference import PlainLegNet, step_flops

    return step_flops(PlainLegNet(plan.spec, plan.size, plan.channels), plan.channels)


def measure(plan: Plan, repeats: int) -> dict[str, float]:
    """Seconds of reference, leanseq and floor for one sequence in one step."""
    steps = max(1, 256 // plan.batch)
    arguments = reference_arguments(plan, steps * (repeats + 1))
    with Contender(reference, *arguments) as plain, Contender(leanseq, plan) as ours, Contender(floor) as product:

        def work_of_ours() -> float:
            """Where the memory does not hold both, leanseq gives its back after a turn and warms up before it."""
            if plan.batch < LARGE:
                return ours.work(steps)
            ours.work(1)
            taken = ours.work(steps)
            ours.work(0)
            return taken

        works = {"reference": lambda: plain.work(steps), "leanseq": work_of_ours, "floor": product.work}
        seconds = take_turns(works, repeats)
    shown = steps * plan.batch
    floor_seconds = seconds["floor"] * flops(plan) / FLOOR_FLOPS
    return {"reference": seconds["reference"] / shown, "leanseq": seconds["leanseq"] / shown, "floor": floor_seconds}


def main() -> None:
    """Measure every network, size and batch asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--sizes", default="full,small")
    parser.add_argument("--batches", default="32,128,1024")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="forget former results instead of adding to them")
    chosen = parser.parse_args()
    note = (
        "Milliseconds for one sequence in one training step, fetching and encoding included; median of the turns. "
        f"largest_difference: between the losses of reference and leanseq over the same {CHECKED_STEPS} steps of "
        f"{CHECKED_BATCH} sequences, the first of a long one-cycle. floor: the operations of the network's "
        "convolutions and linear layers, forward and backward, at the speed of one large matrix product. No dropout."
    )
    rows = [] if chosen.again else common.saved("training_step")
    done = {(row["model"], row["size"], row["batch"]) for row in rows}
    for spec in chosen.models.split(","):
        for size in chosen.sizes.split(","):
            batches = [batch for batch in map(int, chosen.batches.split(",")) if (spec, size, batch) not in done]
            if not batches:
                continue
            difference = largest_difference(spec, size)
            assert difference < TOLERANCE, f"{spec} {size}: losses differ by {difference:.2g}"
            for batch in batches:
                seconds = measure(Plan(spec, size, batch), chosen.repeats)
                rows.append(
                    {
                        "model": spec,
                        "size": size,
                        "batch": batch,
                        **{f"{name}_ms": 1e3 * value for name, value in seconds.items()},
                        "ratio": seconds["reference"] / seconds["leanseq"],
                        "leanseq_over_floor": seconds["leanseq"] / seconds["floor"],
                        "largest_difference": difference,
                    }
                )
                common.save("training_step", rows, note)


if __name__ == "__main__":
    main()
