"""`leanseq plan`: nested subsets on the same validation rows, a curve, and an answer in words."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from leanseq.baselines import boosted_trees
from leanseq.cli import main
from leanseq.data.summary import fingerprint
from leanseq.data.table import read_table
from leanseq.evaluation.metrics import pearson
from leanseq.lab import enough, recipe
from leanseq.lab.enough import judge, to_dict
from leanseq.lab.plan_page import COLOURS
from leanseq.lab.stack import held_out
from leanseq.lab.subsets import GROUP, TABLE, curve_plan, keep, sizes, with_split
from leanseq.runs.prepare import prepare
from leanseq.runs.settings import DataSettings, Settings
from leanseq.study import pace
from leanseq.study.plan import run_key
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


ONCE = ["toy.tsv", "--valid", 80, "--test", 60, "--draws", 2, "--store", "s", "--output", "out"]
ONCE += ["--processes", 1, "--threads", 1]


@pytest.fixture(scope="module")
def answered(place):
    """What the command said and wrote, with networks of two epochs, which are of little use."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(place)
        patch.setattr(recipe, "EPOCHS", 0.3)
        assert call(*ONCE) == 0
    return json.loads((place / "out" / "plan.json").read_text()), out.getvalue(), err.getvalue()


@pytest.fixture
def planned(place, answered, monkeypatch):
    """The plan of these runs, with its table."""
    monkeypatch.setattr(recipe, "EPOCHS", 0.3)
    table = read_table(place / "out" / TABLE)
    return curve_plan(table, recipe.narrow(table, DATA), draws=2)


def test_the_command_answers_for_the_ensemble_and_its_parts(place, answered):
    answer, out, err = answered
    assert "6 runs: 6 finished" in err
    assert "as often as the recipe asks" not in out
    assert answer["rows"] == [105, 210, 420]
    kinds = [name for name, value in answer.items() if isinstance(value, dict) and "gain" in value]
    assert kinds == ["ensemble", "one_network", "boosted_trees", "kmer_ridge"]
    assert all(np.shape(answer[kind]["r"]) == (3, 2) for kind in kinds)
    for kind in ("boosted_trees", "kmer_ridge"):
        assert answer[kind]["r"][2][0] == answer[kind]["r"][2][1] > 0.5  # all rows: the same model
        assert answer[kind]["r"][0][0] != answer[kind]["r"][0][1]
    assert all(abs(a - b) > 1e-3 for a, b in answer["one_network"]["r"])  # each draw has a seed of its own
    page = (place / "out" / "report.html").read_text()
    assert all(each in page for each in answer["words"])
    assert all(f">{name}, r</th>" in page for name in COLOURS)
    used = [pl.read_parquet(path) for path in (place / "s").glob("*/predictions.parquet")]
    assert {split for frame in used for split in frame["split"]} == {"valid"}


def test_nothing_is_trained_twice(place, answered, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setattr(recipe, "EPOCHS", 0.3)
    assert call(*ONCE) == 0
    said = capsys.readouterr()
    assert said.out == answered[1]
    assert "measuring" not in said.err


def test_the_ensemble_has_weights_that_were_fitted_on_other_validation_rows(place, answered, planned):
    groups, columns = planned.table.frame[GROUP].to_numpy(), ["prediction", "boosted_trees", "kmer_ridge"]
    for unit in planned.units:
        frame = pl.read_parquet(place / "s" / unit.key / "predictions.parquet")
        if unit.baselines == "quick":
            first = pl.read_parquet(place / "s" / planned.of(unit.case)[0].key / "predictions.parquet")
            assert frame["row"].equals(first["row"])
            frame = frame.with_columns(first["boosted_trees"])
        parts, measured = frame.select(columns).to_numpy().T, frame["expression"].to_numpy()
        whole = held_out(np.ascontiguousarray(parts), measured, groups[frame["row"].to_numpy() - 1])
        for kind, said in zip(("ensemble", "one_network", "boosted_trees", "kmer_ridge"), (whole, *parts), strict=True):
            assert answered[0][kind]["r"][unit.case][unit.seed] == pytest.approx(pearson(measured, said), abs=1e-12)


def test_a_network_that_is_of_no_use_does_not_spoil_the_answer(answered):
    answer, out, _ = answered
    now = {kind: answer[kind]["now"]["value"] for kind in ("ensemble", "one_network", "boosted_trees", "kmer_ridge")}
    assert now["one_network"] < now["kmer_ridge"] - 0.1
    assert now["ensemble"] > max(now["boosted_trees"], now["kmer_ridge"]) - 0.03
    said = {kind: f"{value:z.2f}".replace("-", "−") for kind, value in now.items()}
    assert out.startswith(f"At 420 sequences r is {said['ensemble']} ")
    assert f"network alone reaches {said['one_network']}, the trees alone {said['boosted_trees']}." in out


def test_a_model_that_says_the_same_of_every_row_counts_as_r_0(place, planned, monkeypatch):
    def constant(*arguments, real=enough._said):
        said = real(*arguments)
        said[1] = 7.0
        return said

    monkeypatch.setattr(enough, "_said", constant)
    found = judge(planned, place / "s")
    assert not found.sides["one network"].r.any()
    assert found.sides["one network"].curve.at(420).value == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("noise", "answer"), [(0.55, "may be as good at every size looked at"), (3, "is worse from 105")]
)
def test_the_ridge_is_worse_only_where_other_validation_rows_would_say_so(place, planned, monkeypatch, noise, answer):
    def alike(run, first, groups):
        """The same on every subset, so that only the draw of the validation rows leaves room for doubt."""
        frame = pl.read_parquet(run / "predictions.parquet")
        measured = frame["expression"].to_numpy()
        error = np.random.default_rng(0).normal(size=(2, len(measured))) * measured.std()
        return np.stack([measured + 0.5 * error[0]] * 3 + [measured + noise * error[1]])

    monkeypatch.setattr(enough, "_said", alike)
    found = judge(planned, place / "s")
    assert (found.sides["ensemble"].r > found.sides["k-mer ridge"].r + 0.01).all()
    assert f"; the k-mer ridge {answer}" in found.words[0]


