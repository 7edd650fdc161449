"""A study file: what it means, and what is refused."""

import tomllib
from pathlib import Path

import pytest

from leanseq import InputError
from leanseq.runs.settings import Settings
from leanseq.study.plan import make_cases, make_plan, run_key
from leanseq.study.spec import change, parse_spec, read_spec
from leanseq.study.worker import read_settings
from toy import rows

PLAIN = {"title": "?", "table": "toy.tsv"}


def parse(**content):
    return parse_spec({**PLAIN, **content})


@pytest.fixture
def table(tmp_path):
    rows().write_csv(tmp_path / "toy.tsv", separator="\t")
    return tmp_path / "toy.tsv"


def plan(table, **content):
    return make_plan(parse(**content), table)


def test_configurations_are_all_combinations_in_the_order_of_the_file():
    spec = parse(
        list=[{"label": "plain", "model": "legnet-optimized"}, {"label": "both", "model": "legnet-optimized+lstm"}],
        paired={"lr": [1e-3, 2e-3], "batch": [16, 32]},
        grid={"epochs": [1, 2, 3]},
        base={"clip": 0.5},
    )
    cases = make_cases(spec)
    assert len(cases) == 12
    assert cases[0].factors == {"configuration": "plain", "lr": 1e-3, "batch": 16, "epochs": 1}
    assert cases[-1].label == "both, lr 0.002, batch 32, epochs 3"
    assert cases[-1].settings == {
        "clip": 0.5, "model": "legnet-optimized+lstm", "lr": 2e-3, "batch": 32, "epochs": 3,
    }  # fmt: skip
    assert {(case.settings["lr"], case.settings["batch"]) for case in cases} == {(1e-3, 16), (2e-3, 32)}


def test_a_study_without_factors_is_one_configuration(table):
    made = plan(table, base={"train": 100}, seeds=[3, 5])
    assert [case.label for case in made.cases] == ["study"]
    assert [unit.seed for unit in made.units] == [3, 5]
    assert made.references() == {}


def test_every_configuration_is_compared_with_the_one_that_differs_in_the_reference_only(table):
    made = plan(
        table,
        grid={"model": ["legnet-optimized", "legnet-optimized+lstm"], "train": [50, 100]},
        compare={"reference": {"model": "legnet-optimized"}},
    )
    assert [case.label for case in made.cases] == [
        "model legnet-optimized, train 50",
        "model legnet-optimized, train 100",
        "model legnet-optimized+lstm, train 50",
        "model legnet-optimized+lstm, train 100",
    ]
    assert made.references() == {2: 0, 3: 1}


def test_factors_that_are_lists_or_change_together_have_references(table):
    rates = [[4, 3, 2, 2, 1, 1], [1, 1, 1, 1, 1, 1]]
    base = {"model": "legnet-optimized+dilated"}
    made = plan(table, base=base, grid={"dilated.rates": rates}, compare={"reference": {"dilated.rates": rates[1]}})
    assert made.references() == {0: 1}
    pairs = {"train": [40, 60], "epochs": [3, 2]}
    made = plan(table, paired=pairs, grid={"lr": [1e-3, 2e-3]}, compare={"reference": {"train": 60}})
    assert made.references() == {0: 2, 1: 3}
    assert made.spec.reference == {"train": 60, "epochs": 2}


def test_equal_runs_of_different_studies_have_one_key(table):
    listed = plan(table, list=[{"label": "a", "model": "legnet-optimized+lstm", "lstm.hidden": 128}])
    grid = plan(table, grid={"model": ["legnet-optimized+lstm"]})
    assert [unit.key for unit in listed.units] == [unit.key for unit in grid.units]
    assert len({unit.key for unit in listed.units}) == 3


def test_the_key_tells_everything_that_changes_numbers_and_nothing_else():
    key = run_key(Settings.make(), "print")
    for same in ({"threads": 2}, {"device": "cpu"}, {"kernels": "torch"}, {"set": ["dropout=0"]}):
        assert run_key(Settings.make(**same), "print") == key
    for other in (
        {"seed": 1},
        {"epochs": 9},
        {"set": ["dropout=0.1"]},
        {"train": 9},
        {"size": "tiny"},
        {"budget": "9s"},
        {"organism": "human"},
    ):
        assert run_key(Settings.make(**other), "print") != key
    assert run_key(Settings.make(), "other print") != key


