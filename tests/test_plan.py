"""`leanseq plan`: nested subsets on the same validation rows, a curve, and an answer in words."""

import json
import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from leanseq.cli import main
from leanseq.data.table import read_table
from leanseq.lab import recipe
from leanseq.lab.enough import judge
from leanseq.lab.subsets import TABLE, curve_plan, keep, sizes, with_split
from leanseq.runs.prepare import prepare
from leanseq.runs.settings import DataSettings
from toy import rows

DATA = DataSettings(valid="80", test="60")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    rows(560).write_csv(folder / "toy.tsv", separator="\t")
    return folder


@pytest.fixture(scope="module")
def table(place):
    measured = read_table(place / "toy.tsv")
    return keep(with_split(measured, prepare(measured, DATA)), place / TABLE)


def test_sizes_are_halves_of_all_rows():
    assert sizes(10240) == [640, 1280, 2560, 5120, 10240]
    assert all(later == pytest.approx(2 * earlier, abs=1) for earlier, later in pairwise(sizes(999)))


def test_subsets_are_nested_in_a_draw_differ_between_draws_and_are_judged_alike(table):
    plan = curve_plan(table, DATA, draws=2)
    assert [case.factors["train"] for case in plan.cases] == [105, 210, 420]
    splits = {(unit.case, unit.seed): prepare(table, unit.settings.data).split for unit in plan.units}
    train = {key: set(split.train.tolist()) for key, split in splits.items()}
    assert [len(train[i, 0]) for i in range(3)] == [105, 210, 420]
    assert train[0, 0] < train[1, 0] < train[2, 0] == train[2, 1]
    assert train[0, 0] != train[0, 1]
    assert len({tuple(split.valid) for split in splits.values()}) == 1
    assert all(len(split.test) == 0 for split in splits.values())
    original = prepare(read_table(table.path.replace(TABLE, "toy.tsv")), DATA).split
    assert set(original.valid.tolist()) == set(splits[0, 0].valid.tolist())
    assert not train[2, 0] & set(original.test.tolist())
    assert len({unit.key for unit in plan.units}) == 6


def test_fewer_rows_are_shown_more_often_and_a_share_less():
    epochs = [recipe.lean_settings(n)["epochs"] for n in (500, 5000, 50000)]
    assert epochs == sorted(epochs, reverse=True)
    assert recipe.lean_settings(5000, 0.5)["epochs"] == pytest.approx(epochs[1] / 2, abs=1)


def call(*words):
    with pytest.raises(SystemExit) as stopped:
        main(["plan", *map(str, words)])
    return stopped.value.code or 0


def test_the_command_answers_and_trains_nothing_twice(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setattr(recipe, "EPOCHS", 0.3)
    words = ["toy.tsv", "--valid", 80, "--test", 60, "--draws", 2, "--processes", 1, "--store", "s", "--output", "out"]
    assert call(*words) == 0
    out, err = capsys.readouterr()
    assert "6 runs: 6 finished" in err
    assert re.search(r"At 420 sequences", out)
    answer = json.loads((place / "out" / "plan.json").read_text())
    assert answer["rows"] == [105, 210, 420]
    assert np.shape(answer["network"]["r"]) == np.shape(answer["kmer_ridge"]["r"]) == (3, 2)
    assert answer["kmer_ridge"]["r"][2][0] == answer["kmer_ridge"]["r"][2][1] > 0.5  # all rows: the same ridge
    page = (place / "out" / "report.html").read_text()
    assert all(each in page for each in answer["words"])
    assert "<svg" in page
    used = [pl.read_parquet(path) for path in (place / "s").glob("*/predictions.parquet")]
    assert {split for frame in used for split in frame["split"]} == {"valid"}
    assert call(*words) == 0
    assert "measuring" not in capsys.readouterr().err
    assert "as often as the recipe asks" not in out
    table = read_table(place / "out" / TABLE)
    plan = curve_plan(table, recipe.narrow(table, DATA), draws=2)
    assert "saw its sequences 25% as often" in judge(plan, place / "s", share=0.25).words[-1]


def test_a_budget_makes_every_network_cheaper(place, monkeypatch, capsys):
    from leanseq.cli import plan as module

    monkeypatch.chdir(place)
    asked = []

    def stop(planned, *rest, **options):
        asked.append([unit.settings.recipe.epochs for unit in planned.units])
        raise SystemExit(0)

    monkeypatch.setattr(module, "carry_out", stop)
    base = ["toy.tsv", "--valid", 80, "--test", 60, "--store", "s", "--output", "out", "--processes", 1]
    call(*base)
    call(*base, "--budget", "1s")
    call(*base, "--budget", "9h")
    assert all(few < all_ for few, all_ in zip(asked[1], asked[0], strict=True))
    assert asked[2] == asked[0]
    assert "of its epochs" in capsys.readouterr().err


WRONG = {
    "draws": (["--draws", "1"], "--draws is 1, expected 2 or more"),
    "train": (["--train", "100"], "--train changes nothing here"),
    "few": (["--valid", "300"], "200 training rows, expected at least 400 for a learning curve"),
    "processes": (["--processes", "-1"], "--processes is -1, expected 0 or more"),
    "resources": (["--resources", "GPU"], "--resources 'GPU': expected NAME=NUMBER, such as GPU=1"),
    "store": (["--store", "toy.tsv/store"], "toy.tsv/store: cannot write a run here"),
    "scheduler": (["--budget", "9s", "--scheduler", "tcp://x"], "--budget is measured on this machine"),
    "budget": (["--budget", "soon"], "--budget is 'soon', expected a time such as"),
    "table": (["--expression-column", "y"], "toy.tsv"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_in_one_line(place, monkeypatch, capsys, words, message):
    monkeypatch.chdir(place)
    assert call("toy.tsv", "--test", "60", "--output", "wrong", *words) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert message in said.err
    assert not (place / "wrong").exists()
