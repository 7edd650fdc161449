import pickle

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from leanseq import InputError, LeanseqRegressor
from toy import rows

QUICK = {"size": "tiny", "epochs": 1, "batch": 16, "threads": 1}


@pytest.mark.filterwarnings("ignore:Can't test estimator")
def test_check_estimator_passes_as_far_as_it_goes():
    # it stops after the first checks, because an estimator of strings takes no two-dimensional array of numbers
    results = check_estimator(LeanseqRegressor(**QUICK), on_skip=None)
    assert {result["status"] for result in results} == {"passed"}


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_mixin_order",
    ],
)
def test_checks_that_need_no_numbers_pass(check):
    getattr(estimator_checks, check)("LeanseqRegressor", LeanseqRegressor(**QUICK))


def test_what_the_checks_on_numbers_ask_holds_for_sequences():
    frame = rows(100)
    X, y = frame["sequence"].to_numpy(), frame["expression"].to_numpy()
    estimator = LeanseqRegressor(**QUICK)
    before = estimator.get_params()
    with pytest.raises(Exception, match="not fitted"):
        estimator.predict(X)
    assert estimator.fit(X, y) is estimator
    assert estimator.get_params() == before
    first = estimator.predict(X)
    assert np.array_equal(first, estimator.fit(X, y).predict(X))  # fitting again starts anew
    # to rounding, as in scikit-learn's own check: matrix products of other sizes add up in another order
    np.testing.assert_allclose(first[:7], estimator.predict(X[:7]), rtol=1e-6)
    assert np.array_equal(first, estimator.predict(X[:, None]))
    assert np.array_equal(first, estimator.fit(X, y, sample_weight=np.ones(100)).predict(X))
    weighted = estimator.fit(X, y, sample_weight=np.arange(100.0)).predict(X)
    assert not np.array_equal(first, weighted)
    assert estimator.score(X, y) == pytest.approx(1 - ((y - weighted) ** 2).mean() / y.var())
    assert np.array_equal(pickle.loads(pickle.dumps(estimator)).predict(X), weighted)


def test_the_estimator_fits_predicts_and_clones():
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score

    frame = rows()
    estimator = LeanseqRegressor(size="tiny", epochs=2, batch=16, threads=1)
    X, y = frame["sequence"].to_list(), frame["expression"].to_numpy()
    fitted = clone(estimator).fit(X, y)
    assert fitted.predict(X).shape == (160,)
    assert np.array_equal(fitted.predict(X), clone(estimator).fit(X, y).predict(X))
    assert len(cross_val_score(estimator, np.array(X, dtype=object), y, cv=2)) == 2
    with pytest.raises(InputError, match="one value per sequence"):
        estimator.fit(X, y[:-1])
    with pytest.raises(ValueError, match="expected sequences"):
        estimator.fit([1.0] * 160, y)


def predictions(**changed):
    frame = rows(60)
    X, y = frame["sequence"].to_list(), frame["expression"].to_numpy()
    return LeanseqRegressor(**{**QUICK, "epochs": 2, **changed}).fit(X, y).predict(X)


@pytest.fixture(scope="module")
def plain():
    return predictions()


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "legnet-dream2022"},
        {"size": "small"},
        {"objective": "mse"},
        {"epochs": 1},
        {"batch": 32},
        {"lr": 1e-3},
        {"weight_decay": 0.5},
        {"construct": "none"},
        {"valid": 0.3},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_parameter_of_the_estimator_changes_something(plain, changed):
    assert not np.array_equal(plain, predictions(**changed))
