from __future__ import annotations

import math

import pytest

from leanseq.evaluation.observations import (
    OVERFIT_GAP,
    REPORT_TABLE_2,
    SEVERE_GAP,
    UNDERFIT_R,
    Fit,
    loss_gap,
    observe,
    observe_all,
    r_gap,
)

NAN = float("nan")
FITS = [row.fit for row in REPORT_TABLE_2]
BASELINE = len(FITS) - 1

# As printed in the report. Its last Pearson's gap, -0.0016, is not the difference of its own two columns.
LOSS_GAPS = "0.787 0.7959 0.3925 0.5974 0.8047 0.6202 0.1235 0.1188 0.1589 2.395 0.1587 0.012 0.0372 0.0888 0.0018"
R_GAPS = "0.3337 0.3002 0.2677 0.3063 0.3562 0.3212 0.1492 0.1968 0.2263 0.3736 0.1965 0.1143 0.0612 0.0483 0.0004"


def test_the_rule_says_what_the_report_says() -> None:
    assert observe_all(FITS, BASELINE) == [row.label for row in REPORT_TABLE_2]


def test_the_gaps_are_those_of_the_report() -> None:
    assert [loss_gap(fit) for fit in FITS] == pytest.approx([float(gap) for gap in LOSS_GAPS.split()], abs=1e-9)
    assert [r_gap(fit) for fit in FITS] == pytest.approx([float(gap) for gap in R_GAPS.split()], abs=1e-9)


def test_two_rows_of_the_report_are_one_configuration() -> None:
    third, fifth = REPORT_TABLE_2[2], REPORT_TABLE_2[4]
    assert third[:5] == fifth[:5]
    assert third.fit.valid_r - fifth.fit.valid_r == pytest.approx(0.0436)


@pytest.mark.parametrize(
    ("gap", "train_r", "word"),
    [
        (SEVERE_GAP + 0.01, 0.9, "Severe overfit"),
        (SEVERE_GAP - 0.01, 0.9, "Overfit"),
        (OVERFIT_GAP + 0.01, 0.9, "Overfit"),
        (OVERFIT_GAP + 0.01, 0.0, "Overfit"),
        (OVERFIT_GAP - 0.01, UNDERFIT_R, "Balanced"),
        (OVERFIT_GAP - 0.01, UNDERFIT_R - 0.01, "Underfit"),
        (-0.5, 0.9, "Balanced"),
        (0.0, -0.9, "Underfit"),
        (0.0, NAN, "Underfit"),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_each_bound_parts_two_words_in_any_unit(gap: float, train_r: float, word: str, scale: float) -> None:
    assert observe(scale * (1 - gap), scale, train_r, 0.5) == word


@pytest.mark.parametrize("losses", [(NAN, 1.0), (1.0, NAN), (1.0, math.inf), (math.inf, math.inf)])
def test_a_loss_that_is_not_finite_is_undefined(losses: tuple[float, float]) -> None:
    assert observe(*losses, 0.9, 0.9) == "Undefined"


def test_losses_of_zero_are_no_gap() -> None:
    assert observe(0.0, 0.0, 1.0, 1.0) == "Balanced"


def test_best_model_is_a_balanced_row_and_never_the_baseline() -> None:
    good, better, overfit = Fit(1.0, 1.1, 0.7, 0.6), Fit(1.0, 1.1, 0.7, 0.65), Fit(0.1, 1.0, 0.99, 0.9)
    assert observe_all([good, better, overfit], None) == ["Balanced", "Best model", "Severe overfit"]
    assert observe_all([good, better, overfit], 1) == ["Best model", "Baseline", "Severe overfit"]
    assert observe_all([better._replace(valid_r=NAN), good], None) == ["Balanced", "Best model"]
    assert observe_all([overfit], None) == ["Severe overfit"]
    assert observe_all([], None) == []
