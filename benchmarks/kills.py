"""Kill workers, schedulers and drivers of a study at random moments; it must end with the bits of an undisturbed one.

A 12-run study of small networks on a simulated table runs once in peace, on a local cluster, and once on a scheduler
and two workers of their own, of which one is killed with SIGKILL every few seconds. Weights, predictions and curves of
all runs are then compared byte for byte (curves without their column of seconds).

    python benchmarks/kills.py --kills 20
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import polars as pl

STUDY = """
title = "Twelve runs to disturb"
table = "table.tsv"
seeds = 3

[base]
size = "tiny"
epochs = 16
batch = 32
train = 500

[grid]
model = ["legnet-optimized", "legnet-optimized+lstm"]
lr = [1e-3, 3e-3]
"""
NOTE = "Runs that differ: of 12, in weights, predictions or curves, after all kills; asked: none."
ADDRESS = "tcp://127.0.0.1:{port}"
BIN = Path(sys.executable).parent


class Cast:
    """The processes of a study on a scheduler of its own; each can be killed and comes back."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.address = folder, ADDRESS.format(port=port)
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.commands = {
            "scheduler": [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
            **{
                f"worker {i}": [
                    BIN / "dask",
                    "worker",
                    self.address,
                    "--nthreads",
                    "1",
                    "--no-dashboard",
                    "--memory-limit",
                    "0",
                    "--local-directory",
                    str(folder / "dask"),
                ]
                for i in (1, 2)
            },
            "driver": [
                BIN / "leanseq",
                "study",
                "run",
                folder / "study.toml",
                "--store",
                folder / "killed",
                "--scheduler",
                self.address,
            ],
        }
        self.running: dict[str, subprocess.Popen] = {}

    def keep_up(self) -> None:
        """Start everything that is not running."""
        for name, command in self.commands.items():
            if name not in self.running or self.running[name].poll() is not None:
                log = open(self.folder / f"{name.replace(' ', '-')}.log", "ab")  # noqa: SIM115
                self.running[name] = subprocess.Popen(
                    [str(word) for word in command],
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def kill(self, name: str) -> None:
        """Kill a process, for a worker the one that trains."""
        process = self.running[name]
        victim = process.pid
        if name.startswith("worker"):
            children = _children(victim)
            victim = children[-1] if children else victim
        os.kill(victim, signal.SIGKILL)
        if victim == process.pid:
            process.wait()

    def stop(self) -> None:
        """End everything."""
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _children(pid: int) -> list[int]:
    """Child processes of a process, oldest first."""
    out = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid), "--sort", "start_time"], capture_output=True, text=True
    )
    return [int(word) for word in out.stdout.split()]


def differing(one: Path, other: Path) -> list[str]:
    """Runs of two stores whose results are not the same bytes."""
    runs = sorted(path.name for path in one.iterdir() if (path / "run.json").exists())
    wrong = []
    for run in runs:
        same = all(
            (one / run / name).read_bytes() == (other / run / name).read_bytes()
            for name in ("model.safetensors", "predictions.parquet")
        )
        curves = [pl.read_csv(store / run / "history.csv").drop("seconds") for store in (one, other)]
        if not same or not curves[0].equals(curves[1]):
            wrong.append(run)
    if not runs:
        raise SystemExit("the undisturbed study left no run")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--wait", type=float, nargs=2, default=(3.0, 9.0), help="seconds between kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=8796)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [BIN / "leanseq", "simulate", folder / "table.tsv", "--rows", "800"], check=True, capture_output=True
        )
        (folder / "study.toml").write_text(STUDY)
        began = time.monotonic()
        subprocess.run(
            [
                BIN / "leanseq",
                "study",
                "run",
                folder / "study.toml",
                "--store",
                folder / "peace",
                "--processes",
                "2",
                "--threads",
                "1",
            ],
            check=True,
        )
        peace = time.monotonic() - began
        cast, killed, began = Cast(folder, given.port), [], time.monotonic()
        try:
            while True:
                if killed and len(killed) < given.kills and cast.running["driver"].poll() == 0:
                    raise SystemExit(f"the study finished after {len(killed)} kills; shorten --wait")
                cast.keep_up()
                if len(killed) < given.kills:
                    time.sleep(rng.uniform(*given.wait))
                    victim = rng.choice(list(cast.commands))
                    print(f"kill {len(killed) + 1}: {victim}", flush=True)
                    cast.kill(victim)
                    killed.append(victim)
                elif cast.running["driver"].wait() == 0:
                    break
        finally:
            cast.stop()
        wrong = differing(folder / "peace", folder / "killed")
        log = (folder / "driver.log").read_text()
        result = {
            "kills": {name: sum(victim == name for victim in killed) for name in cast.commands},
            "runs": 12,
            "runs_that_differ": len(wrong),
            "tracebacks_of_the_driver": log.count("Traceback"),
            "seconds_undisturbed": round(peace, 1),
            "seconds_disturbed": round(time.monotonic() - began, 1),
        }
        common.save("kills", [result], NOTE)


if __name__ == "__main__":
    main()
