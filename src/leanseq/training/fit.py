"""The training loop, on data in memory.

Every step is a pure function of the state before it and of (seed, epoch, index), so a run that was stopped and
resumed gives the same bits on the CPU as one that was not.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from .inputs import Channels, Examples
from .learner import Epoch, Learner, best_epoch
from .objectives import Objective
from .recipe import Recipe

SAVE_EVERY = 60.0
"""Seconds between checkpoints within an epoch."""


class Interrupted(Exception):
    """Training was stopped by a signal after writing a checkpoint."""


class Watcher(NamedTuple):
    """What is told while training goes on."""

    step: Callable[[int, int], None] = lambda done, total: None
    epoch: Callable[[Epoch], None] = lambda record: None


def fit(
    network: nn.Module,
    objective: Objective,
    channels: Channels,
    recipe: Recipe,
    train: Examples,
    valid: Examples,
    *,
    seed: int,
    folder: Path | None = None,
    watcher: Watcher | None = None,
) -> list[Epoch]:
    """Train a network in place.

    Parameters
    ----------
    network
        On its device; afterwards it holds the weights that `recipe.select` asks for, in evaluation mode.
    objective, channels, recipe
        Loss and label scale, constant input channels, numbers of the loop.
    train, valid
        Rows to learn from, rows to look at after each epoch.
    seed
        Of batches, strands and dropout. The global random state of torch is left as it was.
    folder
        Where checkpoints go; if it holds one, training goes on from there.
    watcher
        Called after each step and epoch.

    Returns
    -------
    list of Epoch

    Raises
    ------
    InputError
        If the loss is no longer finite.
    Interrupted
        If SIGINT or SIGTERM arrived; the folder then holds a checkpoint.
    """
    watcher = watcher or Watcher()
    learner = Learner(network, objective, channels, recipe, train, seed)
    history = learner.restore(folder)
    device_count = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=device_count), _stop_signals() as stopped:
        saved = time.monotonic()
        while learner.step < learner.steps and not _out_of_patience(history, recipe.patience):
            began = time.perf_counter()
            for batch in learner.rest_of_epoch():
                learner.learn(*batch)
                watcher.step(learner.step, learner.steps)
                within_epoch = learner.step % learner.steps_per_epoch
                if within_epoch and (stopped() or (folder and time.monotonic() - saved > SAVE_EVERY)):
                    learner.elapsed, began = learner.elapsed + time.perf_counter() - began, time.perf_counter()
                    learner.save(folder, history)
                    saved = time.monotonic()
                    if stopped():
                        raise Interrupted
            history.append(learner.finish_epoch(valid, time.perf_counter() - began))
            learner.keep_best(history)
            watcher.epoch(history[-1])
            learner.save(folder, history)
            saved = time.monotonic()
            if stopped():
                raise Interrupted
    network.load_state_dict(learner.chosen())
    network.eval()
    return history


def _out_of_patience(history: list[Epoch], patience: int) -> bool:
    return bool(patience and history and len(history) - 1 - best_epoch(history) >= patience)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a question asked between steps (main thread only)."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, frame: Any) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
