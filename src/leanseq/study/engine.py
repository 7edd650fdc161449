"""Where tasks run: Dask distributed, the same code for one laptop and for a cluster.

By default a local cluster of processes; with an address, any scheduler that runs already. A task of one thread in
every process: torch keeps its own threads, and its random state belongs to the whole process.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any, NamedTuple

from dask.config import set as set_config
from distributed import Client, LocalCluster, as_completed
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from ..errors import InputError

CONNECT = 20.0
"""Seconds to wait for a scheduler and for its first worker."""

_CONFIG = {
    # torch's memory is not Dask's to spill; only the end of all memory stops a worker
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.worker.daemon": True,
    "distributed.comm.timeouts.connect": CONNECT,
    "distributed.scheduler.allowed-failures": 3,
}


class Layout(NamedTuple):
    """Processes and the torch threads of each."""

    processes: int
    threads: int


@dataclass(frozen=True)
class Engine:
    """A connection to workers.

    Attributes
    ----------
    client
        Dask's client.
    threads
        torch threads of a task; 0 where the workers are not ours: each decides itself.
    resources
        What a task asks of a worker, such as `{"GPU": 1}`.
    """

    client: Client
    threads: int
    resources: dict[str, float]

    @property
    def workers(self) -> int:
        """Workers now connected that can take a task."""
        known = self.client.scheduler_info(n_workers=-1)["workers"].values()
        able = [w for w in known if all(w["resources"].get(name, 0) >= n for name, n in self.resources.items())]
        return len(able)

    def submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Send a task; never taken from a cache, because runs have their own."""
        return self.client.submit(function, *arguments, pure=False, resources=self.resources or None, **options)


@contextmanager
def open_engine(
    layout: Layout, scheduler: str | None = None, resources: dict[str, float] | None = None
) -> Iterator[Engine]:
    """Start a local cluster, or connect to a scheduler.

    Parameters
    ----------
    layout
        Processes and threads of the local cluster.
    scheduler
        Address of a scheduler that runs already, such as `tcp://10.0.0.1:8786`; the layout is not used then.
    resources
        What every task asks of a worker.

    Raises
    ------
    InputError
        If the scheduler or a fitting worker cannot be reached.
    """
    _hush()
    resources = resources or {}
    with set_config(_CONFIG), ExitStack() as opened:
        if scheduler is None:
            with _deaf_to_interrupts():
                cluster = opened.enter_context(
                    LocalCluster(
                        n_workers=layout.processes,
                        threads_per_worker=1,
                        dashboard_address=":0",  # a free port: None takes the usual one, and warns where that is in use
                        silence_logs=logging.CRITICAL,
                        resources=resources or None,
                        env={"OMP_NUM_THREADS": str(layout.threads)},
                    )
                )
            yield Engine(opened.enter_context(Client(cluster)), layout.threads, resources)
            return
        try:
            client = opened.enter_context(Client(scheduler, timeout=CONNECT))
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"--scheduler {scheduler}: no scheduler answers there within {CONNECT:.0f} s; start one with "
                "`dask scheduler` and give its address, such as tcp://127.0.0.1:8786"
            ) from error
        engine = Engine(client, 0, resources)
        until = time.monotonic() + CONNECT
        while not engine.workers:
            if time.monotonic() > until:
                wanted = f" with {resources}" if resources else ""
                raise InputError(
                    f"--scheduler {scheduler}: no worker{wanted} is connected; start one with `dask worker "
                    f"{scheduler} --nthreads 1`"
                )
            time.sleep(0.2)
        yield engine


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Block Ctrl-C for all that is started meanwhile, for ever, and for this thread, which hears it afterwards.

    A terminal sends it to all processes, but the driver alone ends its workers. That they ignore it is not enough:
    Polars hears it all the same.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # else the first worker starts it, which ends the blocking in its thread
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hush() -> None:
    """Keep Dask's own logs, tracebacks among them, from the user: what matters is said in one line."""
    for name in ("tornado", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


class Done(NamedTuple):
    """An item that came back: its result, or the error that ended it."""

    item: Any
    result: Any
    error: BaseException | None


def work(
    engine: Engine, function: Callable[..., Any], items: Iterable[Any], again: Callable[[Done], bool]
) -> Iterator[Done]:
    """Run `function(item)` for all items on the workers and give each as it comes back.

    Each worker holds one item: what is only queued at a worker that dies counts for Dask as if it had killed it.

    Parameters
    ----------
    engine
        Where.
    function
        Importable; items and results are plain values.
    items
        In the order of their importance; the next is drawn only when a worker is free for it.
    again
        Asked about each that came back: whether to send it once more (after a short wait) instead of giving it.

    Raises
    ------
    InputError
        If the scheduler was lost.
    """
    left, running = iter(items), {}
    waiting = as_completed(loop=engine.client.loop)

    def send(item: Any) -> None:
        future = engine.submit(function, item)
        running[future] = item
        waiting.add(future)

    def fill() -> None:
        with _losing():
            free = max(1, engine.workers) - len(running)
        for item in islice(left, max(0, free)):
            with _losing():
                send(item)

    fill()
    while running:
        with _losing():
            future = next(waiting)
            if future.status not in ("finished", "error"):
                raise ConnectionError("it lost the task")
            error = future.exception() if future.status == "error" else None
            done = Done(running.pop(future), None if error else future.result(), error)
            if again(done):
                time.sleep(0.5)
                send(done.item)
                continue
        yield done
        fill()


@contextmanager
def _losing() -> Iterator[None]:
    """Say in one line what Dask raises in several ways when its scheduler is gone."""
    try:
        yield
    except (OSError, RuntimeError, FutureCancelledError) as error:
        raise InputError(f"the scheduler was lost ({error}); run the same command again to go on") from error


def died(error: BaseException | None) -> bool:
    """Whether an error says that the worker was lost, not that the task went wrong."""
    return isinstance(error, KilledWorker)


def candidates(cores: int) -> list[Layout]:
    """Layouts that use all cores.

    Examples
    --------
    >>> candidates(4)
    [Layout(processes=4, threads=1), Layout(processes=2, threads=2), Layout(processes=1, threads=4)]
    """
    return [Layout(cores // threads, threads) for threads in range(1, cores + 1) if cores % threads == 0]


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
