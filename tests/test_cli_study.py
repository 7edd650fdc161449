"""The options of `leanseq study`: each changes something, and what does not fit is refused in one line."""

import json
import logging
import re

import pytest
from distributed import LocalCluster

from leanseq import InputError
from leanseq.cli import main
from leanseq.cli.progress import follow
from leanseq.cli.study import Workers, asked_layout, read_resources
from leanseq.study import engine, pace
from leanseq.study.engine import Layout
from leanseq.study.plan import make_plan
from leanseq.study.spec import read_spec
from toy import STUDY, rows

PRESET = """
[presets.short]
epochs = 1
train = 30
seeds = 1
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    rows().write_csv(tmp_path / "toy.tsv", separator="\t")
    rows(120, seed=1).write_csv(tmp_path / "other.tsv", separator="\t")
    (tmp_path / "toy.toml").write_text(STUDY + PRESET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys, *words):
    """Call the command line; its exit code and what it printed on both streams."""
    with pytest.raises(SystemExit) as stopped:
        main(["study", *map(str, words)])
    said = capsys.readouterr()
    return stopped.value.code or 0, said.out, said.err


def keys(capsys, *words):
    code, out, _ = call(capsys, "status", "toy.toml", *words)
    assert code == 0
    return set(re.findall(r"^([0-9a-f]{16})  waiting", out, re.MULTILINE))


OPTIONS = [
    ["--preset", "short"],
    ["--size", "small"],
    ["--epochs", "1"],
    ["--seeds", "1"],
    ["--set", "clip=0.5"],
    ["--set", "dropout=0.1"],
    ["--table", "other.tsv"],
]


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
def test_every_option_of_the_scale_changes_the_runs(here, capsys, option):
    assert keys(capsys, *option) != keys(capsys)


def test_a_plan_names_runs_changes_and_time_and_starts_nothing(here, capsys):
    code, out, err = call(capsys, "plan", "toy.toml", "--preset", "short", "--store", "s")
    assert code == 0
    assert "measuring" in err
    assert "changed: train is 30, in the file 60" in out
    assert re.search(r"2 runs: 2 waiting; 2 different ones to do: about [\d.]+ s one after another", out)
    assert [path.name for path in (here / "s").iterdir()] == ["paces.json"]
    again = call(capsys, "plan", "toy.toml", "--preset", "short", "--store", "s")[1]
    assert again == out  # measured once
    call(capsys, "plan", "toy.toml", "--preset", "short", "--store", "s", "--threads", "2")
    assert len(json.loads((here / "s" / "paces.json").read_text())) == 2


@pytest.fixture(scope="module")
def scheduler():
    """Address of a scheduler with one worker, in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", resources={"GPU": 1}
    ) as cluster:
        yield cluster.scheduler_address


def test_a_scheduler_and_resources_are_used(here, capsys, scheduler):
    words = ["run", "toy.toml", "--preset", "short", "--store", "s", "--scheduler", scheduler]
    code, _, err = call(capsys, *words, "--resources", "GPU=1")
    assert code == 0, err
    assert f"2 runs on 1 workers of {scheduler}" in err
    assert "2 runs: 2 finished" in err
    assert logging.getLogger("distributed.client").level == logging.CRITICAL  # whose errors are tracebacks
    assert (here / "runs" / "studies" / "toy-short" / "report.html").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CONNECT", 0.5)
        code, _, err = call(capsys, *words, "--seeds", "2", "--resources", "TPU=1")
    assert code == 2
    assert "no worker with {'TPU': 1.0} is connected; start one with `dask worker" in err


def test_a_failed_study_names_its_first_failure_and_retry_tries_again(here, capsys, scheduler):
    words = ["run", "toy.toml", "--preset", "short", "--scheduler", scheduler, "--store", "s"]
    broken = [*words, "--set", "clip=0", "--set", "weight_decay=1e30"]
    code, _, err = call(capsys, *broken)
    assert code == 2
    last = err.splitlines()[-1]
    assert re.search(
        r"leanseq: error: 2 runs: 2 failed; first: s/\w+ \(lr 0.001, seed 0\): the loss is not finite", last
    )
    assert "Traceback" not in err
    assert "measuring" not in call(capsys, *broken)[2]  # nothing is tried again
    assert "measuring" in call(capsys, *broken, "--retry")[2]


