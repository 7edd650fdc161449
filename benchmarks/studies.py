"""A study of small networks on all cores, against the same runs one after another.

Contenders take turns: one process with one thread, one process with all threads (both one run after another), and one
process a core, leanseq's own choice. Each runs the whole study in a store of its own, start-up of the workers included;
what every contender measures once and then keeps (the speed of the network) is measured before.

    python benchmarks/studies.py --repeats 1
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import common

LEANSEQ = str(Path(sys.executable).with_name("leanseq"))
STUDY = """
title = "Six runs of LegNet small"
table = "table.tsv"
seeds = 3

[base]
size = "small"
epochs = 2
batch = 64
train = 2048
valid = 256
test = 256

[grid]
lr = [3e-3, 5e-3]
"""
ASKED = 1.6


def run(folder: Path, processes: int, threads: int) -> None:
    """Run the whole study once, from an empty store that only knows the speed of the network."""
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir()
    shutil.copy(folder / "paces.json", store / "paces.json")
    words = ["study", "run", "study.toml", "--store", "store", "--processes", processes, "--threads", threads]
    subprocess.run(
        [LEANSEQ, *map(str, words)], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1, help="turns of each contender (default: %(default)s)")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    layouts = {f"{p} process{'es' if p > 1 else ''} x {t} threads": (p, t) for p, t in ((1, 1), (1, cores), (cores, 1))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([LEANSEQ, "simulate", folder / "table.tsv", "--rows", "3000"], check=True, capture_output=True)
        (folder / "study.toml").write_text(STUDY)
        for threads in sorted({1, cores}):
            words = ["study", "plan", "study.toml", "--store", "store", "--threads", threads]
            subprocess.run([LEANSEQ, *map(str, words)], check=True, cwd=folder, capture_output=True)
        shutil.copy(folder / "store" / "paces.json", folder / "paces.json")
        calls = {name: partial(run, folder, *layout) for name, layout in layouts.items()}
        seconds = common.interleave(calls, given.repeats, warm_up=0)
    best = common.median(list(seconds.values())[-1])
    rows: list[dict[str, Any]] = []
    for name, times in seconds.items():
        middle = common.median(times)
        rows.append({"command": name, "seconds": middle, "times_the_last": middle / best})
    note = (
        f"Six runs of legnet-optimized small, 2,048 simulated rows, 2 epochs; {given.repeats} turn(s) of each. "
        f"Asked: {ASKED} times faster on 2 cores than one run after another."
    )
    common.save("studies", rows, note)


if __name__ == "__main__":
    main()
