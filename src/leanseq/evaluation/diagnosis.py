"""What is wrong with a finished training, from its own numbers.

Each finding has its evidence in numbers and one thing to change next, because two changes at once explain nothing. They
come in the order in which they should be mended: a wrong split makes all other numbers worthless, a wrong learning rate
hides what the network could do. A cause silences what follows from it: who has not left the start cannot be too small.

The thresholds are rules of thumb, each with its reason. They are wide, so that what is said is worth acting on; a
training without findings need not be the best one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .metrics import mse, pearson
from .observations import OVERFIT_GAP, SEVERE_GAP, UNDERFIT_R

JUMP = 0.05
"""Share by which the training loss of an epoch may lie above the lowest before: as a mean over all training rows it
falls nearly always, and a rise of a twentieth is no chance."""
LEARNT = 0.02
"""Share of the no-skill loss by which a loss must lie below it to say that anything was learned."""
LOW_LR, USUAL_LR, HIGH_LR = 1e-3, 3e-3, 1e-2
"""Peak rates at which the networks of this library train with AdamW (3e-3 by default, 5e-3 in LegNet). Only outside of
the outer two is the rate blamed for a training that learned too little."""
STEADY = 0.5
"""Share of the first half's fall of the training loss above which the second half's fall shows no end yet."""
CHANGE = 0.01
"""Difference in r that counts: two seeds of one setting differ by about as much."""
LAST_PART = 8
"""The last eighth of the epochs, where a schedule that ends lets r stand still."""
LEAK = 0.01
"""Share of judged rows with a relative in train, above which r is flattered: unrelated sequences have none."""
EXCESS = 0.1
"""Share of the squared error that a straight line through the predictions would take away."""
FEWEST_ROWS = 50
"""Validation rows below which a line through them is mostly chance."""
NOISY_CEILING = math.sqrt(0.5)
"""Ceiling of r below which more than half of the variance of the labels is noise."""
NEAR_CEILING = 0.95
"""Share of the ceiling above which the rest is hardly worth a change of the network."""
WHOLE_NUMBERS = 0.5
"""Share of whole-number labels above which most sequences of a sort-seq table were seen in one cell."""

Name = Literal[
    "leakage between splits",
    "learning rate too high",
    "learning rate too low",
    "schedule unfinished",
    "underfit",
    "overfit",
    "beaten by the ridge",
    "ranked well but miscalibrated",
    "labels too noisy",
    "nothing wrong found",
]


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes
    ----------
    name
        What is wrong.
    evidence
        The numbers that say so.
    advice
        The one thing to change next.
    """

    name: Name
    evidence: str
    advice: str


