"""A scikit-learn estimator over sequences, for notebooks, pipelines and cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .apply.bundle import Model
from .data.table import from_columns
from .errors import InputError
from .runs.job import make_job
from .runs.settings import Settings
from .training.fit import fit


class LeanseqRegressor(RegressorMixin, BaseEstimator):
    """Predict expression from sequences, scikit-learn style.

    Holds back a tenth of the rows (homologs together) for validation, unless `valid` says otherwise; no test rows, for
    these are scikit-learn's business. Of scikit-learn's `check_estimator`, the checks of cloning, parameters, tags and
    representation apply and pass; those that feed two-dimensional arrays of numbers (NaN, sparse, dtype, shape checks
    and the like) do not apply to sequences.

    Parameters
    ----------
    model, size, objective
        Network, its size and what it is trained for, as in `leanseq train`.
    epochs, batch, lr, weight_decay
        Numbers of the training loop.
    construct
        Reporter construct: `auto`, `none`, a built-in name or a TOML file.
    valid
        Validation rows: a share or a count.
    seed
        Of everything random.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    threads
        Processor threads; 0 for all.

    Attributes
    ----------
    model_
        The trained `leanseq.Model`.
    history_
        One `Epoch` per epoch.

    Examples
    --------
    >>> LeanseqRegressor(size="tiny", epochs=2)
    LeanseqRegressor(epochs=2, size='tiny')
    """

    def __init__(
        self,
        model: str = "legnet-optimized",
        size: str = "full",
        objective: str = "kl",
        epochs: int = 8,
        batch: int = 128,
        lr: float = 3e-3,
        weight_decay: float = 0.05,
        construct: str = "auto",
        valid: float | int | str = "auto",
        seed: int = 0,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        self.model = model
        self.size = size
        self.objective = objective
        self.epochs = epochs
        self.batch = batch
        self.lr = lr
        self.weight_decay = weight_decay
        self.construct = construct
        self.valid = valid
        self.seed = seed
        self.device = device
        self.threads = threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LeanseqRegressor:
        """Train on sequences X and measured values y.

        Parameters
        ----------
        X
            n sequences, adapters included: a list, array, series or one column of strings.
        y
            n measured values.
        sample_weight
            n weights of the rows in the loss.

        Raises
        ------
        InputError
            (a ValueError) if a sequence or value does not fit.
        """
        sequences = _sequences(X)
        values = np.asarray(y, dtype=np.float64)
        if values.shape != (len(sequences),):
            raise InputError(f"y has the shape {values.shape}, expected ({len(sequences)},): one value per sequence")
        columns: dict[str, object] = {"sequence": sequences, "expression": values}
        if sample_weight is not None:
            columns["weight"] = np.asarray(sample_weight, dtype=np.float64)
        table = from_columns(columns, "X, y")
        chosen = {**self.get_params(), "split": "homology", "test": "0"}
        settings = Settings.make(**chosen)
        job = make_job(table, settings, settings.machine.prepare().device)
        train, valid = (job.prepared.examples.take(rows) for rows in job.prepared.split[:2])
        parts = job.model.network, job.model.objective, job.model.channels, job.recipe
        self.history_ = fit(*parts, train, valid, seed=settings.machine.seed)
        self.model_: Model = job.model
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> Float[np.ndarray, " n"]:
        """Predicted expression of n sequences, in the unit of y."""
        check_is_fitted(self)
        return self.model_.predict(_sequences(X))

    def __sklearn_tags__(self) -> Any:
        """Say that X is strings and that a fit is reproducible."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.no_validation = True
        return tags


def _sequences(X: Any) -> list[str]:
    """Accept a list, an array, a series or one column of strings."""
    values = np.asarray(X, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(f"X has the shape {values.shape}, expected one column of sequences")
    if not all(isinstance(value, str) for value in values):
        raise InputError("X holds something other than strings, expected sequences of A, C, G, T and N")
    return values.tolist()
