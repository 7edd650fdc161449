from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from leanseq.evaluation.ceiling import from_error, from_replicates, noise_ceiling
from leanseq.evaluation.metrics import pearson


def measured(reps: int, noise: float = 0.5, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=n)
    return truth, truth[:, None] + noise * rng.normal(size=(n, reps))


@pytest.mark.parametrize("reps", [2, 3, 5])
def test_the_ceiling_is_what_the_truth_reaches(reps: int) -> None:
    truth, replicates = measured(reps)
    found = from_replicates(replicates)
    assert found.r == pytest.approx(pearson(replicates.mean(axis=1), truth), abs=0.005)
    assert found.reliability == pytest.approx(1 / (1 + 0.25 / reps), abs=0.01)


def test_missing_replicates_count_with_their_own_number() -> None:
    _, replicates = measured(2)
    replicates[:10_000, 1] = np.nan
    replicates[0] = np.nan
    found = from_replicates(replicates)
    assert found.reliability == pytest.approx((1 / 1.25 + 1 / 1.125) / 2, abs=0.01)
    assert "mean of 1.5 of them" in found.words


def test_table_with_replicates_states_its_assumption() -> None:
    _, replicates = measured(2)
    table = pl.DataFrame({"rep1": replicates[:, 0], "rep2": replicates[:, 1]})
    mean = table.with_columns(expression=(pl.col("rep1") + pl.col("rep2")) / 2)
    assert "assumed" not in noise_ceiling(mean).words
    other = noise_ceiling(table.with_columns(expression=pl.col("rep1")))
    assert "not the mean of the replicates" in other.words
    assert other.reliability == noise_ceiling(mean).reliability


def test_replicates_that_cannot_tell() -> None:
    rng = np.random.default_rng(1)
    assert from_replicates(np.stack([np.arange(50.0), -np.arange(50.0)], axis=1)).r is None
    assert "fewer than 10" in from_replicates(rng.normal(size=(5, 2))).words
    assert from_replicates(np.ones((50, 2))).r is None


def test_reads_and_spread() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=5000) * 2
    reads = rng.integers(1, 9, 5000)
    cells = truth[:, None] + 1.5 * rng.normal(size=(5000, 8))
    cells[np.arange(8) >= reads[:, None]] = np.nan
    label = np.nanmean(cells, axis=1)
    squares = np.nansum((cells - label[:, None]) ** 2, axis=1)
    sd = np.where(reads > 1, np.sqrt(squares / np.maximum(reads - 1, 1)), np.nan)
    table = pl.DataFrame({"expression": label, "reads": reads, "sd": sd}, nan_to_null=True)
    assert noise_ceiling(table).r == pytest.approx(pearson(label, truth), abs=0.01)
    error = pl.DataFrame({"expression": label, "sd": 1.5 / np.sqrt(reads)})
    assert noise_ceiling(error).r == pytest.approx(pearson(label, truth), abs=0.01)
    assert "standard error" in noise_ceiling(error).words


def test_unknown() -> None:
    found = noise_ceiling(pl.DataFrame({"expression": [1.0, 2.0], "reads": [1, 2], "rep1": [1.0, 2.0]}))
    assert (found.r, found.reliability) == (None, None)
    assert "unknown" in found.words
    assert from_error(np.arange(5.0), np.ones(5)).r is None
    assert from_error(np.arange(50.0), np.ones(50), np.ones(50)).r is None  # single reads have no spread
    assert from_error(np.arange(50.0) / 50, np.ones(50)).r == 0


def test_native_promoters(real_data) -> None:
    table = pl.read_csv(real_data / "yeast_native80.tsv", separator="\t")
    found = noise_ceiling(table)
    r = pearson(table["rep1"].to_numpy(), table["rep2"].to_numpy())
    assert r == pytest.approx(0.958, abs=0.001)
    assert found.reliability == pytest.approx(2 * r / (1 + r))
    assert found.r == pytest.approx(0.989, abs=0.001)
    assert "not the mean" in found.words
