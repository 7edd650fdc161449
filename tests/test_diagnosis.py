from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leanseq.errors import InputError
from leanseq.evaluation.diagnosis import (
    CHANGE,
    EXCESS,
    FEWEST_ROWS,
    HIGH_LR,
    LEAK,
    LOW_LR,
    NOISY_CEILING,
    Training,
    diagnose,
)

NONE = ["nothing wrong found"]


def with_r(r: float, n: int = 400):
    """Measured values and calibrated predictions that correlate by exactly r."""
    rng = np.random.default_rng(0)
    signal, noise = (values - values.mean() for values in rng.normal(size=(2, n)))
    noise -= signal * (signal @ noise) / (signal @ signal)
    signal, noise = (values / values.std() for values in (signal, noise))
    return 8 + 2 * (r * signal + np.sqrt(1 - r**2) * noise), 8 + 2 * r * signal


def training(r: float = 0.7, **changes) -> Training:
    """A training of eight epochs that ended well; `changes` name what is otherwise."""
    measured, predicted = with_r(r)
    good = Training(
        lr=np.array([1e-3, 3e-3, 2.8e-3, 2.2e-3, 1.4e-3, 7e-4, 2e-4, 0.0]),
        train_loss=np.array([1.78, 1.66, 1.60, 1.56, 1.52, 1.49, 1.46, 1.45]),
        valid_loss=np.array([1.90, 1.75, 1.65, 1.62, 1.58, 1.55, 1.53, 1.53]),
        train_r=np.array([0.40, 0.58, 0.62, 0.65, 0.68, 0.70, 0.72, 0.73]),
        valid_r=np.array([0.55, 0.60, 0.62, 0.64, 0.66, 0.69, 0.698, 0.70]),
        peak_lr=3e-3,
        no_skill=1.8,
        measured=measured,
        predicted=predicted,
        ceiling=0.95,
        ridge_r=0.66,
    )
    return replace(good, **changes)


def names(found: Training) -> list[str]:
    return [each.name for each in diagnose(found)]


def flat(value: float, epochs: int = 8) -> np.ndarray:
    return np.full(epochs, value)


def falling(start: float, end: float, epochs: int = 8) -> np.ndarray:
    return np.linspace(start, end, epochs)


def test_a_good_training_has_nothing_wrong() -> None:
    (found,) = diagnose(training())
    assert found.name == "nothing wrong found"
    assert found.evidence == (
        "validation r is 0.700 (of at most 0.950), the training loss 1.45, the validation loss 1.53, without skill 1.8"
    )
    assert "measure more sequences" in found.advice


def test_relatives_in_train_are_leakage() -> None:
    (found,) = diagnose(training(leaked=0.12))
    assert found.name == "leakage between splits"
    assert found.evidence.startswith("12.0% of the validation and test rows")
    assert "--split homology" in found.advice
    assert names(training(leaked=LEAK)) == NONE


def test_a_jump_of_the_training_loss_is_a_rate_too_high() -> None:
    loss = training().train_loss.copy()
    loss[2] = 2.2
    (found,) = diagnose(training(train_loss=loss))
    assert found.name == "learning rate too high"
    assert found.evidence == (
        "in epoch 3 the training loss rose to 2.2, 33% above the lowest before (1.66), at a learning rate of 0.0028"
    )
    assert found.advice == "train with a peak learning rate of 0.001 instead of 0.003"
    loss[2] = 1.04 * loss[1]
    assert names(training(train_loss=loss)) == NONE
    validation = training().valid_loss.copy()
    validation[2] = 3.1  # at a high rate the validation loss of a healthy training jumps too
    assert names(training(valid_loss=validation)) == NONE


@pytest.mark.parametrize("which", ["train_loss", "valid_loss"])
@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_a_rate_too_high(which: str, lost: float) -> None:
    loss = getattr(training(), which).copy()
    loss[3:] = lost
    found = diagnose(training(**{which: loss}))[0]
    assert (found.name, found.evidence) == ("learning rate too high", "the loss of epoch 4 is not finite")


def idle(peak: float, **changes) -> Training:
    """Eight epochs after which the losses stand where they stood."""
    return training(
        r=0.02,
        train_loss=falling(2.05, 2.04),
        valid_loss=falling(2.05, 2.04),
        train_r=flat(0.01),
        valid_r=flat(0.02),
        ridge_r=None,
        **({"peak_lr": peak} | changes),
    )


