"""Learning rate as a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..errors import InputError

START_DIVISOR, END_DIVISOR, RISE = 25.0, 1e4, 0.3


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Rise from peak/25 in 30 % of the steps and fall to peak/250,000, both along a cosine (Smith 2018).

    Examples
    --------
    >>> [round(one_cycle(step, 10, 1.0), 6) for step in (0, 2, 9)]
    [0.04, 1.0, 4e-06]
    """
    start, end = peak / START_DIVISOR, peak / START_DIVISOR / END_DIVISOR
    top = RISE * steps - 1
    if step <= top:
        return _cosine(start, peak, step / top if top > 0 else 1.0)
    return _cosine(peak, end, (step - top) / max(steps - 1 - top, 1e-9))


def constant(step: int, steps: int, peak: float) -> float:
    """The same learning rate at every step."""
    return peak


SCHEDULES: dict[str, Callable[[int, int, float], float]] = {"one-cycle": one_cycle, "constant": constant}


def learning_rate(schedule: str, step: int, steps: int, peak: float) -> float:
    """Learning rate of a step (0-based) of a run of `steps` steps."""
    if schedule not in SCHEDULES:
        raise InputError(f"schedule {schedule!r} is unknown, expected one of {', '.join(SCHEDULES)}")
    return SCHEDULES[schedule](step, steps, peak)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0)))