def test_settings_are_those_of_runs_from_before_there_were_organisms():
    assert "organism" not in Settings.make().to_dict()["data"]
    chosen = Settings.make(organism="none")
    assert chosen.to_dict()["data"]["organism"] == "none"
    for settings in (Settings.make(), chosen):
        assert read_settings(settings.to_dict()) == settings


def test_the_key_reads_a_construct_file(tmp_path):
    path = tmp_path / "c.toml"
    keys = []
    for text in ("a = 1", "a = 2"):
        path.write_text(text)
        keys.append(run_key(Settings.make(construct=str(path)), "print"))
    assert keys[0] != keys[1]
    path.unlink()
    with pytest.raises(InputError, match=r"c\.toml: cannot read the construct"):
        run_key(Settings.make(construct=str(path)), "print")


def test_a_construct_file_beside_the_study_is_known_to_every_worker(table, tmp_path):
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "c.toml"
    path.write_text("a = 1")
    content = {**PLAIN, "table": str(table), "base": {"construct": "c.toml"}}
    made = make_plan(parse_spec(content, str(tmp_path / "studies" / "s.toml")))
    assert made.units[0].settings.data.construct == str(path)


def test_the_results_version_changes_every_key(monkeypatch):
    from leanseq.study import plan as module

    before = run_key(Settings.make(), "print")
    monkeypatch.setattr(module, "RESULTS", module.RESULTS + 1)
    assert run_key(Settings.make(), "print") != before


def test_steps_set_the_epochs(table):
    made = plan(table, base={"steps": 100, "batch": 10}, grid={"train": [50, 100]})
    epochs = {unit.settings.data.train: unit.settings.recipe.epochs for unit in made.units}
    assert epochs == {"50": 20, "100": 10}
    with pytest.raises(InputError, match="steps needs train as a number of rows, found 'all'"):
        plan(table, base={"steps": 100})
    with pytest.raises(InputError, match="steps is 0, expected a whole number"):
        plan(table, base={"steps": 0, "train": 50})


def test_a_budget_of_a_configuration_takes_the_place_of_the_base_s():
    cases = make_cases(parse(base={"epochs": 5}, list=[{"label": "a", "steps": 9}, {"label": "b", "budget": "9s"}]))
    assert [dict(case.settings) for case in cases] == [{"steps": 9}, {"budget": "9s"}]


PRESETS = {"laptop": {"size": "tiny", "steps": 7, "seeds": 2}}


def test_a_preset_and_single_values_change_the_base_and_say_so():
    spec = parse(base={"size": "full", "epochs": 100, "lr": 1e-5}, presets=PRESETS)
    laptop = change(spec, {}, preset="laptop")
    assert laptop.base == {"size": "tiny", "lr": 1e-5, "steps": 7}
    assert laptop.seeds == (0, 1)
    assert laptop.changes == {
        "seeds": ([0, 1, 2], [0, 1]), "size": ("full", "tiny"), "epochs": (100, None), "steps": (None, 7),
    }  # fmt: skip
    both = change(spec, {"epochs": 3, "lr": 1e-5}, preset="laptop", seeds=4)
    assert both.base == {"size": "tiny", "epochs": 3, "lr": 1e-5}
    assert both.seeds == (0, 1, 2, 3)
    assert both.changes == {"seeds": ([0, 1, 2], [0, 1, 2, 3]), "size": ("full", "tiny"), "epochs": (100, 3)}
    assert change(spec, {}).changes == {}


def test_rows_panels_and_x_are_kept():
    spec = parse(grid={"train": [5, 9]}, compare={"rows": "valid"}, plot={"x": "train", "panels": "train"})
    assert (spec.rows, spec.x, spec.panels, spec.reproduces) == ("valid", "train", "train", "")
    assert parse(reproduces="Figure 9").reproduces == "Figure 9"


