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
    seen, at = before, began

    def left(now: float) -> float | None:
        nonlocal seen, at
        if now != seen:
            seen, at = now, time.monotonic()
        return time_left(now, now - before, at - began, time.monotonic() - at, expected)

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


def time_left(share: float, done: float, took: float, since: float, expected: float | None) -> float | None:
    """Seconds left of a job that advances in steps; None where neither pace nor estimate tells.

    Parameters
    ----------
    share
        Of the whole job that is done, 0..1.
    done, took
        Share that was done under watch, and the seconds until its last step.
    since
        Seconds since that step.
    expected
        Seconds that the whole job was estimated to take.

    Examples
    --------
    >>> time_left(0.5, 0.5, 10.0, 0.0, None), time_left(0.5, 0.5, 10.0, 4.0, None), time_left(0.0, 0.0, 0.0, 9.0, None)
    (10.0, 6.0, None)
    >>> time_left(0.0, 0.0, 0.0, 30.0, 60.0), time_left(0.0, 0.0, 0.0, 70.0, 60.0)  # one that should be done by now
    (30.0, 7.0)
    """
    faith = 0.0 if expected is None else FAITH
    if done + faith <= 0:
        return None
    whole, rest = (took + faith * (expected or 0.0)) / (done + faith), 1 - share
    return max(whole * rest - since, FAITH * since * rest)


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