def test_nothing_learned_is_blamed_on_a_rate_out_of_range_only() -> None:
    (low,) = diagnose(idle(4e-7))
    assert low.name == "learning rate too low"
    assert low.evidence == (
        "nothing was learned: the losses ended at 2.04 (training) and 2.04 (validation), the constant answer has 1.8; "
        "the peak learning rate is 4e-07, below the usual 0.001 to 0.01"
    )
    assert low.advice == "train with a peak learning rate of 0.003 instead of 4e-07"
    (high,) = diagnose(idle(0.5))
    assert high.name == "learning rate too high"
    assert high.advice == "train with a peak learning rate of 0.003 instead of 0.5"
    assert names(idle(LOW_LR)) == names(idle(HIGH_LR)) == ["underfit"]


def test_a_slow_fall_at_a_low_rate_is_a_rate_too_low() -> None:
    slow = training(
        r=0.4,
        peak_lr=4e-5,
        ridge_r=None,
        train_loss=falling(2.0, 1.7),
        valid_loss=falling(2.0, 1.7),
        train_r=falling(0.0, 0.4),
        valid_r=falling(0.0, 0.4),
    )
    (found,) = diagnose(slow)
    assert found.name == "learning rate too low"
    assert "still falling, from 2 to 1.7 at the end; the peak learning rate is 4e-05" in found.evidence
    assert found.advice == "train with a peak learning rate of 0.0004 instead of 4e-05"
    # the same course at the usual rate wants more epochs
    assert names(replace(slow, peak_lr=3e-3)) == ["schedule unfinished"]
    # at a low rate that has reached its end, the rate is not to blame
    ended = np.array([2.0, 1.8, 1.72, 1.7, 1.7, 1.7, 1.7, 1.7])
    assert names(replace(slow, train_loss=ended, valid_r=flat(0.4))) == ["underfit"]
    # and a good training at a low rate is a good training
    assert names(training(peak_lr=4e-4)) == NONE


def test_r_that_still_rises_is_a_schedule_unfinished() -> None:
    rising = training(valid_r=falling(0.42, 0.70))
    (found,) = diagnose(rising)
    assert found.name == "schedule unfinished"
    assert found.evidence == "validation r still rose by 0.040 in the last epoch, to 0.700"
    assert found.advice == "train 16 epochs instead of 8"
    still = np.append(rising.valid_r[:-1], rising.valid_r[-2] + 0.9 * CHANGE)
    assert names(training(valid_r=still)) == NONE
    # sixteen epochs are judged by the last two
    long = {name: np.repeat(getattr(rising, name), 2) for name in ("lr", "train_loss", "valid_loss", "train_r")}
    assert "in the last 2 epochs" in diagnose(replace(rising, valid_r=falling(0.4, 0.7, 16), **long))[0].evidence


def test_a_single_epoch_shows_no_course() -> None:
    course = ("lr", "train_loss", "valid_loss", "train_r", "valid_r")
    (found,) = diagnose(training(**{name: getattr(training(), name)[-1:] for name in course}))
    assert found.name == "schedule unfinished"
    assert found.evidence == "validation r is 0.700 after a single epoch, which cannot show if it still rises"
    assert found.advice == "train 2 epochs instead of 1"
    assert names(training(**{name: getattr(training(), name)[-2:] for name in course})) == NONE


def test_a_low_r_that_stands_still_is_underfit() -> None:
    low = training(r=0.35, train_r=flat(0.36), valid_r=flat(0.35), ridge_r=None)
    (found,) = diagnose(low)
    assert found.name == "underfit"
    assert found.evidence == (
        "r is 0.360 on training and 0.350 on validation rows of at most 0.950, and no longer rises; "
        "13% of the variance are explained"
    )
    assert "larger network" in found.advice
    # where the labels allow no more than 0.75, an r of 0.36 is more
    assert names(replace(low, ceiling=0.75)) == NONE
    assert names(training(r=0.5, train_r=flat(0.5), valid_r=flat(0.5), ridge_r=None)) == NONE
    undefined = training(r=0.0, train_r=flat(np.nan), valid_r=flat(np.nan), ridge_r=None)
    assert names(undefined) == ["underfit"]


def test_a_training_loss_far_below_the_validation_loss_is_overfit() -> None:
    over = training(train_loss=falling(1.8, 1.0), train_r=falling(0.5, 0.9))
    (found,) = diagnose(over)
    assert found.name == "overfit"
    assert found.evidence == (
        "the training loss 1 lies 35% below the validation loss 1.53; "
        "r is 0.900 on training and 0.700 on validation rows"
    )
    assert "smaller network" in found.advice
    assert names(training(train_loss=falling(1.8, 0.81 * 1.53))) == NONE
    # r fell after epoch 3: fewer epochs instead
    fallen = replace(over, valid_r=np.array([0.6, 0.68, 0.75, 0.74, 0.73, 0.72, 0.71, 0.70]))
    (found,) = diagnose(fallen)
    assert found.evidence.endswith("; validation r fell from 0.750 in epoch 3")
    assert found.advice == "train 3 epochs instead of 8"
    # the row of the report that is severely overfit
    (found,) = diagnose(replace(over, train_loss=falling(1.4, 0.0652), valid_loss=flat(2.4602), peak_lr=4e-5))
    assert "97% below the validation loss 2.46, severely;" in found.evidence


