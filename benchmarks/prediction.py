"""Sequences predicted a second, both strands: the plain reference against leanseq, in batches and one by one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import common
import numpy as np
from contest import FLOOR_FLOPS, Contender, floor, initial_weights, network_arguments, random_sequences, take_turns

TOLERANCE = 1e-4
CHECKED = 32


def reference(spec: str, size: str, most: int, weights: dict[str, np.ndarray]) -> Callable[[int, bool], np.ndarray]:
    """Set up the plain pipeline; gives a function that predicts so many sequences, together or one by one."""
    from reference import plain_network, predict_batched, predict_one_by_one

    network = plain_network(spec, size, 4, weights)
    sequences = random_sequences(most)
    return lambda count, single: (predict_one_by_one if single else predict_batched)(network, sequences[:count])


def leanseq(spec: str, size: str, most: int) -> Callable[[int, bool], np.ndarray]:
    """Set up leanseq's model; gives a function that predicts so many sequences, together or one by one."""
    from leanseq.apply.bundle import Model
    from leanseq.data.construct import Construct
    from leanseq.data.labels import SoftBins
    from leanseq.models import create
    from leanseq.training.cpu import keep_memory
    from leanseq.training.inputs import Channels
    from leanseq.training.objectives import Objective

    keep_memory()  # as leanseq.load does
    network = create(spec, **network_arguments(spec, size, 4)).eval()
    model = Model(network, Construct(length=150), Objective("kl", SoftBins(), 8.5, 5.0), Channels())

    sequences = random_sequences(most)

    def predict(count: int, single: bool) -> np.ndarray:
        chosen = sequences[:count]
        return np.concatenate([model.predict([one]) for one in chosen]) if single else model.predict(chosen)

    return predict


def measure(spec: str, size: str, counts: dict[str, int], repeats: int) -> dict[str, Any]:
    """One row: sequences a second of each way, ratios and the limit."""
    most = max(CHECKED, *counts.values())
    with (
        Contender(reference, spec, size, most, initial_weights(spec, size, 4)) as plain,
        Contender(leanseq, spec, size, most) as ours,
        Contender(floor) as product,
    ):
        answers = []
        for contender in (plain, ours):
            for single in (False, True):
                contender.work(CHECKED, single)
                answers.append(contender.result)
        difference = float(np.ptp(answers, axis=0).max())
        assert difference < TOLERANCE, f"{spec} {size}: predictions differ by {difference:.2g}"
        works = {
            "reference_batched": lambda: plain.work(counts["reference_batched"], False),
            "leanseq_batched": lambda: ours.work(counts["leanseq_batched"], False),
            "reference_single": lambda: plain.work(counts["reference_single"], True),
            "leanseq_single": lambda: ours.work(counts["leanseq_single"], True),
            "floor": product.work,
        }
        seconds = take_turns(works, repeats)
    speed = {name: counts[name] / seconds[name] for name in counts}
    return {
        "model": spec,
        "size": size,
        **speed,
        "ratio_batched": speed["leanseq_batched"] / speed["reference_batched"],
        "ratio_single": speed["leanseq_single"] / speed["reference_single"],
        "leanseq_batched_over_reference_single": speed["leanseq_batched"] / speed["reference_single"],
        "limit": FLOOR_FLOPS / seconds["floor"] / (2 * flops(spec, size)),
        "largest_difference": difference,
    }


def flops(spec: str, size: str) -> int:
    """Operations of a forward pass of one strand."""
    from reference import PlainLegNet, forward_flops

    return forward_flops(PlainLegNet(spec, size, 4), 4)


def main() -> None:
    """Measure every network and size asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="legnet-optimized")
    parser.add_argument("--sizes", default="full,small")
    parser.add_argument("--sequences", type=int, default=1024, help="of a batched turn of leanseq")
    parser.add_argument("--sequences-reference", type=int, default=512, help="of a batched turn of the reference")
    parser.add_argument("--singles", type=int, default=64, help="of a turn one by one")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    counts = {
        "reference_batched": chosen.sequences_reference,
        "leanseq_batched": chosen.sequences,
        "reference_single": chosen.singles,
        "leanseq_single": chosen.singles,
    }
    note = (
        "Sequences of 150 nt a second, mean over both strands, from strings to numbers; median of the turns. single: "
        "one call for each sequence. limit: as fast as the operations of the convolutions and linear layers would be "
        "at the speed of one large matrix product."
    )
    rows = []
    for spec in chosen.models.split(","):
        for size in chosen.sizes.split(","):
            rows.append(measure(spec, size, counts, chosen.repeats))
            common.save("prediction", rows, note)


if __name__ == "__main__":
    main()
