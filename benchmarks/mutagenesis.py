"""All single mutants of 1,000 promoters of 110 nt: the plain reference against leanseq."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import common
import numpy as np
from contest import Contender, initial_weights, network_arguments, random_sequences, take_turns

SPEC, LENGTH, PROMOTERS, TOLERANCE = "legnet-optimized", 110, 1000, 1e-4
LEFT = random_sequences(1, 150 - LENGTH, seed=1)[0]
"""Context that completes a promoter to the window of 150 nt."""


def reference(size: str, weights: dict[str, np.ndarray]) -> Callable[[int], np.ndarray]:
    """Set up the plain pipeline; gives a function that maps so many promoters."""
    from reference import mutagenesis, plain_network

    network = plain_network(SPEC, size, 4, weights)
    return lambda count: mutagenesis(network, random_sequences(count, LENGTH), LEFT)


def leanseq(size: str) -> Callable[[int], np.ndarray]:
    """Set up leanseq's model; gives a function that maps so many promoters."""
    from leanseq.apply.bundle import Model
    from leanseq.apply.mutagenesis import saturation_mutagenesis
    from leanseq.data.construct import Construct
    from leanseq.data.labels import SoftBins
    from leanseq.models import create
    from leanseq.training.cpu import keep_memory
    from leanseq.training.inputs import Channels
    from leanseq.training.objectives import Objective

    keep_memory()  # as leanseq.load does
    network = create(SPEC, **network_arguments(SPEC, size, 4)).eval()
    construct = Construct(left_flank=LEFT, length=150)
    model = Model(network, construct, Objective("kl", SoftBins(), 8.5, 5.0), Channels())
    return lambda count: np.asarray(saturation_mutagenesis(model, random_sequences(count, LENGTH)))


def main() -> None:
    """Check that both give the same maps, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--promoters", type=int, default=8, help="of a turn of leanseq")
    parser.add_argument("--promoters-reference", type=int, default=2, help="of a turn of the reference")
    parser.add_argument("--size", default="full", help="of the network that both use")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    size = chosen.size
    few, more = chosen.promoters_reference, chosen.promoters
    with (
        Contender(reference, size, initial_weights(SPEC, size, 4)) as plain,
        Contender(leanseq, size) as ours,
        Contender(leanseq, "tiny") as tiny,
    ):
        plain.work(1)
        ours.work(1)
        difference = float(np.abs(plain.result - ours.result).max())
        assert difference < TOLERANCE, f"maps differ by {difference:.2g}"
        contenders = {
            f"reference, {size}": (plain, few),
            f"leanseq, {size}": (ours, more),
            "leanseq, tiny": (tiny, more),
        }
        works = {name: lambda one=one, count=count: one.work(count) for name, (one, count) in contenders.items()}
        seconds = take_turns(works, chosen.repeats)
    each = {name: seconds[name] / count for name, (_, count) in contenders.items()}
    slowest = each[f"reference, {size}"]
    note = (
        f"Predictions of all {3 * LENGTH} single mutants of {PROMOTERS:,} promoters of {LENGTH} nt, mean over both "
        f"strands, extrapolated from {few} promoters (reference) and {more} (leanseq); median of the turns. Maps of "
        f"the same network differ by at most {difference:.1g}."
    )
    rows = []
    for name, (_, count) in contenders.items():
        rows.append(
            {
                "contender": name,
                "promoters_measured": count,
                "minutes_for_1000": each[name] * PROMOTERS / 60,
                "mutants_per_second": 3 * LENGTH / each[name],
                "times_faster": slowest / each[name],
            }
        )
        common.save("mutagenesis", rows, note)


if __name__ == "__main__":
    main()
