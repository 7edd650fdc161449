"""Time to start: the command line and the import, in processes of their own that take turns."""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import common

REPEATS, SECONDS = 15, 0.3
LEANSEQ = str(Path(sys.executable).with_name("leanseq"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import leanseq'": [sys.executable, "-c", "import leanseq"],
    "leanseq --help": [LEANSEQ, "--help"],
    "leanseq train --help": [LEANSEQ, "train", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="runs of each command (default: %(default)s)")
    given = parser.parse_args()
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
    calls = {name: partial(run, command) for name, command in COMMANDS.items()}
    seconds = common.interleave(calls, given.repeats)
    note = f"Median of {given.repeats} runs, files cached. Target: leanseq --help under {SECONDS} s."
    rows: list[dict[str, Any]] = []
    for name, times in seconds.items():
        middle = common.median(times)
        rows.append({"command": name, "seconds": middle, "fastest": min(times), "slowest": max(times)})
        if name.startswith("leanseq"):
            rows[-1]["under_0.3_s"] = middle < SECONDS
        common.save("startup", rows, note)


if __name__ == "__main__":
    main()