@dataclass(frozen=True)
class Training:
    """The numbers of a finished training.

    Attributes
    ----------
    lr, train_loss, valid_loss, train_r, valid_r
        One entry an epoch, as in `history.csv`; `lr` is the rate at its end.
    peak_lr
        The highest learning rate of the schedule.
    no_skill
        Validation loss of the constant answer, in the unit of the losses.
    measured, predicted
        Expression of n validation rows by the network that was kept; a nan leaves its row out.
    ceiling
        The noise ceiling of r, from replicates or errors; None where unknown.
    ridge_r
        Pearson's r of the k-mer ridge on the same rows; None where there is none.
    leaked
        Share of validation and test rows with a homologous row in train.
    whole_numbers
        Share of labels that are whole numbers, which in a sort-seq table are sequences seen in one cell. 0 where whole
        numbers mean nothing.
    """

    lr: Float[np.ndarray, " epochs"]
    train_loss: Float[np.ndarray, " epochs"]
    valid_loss: Float[np.ndarray, " epochs"]
    train_r: Float[np.ndarray, " epochs"]
    valid_r: Float[np.ndarray, " epochs"]
    peak_lr: float
    no_skill: float
    measured: Float[np.ndarray, " n"]
    predicted: Float[np.ndarray, " n"]
    ceiling: float | None = None
    ridge_r: float | None = None
    leaked: float = 0.0
    whole_numbers: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.lr):
            raise InputError("diagnosis: the history has no epoch, expected 1 or more; train first")

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return len(self.lr)

    @property
    def r(self) -> float:
        """Pearson's r of the kept network on validation rows; nan where undefined."""
        known = self._known
        return pearson(self.measured[known], self.predicted[known])

    @property
    def gap(self) -> float:
        """Share of the last validation loss by which the training loss lies below it."""
        return float(1 - self.train_loss[-1] / self.valid_loss[-1]) if self.valid_loss[-1] > 0 else 0.0

    @property
    def _known(self) -> np.ndarray:
        return np.isfinite(self.measured) & np.isfinite(self.predicted)

    @property
    def _fit_r(self) -> float:
        """r on rows that the network could have learned; the higher one, as `train_r` is an average over an epoch."""
        return max([0.0, *(float(each[-1]) for each in (self.train_r, self.valid_r) if np.isfinite(each[-1]))])

    @property
    def _learnt(self) -> bool:
        """Whether the network left the level of no skill."""
        lowest = min(float(self.train_loss[-1]), float(self.valid_loss[-1]))
        return lowest < (1 - LEARNT) * self.no_skill or self._fit_r >= UNDERFIT_R

    @property
    def _fits(self) -> bool:
        """Whether the network explains what it could of its labels, as `observations.observe` asks."""
        return self._fit_r >= UNDERFIT_R * (1 if self.ceiling is None else self.ceiling)

    @property
    def _late_gain(self) -> float:
        """How far validation r rose in the last part over the best before; 0 for a single epoch."""
        last = max(1, self.epochs // LAST_PART)
        before = self.valid_r[:-last]
        known = before[np.isfinite(before)]
        return float(self.valid_r[-1] - known.max()) if len(known) else 0.0


def diagnose(training: Training) -> list[Finding]:
    """Say what is wrong with a training, what shows it, and what to change next.

    Parameters
    ----------
    training
        Its numbers.

    Returns
    -------
    list of Finding
        In the order in which they should be mended; a single "nothing wrong found" where there is nothing.

    Examples
    --------
    >>> y = np.arange(100.0)
    >>> loss, r = np.array([1.9, 1.5, 1.4]), np.array([0.3, 0.75, 0.8])
    >>> good = Training(np.array([3e-3, 1e-3, 0.0]), loss, loss, r, r, 3e-3, 1.8, y, y + 5 * np.sin(y))
    >>> [finding.name for finding in diagnose(good)]
    ['schedule unfinished']
    """
    course = (_rate_too_high, _rate_too_low, _overfit, _unfinished, _underfit)
    first = next((found for rule in course if (found := rule(training)) is not None), None)  # a cause silences the rest
    every = (_leakage(training), first, _beaten(training), _miscalibrated(training), _noisy(training))
    return [each for each in every if each is not None] or [_nothing(training)]


def _leakage(training: Training) -> Finding | None:
    if not training.leaked > LEAK:
        return None
    return Finding(
        "leakage between splits",
        f"{training.leaked:.1%} of the validation and test rows have a homologous row in train, so r is too high",
        "split by homology (--split homology), so that relatives stay together",
    )


def _rate_too_high(training: Training) -> Finding | None:
    loss, peak = training.train_loss, training.peak_lr
    lower = f"train with a peak learning rate of {peak / 3 if peak <= HIGH_LR else USUAL_LR:.2g} instead of {peak:.2g}"
    lost = np.flatnonzero(~(np.isfinite(loss) & np.isfinite(training.valid_loss)))
    if len(lost):
        return Finding("learning rate too high", f"the loss of epoch {lost[0] + 1} is not finite", lower)
    rise = loss[1:] / np.minimum.accumulate(loss)[:-1] - 1
    if len(rise) and rise.max() > JUMP:
        epoch = int(rise.argmax()) + 1
        return Finding(
            "learning rate too high",
            f"in epoch {epoch + 1} the training loss rose to {loss[epoch]:.3g}, {rise.max():.0%} above the lowest "
            f"before ({loss[:epoch].min():.3g}), at a learning rate of {training.lr[epoch]:.2g}",
            lower,
        )
    if not training._learnt and peak > HIGH_LR:
        return Finding(
            "learning rate too high",
            f"{_no_skill(training)}; the peak learning rate is {peak:.2g}, above the usual {LOW_LR:g} to {HIGH_LR:g}",
            lower,
        )
    return None


def _rate_too_low(training: Training) -> Finding | None:
    peak, loss = training.peak_lr, training.train_loss
    if not peak < LOW_LR or training.gap > OVERFIT_GAP:
        return None
    middle = training.epochs // 2
    falls = loss[middle] - loss[-1], loss[0] - loss[middle]
    steady = training.epochs < 3 or falls[0] > STEADY * falls[1]
    slow = steady and not (training._fits and training._late_gain <= CHANGE)
    if training._learnt and not slow:
        return None
    shown = (
        f"the training loss was still falling, from {loss[0]:.3g} to {loss[-1]:.3g} at the end"
        if training._learnt
        else _no_skill(training)
    )
    return Finding(
        "learning rate too low",
        f"{shown}; the peak learning rate is {peak:.2g}, below the usual {LOW_LR:g} to {HIGH_LR:g}",
        f"train with a peak learning rate of {min(10 * peak, USUAL_LR) if training._learnt else USUAL_LR:.2g} "
        f"instead of {peak:.2g}",
    )


def _overfit(training: Training) -> Finding | None:
    if not training.gap > OVERFIT_GAP:
        return None
    best, end = int(np.nanargmax(np.append(training.valid_r, -1))), float(training.valid_r[-1])
    fallen = best < training.epochs and training.valid_r[best] - end > CHANGE
    severe = ", severely" if training.gap > SEVERE_GAP else ""
    past = f"; validation r fell from {training.valid_r[best]:.3f} in epoch {best + 1}" if fallen else ""
    return Finding(
        "overfit",
        f"the training loss {training.train_loss[-1]:.3g} lies {training.gap:.0%} below the validation loss "
        f"{training.valid_loss[-1]:.3g}{severe}; r is {training.train_r[-1]:.3f} on training and {end:.3f} on "
        f"validation rows{past}",
        f"train {best + 1} epochs instead of {training.epochs}"
        if fallen
        else "take a smaller network (--size small or tiny)",
    )


def _unfinished(training: Training) -> Finding | None:
    longer = f"train {2 * training.epochs} epochs instead of {training.epochs}"
    if training.epochs == 1:
        return Finding(
            "schedule unfinished",
            f"validation r is {training.valid_r[-1]:.3f} after a single epoch, which cannot show if it still rises",
            longer,
        )
    if not training._late_gain > CHANGE:
        return None
    last = max(1, training.epochs // LAST_PART)
    return Finding(
        "schedule unfinished",
        f"validation r still rose by {training._late_gain:.3f} in the last "
        f"{f'{last} epochs' if last > 1 else 'epoch'}, to {training.valid_r[-1]:.3f}",
        longer,
    )


def _underfit(training: Training) -> Finding | None:
    if training._fits:
        return None
    most = "" if training.ceiling is None else f" of at most {training.ceiling:.3f}"
    return Finding(
        "underfit",
        f"r is {training.train_r[-1]:.3f} on training and {training.valid_r[-1]:.3f} on validation rows{most}, and no "
        f"longer rises; {training._fit_r**2:.0%} of the variance are explained",
        "take a larger network (--size small or full)",
    )


def _beaten(training: Training) -> Finding | None:
    ridge, undefined = training.ridge_r, math.isnan(training.r)
    if ridge is None or not ridge - (0 if undefined else training.r) > CHANGE:
        return None
    own = "none (its predictions are all equal)" if undefined else f"{training.r:.3f}"
    return Finding(
        "beaten by the ridge",
        f"the k-mer ridge reaches r {ridge:.3f} on the same rows, the network {own}",
        "use the k-mer ridge until a network is better on the same rows",
    )


def _miscalibrated(training: Training) -> Finding | None:
    y, p = (each[training._known].astype(np.float64) for each in (training.measured, training.predicted))
    if len(y) < FEWEST_ROWS or not training.r >= UNDERFIT_R:
        return None
    slope = training.r * y.std() / p.std()
    start = y.mean() - slope * p.mean()
    error, least = mse(y, p), mse(y, start + slope * p)
    if not error - least > EXCESS * error:
        return None
    return Finding(
        "ranked well but miscalibrated",
        f"r is {training.r:.3f}, but the mean squared error {error:.3g} would be {least:.3g} on a straight line",
        f"correct predictions before reading them as expression: {start:.3g} {'+' if slope >= 0 else '-'} "
        f"{abs(slope):.3g} * prediction",
    )


def _noisy(training: Training) -> Finding | None:
    ceiling, r = training.ceiling, training.r
    if ceiling is None:
        if not training.whole_numbers > WHOLE_NUMBERS:
            return None
        return Finding(
            "labels too noisy",
            f"{training.whole_numbers:.0%} of the values are whole numbers, as of sequences seen in one cell, and the "
            "noise ceiling is unknown",
            "measure a part of the sequences twice (columns rep1, rep2), to know how high r can be",
        )
    if ceiling < NOISY_CEILING:
        shown = f"the noise ceiling of r is {ceiling:.3f}: {1 - ceiling**2:.0%} of the variance of the labels is noise"
    elif r > NEAR_CEILING * ceiling:
        shown = f"r is {r:.3f}, {r / ceiling:.0%} of the noise ceiling {ceiling:.3f}"
    else:
        return None
    return Finding(
        "labels too noisy", shown, "measure the same sequences more often (reads or replicates) before adding others"
    )


def _nothing(training: Training) -> Finding:
    most = "the noise ceiling is unknown" if training.ceiling is None else f"of at most {training.ceiling:.3f}"
    return Finding(
        "nothing wrong found",
        f"validation r is {training.r:.3f} ({most}), the training loss {training.train_loss[-1]:.3g}, "
        f"the validation loss {training.valid_loss[-1]:.3g}, without skill {training.no_skill:.3g}",
        "measure more sequences, if the learning curve says that they help",
    )


def _no_skill(training: Training) -> str:
    return (
        f"nothing was learned: the losses ended at {training.train_loss[-1]:.3g} (training) and "
        f"{training.valid_loss[-1]:.3g} (validation), the constant answer has {training.no_skill:.3g}"
    )
