import numpy as np
import pytest
import torch

from leanseq import InputError
from leanseq.data.labels import SoftBins, fit_bins
from leanseq.training.objectives import Objective

RNG = np.random.default_rng(0)
SORT_SEQ = np.clip(RNG.normal(10, 3, 4000), 0, 17)


def test_soft_bins_of_11_are_those_of_legnet():
    row = SoftBins().spread(np.array([11.0]))[0]
    assert row[9:14].round(4).tolist() == pytest.approx([0.0013, 0.1573, 0.6827, 0.1573, 0.0013], abs=1e-4)
    assert row.sum() == pytest.approx(1, abs=1e-6)


def test_bins_are_18_for_sort_seq_and_fitted_for_other_scales():
    assert fit_bins(SORT_SEQ) == SoftBins()
    log2 = RNG.normal(-0.5, 1.2, 4000)
    fitted = fit_bins(log2)
    assert fitted.centres[0] == pytest.approx(np.quantile(log2, 0.005))
    assert fitted.centres[-1] == pytest.approx(np.quantile(log2, 0.995))
    assert np.corrcoef(fitted.mean(fitted.spread(log2)), log2)[0, 1] > 0.998


def test_every_bin_option_changes_the_targets():
    base = fit_bins(SORT_SEQ)
    for option in ({"count": 10}, {"low": -1.0}, {"high": 20.0}, {"sd": 0.2}):
        assert fit_bins(SORT_SEQ, **option) != base
    with pytest.raises(InputError, match="not below"):
        fit_bins(SORT_SEQ, low=5.0, high=1.0)


def test_no_skill_levels_are_those_of_the_data():
    objective = Objective("kl", SoftBins(), 10.0, 3.0)
    levels = objective.no_skill(SORT_SEQ[:2000], SORT_SEQ[2000:])
    target = SoftBins().spread(SORT_SEQ[2000:]).astype(float)
    entropy = -np.where(target > 0, target * np.log(np.where(target > 0, target, 1)), 0).sum(1).mean()
    assert levels["uniform"] == pytest.approx(np.log(18) - entropy, rel=1e-4)
    assert levels["constant"] < levels["uniform"]
    squared = Objective("mse", SoftBins(), 10.0, 3.0).no_skill(SORT_SEQ[:2000], SORT_SEQ[2000:])
    assert squared == {"constant": pytest.approx(np.mean((SORT_SEQ[2000:] - SORT_SEQ[:2000].mean()) ** 2))}


def test_no_skill_levels_of_the_real_table(real_data):
    import polars as pl

    values = pl.read_csv(real_data / "yeast_random_dream.tsv", separator="\t")["expression"].to_numpy()
    levels = Objective("kl", SoftBins(), 10.0, 3.0).no_skill(values, values)
    assert levels["uniform"] == pytest.approx(2.03, abs=0.01)
    assert levels["constant"] == pytest.approx(1.42, abs=0.01)


def test_a_perfect_answer_has_no_loss_and_gives_the_value_back():
    values = np.array([2.0, 7.5, 12.25])
    kl = Objective("kl", SoftBins(), 7.0, 3.0)
    target = kl.targets(values)
    assert kl.loss(target.clamp_min(1e-30).log(), target).abs().max() < 1e-5
    assert kl.expression(target).numpy() == pytest.approx(values, abs=5e-3)
    mse = Objective("mse", SoftBins(), 7.0, 3.0)
    target = mse.targets(values)
    assert mse.loss(target, target).abs().max() == 0
    assert mse.expression(target).numpy() == pytest.approx(values, abs=1e-5)


def test_mse_is_reported_in_the_squared_unit_of_expression():
    values = np.array([2.0, 7.5, 12.25])
    for kind, outputs in (("mse", 1), ("mse-bins", 18)):
        objective = Objective(kind, SoftBins(), 7.0, 3.0)
        assert objective.outputs == outputs
        output = torch.randn(3, outputs, generator=torch.Generator().manual_seed(1))
        predicted = objective.expression(objective.activate(output)).double().numpy()
        reported = objective.loss(output, objective.targets(values)).double().numpy() * objective.unit
        assert reported == pytest.approx((predicted - values) ** 2, rel=1e-4)


def test_objective_survives_json():
    objective = Objective("mse-bins", SoftBins(-3.0, 0.4, 12, 0.1), 1.0, 2.0)
    assert Objective.from_dict(objective.to_dict()) == objective
    with pytest.raises(InputError, match="all training values are equal"):
        Objective("kl", SoftBins(), 1.0, 0.0)