def test_the_ridge_beats_a_network_that_is_clearly_worse() -> None:
    (found,) = diagnose(training(ridge_r=0.75))
    assert found.name == "beaten by the ridge"
    assert found.evidence == "the k-mer ridge reaches r 0.750 on the same rows, the network 0.700"
    assert "use the k-mer ridge" in found.advice
    assert names(training(ridge_r=0.7 + 0.9 * CHANGE)) == names(training(ridge_r=None)) == NONE
    constant = replace(training(), predicted=np.full(400, 8.0))
    assert "the network none (its predictions are all equal)" in diagnose(constant)[0].evidence


def test_predictions_off_a_straight_line_are_miscalibrated() -> None:
    good = training()
    (found,) = diagnose(replace(good, predicted=1 + 0.5 * good.predicted))
    assert found.name == "ranked well but miscalibrated"
    # measured = predicted on the line, so 2 p - 2 undoes 1 + p / 2; the error left is 4 (1 - r^2)
    assert found.evidence.endswith("would be 2.04 on a straight line")
    assert found.advice.endswith("expression: -2 + 2 * prediction")
    off = np.sqrt(EXCESS / (1 - EXCESS) * 2.04)  # a constant error with this share of the squared error
    assert names(replace(good, predicted=good.predicted + 1.1 * off)) == ["ranked well but miscalibrated"]
    assert names(replace(good, predicted=good.predicted + 0.9 * off)) == NONE


def test_calibration_is_not_judged_where_nothing_is_ranked_or_rows_are_few() -> None:
    measured, predicted = with_r(0.2)
    assert "ranked well but miscalibrated" not in names(replace(training(), measured=measured, predicted=predicted + 9))
    measured, predicted = with_r(0.7, n=FEWEST_ROWS - 1)
    assert names(replace(training(), measured=measured, predicted=predicted + 9)) == NONE
    measured, predicted = with_r(0.7, n=FEWEST_ROWS)
    assert names(replace(training(), measured=measured, predicted=predicted + 9)) == ["ranked well but miscalibrated"]


def test_a_low_or_reached_ceiling_is_labels_too_noisy() -> None:
    (found,) = diagnose(training(r=0.55, ceiling=0.6, ridge_r=None))
    assert found.name == "labels too noisy"
    assert found.evidence == "the noise ceiling of r is 0.600: 64% of the variance of the labels is noise"
    assert "measure the same sequences more often" in found.advice
    (found,) = diagnose(training(r=0.72, ceiling=0.75))
    assert found.evidence == "r is 0.720, 96% of the noise ceiling 0.750"
    assert names(training(r=0.6, ceiling=NOISY_CEILING + 0.001, ridge_r=None)) == NONE


def test_whole_numbers_are_noisy_labels_where_the_ceiling_is_unknown() -> None:
    (found,) = diagnose(training(ceiling=None, whole_numbers=0.78))
    assert found.name == "labels too noisy"
    assert found.evidence.startswith("78% of the values are whole numbers")
    assert "rep1, rep2" in found.advice
    assert names(training(ceiling=None, whole_numbers=0.5)) == NONE
    assert names(training(ceiling=0.95, whole_numbers=0.78)) == NONE


def test_findings_come_in_the_order_of_mending() -> None:
    found = names(training(leaked=0.5, ridge_r=0.9, valid_r=falling(0.4, 0.7), ceiling=None, whole_numbers=0.9))
    assert found == ["leakage between splits", "schedule unfinished", "beaten by the ridge", "labels too noisy"]


def test_rows_without_a_prediction_are_left_out() -> None:
    good = training()
    predicted = good.predicted.copy()
    predicted[:5] = np.nan
    assert replace(good, predicted=predicted).r == pytest.approx(np.corrcoef(good.measured[5:], predicted[5:])[0, 1])
    assert names(replace(good, predicted=predicted)) == NONE


def test_a_history_without_epochs_is_refused() -> None:
    none = np.empty(0)
    with pytest.raises(InputError, match="the history has no epoch"):
        training(lr=none, train_loss=none, valid_loss=none, train_r=none, valid_r=none)