WRONG = {
    "no-title": ({"title": ""}, "title is '', expected text"),
    "no-table": ({"table": None}, "table is missing, expected text"),
    "key": ({"bases": {}}, "unknown key 'bases'; did you mean 'base'?"),
    "base": ({"base": 3}, r"base is 3, expected a table, \[base\]"),
    "setting": ({"base": {"epoch": 3}}, "unknown setting in base: 'epoch'; did you mean 'epochs'?"),
    "option": ({"grid": {"lstm.hiden": [3]}}, "unknown setting in grid: 'lstm.hiden'; did you mean 'lstm.hidden'?"),
    "seed": ({"base": {"seed": 3}}, "seed cannot stand in base; use seeds"),
    "set": ({"grid": {"set": [3]}}, "set cannot stand in grid; write options by name"),
    "threads": ({"base": {"threads": 3}}, "threads cannot stand in base; the machine decides it"),
    "organism": ({"grid": {"organism": ["yeast", "human"]}}, "organism cannot stand in grid; boosted trees alone look"),
    "budgets": ({"base": {"epochs": 3, "steps": 3}}, "base has epochs and steps, expected one of them"),
    "no-list": ({"grid": {"lr": 3}}, "grid.lr is 3, expected a list of values"),
    "empty-list": ({"grid": {"lr": []}}, r"grid.lr is \[\], expected a list of values"),
    "twice": ({"grid": {"lr": [1, 1]}}, r"grid.lr is \[1, 1\], expected values that differ"),
    "unequal": ({"paired": {"lr": [1], "batch": [2, 3]}}, r"paired is .*, expected lists of equal length"),
    "both": ({"paired": {"lr": [1]}, "grid": {"lr": [1]}}, "paired.lr is 'varied by grid too', expected each"),
    "list-and-grid": ({"list": [{"label": "a", "lr": 1}], "grid": {"lr": [2]}}, "list.lr is 'varied by grid too'"),
    "two-budgets": (
        {"list": [{"label": "a", "steps": 9}], "grid": {"epochs": [2]}},
        "list.budget is 'varied by grid too', expected each setting varied in one place",
    ),
    "partner": (
        {"paired": {"lr": [1, 2], "batch": [3, 4]}, "compare": {"reference": {"lr": 1, "batch": 4}}},
        "compare.reference.batch is 4, expected 3, its partner",
    ),
    "panels": ({"grid": {"lr": [1]}, "plot": {"panels": ["lr"]}}, r"plot.panels is \['lr'\], expected a factor"),
    "label": ({"list": [{"model": "x"}]}, r"list\[1\].label is missing, expected a name"),
    "labels": ({"list": [{"label": "a"}, {"label": "a"}]}, r"list\[2\].label is 'a', expected a label of its own"),
    "list": ({"list": {}}, r"list is {}, expected one \[\[list\]\] table"),
    "list-item": ({"list": [3]}, r"list\[1\] is 3, expected a table"),
    "no-seeds": ({"seeds": 0}, "seeds is 0, expected a number of seeds"),
    "seed-twice": ({"seeds": [1, 1]}, r"seeds is \[1, 1\], expected a number of seeds"),
    "seed-true": ({"seeds": True}, "seeds is True, expected"),
    "reference": ({"compare": {"reference": {"lr": 1}}}, "unknown factor in compare.reference: 'lr'; known: none"),
    "reference-value": (
        {"grid": {"lr": [1, 2]}, "compare": {"reference": {"lr": 3}}},
        r"compare.reference.lr is 3, expected one of \[1, 2\]",
    ),
    "rows": ({"compare": {"rows": "train"}}, "compare.rows is 'train', expected one of test, valid, held-out"),
    "compare": ({"compare": {"row": "test"}}, "unknown compare key 'row'; did you mean 'rows'?"),
    "x": ({"plot": {"x": "train"}}, "plot.x is 'train', expected a factor: there is none"),
    "x-words": ({"grid": {"model": ["a"]}, "plot": {"x": "model"}}, "plot.x is 'model', expected a factor whose"),
    "preset": ({"presets": {"p": {"sise": 1}}}, "unknown setting in presets.p: 'sise'; did you mean 'size'?"),
    "preset-seeds": ({"presets": {"p": {"seeds": "x"}}}, "presets.p.seeds is 'x', expected a number of seeds"),
    "reproduces": ({"reproduces": 3}, "reproduces is 3, expected text"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_study_is_refused(content, message):
    content = {key: value for key, value in {**PLAIN, **content}.items() if value is not None}
    with pytest.raises(InputError, match=f"^s.toml: {message}"):
        parse_spec(content, "s.toml")


FILES = {
    "cut": (b'title = "', "s.toml: not valid TOML: .*; correct the file"),
    "bytes": (b"\xff\xfe", "s.toml: not UTF-8 text"),
    "empty": (b"", "s.toml: title is missing, expected text"),
    "deep": (b"a = " + b"[" * 10**5, "s.toml: not valid TOML"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_study_is_refused(tmp_path, content, message):
    (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_spec(tmp_path / "s.toml")
    with pytest.raises(InputError, match="cannot read the study: Is a directory"):
        read_spec(tmp_path)


def test_what_does_not_fit_together_is_refused(table):
    with pytest.raises(InputError, match="configuration 'lr -1': --lr is -1, expected more than 0"):
        plan(table, grid={"lr": [-1]})
    with pytest.raises(InputError, match=r"option lstm\.hidden belongs to 'lstm'"):
        plan(table, base={"lstm.hidden": 3})
    with pytest.raises(InputError, match="held-out', but select chooses by validation rows"):
        plan(table, base={"select": "best"}, compare={"rows": "held-out"})
    for compared, chosen, name in (("valid", {"select": "best"}, "select"), ("held-out", {"patience": 2}, "patience")):
        with pytest.raises(InputError, match=f"rows is '{compared}', but {name} chooses by validation rows"):
            plan(table, base=chosen, compare={"rows": compared})
    plan(table, base={"select": "best"}, compare={"rows": "test"})
    for name, value, expected in (("budget", 60, "text"), ("left_flank", 3, "text"), ("bin_low", "x", "a number")):
        with pytest.raises(InputError, match=f"setting {name} is {value!r}, expected {expected}"):
            plan(table, base={name: value})
    with pytest.raises(InputError, match="configurations 'a' and 'b' are the same run; leave one out"):
        plan(table, list=[{"label": "a", "lr": 0.001}, {"label": "b", "lr": 1e-3}])
    with pytest.raises(InputError, match="lr is a factor of this study"):
        change(parse(grid={"lr": [1]}), {"lr": 2})
    for made in (parse(grid={"steps": [1]}), parse(list=[{"label": "a", "budget": "9s"}])):
        with pytest.raises(InputError, match="epochs is a factor of this study"):
            change(made, {"epochs": 2})
    with pytest.raises(InputError, match="unknown preset 'laptob'; did you mean 'laptop'"):
        change(parse(presets=PRESETS), {}, preset="laptob")
    with pytest.raises(InputError, match="unknown setting 'sise'; did you mean 'size'"):
        change(parse(), {"sise": 1})
    with pytest.raises(InputError, match="--seeds is 0, expected"):
        change(parse(), {}, seeds=0)


def test_the_table_is_looked_for_here_beside_the_study_and_in_the_data_folder(table, tmp_path, monkeypatch):
    from leanseq.study.plan import find_table

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("LEANSEQ_DATA", raising=False)
    study = parse_spec(PLAIN, str(tmp_path / "s.toml"))
    assert find_table(study) == table
    far = parse_spec(PLAIN, str(elsewhere / "s.toml"))
    with pytest.raises(InputError, match=r"the table 'toy.tsv' is not here.*name it with --table"):
        find_table(far)
    monkeypatch.setenv("LEANSEQ_DATA", str(tmp_path))
    assert find_table(far) == table


def test_shipped_studies_resolve():
    files = sorted((Path(__file__).parents[1] / "studies").glob("*.toml"))
    assert len(files) >= 11
    for path in files:
        spec = read_spec(path)
        for preset in (None, *spec.presets):
            assert len(make_cases(change(spec, {}, preset=preset))) >= 2
        assert spec.reference


def test_the_example_of_the_documentation_is_a_study():
    text = (Path(__file__).parents[1] / "docs" / "studies.md").read_text()
    example = tomllib.loads(text.split("```toml\n")[1].split("```")[0])
    assert len(make_cases(parse_spec(example))) == 6