def test_layouts_are_asked_for_or_measured(monkeypatch):
    monkeypatch.setattr(engine, "cores", lambda: 8)
    assert asked_layout(Workers(), 5) is None
    assert asked_layout(Workers(), 1) == Layout(1, 8)
    assert asked_layout(Workers(processes=2), 5) == Layout(2, 4)
    assert asked_layout(Workers(threads=2), 5) == Layout(4, 2)
    assert asked_layout(Workers(processes=3, threads=5), 5) == Layout(3, 5)
    assert asked_layout(Workers(scheduler="tcp://x"), 5) == Layout(1, 0)
    with pytest.raises(InputError, match="--processes and --threads change nothing with --scheduler"):
        asked_layout(Workers(processes=2, scheduler="tcp://x"), 5)
    with pytest.raises(InputError, match="--threads is -1, expected 0 or more"):
        asked_layout(Workers(threads=-1), 5)


def test_the_fastest_layout_that_fits_in_memory_is_measured_once(here, monkeypatch):
    plan = make_plan(read_spec("toy.toml"))
    speeds, asked = {Layout(4, 1): 9.0, Layout(2, 2): 10.0, Layout(1, 4): 8.0}, []

    def speed(plan, unit, store, layout):
        asked.append(layout)
        return speeds[layout]

    monkeypatch.setattr(pace, "cores", lambda: 4)
    monkeypatch.setattr(pace, "_speed", speed)
    assert pace.choose_layout(plan, plan.units[0], 9, here / "s", lambda line: None) == Layout(2, 2)
    assert pace.choose_layout(plan, plan.units[0], 9, here / "s", lambda line: None) == Layout(2, 2)
    assert asked == list(speeds)
    assert pace.choose_layout(plan, plan.units[0], 3, here / "s", lambda line: None) == Layout(2, 2)
    assert asked == [*speeds, Layout(2, 2), Layout(1, 4)]  # no more processes than runs
    monkeypatch.setattr(pace, "ROW_GB", 1e6)
    assert pace.choose_layout(plan, plan.units[0], 9, here / "t", lambda line: None) == Layout(1, 4)


