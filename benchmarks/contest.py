"""Contenders in processes of their own, which work in turns.

Settings of a whole process (its allocator, its threads) then touch one contender only, and while one works the others
sleep, blocked on their pipes.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import common
import numpy as np


class Contender:
    """A child process that calls `setup(*arguments)` once and then, when told, the function that this gave."""

    def __init__(self, setup: Callable[..., Callable[..., Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs, setup, arguments), daemon=True)
        self._child.start()
        theirs.close()
        self._pipe.recv()
        self.result: Any = None

    def work(self, *arguments: Any) -> float:
        """Do one piece of work; gives its seconds and keeps its result."""
        self._pipe.send(arguments)
        seconds, self.result = self._pipe.recv()
        return seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pipe.close()
        self._child.join(10)


def _serve(pipe: Connection, setup: Callable[..., Callable[..., Any]], arguments: tuple[Any, ...]) -> None:
    """Life of a child: set up, then work whenever asked, until the pipe is closed."""
    call = setup(*arguments)
    pipe.send("ready")
    while True:
        try:
            given = pipe.recv()
        except EOFError:
            return
        began = time.perf_counter()
        result = call(*given)
        pipe.send((time.perf_counter() - began, result))


def take_turns(works: dict[str, Callable[[], float]], repeats: int, warm_up: int = 1) -> dict[str, float]:
    """Median seconds of each contender's work, one after the other in every turn."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(warm_up + repeats):
        for name, work in works.items():
            taken = work()
            if turn >= warm_up:
                seconds[name].append(taken)
    return {name: common.median(values) for name, values in seconds.items()}


FLOOR_FLOPS = 2 * 4096 * 2048 * 2048
"""Operations of the floor's matrix product."""


def floor() -> Callable[[], None]:
    """Set up the floor: one large float32 matrix product, the fastest that this machine multiplies."""
    import torch

    left, right, out = torch.rand(4096, 2048), torch.rand(2048, 2048), torch.empty(4096, 2048)
    return lambda: void(torch.mm(left, right, out=out))


def void(result: object) -> None:
    """Forget a result, so that it is not sent to the parent."""


def initial_weights(spec: str, size: str, channels: int, length: int = 150) -> dict[str, np.ndarray]:
    """Leanseq's first weights of a network as arrays, for any contender."""
    from leanseq.models import create

    network = create(spec, **network_arguments(spec, size, channels, length))
    return {name: value.numpy() for name, value in network.state_dict().items()}


def network_arguments(spec: str, size: str, channels: int, length: int = 150) -> dict[str, Any]:
    """Arguments of `leanseq.models.create`: the defaults, but no dropout, whose masks cannot be compared."""
    options = {f"{name}.dropout": 0 for name in ("transformer", "lstm") if name in spec.split("+")}
    return {"channels": channels, "length": length, "outputs": 18, "size": size, "options": options}


def random_sequences(count: int, length: int = 150, seed: int = 0) -> list[str]:
    """Random DNA, the same every time."""
    letters = np.random.default_rng(seed).choice(np.array(list("ACGT")), (count, length))
    return ["".join(row) for row in letters]
