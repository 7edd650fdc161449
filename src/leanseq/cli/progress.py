"""Progress of a training on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..report.words import duration

if TYPE_CHECKING:
    from ..training.fit import Watcher
    from ..training.learner import Epoch

LINE_EVERY = 30.0
"""Seconds between plain lines."""
FAITH = 0.1
"""Share of a job that must be done before its own pace tells as much of the time left as the estimate does."""


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


@contextmanager
def follow(what: str, share: Callable[[], float], expected: float | None = None) -> Iterator[Callable[[str], None]]:
    """Show how much of a long job is done, and the time left; gives a way to say lines meanwhile.

    Parameters
    ----------
    what
        The job in a word.
    share
        Called every few seconds, from another thread: the share that is done, 0..1.
    expected
        Seconds that the whole job was estimated to take. What is done shows late (in checkpoints), so at first the
        estimate knows better than the pace.
    """
    stopped = threading.Event()
    began, before = time.monotonic(), share()

    def left(now: float) -> float | None:
        """Seconds left; None where neither pace nor estimate tells."""
        faith = 0.0 if expected is None else FAITH
        gone, done = time.monotonic() - began + faith * (expected or 0.0), now - before + faith
        return gone / done * (1 - now) if done > 0 else None

    def every(seconds: float, show: Callable[[float], None]) -> None:
        while not stopped.wait(seconds):
            show(share())

    if not sys.stderr.isatty():

        def show(now: float) -> None:
            if (seconds := left(now)) is not None:
                say(f"{what}: {now:.0%} done, about {duration(seconds)} left")

        timer = threading.Thread(target=every, args=(LINE_EVERY, show), daemon=True)
        timer.start()
        try:
            yield say
        finally:
            stopped.set()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn(what),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=1.0, left="")

        def draw(now: float) -> None:
            seconds = left(now)
            bar.update(task, completed=now, left="" if seconds is None else f"about {duration(seconds)} left")

        timer = threading.Thread(target=every, args=(1.0, draw), daemon=True)
        timer.start()
        try:
            yield lambda line: bar.console.print(line, highlight=False, markup=False)
        finally:
            stopped.set()
            timer.join()


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
