"""The main job, end to end on a small simulated table."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

import leanseq
from leanseq import InputError, load, train
from leanseq.baselines import TREES, Constant
from leanseq.cli import main
from leanseq.data.table import read_table
from leanseq.runs import scores
from leanseq.runs.prepare import describe, prepare
from leanseq.runs.settings import DataSettings, Settings
from toy import LEFT, RIGHT, rows

QUICK = {"size": "tiny", "epochs": 1, "batch": 32, "threads": 1}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.tsv"
    rows().write_csv(path, separator="\t")
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    return train(table, output=tmp_path_factory.mktemp("run") / "r", **QUICK)


def test_a_run_leaves_plain_files_that_agree(run):
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        *("run.json", "data.json", "history.csv", "metrics.json", "predictions.parquet", "report.html"),
        *("model.safetensors", "config.json", "README.md"),
    }
    record = json.loads((run.folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["leanseq"] == leanseq.__version__
    assert record["data"]["fingerprint"]
    assert record["hardware"]["threads"] == 1
    assert record["peak_memory_mb"] > 0
    predictions = pl.read_parquet(run.folder / "predictions.parquet")
    for split in ("valid", "test"):
        part = predictions.filter(pl.col("split") == split)
        own = next(r for r in run.metrics["results"] if (r["model"], r["split"]) == ("legnet-optimized", split))
        assert own["n"] == part.height
        r = np.corrcoef(part["expression"], part["prediction"])[0, 1]
        assert own["r"]["value"] == pytest.approx(r)
    history = pl.read_csv(run.folder / "history.csv")
    assert history["valid_loss"][-1] == pytest.approx(run.metrics["results"][0]["kl"]["value"], rel=1e-5)


def test_boosted_trees_are_grown_on_request_and_change_nothing_else(run, table, tmp_path):
    more = train(table, output=tmp_path / "r", baselines="all", **QUICK)
    order = ["legnet-optimized", "boosted trees", "k-mer ridge", "GC content", "constant"]
    for one, models in ((run, [order[0], *order[2:]]), (more, order)):
        results = one.metrics["results"]
        assert [(r["model"], r["split"]) for r in results] == [(m, s) for s in ("valid", "test") for m in models]
        assert [d["b"] for d in one.metrics["differences"]] == [*models[1:-1]] * 2
        columns = pl.read_parquet(one.folder / "predictions.parquet").columns
        names = ["row", "split", "group", "expression", "prediction"]
        assert columns == [*names, *(m.lower().replace("-", "").replace(" ", "_") for m in models[1:])]
        constant = next(r for r in results if r["model"] == "constant")
        assert constant["kl"]["value"] == pytest.approx(one.metrics["no_skill"]["constant"])
        header = next(line for line in (one.folder / "README.md").read_text().splitlines() if "split |" in line)
        assert [cell.strip() for cell in header.split("|")[5:-1]] == [f"{m} r" for m in models[1:-1]]
    plain, grown = (
        {(r["model"], r["split"]): (r["r"], r["mse"]) for r in one.metrics["results"]} for one in (run, more)
    )
    assert plain == {key: value for key, value in grown.items() if key[0] != "boosted trees"}
    trees = pl.read_parquet(more.folder / "predictions.parquet").filter(split="test")
    assert grown["boosted trees", "test"][0]["value"] == pytest.approx(
        np.corrcoef(trees["expression"], trees["boosted_trees"])[0, 1]
    )
    assert "number of trees" in more.metrics["selection"]
    assert "trees" not in run.metrics["selection"]
    assert (more.folder / "report.html").read_text().count("boosted trees") > 5
    commands = [json.loads((one.folder / "run.json").read_text())["command"] for one in (run, more)]
    assert commands[1] == f"{commands[0]} --baselines all"
    with pytest.raises(InputError, match="has other settings: baselines was 'all', is now None"):
        train(table, output=tmp_path / "r", resume=True, **QUICK)
    with pytest.raises(InputError, match="--baselines is 'trees', expected one of quick, all"):
        train(table, output=tmp_path / "x", baselines="trees", **QUICK)


@pytest.mark.parametrize(
    ("values", "organism", "count"),
    [
        ({}, "yeast", 176),
        ({"organism": "none"}, "", 0),
        ({"construct": "none"}, "", 0),
        ({"construct": "none", "organism": "yeast"}, "yeast", 176),
        ({"construct": "none", "organism": "human"}, "human", 857),
    ],
    ids=str,
)
def test_trees_look_for_the_motifs_of_the_organism(table, monkeypatch, values, organism, count):
    measured = read_table(table)
    prepared = prepare(measured, DataSettings(**values))
    given = {}

    def fit(*rows, **options):
        given.update(options)
        return Constant(0.0)

    monkeypatch.setattr(scores.BoostedTrees, "fit", fit)
    scores.fit_baseline(TREES, prepared)
    assert len(given["motifs"]) == count
    assert prepared.construct.organism == organism
    assert [line for line in describe(measured, prepared)["choices"] if line[0] == "organism"] == (
        [("organism", organism)] if organism else []
    )


def test_the_organism_changes_the_trees_and_nothing_else(table, tmp_path):
    own, none = (
        train(table, output=tmp_path / organism, organism=organism, baselines="all", **QUICK)
        for organism in ("auto", "none")
    )
    frames = [pl.read_parquet(one.folder / "predictions.parquet") for one in (own, none)]
    assert (frames[0]["boosted_trees"] != frames[1]["boosted_trees"]).any()
    assert frames[0].drop("boosted_trees").equals(frames[1].drop("boosted_trees"))
    assert [one.model.construct.organism for one in (own, none)] == ["yeast", ""]
    assert json.loads((none.folder / "run.json").read_text())["command"].count(" --organism none ") == 1
    with pytest.raises(InputError, match="organism was None, is now 'none'"):
        train(table, output=tmp_path / "auto", organism="none", baselines="all", resume=True, **QUICK)


def test_a_model_saved_before_there_were_organisms_is_read(run, tmp_path):
    old = shutil.copytree(run.folder, tmp_path / "old")
    config = json.loads((old / "config.json").read_text())
    assert config["construct"].pop("organism") == "yeast"
    (old / "config.json").write_text(json.dumps(config))
    sequences = rows()["sequence"].head(9).to_list()
    np.testing.assert_array_equal(load(old).predict(sequences), run.model.predict(sequences))


def test_a_loaded_model_gives_the_same_numbers(run, table):
    frame = pl.read_csv(table, separator="\t")
    predictions = pl.read_parquet(run.folder / "predictions.parquet")
    again = load(run.folder).predict(frame["sequence"].gather(predictions["row"] - 1).to_list())
    assert np.abs(again - predictions["prediction"].to_numpy()).max() < 1e-4


def test_predict_and_evaluate_commands(run, table, tmp_path, capsys):
    fasta = tmp_path / "a.fa"
    sequences = rows()["sequence"].head(3).to_list()
    fasta.write_text("".join(f">s{i}\n{s.lower()}\n" for i, s in enumerate(sequences)))
    out = tmp_path / "p.tsv"
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(run.folder), str(fasta), "--output", str(out), "--threads", "1"])
    frame = pl.read_csv(out, separator="\t")
    assert frame["id"].to_list() == ["s0", "s1", "s2"]
    assert frame["prediction"].to_numpy() == pytest.approx(run.model.predict(sequences), abs=1e-5)
    marked = tmp_path / "m.tsv"
    rows().with_columns(even=pl.int_range(160) % 2).write_csv(marked, separator="\t")
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(run.folder), str(marked), "--subsets", "even", "--threads", "1"])
    printed = capsys.readouterr().out
    assert "all" in printed
    assert "even" in printed


def test_misfits_are_refused_or_skipped(run):
    good = rows()["sequence"][0]
    bad = [good, good[3:], LEFT + "A" * 200 + RIGHT]
    with pytest.raises(InputError, match=r"row 2: column 'sequence' does not start with the left adapter"):
        run.model.predict(bad)
    with pytest.raises(InputError, match=r"is 230 bp long, expected at most the model's window of 150 bp"):
        run.model.predict(bad[2:])
    assert np.isnan(run.model.predict(bad, misfits="skip")).tolist() == [False, True, True]


def test_the_singleton_channel_is_never_read_off_a_label(table, tmp_path):
    marked = train(table, output=tmp_path / "r", singleton=True, **QUICK)
    whole = pl.read_csv(table, separator="\t").with_columns(pl.col("expression").round())
    from leanseq.data.table import from_columns

    first = marked.model.predict(from_columns(whole.to_dict(as_series=False)))
    second = marked.model.predict(whole["sequence"].to_list())
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "changed",
    [
        {"train": 90},
        {"valid": 40},
        {"test": 40},
        {"split": "random", "split_seed": 1},
        {"construct": "none"},
        {"length": 100},
        {"left_flank": "ACGT" * 30},
        {"left_flank": "", "right_flank": "ACGT" * 30},
        {"model": "legnet-dream2022"},
        {"size": "small"},
        {"set": ["dropout=0.3"]},
        {"reverse": True},
        {"objective": "mse"},
        {"objective": "mse-bins"},
        {"bins": 12},
        {"bin_low": -2.0},
        {"bin_high": 19.0},
        {"bin_sd": 1.0},
        {"seed": 1},
        {"select": "best", "epochs": 2, "lr": 0.1},
    ],
    ids=str,
)
def test_every_setting_changes_the_predictions(run, table, tmp_path, changed):
    other = train(table, output=tmp_path / "r", **{**QUICK, **changed})
    frames = [pl.read_parquet(folder / "predictions.parquet") for folder in (run.folder, other.folder)]
    assert not frames[0].equals(frames[1])


def test_the_split_column_is_used_and_other_values_are_left_out(tmp_path):
    part = ["train"] * 100 + ["val"] * 30 + ["test"] * 20 + ["extra"] * 10
    path = tmp_path / "t.tsv"
    rows().with_columns(split=pl.Series(part)).write_csv(path, separator="\t")
    done = train(path, output=tmp_path / "r", **QUICK)
    assert done.metrics["rows"] == {"train": 100, "valid": 30, "test": 20, "left_out": 10}
    smaller = train(path, output=tmp_path / "s", train=50, **QUICK)
    assert smaller.metrics["rows"] == {"train": 50, "valid": 30, "test": 20, "left_out": 60}


def test_replicates_give_a_ceiling(tmp_path):
    rng = np.random.default_rng(0)
    frame = rows()
    frame = frame.with_columns(
        rep1=pl.col("expression") + pl.Series(rng.normal(0, 1, 160)),
        rep2=pl.col("expression") + pl.Series(rng.normal(0, 1, 160)),
    )
    path = tmp_path / "t.parquet"
    frame.write_parquet(path)
    done = train(path, output=tmp_path / "r", **QUICK)
    assert 0.9 < done.metrics["ceiling"]["r"] < 1
    own = done.metrics["results"][0]
    assert own["share_of_ceiling"] == pytest.approx(own["r"]["value"] / done.metrics["ceiling"]["r"])


def command(*arguments):
    return [sys.executable, "-c", "from leanseq.cli import main; main()", *map(str, arguments)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_command_resumes_bit_for_bit(table, tmp_path, number):
    arguments = ["train", table, "--size", "tiny", "--epochs", "6", "--batch", "16", "--threads", "1", "--output"]
    subprocess.run(command(*arguments, tmp_path / "a"), check=True, capture_output=True)
    with subprocess.Popen(
        command(*arguments, tmp_path / "b"), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        while not (tmp_path / "b" / "checkpoint.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, number)
        error = process.communicate()[1].decode()
    assert process.returncode in (130, -9)
    assert "Traceback" not in error
    (tmp_path / "b" / "data.json").unlink()  # as if killed before it was written, or lost
    again = subprocess.run(command(*arguments, tmp_path / "b", "--resume"), check=True, capture_output=True, text=True)
    assert "report:" in again.stdout
    for name in ("data.json", "model.safetensors", "metrics.json", "predictions.parquet"):
        if name == "metrics.json":
            first, second = (json.loads((tmp_path / x / name).read_text())["results"] for x in "ab")
            assert [r["r"] for r in first] == [r["r"] for r in second]
        else:
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not list((tmp_path / "b").glob("checkpoint*"))


def test_a_budget_sets_the_epochs(table, tmp_path):
    done = train(table, output=tmp_path / "r", budget="3s", **QUICK)
    assert json.loads((done.folder / "run.json").read_text())["epochs"] > 1


def test_flat_settings_reach_their_groups():
    settings = Settings.make(train=100, lr=0.1, seed=3, model="legnet-optimized+lstm", set=["lstm.hidden=8"])
    assert (settings.data.train, settings.recipe.lr, settings.machine.seed) == ("100", 0.1, 3)
    assert settings.network.options == {"lstm.hidden": "8"}
    with pytest.raises(InputError, match="did you mean 'weight_decay'"):
        Settings.make(weight_decai=1)
    for wrong in ({"epochs": "x"}, {"epochs": 1.5}, {"reverse": 1}, {"lr": True}, {"set": "lstm.hidden=8"}):
        with pytest.raises(InputError, match=r"setting \w+ is .*, expected"):
            Settings.make(**wrong)
    assert Settings.make(lr=1).recipe.lr == 1.0


def test_resuming_a_finished_run_only_completes_it(table, tmp_path):
    done = train(table, output=tmp_path / "r", **QUICK)
    (done.folder / "report.html").unlink()
    before = (done.folder / "model.safetensors").stat().st_mtime_ns
    again = train(table, output=tmp_path / "r", resume=True, **QUICK)
    assert (done.folder / "report.html").exists()
    assert (done.folder / "model.safetensors").stat().st_mtime_ns == before
    assert again.metrics == done.metrics


def test_a_folder_can_be_moved(run, tmp_path):
    moved = shutil.copytree(run.folder, tmp_path / "elsewhere")
    sequences = rows()["sequence"].head(5).to_list()
    assert np.array_equal(load(moved).predict(sequences), run.model.predict(sequences))
