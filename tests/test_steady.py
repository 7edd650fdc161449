"""Noisy training values of a fit, drawn half-way to what trees say that never saw them."""

import time
from dataclasses import replace

import numpy as np
import pytest

from leanseq.baselines import TREES
from leanseq.cli import fit as command
from leanseq.data.table import read_table
from leanseq.evaluation.metrics import pearson
from leanseq.lab import steady
from leanseq.lab.fitting import Trained
from leanseq.lab.recipe import narrow
from leanseq.lab.stack import FOLDS, folds
from leanseq.lab.subsets import TABLE, keep, with_split
from leanseq.runs.prepare import prepare
from leanseq.runs.scores import fit_baseline
from leanseq.runs.settings import DataSettings
from toy import rows


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steady")
    rows(300).write_csv(folder / "toy.tsv", separator="\t")
    return folder


@pytest.fixture(scope="module")
def prepared(place):
    measured = read_table(place / "toy.tsv")
    return prepare(measured, narrow(measured, DataSettings(valid="60", test="60")))


@pytest.fixture(scope="module")
def table(place, prepared):
    return keep(with_split(read_table(place / "toy.tsv"), prepared), place / TABLE)


@pytest.fixture(scope="module")
def trees(prepared):
    began = time.perf_counter()
    return Trained(fit_baseline(TREES, prepared), time.perf_counter() - began)


def nothing(fold):
    """Take no notice of a fold that is done."""


def test_what_trees_say_of_a_row_does_not_depend_on_its_own_value(prepared, trees):
    train, done = prepared.split.train, []
    said, seconds = steady.out_of_fold(prepared, trees.model, 2, done.append)
    assert sorted(done) == list(range(FOLDS))
    assert seconds > 0
    assert pearson(said, prepared.examples.expression[train]) > 0.3
    fold = folds(prepared.groups[train])
    values = prepared.examples.expression.copy()
    values[train[fold == 0]] = 0.0
    examples = replace(prepared.examples, expression=values)
    without, _ = steady.out_of_fold(replace(prepared, examples=examples), trees.model, 1, nothing)
    np.testing.assert_array_equal(without[fold == 0], said[fold == 0])
    assert (without[fold != 0] != said[fold != 0]).any()


def test_variants_of_one_sequence_are_dealt_one_by_one(prepared, trees, monkeypatch):
    learned = []

    class Trees:
        @staticmethod
        def fit(codes, *args, motifs):
            learned.append(len(codes))
            return trees.model

    monkeypatch.setattr(steady, "BoostedTrees", Trees)
    train = prepared.split.train
    for share, even in ((0.2, False), (0.9, True)):
        groups = np.arange(len(prepared.groups))
        groups[train[: round(share * len(train))]] = 0
        learned.clear()
        steady.out_of_fold(replace(prepared, groups=groups), trees.model, 1, nothing)
        assert len(learned) == FOLDS
        assert (max(learned) - min(learned) <= 1) is even
    three = np.arange(len(prepared.groups)) % 3  # two folds hold no row
    said, _ = steady.out_of_fold(replace(prepared, groups=three), trees.model, 1, nothing)
    np.testing.assert_allclose(said, trees.model.predict(prepared.examples.codes[train]))


def test_training_values_are_steadied_once_and_again_for_other_trees(table, prepared, trees, place, monkeypatch):
    folder, train, made = place / "once", prepared.split.train, []
    said = np.random.default_rng(0).normal(size=len(train))

    def out_of_fold(prepared, model, threads, step):
        made.append(len(model.motifs))
        return said, 2.5

    monkeypatch.setattr(steady, "out_of_fold", out_of_fold)
    first = steady.steady(table, prepared, trees, folder, 2, nothing)
    expected = table.expression.copy()
    expected[train] = (expected[train] + said) / 2
    np.testing.assert_allclose(first.table.expression, expected, rtol=1e-6)
    assert first.table.frame.drop("expression").equals(table.frame.drop("expression"))
    again = steady.steady(table, prepared, trees, folder, 2, nothing)
    assert made == [176]
    assert again.table.frame.equals(first.table.frame)
    assert again.seconds == first.seconds == 2.5
    assert again.estimate == first.estimate == 3 * trees.seconds
    fewer = trees._replace(model=replace(trees.model, motifs=trees.model.motifs[:20]))
    steady.steady(table, prepared, fewer, folder, 2, nothing)
    assert made == [176, 20]
    (folder / "steadied.json").write_text("[]")
    steady.steady(table, prepared, fewer, folder, 2, nothing)
    assert made == [176, 20, 20]


def test_values_are_noisy_where_trees_explain_less_than_half(prepared, trees):
    valid = prepared.examples.take(prepared.split.valid)
    r = pearson(valid.expression, trees.model.predict(valid.codes))
    assert steady.explained(trees.model) == pytest.approx(r**2)
    assert [steady.explained(replace(trees.model, valid_r=bad)) for bad in (-0.9, np.nan)] == [0, 0]
    assert [steady.noisy(share) for share in (0.0, 0.49, 0.5, 1.0)] == [True, True, False, False]
    assert [steady.cost(Trained(None, 10.0), threads) for threads in (1, 2, 5, 8)] == [50, 30, 10, 10]


def test_they_are_steadied_where_the_time_allows(table, prepared, trees, place, capsys):
    def asked(seconds):
        return command._steadied(table, prepared, trees, place / "asked", seconds, 2)

    assert asked(11 * trees.seconds) is None
    assert "too little time to steady them" in capsys.readouterr().err
    assert asked(13 * trees.seconds).estimate == 3 * trees.seconds
    assert "networks learn the mean of each and of what trees without it say" in capsys.readouterr().err
