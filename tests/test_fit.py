"""`leanseq fit`: baselines and networks, weighed on validation rows, as one model that is scored once on test rows."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import leanseq
from leanseq.baselines import BASELINES, RIDGE, TREES
from leanseq.cli import main
from leanseq.data.table import read_table
from leanseq.evaluation.metrics import pearson
from leanseq.lab import members, recipe, steady
from leanseq.lab.fit_page import answer
from leanseq.lab.fitting import ENSEMBLE, LEGNETS, NETWORKS, Trained, assemble
from leanseq.lab.lines import train_baselines
from leanseq.lab.members import Budget, legnet_plan, networks_plan, seconds_of
from leanseq.lab.recipe import best_share, narrow
from leanseq.lab.record import claim
from leanseq.lab.stack import held_out, stack
from leanseq.lab.subsets import TABLE, keep, with_split
from leanseq.runs.prepare import prepare
from leanseq.runs.settings import DataSettings, Settings
from toy import rows

DATA = DataSettings(valid="80", test="60")
SPLIT = ["--valid", 80, "--test", 60]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    rows(400).write_csv(folder / "toy.tsv", separator="\t")
    return folder


@pytest.fixture(scope="module")
def data(place):
    return narrow(read_table(place / "toy.tsv"), DATA)


@pytest.fixture(scope="module")
def table(place, data):
    measured = read_table(place / "toy.tsv")
    return keep(with_split(measured, prepare(measured, data)), place / TABLE)


def test_weights_are_those_of_least_squares_and_never_negative():
    rng = np.random.default_rng(0)
    truth = rng.normal(5, 2, 500)
    good, noisy, opposite = truth + rng.normal(0, 1, 500), truth + rng.normal(0, 2, 500), 10 - truth
    found = stack(np.stack([good, noisy]), truth)
    assert found.weights[0] > 2 * found.weights[1] > 0
    assert pearson(truth, found.of(np.stack([good, noisy]))) > pearson(truth, good)
    assert stack(np.stack([opposite, good]), truth).weights[0] == 0
    assert found.of(np.stack([good, noisy])).mean() == pytest.approx(truth.mean())


def test_held_out_weights_never_saw_the_group():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 60)
    predictions, groups = rng.normal(0, 1, (3, 60)), np.repeat(np.arange(20), 3)
    before = held_out(predictions, truth, groups)
    for group in (0, 7):
        changed = np.where(groups == group, truth + 100, truth)
        np.testing.assert_array_equal(held_out(predictions, changed, groups)[groups == group], before[groups == group])
        assert (held_out(predictions, changed, groups)[groups != group] != before[groups != group]).any()
    assert (held_out(predictions, truth, groups, seed=1) != before).any()


def test_rows_of_one_group_are_held_out_one_by_one():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 60)
    predictions = truth + rng.normal(0, 1, (3, 60))
    alone = held_out(predictions, truth, np.arange(60))
    np.testing.assert_array_equal(held_out(predictions, truth, np.full(60, 7)), alone)


def test_the_window_is_the_longest_row_unless_it_is_set(place):
    table = read_table(place / "toy.tsv")
    assert narrow(table, DATA).length == 17 + 40 + 13
    assert narrow(table, DataSettings(length=90)).length == 90


def test_more_time_buys_more_networks_never_fewer():
    budgets = [Budget(seconds, 100.0, 2, 1.5) for seconds in (200.0, 400.0, 800.0, 1600.0, 1e6)]
    counts = [len(budget.members([150.0, 150.0])) for budget in budgets]
    assert counts == sorted(counts)
    assert counts[-1] == members.MOST
    alone, two = (Budget(800.0, 100.0, processes, 1.0) for processes in (1, 2))
    assert len(alone.members([100.0])) < len(two.members([100.0, 100.0]))


def test_networks_are_as_long_as_there_is_time_and_no_longer_than_is_best():
    assert [Budget(800.0, 100.0, 2, share).first for share in (0.5, 1.5)] == [(0.5, 0.5), (1.5, 1.5)]
    assert Budget(50.0, 100.0, 2, 1.0).first == (0.475, 0.475)
    assert Budget(-5.0, 100.0, 2, 1.0).first == (0.0, 0.0)
    assert Budget(-5.0, 100.0, 2, 1.0).members([9.0, 9.0]) == (0.0, 0.0)


def test_seconds_of_the_first_decide_how_many_networks_follow_and_time_is_kept_for_the_evaluation():
    one = 100.0 / (1 - members.RESERVE)  # seconds of the budget for one
    counts = {times: Budget(times * one, 100.0, 2, 1.0).members([90.0, 100.0]) for times in (1.01, 1.49, 1.52, 2.01)}
    assert counts[1.01] == counts[1.49] == (1.0,) * 2
    assert counts[1.52] == (1.0, 1.0, 0.52, 0.52)
    assert counts[2.01] == (1.0,) * 4
    assert Budget(2.01 * one, 100.0, 2, 1.0).members([190.0, 190.0]) == (1.0,) * 2


def test_noisy_values_are_learned_for_fewer_epochs():
    epochs = {noisy: [recipe.epochs(n) * best_share(n, noisy=noisy) for n in (2560, 10240)] for noisy in (True, False)}
    assert epochs == {True: [12.0, 12.0], False: [42.0, 21.0]}


def test_networks_of_a_larger_ensemble_are_those_of_a_smaller_one_and_more(table, data):
    few, many = (networks_plan(table, data, [(0.5, 3 + i) for i in range(count)]) for count in (2, 4))
    assert [unit.key for unit in many.units][:2] == [unit.key for unit in few.units]
    assert len({unit.key for unit in many.units}) == 4
    mixed = networks_plan(table, data, [(share, 3) for share in (1.0, 0.5, 0.25)])
    epochs = [unit.settings.recipe.epochs for unit in mixed.units]
    assert epochs == sorted(epochs, reverse=True)
    assert [case.label for case in mixed.cases] == [f"{each} epochs" for each in epochs]
    assert few.units[0].key == mixed.units[1].key
    assert all(unit.settings.data.length == 70 for unit in mixed.units)


def test_legnet_is_compared_with_by_the_default_recipe_or_that_of_its_paper(table, data):
    plain, published = (legnet_plan(table, data, name, 7).units[0].settings for name in ("default", "published"))
    rows = replace(plain.data, **{name: getattr(data, name) for name in recipe.WINDOW})
    assert plain == Settings(data=rows, machine=replace(plain.machine, seed=7))
    assert published.data == rows
    assert (published.network.model, published.recipe.batch, published.recipe.clip) == ("legnet-dream2022", 1024, 0.0)


def test_seconds_are_those_from_start_to_end(table, data, tmp_path):
    plan = networks_plan(table, data, [(0.5, 0), (0.5, 1)])
    for unit, seconds in zip(plan.units, (7.5, 8.5), strict=True):
        (tmp_path / unit.key).mkdir()
        (tmp_path / unit.key / "run.json").write_text(json.dumps({"seconds": seconds}))
    assert seconds_of(plan, tmp_path) == [7.5, 8.5]


@pytest.fixture(scope="module")
def baselines(table, place, data):
    told = []
    found = train_baselines(table, prepare(read_table(place / "toy.tsv"), data), place / "kept", told.append)
    assert [line.split("  ")[0] for line in told] == ["boosted trees", "k-mer ridge", "GC content"]
    return found


def test_baselines_are_trained_once_and_again_where_rows_differ_or_a_file_is_damaged(
    table, place, data, baselines, monkeypatch
):
    from leanseq.lab import lines

    trained, really = [], lines.fit_baseline

    def train(name, prepared):
        trained.append(name)
        return baselines[name].model if prepared.construct.length == 70 else really(name, prepared)

    monkeypatch.setattr(lines, "fit_baseline", train)
    prepared = prepare(read_table(place / "toy.tsv"), data)
    again = train_baselines(table, prepared, place / "kept", lambda line: None)
    assert not trained
    codes = prepared.examples.codes
    for name, each in again.items():
        np.testing.assert_array_equal(each.model.predict(codes), baselines[name].model.predict(codes))
        assert each.seconds == baselines[name].seconds
    (place / "kept" / "baselines" / "boosted_trees.json").write_text("{}")
    train_baselines(table, prepared, place / "kept", lambda line: None)
    assert trained == [TREES]
    trained.clear()
    other = prepare(read_table(place / "toy.tsv"), replace(data, organism="none"))
    train_baselines(table, other, place / "kept", lambda line: None)
    assert trained == [TREES]
    trained.clear()
    wider = prepare(read_table(place / "toy.tsv"), DataSettings(length=80, valid="80", test="60"))
    train_baselines(table, wider, place / "kept", lambda line: None)
    assert trained == list(BASELINES)


def test_without_networks_the_baselines_are_weighed(place, data, baselines):
    measured = read_table(place / "toy.tsv")
    prepared = prepare(measured, data)
    fitted = assemble(measured, prepared, {}, baselines)
    assert set(fitted.metrics["weights"]) == {TREES, RIDGE}
    assert fitted.ensemble.networks == ()
    test = prepared.split.test
    sequences = measured.sequences.gather(test).to_list()
    said = fitted.ensemble.answer(sequences)
    shown = fitted.predictions.filter(split="test")
    np.testing.assert_allclose(shown["prediction"], said.prediction)
    np.testing.assert_allclose(shown["low"], said.low)
    assert fitted.metrics["unfamiliar"]["test"] == np.mean([bool(each) for each in said.unfamiliar])
    inside = ((shown["low"] <= shown["expression"]) & (shown["expression"] <= shown["high"])).mean()
    assert fitted.metrics["coverage"]["test"]["value"] == pytest.approx(inside)


def test_without_test_rows_the_validation_rows_are_told(place, baselines, tmp_path):
    measured = read_table(place / "toy.tsv")
    prepared = prepare(measured, narrow(measured, DataSettings(valid="80", test="0")))
    fitted = assemble(measured, prepared, {}, baselines)
    assert list(fitted.metrics["coverage"]) == ["valid"]
    assert {each["split"] for each in fitted.metrics["results"]} == {"valid"}
    assert answer(fitted.metrics)[0].startswith("The ensemble predicts 80 validation sequences")


def test_a_part_that_counts_for_nothing_is_left_out(place, data, baselines):
    measured = read_table(place / "toy.tsv")
    prepared = prepare(measured, data)
    ridge = baselines[RIDGE].model
    silent = replace(ridge, weights=0 * ridge.weights)
    fitted = assemble(measured, prepared, {}, {**baselines, RIDGE: Trained(silent, 1.0)})
    assert fitted.metrics["weights"][RIDGE] == 0
    assert list(fitted.ensemble.baselines) == [TREES]


def call(*words):
    with pytest.raises(SystemExit) as stopped:
        main(["fit", *map(str, words)])
    return stopped.value.code or 0


def test_the_command_makes_a_model_that_predicts_and_goes_on(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setattr(recipe, "EPOCHS", 0.4)
    words = ["toy.tsv", *SPLIT, "--budget", "9h", "--processes", 1, "--store", "s", "--output", "out"]
    monkeypatch.setattr(members, "MOST", 2)
    assert call(*words) == 0
    out, err = capsys.readouterr()
    assert "boosted trees         validation r" in err
    assert re.search(r"The ensemble predicts 60 test sequences with r = 0\.\d+", out)
    metrics = json.loads((place / "out" / "metrics.json").read_text())
    models = [each["model"] for each in metrics["results"] if each["split"] == "test"]
    assert models[:2] == [ENSEMBLE, NETWORKS]
    assert models[3:] == list(BASELINES)
    used = [pl.read_parquet(path) for path in (place / "s").glob("*/predictions.parquet")]
    assert {split for frame in used for split in frame["split"]} == {"valid"}  # networks never see a test row
    predictions = pl.read_parquet(place / "out" / "predictions.parquet").filter(split="test")
    table = read_table(place / "toy.tsv")
    sequences = table.sequences.gather(predictions["row"].cast(pl.Int64) - 1).to_list()
    model = leanseq.load(place / "out")
    np.testing.assert_allclose(model.predict(sequences), predictions["prediction"], atol=1e-5)
    assert model.predict(sequences[:1])[0] == pytest.approx(model.answer(sequences[:1]).prediction[0])
    page = (place / "out" / "report.html").read_text()
    assert "The ensemble predicts 60 test sequences" in page
    assert page.count("<svg") >= 5
    record = json.loads((place / "out" / "fit.json").read_text())
    assert record["command"] == "leanseq fit toy.tsv --budget 9h --valid 80 --test 60"
    assert record["members"] == len(record["epochs"]) == 2
    assert record["epochs"] == [4, 4]  # long ones: the values are exact
    assert record["values"] == "as measured"
    shown = place / "shown.tsv"
    pl.DataFrame({"sequence": sequences[:3]}).write_csv(shown, separator="\t")
    with pytest.raises(SystemExit):
        main(["predict", "out", "shown.tsv"])
    assert capsys.readouterr().out.splitlines()[0].split("\t") == [
        "sequence", "prediction", "low", "high", "spread", "unfamiliar",
    ]  # fmt: skip
    before = {path.name: path.stat().st_mtime_ns for path in (place / "s").iterdir()}
    assert call(*words) == 0
    assert capsys.readouterr().out == out
    assert {path.name: path.stat().st_mtime_ns for path in (place / "s").iterdir()} == before
    monkeypatch.setitem(recipe.LEGNET["published"], "size", "tiny")
    assert call(*words, "--legnet", "published") == 0
    judged = json.loads((place / "out" / "metrics.json").read_text())
    models = [each["model"] for each in judged["results"] if each["split"] == "test"]
    assert models[3:] == [LEGNETS["published"], *BASELINES]
    assert judged["weights"] == metrics["weights"]  # a line to clear, no part
    assert "legnet_as_published" in pl.read_parquet(place / "out" / "predictions.parquet").columns
    assert "--legnet published" in json.loads((place / "out" / "fit.json").read_text())["command"]
    with monkeypatch.context() as patch:
        patch.setattr(steady, "EXPLAINED", 1.0)  # networks learn steadied values, and are judged by measured ones
        assert call(*words, "--seed", 5) == 0
    other = json.loads((place / "out" / "fit.json").read_text())
    assert other["values"] == "steadied"
    assert max(other["epochs"]) < 4  # noisy values are learned by heart sooner
    assert not set(other["runs"]) & set(record["runs"])
    runs = [json.loads((place / "s" / key / "run.json").read_text()) for key in other["runs"]]
    assert all("out/steadied.parquet" in run["command"] for run in runs)
    assert "what trees say that were grown without it" in (place / "out" / "report.html").read_text()
    shown = pl.read_parquet(place / "out" / "predictions.parquet").select("row", "expression")
    np.testing.assert_allclose(shown["expression"], table.expression[shown["row"].cast(pl.Int64).to_numpy() - 1])
    assert call(*words, "--organism", "none") == 0  # other trees, the same networks
    assert json.loads((place / "out" / "fit.json").read_text())["runs"] == record["runs"]
    assert leanseq.load(place / "out").construct.organism == ""
    counts = [len(each.baselines[TREES].motifs) for each in (model, leanseq.load(place / "out"))]
    assert counts == [176, 0]


WRONG = {
    "seed": (["--seed", "-1"], "--seed is -1, expected 0 or more"),
    "budget": (["--budget", "soon"], "--budget is 'soon', expected a time such as"),
    "processes": (["--processes", "-1"], "--processes is -1, expected 0 or more"),
    "threads": (["--threads", "-1"], "--threads is -1, expected 0 or more"),
    "store": (["--store", "toy.tsv/store"], "toy.tsv/store: cannot write a run here"),
    "output": (["--output", "toy.tsv/out"], "toy.tsv/out: cannot write a run here"),
    "organism": (["--organism", "mouse"], "--organism is 'mouse', expected one of auto, yeast, human, none"),
    "table": (["--expression-column", "y"], "toy.tsv"),
    "rows": (["--valid", "590"], "toy.tsv"),
    "few": (["--valid", "49"], "toy.tsv: 49 validation rows, expected at least 50 to weigh models"),
    "no-table": (["--sequence-column", "dna"], "toy.tsv"),
}


def test_trees_that_cannot_be_grown_are_named_before_any_work(tmp_path, monkeypatch, capsys):
    from leanseq.baselines import boosted_trees

    def missing(name):
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(boosted_trees, "import_module", missing)
    assert call(tmp_path / "no.tsv") == 2
    assert "cannot load LightGBM" in capsys.readouterr().err


def test_no_other_model_is_lost(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows(600).write_csv(tmp_path / "toy.tsv", separator="\t")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    assert call("toy.tsv", "--output", "other") == 2
    assert "other: holds something else than a fit; choose another --output" in capsys.readouterr().err
    measured = read_table(tmp_path / "toy.tsv")
    split = with_split(measured, prepare(measured, narrow(measured, DataSettings())))
    keep(split, tmp_path / "out" / TABLE)
    claim(tmp_path / "out", split)
    before = (tmp_path / "out" / TABLE).read_bytes()
    assert call("toy.tsv", "--output", "out", "--split-seed", 3) == 2
    assert "out: holds a fit of other rows, or of another split of these" in capsys.readouterr().err
    assert (tmp_path / "out" / TABLE).read_bytes() == before
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_bad_input_gets_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    rows(600).write_csv(tmp_path / "toy.tsv", separator="\t")
    assert call("toy.tsv", *words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["toy.tsv"]
