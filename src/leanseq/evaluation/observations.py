"""The words of the report's Table 2 from a rule.

The report judged each run of its LSTM search by eye, from loss and Pearson's r on training and validation rows after
the last epoch. The rule here gives the same words for all 15 of its rows, so that new runs can be read the same way.
It is a reading aid and no test. Rows 3 and 5 of the table are one configuration run twice, with a validation r of
0.4848 and 0.4412: the spread between two runs is larger than most differences that the table is read for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

SEVERE_GAP = 0.75
"""Share of the validation loss by which the training loss lies below it, above which a run is severely overfit."""
OVERFIT_GAP = 0.2
"""The same for overfit."""
UNDERFIT_R = math.sqrt(0.2)
"""Training r below which a network explains under a fifth of the variance of its own training labels."""


class Fit(NamedTuple):
    """How a run ended: loss and Pearson's r on training and validation rows."""

    train_loss: float
    valid_loss: float
    train_r: float
    valid_r: float


def loss_gap(fit: Fit) -> float:
    """Return validation loss - training loss.

    Examples
    --------
    >>> round(loss_gap(Fit(0.7726, 1.5596, 0.7692, 0.4355)), 4)
    0.787
    """
    return fit.valid_loss - fit.train_loss


def r_gap(fit: Fit) -> float:
    """Return training r - validation r.

    Examples
    --------
    >>> round(r_gap(Fit(0.7726, 1.5596, 0.7692, 0.4355)), 4)
    0.3337
    """
    return fit.train_r - fit.valid_r


def observe(train_loss: float, valid_loss: float, train_r: float, valid_r: float) -> str:
    """Return "Underfit", "Balanced", "Overfit" or "Severe overfit", or "Undefined" where a loss is not finite.

    With g = (validation loss - training loss) / validation loss: above 0.75 severe overfit, above 0.2 overfit.
    Otherwise a training r below sqrt(0.2), or undefined as for constant predictions, is underfit; the rest is balanced.
    Losses are not negative. `valid_r` has no part in the word of one run; it ranks runs in `observe_all`.

    Examples
    --------
    >>> observe(0.7726, 1.5596, 0.7692, 0.4355)
    'Overfit'
    """
    gap = loss_gap(Fit(train_loss, valid_loss, train_r, valid_r))
    if not math.isfinite(gap):
        return "Undefined"
    if gap > SEVERE_GAP * valid_loss:
        return "Severe overfit"
    if gap > OVERFIT_GAP * valid_loss:
        return "Overfit"
    return "Balanced" if train_r >= UNDERFIT_R else "Underfit"  # nan is underfit


def observe_all(rows: Sequence[Fit], baseline: int | None) -> list[str]:
    """Return the word of each run, with the baseline and the best model named.

    Parameters
    ----------
    rows
        Runs to be read together.
    baseline
        Index from 0 of the row that is called "Baseline", if any. Of the other balanced rows, the one with the highest
        validation r is called "Best model".

    Examples
    --------
    >>> observe_all([Fit(1.42, 1.54, 0.61, 0.46), Fit(1.35, 1.47, 0.74, 0.54), Fit(1.48, 1.48, 0.53, 0.53)], baseline=2)
    ['Balanced', 'Best model', 'Baseline']
    """
    words = [observe(*row) for row in rows]
    if baseline is not None:
        words[baseline] = "Baseline"
    balanced = [i for i, word in enumerate(words) if word == "Balanced" and not math.isnan(rows[i].valid_r)]
    if balanced:
        words[max(balanced, key=lambda i: rows[i].valid_r)] = "Best model"
    return words


class ReportRow(NamedTuple):
    """A row of the report's Table 2; None where the baseline, LegNet without an LSTM, has no such setting.

    Attributes
    ----------
    hidden, directions
        Size and number of directions of the LSTM.
    dropout, lr, weight_decay
        As printed.
    fit
        Loss and r after the last epoch.
    label
        The report's observation.
    """

    hidden: int | None
    directions: int | None
    dropout: float | None
    lr: float
    weight_decay: float | None
    fit: Fit
    label: str


REPORT_TABLE_2 = (
    ReportRow(256, 2, 0.0, 4e-7, 0.01, Fit(0.7726, 1.5596, 0.7692, 0.4355), "Overfit"),
    # The report adds "but dropout improves generalization slightly": a judgement between rows 1 and 2, from one run
    # each, that cannot follow from one row.
    ReportRow(256, 2, 0.3, 4e-7, 0.01, Fit(0.7667, 1.5626, 0.7763, 0.4761), "Overfit"),
    ReportRow(256, 1, 0.3, 4e-7, 0.01, Fit(1.0118, 1.4043, 0.7525, 0.4848), "Overfit"),
    ReportRow(256, 1, 0.5, 4e-7, 0.01, Fit(0.9134, 1.5108, 0.7567, 0.4504), "Overfit"),
    ReportRow(256, 1, 0.3, 4e-7, 0.01, Fit(0.7851, 1.5898, 0.7974, 0.4412), "Overfit"),
    ReportRow(256, 1, 0.3, 4e-7, 0.001, Fit(0.9120, 1.5322, 0.7604, 0.4392), "Overfit"),
    ReportRow(128, 1, 0.3, 4e-7, 0.01, Fit(1.4200, 1.5435, 0.6120, 0.4628), "Balanced"),
    ReportRow(128, 1, 0.3, 4e-7, 0.001, Fit(1.3494, 1.4682, 0.7396, 0.5428), "Best model"),
    ReportRow(128, 1, 0.3, 4e-7, 0.0001, Fit(1.3733, 1.5322, 0.7651, 0.5388), "Balanced"),
    ReportRow(128, 1, 0.3, 4e-5, 0.01, Fit(0.0652, 2.4602, 0.9786, 0.6050), "Severe overfit"),
    ReportRow(128, 1, 0.5, 4e-7, 0.01, Fit(1.3555, 1.5142, 0.6355, 0.4390), "Balanced"),
    ReportRow(64, 1, 0.3, 4e-7, 0.01, Fit(1.8347, 1.8467, 0.4279, 0.3136), "Underfit"),
    ReportRow(64, 1, 0.2, 4e-7, 0.01, Fit(1.7329, 1.7701, 0.1878, 0.1266), "Underfit"),
    ReportRow(64, 1, 0.1, 4e-7, 0.01, Fit(1.7226, 1.8114, -0.1187, -0.1670), "Underfit"),
    # The report prints a Pearson's gap of -0.0016 here; its own two values give +0.0004.
    ReportRow(None, None, None, 4e-7, None, Fit(1.4797, 1.4815, 0.5284, 0.5280), "Baseline"),
)
"""The LSTM search of the report (Supporting Information, Table 2), in its order."""
