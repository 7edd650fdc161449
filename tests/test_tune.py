"""`leanseq tune`: search spaces, trials that resume, prune and fail, and rows that no trial saw."""

import json
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest
from distributed import Client

from leanseq import InputError
from leanseq.cli import main
from leanseq.runs import folder as folder_module
from leanseq.study import found as found_module
from leanseq.study.engine import Engine
from leanseq.study.found import best_trials, judge, repeat_best, units_to_repeat, words, write_found
from leanseq.study.halves import split_rows
from leanseq.study.search import open_search, run_trials, sample
from leanseq.study.space import change, parse_space, read_space
from leanseq.study.spec import parse_spec
from leanseq.study.worker import Outcome
from leanseq.training.learner import Epoch
from toy import rows

LR = {"low": 1e-3, "high": 1e-2, "log": True}
PLAIN = {
    "title": "?",
    "table": "toy.tsv",
    "trials": 3,
    "seeds": 2,
    "best": 1,
    "base": {"size": "tiny", "epochs": 1, "valid": 40, "train": 60, "batch": 30},
    "space": {"lr": LR, "weight_decay": {"choices": [0.0, 0.1]}},
}


def space(**content):
    return parse_space({key: value for key, value in {**PLAIN, **content}.items() if value is not None}, "s.toml")