WRONG = {
    "study": (["none.toml"], "none.toml: cannot read the study: No such file or directory; check its path"),
    "table": (["toy.toml", "--table", "none.tsv"], "none.tsv: cannot read the file"),
    "preset": (["toy.toml", "--preset", "shor"], "toy.toml: unknown preset 'shor'; did you mean 'short'?"),
    "size": (["toy.toml", "--size", "smal"], "--size is 'smal', expected one of full, small, tiny; did you mean"),
    "set": (["toy.toml", "--set", "clip"], "--set 'clip': expected name=value, such as lr=1e-3"),
    "factor": (["toy.toml", "--set", "lr=1"], "toy.toml: lr is a factor of this study; leave it out"),
    "seeds": (["toy.toml", "--seeds", "0"], "toy.toml: --seeds is 0, expected a number of seeds"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_in_one_line(here, capsys, words, message):
    for command in ("plan", "run", "status", "report", "export"):
        before = sorted(here.rglob("*"))
        code, out, err = call(capsys, command, *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
        assert sorted(here.rglob("*")) == before


def test_resources_are_numbers():
    assert read_resources(["GPU=1", "MEM = 0.5"]) == {"GPU": 1.0, "MEM": 0.5}
    for wrong in ("GPU", "GPU=", "GPU=x", "GPU=0", "GPU=true"):
        with pytest.raises(InputError, match="--resources"):
            read_resources([wrong])


def test_progress_tells_the_share_and_the_time_left(monkeypatch, capsys):
    import threading

    told, shares = threading.Event(), iter([0.5, 0.75, 0.75])
    monkeypatch.setattr("leanseq.cli.progress.LINE_EVERY", 0.01)
    monkeypatch.setattr("leanseq.cli.progress.say", lambda line: (print(line), told.set()))
    with follow("study", lambda: next(shares, 0.75)) as tell:
        assert told.wait(5)
        tell("a line")
    out = capsys.readouterr().out
    assert re.search(r"study: 75% done, about 0\.\d s left", out)
    assert "a line" in out


@pytest.mark.parametrize(("now", "minutes"), [(0.0, 20), (0.02, 20), (1.0, 0)])
def test_the_time_left_begins_with_the_estimate(monkeypatch, capsys, now, minutes):
    """Nearly nothing is done after a moment: the pace alone says hours, or nothing at all."""
    import threading

    told, shares = threading.Event(), iter([0.0])
    monkeypatch.setattr("leanseq.cli.progress.LINE_EVERY", 0.01)
    monkeypatch.setattr("leanseq.cli.progress.say", lambda line: (print(line), told.set()))
    with follow("study", lambda: next(shares, now), 1200.0):
        assert told.wait(5)
    left = {20: r"(16|17|18|19|20) min", 0: "0.0 s"}[minutes]
    assert re.search(rf"study: {now:.0%} done, about {left}", capsys.readouterr().out)


def test_a_prediction_by_partitions_has_the_same_bits(here, capsys, scheduler, monkeypatch):
    import polars as pl

    from leanseq import load, train
    from leanseq.study import scoring

    model = train("toy.tsv", output="run", size="tiny", epochs=1, batch=16, threads=1).model
    frame = pl.concat(
        [pl.read_csv("toy.tsv", separator="\t"), pl.DataFrame({"sequence": ["ACGT"], "expression": [1.0]})]
    )
    frame.write_csv("some.tsv", separator="\t")
    monkeypatch.setattr(scoring, "PART", 64)
    parts = []
    whole = scoring.work
    monkeypatch.setattr(scoring, "work", lambda *given: (parts.extend(given[2]), whole(*given))[1])
    words = ["predict", "run", "some.tsv", "--threads", "1", "--scheduler", scheduler]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--output", "no.tsv"])
    assert stopped.value.code == 2
    assert "some.tsv: line 162: column 'sequence' is 4 bp long" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--misfits", "skip", "--output", "p.tsv"])
    assert not stopped.value.code
    assert [len(part.sequences) for part in parts] == [64, 64, 32]
    said = pl.read_csv("p.tsv", separator="\t")["prediction"]
    assert said.null_count() == 1
    alone = load("run").predict(frame["sequence"].to_list()[:160])
    assert said.drop_nulls().to_list() == pytest.approx(alone.tolist(), abs=0)
    assert model.predict(frame["sequence"].to_list()[:1])[0] == pytest.approx(said[0])
    # a worker that stays does not answer for another model in the same folder
    train("toy.tsv", output="run", size="tiny", epochs=1, batch=16, threads=1, seed=1, overwrite=True)
    with pytest.raises(SystemExit):
        main([*words, "--misfits", "skip", "--output", "q.tsv"])
    again = load("run").predict(frame["sequence"].to_list()[:160])
    assert pl.read_csv("q.tsv", separator="\t")["prediction"].drop_nulls().to_list() == again.tolist()
    assert again.tolist() != alone.tolist()


PREDICT = {
    "both": (["--processes", "2", "--scheduler", "tcp://x"], "--processes changes nothing with --scheduler"),
    "none": (["--processes", "0"], "--processes is 0, expected 1 or more"),
}


@pytest.mark.parametrize(("words", "message"), PREDICT.values(), ids=PREDICT)
def test_workers_of_a_prediction_are_checked(here, capsys, words, message):
    from leanseq import train

    train("toy.tsv", output="run", size="tiny", epochs=1, batch=16, threads=1)
    with pytest.raises(SystemExit) as stopped:
        main(["predict", "run", "toy.tsv", *words])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
