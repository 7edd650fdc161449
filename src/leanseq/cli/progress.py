"""Progress of a training on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..training.fit import Watcher
    from ..training.learner import Epoch

LINE_EVERY = 30.0
"""Seconds between plain lines."""


def say(line: str) -> None:
    """Print a line for people on stderr."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def watch() -> Iterator[Watcher]:
    """Give a watcher that shows steps, time left and each epoch's figures."""
    from ..training.fit import Watcher

    if not sys.stderr.isatty():
        yield Watcher(_lines(), _say_epoch)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("training", total=None)
        yield Watcher(
            lambda done, total: bar.update(task, completed=done, total=total),
            lambda record: bar.console.print(_epoch_words(record), highlight=False),
        )


def _lines():
    began = last = time.monotonic()
    first = None

    def step(done: int, total: int) -> None:
        nonlocal last, first
        first = done - 1 if first is None else first  # a resumed run starts above 0
        if (now := time.monotonic()) - last > LINE_EVERY:
            last = now
            left = (now - began) / (done - first) * (total - done)
            say(f"step {done:,} of {total:,}, about {left:.0f} s left")

    return step


def _say_epoch(record: Epoch) -> None:
    say(_epoch_words(record))


def _epoch_words(record: Epoch) -> str:
    return (
        f"epoch {record.epoch:>3}   train loss {record.train_loss:.4f}  r {record.train_r:.3f}   "
        f"validation loss {record.valid_loss:.4f}  r {record.valid_r:.3f}  rho {record.valid_rho:.3f}   "
        f"{record.seconds:.0f} s"
    )