def test_the_figure_tells_four_kinds_apart_and_shades_two(place, answered):
    drawn = (place / "out" / "learning-curve.svg").read_text()
    shades = re.findall(r"FillBetweenPolyCollection_\d+\">.*?fill: (#\w+)", drawn, flags=re.DOTALL)
    assert {each.upper() for each in shades} == {COLOURS["ensemble"].upper(), COLOURS["k-mer ridge"].upper()}
    assert len(set(COLOURS.values())) == 4
    assert all(f"stroke: {colour.lower()}" in drawn for colour in COLOURS.values())
    assert all(f">{name} " in drawn for name in COLOURS)


def test_networks_that_were_cut_short_are_said_to_be(place, planned):
    found = judge(planned, place / "s", share=0.25)
    assert "saw its sequences 25% as often" in found.words[-1]
    assert to_dict(found)["share_of_epochs"] == 0.25
    nearly = judge(planned, place / "s", share=0.96)
    assert not any("as often as the recipe asks" in said for said in nearly.words)
    assert to_dict(nearly)["share_of_epochs"] == 0.96


def test_runs_of_a_curve_have_other_keys_and_those_of_plain_studies_are_as_ever(table):
    plan = curve_plan(table, DATA, draws=2)
    # the trees of all training rows are the same in every draw
    assert [unit.baselines for unit in plan.units] == ["all"] * 5 + ["quick"]
    for unit in plan.units:
        assert unit.key == run_key(unit.settings, fingerprint(table), unit.baselines)
        assert (unit.key != run_key(unit.settings, fingerprint(table))) == (unit.baselines == "all")
    # from before runs could be asked for other baselines
    assert run_key(Settings.make(), "print") == run_key(Settings.make(), "print", "quick") == "bc8165db6070e58c"


def test_boosted_trees_look_for_the_motifs_of_the_organism_that_was_named(table):
    plan = curve_plan(table, replace(DATA, organism="human"), draws=2)
    assert {prepare(table, unit.settings.data).construct.organism for unit in plan.units} == {"human"}


def epochs_asked(place, patch, *words):
    """Epochs of every network that the command would train."""
    from leanseq.cli import plan as module

    patch.chdir(place)
    asked = []

    def stop(planned, *rest, **options):
        asked.extend(unit.settings.recipe.epochs for unit in planned.units)
        raise SystemExit(0)

    patch.setattr(module, "carry_out", stop)
    call("toy.tsv", "--valid", 80, "--test", 60, "--store", "s", "--output", "out", *words)
    return asked


def test_a_budget_makes_every_network_cheaper(place, monkeypatch, capsys):
    whole, little, much = (
        epochs_asked(place, monkeypatch, *words)
        for words in (["--budget", "99h"], ["--budget", "1s"], ["--budget", "9h"])
    )
    assert all(few < all_ for few, all_ in zip(little, whole, strict=True))
    assert much == whole
    assert "of its epochs" in capsys.readouterr().err


def test_without_a_budget_the_time_is_short_on_this_machine_and_unbounded_on_others(place, monkeypatch):
    whole = epochs_asked(place, monkeypatch, "--budget", "9h")
    monkeypatch.setattr("leanseq.cli.plan.BUDGET", "1s")
    assert sum(epochs_asked(place, monkeypatch)) < sum(whole)
    assert epochs_asked(place, monkeypatch, "--scheduler", "tcp://127.0.0.1:1") == whole


def test_a_short_plan_has_whole_epochs_of_the_largest_subset(place, monkeypatch):
    """Rounded, 2.5 epochs of all rows would be 2 where 3.5 of half of them are 4."""
    monkeypatch.setattr(recipe, "EPOCHS", 2.0)  # 9.9 of all rows
    monkeypatch.setattr(pace.Paces, "get", lambda *_: (0.01, 0.0005))
    shares = set()
    for seconds in range(60, 160, 20):
        found = epochs_asked(place, monkeypatch, "--budget", f"{seconds}s")
        share = found[-1] / recipe.epochs(420)
        assert found[0] == round(recipe.epochs(105) * share)
        shares.add(round(share, 2))
    assert len(shares) > 2


def test_boosted_trees_come_off_the_budget(place, monkeypatch):
    found = []
    monkeypatch.setattr(pace.Paces, "get", lambda *_: (0.001, 0.0005))
    for seconds in (0.0, 0.02, 1.0):
        monkeypatch.setattr(pace, "TREES_ROW", seconds)
        found.append(sum(epochs_asked(place, monkeypatch, "--budget", "100s")))
    assert found[0] > found[1] > found[2] > 0


def test_trees_that_cannot_be_grown_are_named_before_any_work(place, monkeypatch, capsys):
    def missing(name):
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.chdir(place)
    monkeypatch.setattr(boosted_trees, "import_module", missing)
    assert call("toy.tsv", "--valid", 80, "--test", 60, "--store", "none", "--output", "none/out") == 2
    said = capsys.readouterr()
    assert "cannot load LightGBM" in said.err
    assert said.err.count("\n") == 1
    assert not (place / "none").exists()


WRONG = {
    "draws": (["--draws", "1"], "--draws is 1, expected 2 or more"),
    "train": (["--train", "100"], "--train changes nothing here"),
    "judges": (["--valid", "49"], "49 validation rows, expected at least 50 to weigh models"),
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