def based(**values):
    return {**PLAIN["base"], **values}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table; the store in it is shared, so that equal trials of all tests are trained once."""
    folder = tmp_path_factory.mktemp("tune")
    rows(200).write_csv(folder / "toy.tsv", separator="\t")
    return folder


@pytest.fixture(scope="module")
def engine():
    """One worker in a thread of this process: the same code as a cluster, without its start."""
    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as client:
        yield Engine(client, 1, {})


@pytest.fixture
def quick(monkeypatch):
    """Trials without training: r is 0.5, and -0.5 at a tiny learning rate."""

    def run(task, watcher):
        lr, folder = task.settings["recipe"]["lr"], Path(task.folder)
        folder.mkdir(parents=True, exist_ok=True)
        # a run with a budget settles its own number of epochs
        last = 2 if task.settings["machine"]["budget"] else task.settings["recipe"]["epochs"]
        (folder / "run.json").write_text(json.dumps({name: 0 for name in folder_module._RECORD} | {"epochs": last}))
        r = 0.5 if lr > 1e-6 else -0.5
        history = [Epoch(i, lr, 0.0, 0.0, 0.0, 0.0, r, 0.0, 1.0) for i in range(1, last + 1)]
        for epoch in history:
            watcher.epoch(epoch)
        pl.DataFrame([asdict(epoch) for epoch in history]).write_csv(folder / "history.csv")
        return Outcome("finished")

    monkeypatch.setattr("leanseq.study.trial.run", run)


@contextmanager
def search(place, name, made=None, store="store", **options):
    with open_search(made or space(), place / "toy.tsv", place / name, place / store, **options) as opened:
        yield opened


def run(opened, engine, stop_after=None):
    """Run trials; the words of each that came back."""
    told = []

    def tell(tried):
        told.append(tried)
        if len(told) == stop_after:
            raise KeyboardInterrupt

    run_trials(opened, engine, tell)
    return told


def plain(tried):
    return [(each.number, each.state, each.r, dict(each.parameters), each.run) for each in tried]


def test_a_space_is_read_with_its_ranges_choices_and_presets(tmp_path):
    made = space(
        space={"lr": LR, "batch": {"low": 16, "high": 64, "step": 16}, "dilated.rates": {"choices": [[4, 2], [1, 1]]}},
        base={"model": "legnet-optimized+dilated"},
        presets={"laptop": {"size": "small", "trials": 7, "seeds": [4], "best": 5}},
    )
    assert made.parameters["lr"].log
    assert made.parameters["batch"].whole
    assert (made.parameters["batch"].step, made.parameters["batch"].edges) == (16, (16, 64))
    assert made.parameters["dilated.rates"].choices == ("4,2", "1,1")
    now = change(made, preset="laptop", best=2)
    assert (now.trials, now.seeds, now.best, now.base["size"]) == (7, (4,), 2, "small")
    assert now.changes == {"size": (None, "small"), "trials": (3, 7), "seeds": ((0, 1), (4,)), "best": (1, 2)}
    assert change(made, trials=9, seeds=1).changes == {"trials": (3, 9), "seeds": ((0, 1), (0,))}


def test_a_preset_s_budget_takes_the_place_of_the_base_s():
    made = change(space(presets={"p": {"steps": 9}}), preset="p")
    assert "epochs" not in made.base
    assert made.base["steps"] == 9


def test_options_are_drawn_only_for_networks_that_have_them():
    models = ["legnet-optimized", "legnet-optimized+lstm"]
    made = space(sampler="grid", trials=None, space={"lstm.hidden": {"choices": [4, 8]}, "model": {"choices": models}})
    assert made.grid() == [
        {"model": models[0]}, {"lstm.hidden": 4, "model": models[1]}, {"lstm.hidden": 8, "model": models[1]},
    ]  # fmt: skip
    assert made.trials == 3


WRONG = {
    "key": ({"spaces": {}}, "unknown key 'spaces'; did you mean 'space'?"),
    "title": ({"title": None}, "title is missing, expected text"),
    "table": ({"table": 3}, "table is 3, expected text"),
    "sampler": ({"sampler": "random"}, "sampler is 'random', expected one of tpe, grid"),
    "trials": ({"trials": 0}, "trials is 0, expected a whole number of 1 or more"),
    "best": ({"best": True}, "best is True, expected a whole number"),
    "seeds": ({"seeds": [1, 1]}, r"seeds is \[1, 1\], expected a number of seeds"),
    "empty": ({"space": {}}, r"space is missing, expected a table \[space\]"),
    "setting": ({"space": {"lrr": LR}}, "unknown setting in space: 'lrr'; did you mean 'lr'?"),
    "base": ({"base": {"epoch": 3}}, "unknown setting in base: 'epoch'; did you mean 'epochs'?"),
    "both": ({"base": {"lr": 1e-3}}, "lr stands in base and in space, expected one of them"),
    "preset": ({"presets": {"p": {"lr": 1e-3}}}, "lr stands in presets.p and in space"),
    "preset-trials": ({"presets": {"p": {"trials": 0}}}, "presets.p.trials is 0"),
    "budget": ({"space": {"steps": {"choices": [9, 10]}}}, "epochs stands in base and as steps in space"),
    "rows": ({"space": {"length": {"choices": [9, 10]}}}, "length cannot stand in space: it decides the rows"),
    "select": ({"base": {"select": "best"}}, "base.select is 'best', expected 'last'"),
    "select-space": ({"space": {"select": {"choices": ["best"]}}}, "select cannot stand in space"),
    "seed": ({"space": {"seed": {"choices": [1, 2]}}}, "seed cannot stand in space; use seeds"),
    "organism": ({"base": {"organism": "human"}}, "organism cannot stand in base; boosted trees alone look for motifs"),
    "number": ({"space": {"lr": 3}}, "space.lr is 3, expected a table with low and high, or with choices"),
    "part": ({"space": {"lr": {"low": 1, "hi": 2}}}, "unknown key in space.lr: 'hi'"),
    "order": ({"space": {"lr": {"low": 2, "high": 1}}}, "space.lr.low is 2, expected less than high, which is 1"),
    "equal": ({"space": {"lr": {"low": 2, "high": 2}}}, "space.lr.low is 2, expected less than high"),
    "no-high": ({"space": {"lr": {"low": 2}}}, "space.lr.high is missing, expected a number"),
    "nan": ({"space": {"lr": {"low": float("nan"), "high": 1}}}, "space.lr.low is nan, expected a number"),
    "log": ({"space": {"clip": {"low": 0, "high": 1, "log": True}}}, "space.clip.low is 0, expected more than 0"),
    "log-word": ({"space": {"lr": {**LR, "log": "yes"}}}, "space.lr.log is 'yes', expected true or false"),
    "log-step": ({"space": {"lr": {**LR, "step": 1}}}, "space.lr.step is 1, expected no step beside log = true"),
    "step": ({"space": {"lr": {"low": 1, "high": 2, "step": 0}}}, "space.lr.step is 0, expected a number above 0"),
    "wide": ({"space": {"lr": {"low": 1, "high": 2, "step": 3}}}, "space.lr.step is 3, expected at most 1"),
    "fraction": ({"space": {"patience": {"low": 2.5, "high": 9}}}, "space.patience.low is 2.5, expected a whole"),
    "words": ({"space": {"model": {"low": 1, "high": 2}}}, "space.model is .*, expected choices = .*: it is no number"),
    "choices": ({"space": {"lr": {"choices": []}}}, r"space.lr.choices is \[\], expected a list of values"),
    "twice": ({"space": {"lr": {"choices": [1, 1]}}}, r"space.lr.choices is \[1, 1\], expected values that differ"),
    "mixed": ({"space": {"lr": {"choices": [1], "low": 1}}}, "space.lr.low is 1, expected nothing beside choices"),
    "tables": ({"space": {"lr": {"choices": [{}]}}}, "space.lr.choices is .*, expected text, numbers"),
    "grid": ({"sampler": "grid", "trials": None}, "space.lr is 'a range', expected choices"),
    "grid-trials": ({"sampler": "grid", "space": {"lr": {"choices": [1e-3]}}}, "trials is 3, expected none: a grid"),
    "value": ({"space": {"lr": {"choices": [1e-3, -1]}}}, "space.lr = -1: --lr is -1, expected more than 0"),
    "edge": ({"space": {"dropout": {"low": 0.0, "high": 1.5}}}, "space.dropout = 1.5: option dropout"),
    "stranger": ({"space": {"lstm.hidden": {"choices": [4]}}}, "space.lstm.hidden = 4: option lstm.hidden belongs to"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_space_is_refused(content, message):
    with pytest.raises(InputError, match=f"^s.toml: {message}"):
        space(**content)


def test_a_file_that_is_no_space_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the space: No such file"):
        read_space(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_text("title = ")
    with pytest.raises(InputError, match="not valid TOML"):
        read_space(tmp_path / "s.toml")
    with pytest.raises(InputError, match="unknown preset 'laptob'; did you mean 'laptop'"):
        change(space(presets={"laptop": {}}), preset="laptob")
    with pytest.raises(InputError, match="--best is 0, expected a whole number"):
        change(space(), best=0)
    with pytest.raises(InputError, match="trials change nothing for sampler = 'grid'"):
        change(space(sampler="grid", trials=None, space={"lr": {"choices": [1e-3]}}), trials=4)


def test_shipped_spaces_resolve():
    files = sorted((Path(__file__).parents[1] / "studies" / "spaces").glob("*.toml"))
    assert len(files) >= 2
    sizes = {}
    for path in files:
        made = read_space(path)
        for preset in (None, *made.presets):
            change(made, preset=preset)
        sizes[path.stem] = made.trials
    assert sizes["report-lstm"] == 120  # 2 directions, 3 sizes, 5 dropouts, 2 weight decays, 2 learning rates


def test_fresh_rows_are_rows_that_no_trial_trains_on_or_is_compared_by(place):
    from leanseq.data.table import read_table
    from leanseq.runs.prepare import prepare
    from leanseq.runs.settings import Settings

    # every sequence four times: groups are whole in one half
    frame = pl.concat([rows(80)] * 4)
    frame.write_csv(place / "four.tsv", separator="\t")
    table = read_table(place / "four.tsv")
    data = Settings.make(train="100", valid="80").data
    prepared, made = prepare(table, data), split_rows(table, data)
    numbered = made.with_row_index()
    at = {name: set(numbered.filter(pl.col("split") == name)["index"]) for name in made["split"].unique()}
    assert set(at) == {"train", "valid", "test", "untouched"}
    assert at["train"] == set(prepared.split.train.tolist())
    assert at["valid"] | at["test"] == set(prepared.split.valid.tolist())
    assert set(prepared.split.test.tolist()) <= at["untouched"]
    assert abs(len(at["valid"]) - len(at["test"])) <= 4
    groups = made.group_by("split_group").agg(pl.col("split").n_unique())
    halves = made.filter(pl.col("split").is_in(["valid", "test"])).group_by("split_group").n_unique()
    assert halves["split"].to_list() == [1] * halves.height
    assert groups.height > 20
    with pytest.raises(InputError, match="15 validation rows, expected two halves of at least 10"):
        split_rows(read_table(place / "toy.tsv"), Settings.make(valid="15").data)


def test_a_search_finds_a_winner_and_judges_it_on_fresh_rows(place, engine):
    with search(place, "whole") as opened:
        assert opened.left == 3
        told = run(opened, engine)
        assert [each.number for each in told] == [0, 1, 2]
        assert {each.state for each in told} == {"complete"}
        plan = best_trials(opened)
        assert len(units_to_repeat(opened, plan)) == 1  # the first seed is the trial itself
        repeat_best(opened, plan, engine, lambda progress: None)
        found = judge(opened, plan)
        write_found(opened, found)
        said = " ".join(words(opened, found))
        table, tried = opened.rows.frame, opened.tried()
    assert found.winner.number == max(tried, key=lambda each: each.r).number
    assert found.winner.seed_r[0] == pytest.approx(max(each.r for each in tried), abs=1e-5)
    assert found.rows == {"search": 20, "fresh": 20}
    assert "20 fresh rows, which no trial saw" in said
    assert "which chose it and is too high" in said
    for run_key in {*found.winner.runs, *(each.run for each in tried)}:
        used = pl.read_parquet(place / "store" / run_key / "predictions.parquet")
        for split in ("valid", "test"):
            mine = set(used.filter(pl.col("split") == split)["row"])
            assert mine == set(table.with_row_index(offset=1).filter(pl.col("split") == split)["index"])
    folder = place / "whole"
    trials = pl.read_csv(folder / "trials.csv")
    assert trials.columns == ["number", "state", "r", "seconds", "lr", "weight_decay", "reason", "run"]
    assert trials["r"].to_list() == [each.r for each in tried]
    base = tomllib.loads((folder / "best.toml").read_text())["base"]
    assert base == {**PLAIN["base"], **found.winner.parameters}
    parse_spec({"title": "?", "table": "toy.tsv", "base": base})
    result = json.loads((folder / "result.json").read_text())
    assert result["fresh"]["r"]["low"] <= result["fresh"]["r"]["value"] == found.fresh.value
    assert result["fresh"]["kmer_ridge"]["value"] == found.kmer_ridge.value
    assert result["search"]["r"] == found.winner.r
    assert f"--lr {base['lr']}" in result["command"]
    assert "--valid 40" in result["command"]
    assert "split" not in result["command"]
    assert "best so far" in (folder / "search.svg").read_text()


def test_a_finished_search_trains_nothing_and_more_trials_are_added(place, engine):
    with search(place, "more") as opened:
        before = run(opened, engine)
    with search(place, "more") as opened:
        assert opened.left == 0
        assert run(opened, engine) == []
    with search(place, "more", space(trials=4)) as opened:
        assert opened.left == 1
        assert [each.number for each in run(opened, engine)] == [3]
        assert opened.tried()[:3] == before


def test_a_stopped_search_goes_on_to_the_same_trials(place, engine):
    made = space(trials=4)
    with search(place, "uninterrupted", made) as opened:
        run(opened, engine)
        whole = plain(opened.tried())
    with pytest.raises(KeyboardInterrupt), search(place, "stopped", made) as opened:
        run(opened, engine, stop_after=2)
    with search(place, "stopped", made) as opened:
        sample(opened)  # drawn for the estimate: it stands in the journal as running
    with search(place, "stopped", made) as opened:
        assert opened.left == 2
        assert [each.number for each in run(opened, engine)] == [2, 3]
        assert plain(opened.tried()) == whole


def test_the_seed_decides_the_trials(place, engine):
    drawn = {}
    for name, seed in (("seed-a", 0), ("seed-b", 0), ("seed-c", 1)):
        with search(place, name, seed=seed) as opened:
            drawn[name] = opened.drawn(opened.journal.get_trial(sample(opened) and opened.trials[0]._trial_id))
    assert drawn["seed-a"] == drawn["seed-b"]
    assert drawn["seed-a"] != drawn["seed-c"]


def test_a_grid_is_tried_whole_in_the_order_of_the_file(place, engine, quick):
    made = space(sampler="grid", trials=None, space={"lr": {"choices": [1e-3, 3e-3]}, "clip": {"choices": [0.0, 1.0]}})
    with search(place, "grid", made, store="quick") as opened:
        sample(opened)
        tried = run(opened, engine)
    assert [dict(each.parameters) for each in tried] == made.grid()


def test_a_failing_trial_is_recorded_and_stops_nothing(place, engine):
    made = space(sampler="grid", trials=None, base=based(clip=0, batch=10), space={"lr": {"choices": [1e6, 1e-3]}})
    with search(place, "failing", made) as opened:
        tried = run(opened, engine)
        assert [each.state for each in tried] == ["failed", "complete"]
        assert "the loss is not finite" in tried[0].reason
        assert best_trials(opened).cases[0].factors == {"lr": 1e-3}
    reasons = pl.read_csv(place / "failing" / "trials.csv")["reason"]
    assert "not finite" in reasons[0]


def test_settings_that_do_not_fit_together_fail_as_a_trial(place, engine, quick):
    grid = {"objective": {"choices": ["mse", "kl"]}, "bins": {"choices": [12, 18]}}
    with search(place, "misfit", space(sampler="grid", trials=None, space=grid), store="quick") as opened:
        tried = run(opened, engine)
    assert sorted((each.number, each.state) for each in tried) == [
        (0, "failed"), (1, "complete"), (2, "complete"), (3, "complete"),
    ]  # fmt: skip
    assert "change nothing with --objective mse" in next(each.reason for each in tried if each.number == 0)


def test_nothing_completed_is_said(place, engine):
    made = space(sampler="grid", trials=None, base=based(clip=0, batch=10), space={"lr": {"choices": [1e6]}})
    with search(place, "nothing", made) as opened:
        run(opened, engine)
        with pytest.raises(InputError, match="none of 1 trials was completed; most often: the loss is not finite"):
            best_trials(opened)


@pytest.mark.parametrize("prune", [True, False])
def test_a_hopeless_trial_is_pruned_unless_told_not_to(place, engine, quick, prune):
    rates = [3e-3, 4e-3, 5e-3, 6e-3, 7e-3, 1e-9]
    made = space(sampler="grid", trials=None, base=based(epochs=3), space={"lr": {"choices": rates}})
    with search(place, f"pruned-{prune}", made, store="quick", prune=prune) as opened:
        tried = run(opened, engine)
        shown = [len(trial.intermediate_values) for trial in opened.trials]
    assert [each.state for each in tried] == ["complete"] * 5 + ["pruned" if prune else "complete"]
    assert shown == [3] * 5 + [1 if prune else 3]
    assert tried[-1].r == -0.5
    assert tried[-1].reason.startswith("worse than the median") == prune


@pytest.mark.parametrize(
    ("name", "budget", "pruned"), [("1", {"epochs": 1}, 0), ("2", {"epochs": 2}, 1), ("b", None, 1)]
)
def test_a_trial_is_not_pruned_after_its_last_epoch(place, engine, quick, name, budget, pruned):
    rates = [3e-3, 4e-3, 5e-3, 6e-3, 7e-3, 1e-9]
    base = {key: value for key, value in PLAIN["base"].items() if key != "epochs"} | (budget or {"budget": "9s"})
    made = space(sampler="grid", trials=None, base=base, space={"lr": {"choices": rates}})
    with search(place, f"last-{name}", made, store="quick") as opened:
        states = [each.state for each in run(opened, engine)]
        shown = len(opened.trials[-1].intermediate_values)
    assert states == ["complete"] * 5 + ["pruned" if pruned else "complete"]
    assert shown == 1


def test_another_search_in_the_folder_is_refused_until_overwritten(place):
    with search(place, "other") as opened:
        sample(opened)
        with pytest.raises(InputError, match="another process is at this search"), search(place, "other"):
            pass
    for made, what in ((space(base=based(batch=20)), "base"), (space(space={"lr": LR}), "space")):
        with (
            pytest.raises(InputError, match=f"holds another search: its {what} has changed"),
            search(place, "other", made),
        ):
            pass
    with pytest.raises(InputError, match="its --seed has changed"), search(place, "other", seed=1):
        pass
    with search(place, "other", seed=1, overwrite=True) as opened:
        assert opened.trials == []
    (place / "full").mkdir()
    (place / "full" / "note").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not empty and not a search"), search(place, "full", overwrite=overwrite):
            pass


def test_a_damaged_journal_is_refused(place):
    with search(place, "damaged") as opened:
        sample(opened)
    journal = place / "damaged" / "journal.log"
    good = journal.read_bytes()
    for bad in (b"no json\n" + good, b"3\n" + good, b"{}\n" + good):
        journal.write_bytes(bad)
        with pytest.raises(InputError, match=r"journal.log: damaged .*--overwrite it"), search(place, "damaged"):
            pass
    with search(place, "damaged", overwrite=True) as opened:
        assert opened.trials == []


def test_a_base_option_of_some_networks_may_stand_beside_a_searched_model(place, engine, quick):
    models = {"choices": ["legnet-optimized", "legnet-optimized+lstm"]}
    made = space(
        sampler="grid",
        trials=None,
        base=based(**{"lstm.hidden": 4}),
        space={"lr": {"choices": [1e-3]}, "model": models},
    )
    with search(place, "models", made, store="quick") as opened:
        tried = run(opened, engine)
        settings = [opened.settings(each.parameters, 0).network for each in tried]
    assert {(network.model, tuple(network.set)) for network in settings} == {
        ("legnet-optimized", ()), ("legnet-optimized+lstm", ("lstm.hidden=4",)),
    }  # fmt: skip


def test_a_trial_that_cannot_be_repeated_is_said(place, engine, monkeypatch):
    made = space(best=2)
    with search(place, "repeated", made) as opened:
        run(opened, engine)
        plan = best_trials(opened)
        assert len(plan.cases) == 2
        repeat_best(opened, plan, engine, lambda progress: None)
        real = found_module.state
        bad = plan.of(0)[1].key
        from leanseq.study.store import State

        monkeypatch.setattr(
            found_module, "state", lambda folder: State("failed", "why") if folder.name == bad else real(folder)
        )
        found = judge(opened, plan)
    assert found.missing == (f"{plan.cases[0].label}, seed 1: why",)
    assert len(found.best) == 1


def test_the_command_searches_on_a_cluster_and_then_only_reports(place, capsys, monkeypatch):
    (place / "s.toml").write_text(
        'title = "Which?"\ntable = "absent.tsv"\n[base]\nsize = "tiny"\nepochs = 9\nvalid = 40\n'
        "[space]\nlr = { low = 1e-3, high = 1e-2, log = true }\n"
        "[presets.toy]\nepochs = 1\ntrain = 60\nbatch = 30\n"
    )
    options = ["--preset", "toy", "--table", "toy.tsv", "--store", "store", "--trials", "2", "--seeds", "1"]
    options += ["--best", "1", "--output", "out", "--no-prune", "--processes", "1", "--threads", "1"]
    command = [sys.executable, "-c", "from leanseq.cli import main; main()", "tune", "s.toml", *options]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "changed: epochs is 1, in the file 9" in done.stderr
    assert "at most 2 runs on 1 workers of this machine, about" in done.stderr
    assert "2 of 2: trial 1, lr " in done.stderr
    assert "fresh rows, which no trial saw" in done.stdout
    assert "leanseq train toy.tsv" in done.stdout
    assert {path.name for path in (place / "out").iterdir()} >= {
        "journal.log", "table.parquet", "trials.csv", "best.toml", "result.json", "search.svg",
    }  # fmt: skip
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as end:
        main(["tune", "s.toml", *options])
    again = capsys.readouterr()
    assert (end.value.code, again.out) == (0, done.stdout)
    assert "workers of this machine" not in again.err
    assert "2 trials: 2 complete" in again.err
    wrong = {"4": "its --seed has changed; --overwrite it", "-1": "--seed is -1, expected 0 or more"}
    for seed, message in wrong.items():
        with pytest.raises(SystemExit) as end:
            main(["tune", "s.toml", *options, "--seed", seed])
        assert end.value.code == 2
        assert message in capsys.readouterr().err.splitlines()[-1]
