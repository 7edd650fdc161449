"""What each part of the engine gains: leanseq's own training step with one thing changed at a time."""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import common
import numpy as np
from contest import Contender, network_arguments, take_turns
from training_step import Plan, make_recipe

CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "--kernels torch": {"kernels": "torch"},
    "--no-keep-memory": {"keep_memory": False},
    "--kernels torch --no-keep-memory": {"kernels": "torch", "keep_memory": False},
    "--threads 1": {"threads": 1},
    "--precision bfloat16": {"precision": "bfloat16"},
    "--compile": {"compile": True},
}
"""Command-line options -> fields of the processor or the recipe."""


def leanseq(plan: Plan, change: dict[str, Any]) -> Callable[[int], float]:
    """Set up a training with one thing changed; gives a function that makes steps and returns the peak memory, MB."""
    from leanseq.data.encoding import encode
    from leanseq.data.labels import SoftBins
    from leanseq.models import create
    from leanseq.training.cpu import Processor
    from leanseq.training.inputs import Channels, Examples
    from leanseq.training.learner import Learner
    from leanseq.training.objectives import Objective

    of_recipe = {name: value for name, value in change.items() if name in ("precision", "compile")}
    Processor(**{name: value for name, value in change.items() if name not in of_recipe}).prepare()
    sequences, labels = plan.data()
    network = create(plan.spec, **network_arguments(plan.spec, plan.size, plan.channels))
    examples = Examples(encode(sequences), labels, np.ones(len(labels)))
    objective = Objective("kl", SoftBins(), float(labels.mean()), float(labels.std()))
    recipe = replace(make_recipe(plan), **of_recipe)
    learner = Learner(network, objective, Channels(plan.dream, plan.dream), recipe, examples, seed=0)

    def work(steps: int) -> float:
        batches = (batch for _ in range(steps) for batch in learner.rest_of_epoch())
        for batch in islice(batches, steps):
            learner.shown = 0
            learner.learn(*batch)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    return work


def main() -> None:
    """Measure every change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="legnet-optimized")
    parser.add_argument("--size", default="full")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    plan = Plan(chosen.model, chosen.size, chosen.batch)
    steps = max(1, 256 // plan.batch)
    contenders = {name: Contender(leanseq, plan, change) for name, change in CHANGES.items()}
    works = {name: lambda one=one: one.work(steps) for name, one in contenders.items()}
    seconds = take_turns(works, chosen.repeats)
    note = (
        f"One training step of {plan.spec} {plan.size}, batch {plan.batch}, with one option changed; median of "
        f"{chosen.repeats} turns. times: against leanseq as it is."
    )
    rows = []
    for name, one in contenders.items():
        rows.append(
            {
                "options": name,
                "ms": 1e3 * seconds[name] / (steps * plan.batch),
                "times": seconds[name] / seconds["as it is"],
                "peak_mb": one.result,
            }
        )
        common.save("engine", rows, note)


if __name__ == "__main__":
    main()
