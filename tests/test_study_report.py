"""The report of a study, on results with planted answers: nothing is trained."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leanseq.data.table import Table
from leanseq.errors import InputError
from leanseq.evaluation.paired import holm
from leanseq.study import figures, tables
from leanseq.study.export import export
from leanseq.study.judge import answer, judge
from leanseq.study.page import command, render, write_page
from leanseq.study.plan import Plan, make_cases
from leanseq.study.results import Configuration, Results
from leanseq.study.spec import change, parse_spec

N = 300
CEILING = 0.93


def study(**content):
    """A spec of two configurations, `plain` the reference, unless said otherwise."""
    default = {
        "title": "Does <b> help & why?",
        "reproduces": "Figure 9",
        "table": "toy.tsv",
        "list": [{"label": "plain", "lr": 1e-3}, {"label": "better_1", "lr": 2e-3}, {"label": "equal", "lr": 3e-3}],
        "compare": {"reference": {"configuration": "plain"}},
    }
    return parse_spec({**default, **content}, "studies/toy.toml")


def configuration(case, noise, *, seeds=(0, 1, 2), epochs=12, rows=None, ceiling=CEILING, loss="KL", draw=0):
    """A configuration whose predictions are the truth with noise; small noise is a good network."""
    rows = np.arange(1, N + 1) if rows is None else rows
    expression = np.random.default_rng(7).normal(8, 3, 10 * N)[rows]
    rng = np.random.default_rng(draw)
    predictions = np.stack([expression + rng.normal(0, noise, len(rows)) for _ in seeds])
    ridge = expression + np.random.default_rng(5).normal(0, 4, len(rows))
    done = np.arange(1, epochs + 1)
    history = pl.concat(
        pl.DataFrame(
            {
                "epoch": done,
                "lr": np.full(epochs, 1e-3),
                "train_loss": 1.2 + 0.8 / done + 0.01 * seed,
                "train_r": 0.7 - 0.6 / done,
                "train_rho": 0.7 - 0.6 / done,
                "valid_loss": 1.4 + 0.6 / done + 0.02 * seed + noise / 100,
                "valid_r": 0.6 - 0.5 / done + 0.01 * seed - noise / 100,
                "valid_rho": 0.6 - 0.5 / done,
                "seconds": np.full(epochs, 2.0),
            }
        ).with_columns(seed=pl.lit(seed))
        for seed in seeds
    )

    def result(model, split, value):
        return {"model": model, "split": split, "n": len(rows), "r": {"value": value, "low": value, "high": value}}

    metrics = {
        "ceiling": {"r": ceiling, "words": "Known from replicates."},
        "loss": loss,
        "no_skill": {"constant": 1.8, "uniform": 2.1} if loss == "KL" else {"constant": 9.0},
        "rows": {"train": 1024, "valid": 128, "test": len(rows), "left_out": 0},
        "results": [result("net", "valid", 0.61), result("net", "test", 0.62), result("k-mer ridge", "valid", 0.5)],
    }
    return Configuration(
        label=case.label,
        factors=case.factors,
        seeds=tuple(seeds),
        history=history,
        rows=rows,
        expression=expression,
        groups=rows.copy(),
        predictions=predictions,
        kmer_ridge=ridge,
        metrics=(metrics,) * len(seeds),
        parameters=2126018,
        seconds=(24.0,) * len(seeds),
        hardware=({"processor": "AMD EPYC", "cores": 2, "memory_gb": 8.0, "device": "cpu", "threads": 1},) * len(seeds),
    )


def results(spec=None, noises=(2.0, 1.0, 2.0), missing=(), **options):
    spec = spec or study()
    cases = make_cases(spec)
    table = Table("toy.tsv", pl.DataFrame({"sequence": ["ACGT"] * N, "expression": np.arange(N) * 1.0}))
    plan = Plan(spec, table, cases, ())
    found = tuple(
        configuration(case, noise, draw=i, **options) for i, (case, noise) in enumerate(zip(cases, noises, strict=True))
    )
    return Results(plan, found, plan.references(), tuple(missing))


def judged(**options):
    return judge(results(**options))


def sizes():
    """A spec with a learning curve: two configurations at two training sizes."""
    return study(
        list=[{"label": "plain", "lr": 1e-3}, {"label": "other", "lr": 2e-3}],
        grid={"train": [512, 1024]},
        plot={"x": "train", "panels": "train"},
    )


def test_a_better_configuration_is_a_gain_an_equal_one_no_evidence_and_a_worse_one_a_loss():
    found = judged(noises=(2.0, 1.0, 2.0))
    assert [(each.label, each.reference, each.sign) for each in found.comparisons] == [
        ("better_1", "plain", 1),
        ("equal", "plain", 0),
    ]
    assert found.comparisons[0].words.endswith(": a gain")
    assert found.comparisons[1].words.endswith(": no evidence of a gain")
    assert [each.sign for each in judged(noises=(1.0, 3.0, 1.0)).comparisons] == [-1, 0]


def test_the_answer_names_what_is_better_and_whether_it_clears_the_ridge():
    said = answer(judged(noises=(2.0, 1.0, 2.0)))
    assert said == [
        "1 of 2 configurations is better than plain: better_1.",
        "All 3 configurations are better than the k-mer ridge.",
    ]
    said = answer(judged(noises=(1.5, 1.5, 9.0)))
    assert "There is no evidence that any configuration is better than plain." in said
    assert "Worse than plain: equal." in said
    assert "2 of 3 configurations are better than the k-mer ridge, all but equal." in said
    assert "Worse than the k-mer ridge: equal." in said
    assert "one seed" in answer(judged(seeds=(0,)))[-1]


def test_each_configuration_is_scored_by_seed_and_on_average():
    found = results()
    row, runs = judge(found).rows[1], found.configurations[1]
    expected = [np.corrcoef(runs.expression, each)[0, 1] for each in runs.predictions]
    np.testing.assert_allclose(row.seed_r, expected)
    assert row.r.value == pytest.approx(np.mean(expected))
    assert row.r.low < row.r.value < row.r.high
    assert row.ridge_r == pytest.approx(np.corrcoef(runs.expression, runs.kmer_ridge)[0, 1])
    assert (row.valid_r, row.test_r, row.n) == (0.61, 0.62, N)
    assert row.fit.train_loss == pytest.approx(1.2 + 0.8 / 12 + 0.01)
    assert row.loss_gap == pytest.approx(row.fit.valid_loss - row.fit.train_loss)
    assert row.r_gap == pytest.approx(row.fit.train_r - row.fit.valid_r)
    assert [each.observation for each in judge(found).rows] == ["Baseline", "Best model", "Balanced"]


def test_the_p_of_each_family_is_adjusted_by_itself():
    found = judged(noises=(2.0, 2.05, 1.95))
    raw = [each.difference.p for each in found.comparisons]
    assert [each.p for each in found.comparisons] == holm(raw)
    assert all(each.p <= 3 * each.difference.p for each in found.ridge)


def test_only_rows_and_seeds_that_both_have_are_compared():
    found = results()
    plain, _, equal = found.configurations
    few = configuration(found.plan.cases[1], 1.0, rows=np.arange(250, 50, -1), seeds=(2, 1), draw=8)
    of_few = judge(replace(found, configurations=(plain, few, equal))).comparisons[0]
    assert (of_few.n, of_few.difference.seeds) == (200, 2)
    seeds = [[runs.seeds.index(seed) for seed in (2, 1)] for runs in (few, plain)]
    by_row = plain.predictions[:, few.rows - 1]  # rows of plain are 1, 2, ...
    expected = [
        np.corrcoef(few.expression, few.predictions[a])[0, 1] - np.corrcoef(few.expression, by_row[b])[0, 1]
        for a, b in zip(*seeds, strict=True)
    ]
    assert of_few.difference.value == pytest.approx(np.mean(expected))
    apart = configuration(found.plan.cases[1], 1.0, rows=np.arange(N + 1, N + 51))
    without = judge(replace(found, configurations=(plain, apart, equal)))
    assert [each.label for each in without.comparisons] == ["equal"]
    assert without.skipped == ("better_1 and plain: no compared row in common",)
    other = configuration(found.plan.cases[1], 1.0, seeds=(7, 8))
    assert judge(replace(found, configurations=(plain, other, equal))).skipped[0].endswith("no seed in common")


def test_a_reference_without_runs_is_said():
    found = results()
    rest = replace(found, configurations=found.configurations[1:], references={}, missing=("plain, seed 0: waiting",))
    assert judge(rest).skipped[0] == "better_1 and plain: no run of plain is finished"
    assert "no run of plain is finished" in render(rest, judge(rest))


def test_tables_hold_the_numbers_in_every_format():
    found = judged()
    table = tables.configurations(found)
    read = pl.read_csv(tables.csv(table).encode())
    assert read.columns[4:7] == ["r", "r low", "r high"]
    assert read["r"].to_list() == [row.r.value for row in found.rows]
    assert read["parameters"].to_list() == [2126018] * 3
    first = found.rows[0].r
    said = f"{first.value:.3f} ({first.low:.3f} to {first.high:.3f})"
    assert said in tables.markdown(table)
    assert said in tables.latex(table)
    assert "better\\_1 & 3 & 12 & 2,126,018" in tables.latex(table)
    compared = pl.read_csv(tables.csv(tables.comparisons(found)).encode())
    assert compared["difference in r"].to_list() == [
        each.difference.value for each in (*found.comparisons, *found.ridge)
    ]
    assert compared["verdict"].to_list()[:2] == ["gain", "no evidence"]
    assert tables.fits(found).rows[0][-1] == "Baseline"
    assert "SD over seeds" in tables.comparisons(found).header


def test_undefined_numbers_are_dashes_and_empty_cells():
    found = results()
    flat = replace(found.configurations[1], predictions=np.ones((3, N)))
    with_flat = judge(replace(found, configurations=(found.configurations[0], flat, found.configurations[2])))
    assert with_flat.comparisons[0].words == "better_1: undefined"
    assert pl.read_csv(tables.csv(tables.configurations(with_flat)).encode())["r"].to_list()[1] is None
    assert "| better_1 | 3 | 12 | 2,126,018 | – |" in tables.markdown(tables.configurations(with_flat))
    for draw in (figures.intervals, figures.differences, figures.ridge_differences):
        assert draw(with_flat)


@pytest.mark.parametrize("words", ["a & b", "50 %", "x_1", "#1", "$5", "{x}", "~", "^", "a\\b", "−1"])
def test_latex_escapes(words):
    cleaned = re.sub(r"\\text[a-z]+\{\}|\\[&%$#_{}]|\$-\$", "", tables.escape(words))
    assert not re.search(r"[&%$#_{}~^\\−]", cleaned)


def test_the_page_says_title_answer_changes_and_missing_runs():
    spec = change(study(base={"epochs": 100}, seeds=5), {"epochs": 12, "size": "small"}, seeds=3)
    found = results(spec, missing=["equal, seed 2: failed (out of <memory>)"])
    page = render(found, judge(found))
    assert "Does &lt;b&gt; help &amp; why?" in page
    assert "<b> help" not in page
    assert "Figure 9" in page
    assert "1 of 2 configurations is better than plain: better_1." in page
    assert "better_1: +" in page
    assert "12, in the file 100" in page
    assert "small, in the file not set" in page
    assert "0, 1, 2, in the file 0, 1, 2, 3, 4" in page
    assert "equal, seed 2: failed (out of &lt;memory&gt;)" in page
    assert "leanseq study run studies/toy.toml --seeds 3" not in page  # the order is that of the changes
    assert "--set epochs=12 --set size=small --seeds 3" in page
    assert "--table toy.tsv" in page  # it is neither here nor beside the study
    assert "AMD EPYC" in page
    assert "2 min 24 s" not in page  # 9 runs of 24 s
    assert "3 min 36 s" in page


def test_the_command_undoes_what_a_preset_changes():
    spec = study(base={"clip": 0.5}, seeds=3, presets={"p": {"clip": 2.0, "size": "tiny", "seeds": 1}})
    changed = change(spec, {"clip": 0.5}, preset="p", seeds=3)
    assert command(results(changed)).startswith(
        "leanseq study run studies/toy.toml --preset p --set clip=0.5 --seeds 3"
    )
    assert "--s" not in command(results(change(spec, {}, preset="p")))


def test_a_finished_and_unchanged_study_names_neither_changes_nor_missing_runs():
    found = results()
    page = render(found, judge(found))
    assert "Changed from the study file" not in page
    assert "Missing runs" not in page
    assert "Not finished" not in page


def test_the_page_works_offline_and_its_ids_are_its_own():
    found = results(sizes(), (2.0, 2.0, 1.0, 1.0))
    page = render(found, judge(found))
    assert not re.search(r"""(src|href)="(?!#)|url\((?!#)|@import|<script""", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_learning_curve_needs_its_factor():
    assert figures.learning_curve(judged()) == {}
    found = results(sizes(), (2.0, 2.0, 1.0, 1.0))
    (panel,) = figures.learning_curve(judge(found)).values()
    assert "training sequences" in panel.svg
    assert "1,024" in panel.svg
    assert "Last the learning curve" in render(found, judge(found))
    assert "Last the learning curve" not in render(results(), judged())


def test_a_learning_curve_is_one_line_where_other_factors_change_with_its_own():
    spec = study(list=[], paired={"train": [512, 1024], "epochs": [8, 4]}, plot={"x": "train"}, compare={})
    (panel,) = figures.learning_curve(judge(results(spec, (2.0, 1.0)))).values()
    assert "epochs" not in panel.svg


def test_curves_have_a_pair_of_panels_for_each_value_of_the_panels_factor():
    found = results(sizes(), (2.0, 2.0, 1.0, 1.0))
    assert figures.panel_values(found) == [512, 1024]
    assert list(figures.curves(found, 1024)) == ["curves-2-kl-1", "curves-2-r-1"]
    assert "train 1,024" in figures.curves(found, 1024)["curves-2-r-1"].svg
    assert list(figures.curves(results())) == ["curves-kl-1", "curves-r-1"]


def test_many_configurations_are_shared_out_with_the_reference_in_every_panel():
    listed = [{"label": f"setting {i}", "lr": 1e-3 + i * 1e-4} for i in range(15)]
    found = results(study(list=listed, compare={"reference": {"configuration": "setting 14"}}), [2.0] * 15)
    panels = figures.curves(found)
    assert len(panels) == 6
    losses = [panel.svg for name, panel in panels.items() if "-kl-" in name]
    assert all("setting 14" in svg for svg in losses)
    assert all(sum(f"setting {i}<" in svg for svg in losses) == 1 for i in range(14))


def test_each_loss_has_a_panel_of_its_own():
    found = results()
    mse = configuration(found.plan.cases[1], 1.0, loss="MSE")
    panels = figures.curves(replace(found, configurations=(found.configurations[0], mse, found.configurations[2])))
    assert list(panels) == ["curves-kl-1", "curves-mse-1", "curves-r-1"]
    assert "expression²" in panels["curves-mse-1"].svg


@pytest.mark.parametrize("ceiling", [CEILING, None])
def test_the_ceiling_is_drawn_where_it_is_known(ceiling):
    found = results(ceiling=ceiling)
    known = judge(found)
    drawn = [figures.curves(found)["curves-r-1"], figures.intervals(known)["intervals"]]
    assert all(("ceiling" in panel.svg) is (ceiling is not None) for panel in drawn)
    assert ("ceiling of this table is unknown" in render(found, known)) is (ceiling is None)


def test_one_epoch_and_one_seed_can_be_drawn():
    found = results(seeds=(0,), epochs=1)
    assert "one seed" in render(found, judge(found))


def test_a_file_of_a_figure_is_xml_with_a_size():
    found = results()
    for name, panel in figures.draw(found, judge(found)):
        root = ElementTree.fromstring(figures.standalone(panel).encode())
        assert root.tag == "{http://www.w3.org/2000/svg}svg", name
        assert float(root.attrib["width"].removesuffix("pt")) > 200
        assert "".join(root.itertext()).count("DejaVu Sans")


def test_exports_are_whole_and_the_same_each_time(tmp_path):
    spec = change(study(base={"epochs": 100}), {"epochs": 12})
    found = results(spec, missing=["x, seed 1: waiting"])
    files = export(found, judge(found), tmp_path / "a")
    again = export(found, judge(found), tmp_path / "b")
    assert [path.name for path in files] == [path.name for path in again]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(files, again, strict=True))
    assert {path.name for path in files} >= {
        *(f"{table}.{kind}" for table in ("configurations", "comparisons", "fits") for kind in ("csv", "md", "tex")),
        *("curves.csv", "results.json", "intervals.svg", "differences.svg", "curves-r-1.svg"),
    }
    curves = pl.read_csv(tmp_path / "a" / "curves.csv")
    assert curves.height == 3 * 3 * 12
    assert curves.columns == ["configuration", "seed", "epoch", "train_loss", "valid_loss", "train_r", "valid_r"]
    told = json.loads((tmp_path / "a" / "results.json").read_text())
    assert told["changes"] == {"epochs": {"file": 100, "now": 12}}
    assert told["missing"] == ["x, seed 1: waiting"]
    assert told["comparisons"][0]["difference"]["value"] == judge(found).comparisons[0].difference.value
    assert told["rows"][0]["seed_r"] == list(judge(found).rows[0].seed_r)
    assert told["ceiling"] == CEILING


def test_the_same_results_give_the_same_page(tmp_path):
    pages = [write_page(results(), judged(), tmp_path / f"{i}.html").read_bytes() for i in range(2)]
    assert pages[0] == pages[1]


@pytest.fixture
def command_line(monkeypatch, tmp_path):
    """The command line on planted results, one run missing; `read_results` refuses without `partial`."""
    from leanseq.cli import study as cli

    found = results(missing=["equal, seed 2: waiting"])

    def read(plan, store, *, partial):
        if not partial:
            raise InputError("a run is waiting")
        return found

    monkeypatch.setattr("leanseq.study.results.read_results", read)
    monkeypatch.setattr(cli, "_plan", lambda study, scale: found.plan)
    monkeypatch.chdir(tmp_path)
    return cli


def test_the_command_report_writes_the_page_and_says_the_verdicts(command_line, capsys):
    with pytest.raises(InputError):
        command_line.report(Path("toy.toml"))
    command_line.report(Path("toy.toml"), partial=True)
    said = capsys.readouterr().out
    assert "better_1: +" in said
    assert "missing: equal, seed 2: waiting" in said
    assert said.endswith("report: runs/studies/toy/report.html\n")
    assert "equal, seed 2" in Path("runs/studies/toy/report.html").read_text()
    command_line.report(Path("toy.toml"), partial=True, output=Path("elsewhere"))
    assert Path("elsewhere/report.html").read_bytes() == Path("runs/studies/toy/report.html").read_bytes()


def test_the_command_export_writes_the_files(command_line, capsys):
    with pytest.raises(InputError):
        command_line.export(Path("toy.toml"))
    command_line.export(Path("toy.toml"), partial=True)
    command_line.export(Path("toy.toml"), partial=True, output=Path("elsewhere"))
    names = [
        sorted(path.name for path in Path(folder).iterdir()) for folder in ("runs/studies/toy/export", "elsewhere")
    ]
    assert names[0] == names[1]
    assert "results.json" in names[0]
    assert capsys.readouterr().out.endswith("files: elsewhere\n")


def test_a_study_that_is_finished_is_reported(command_line, monkeypatch, capsys):
    monkeypatch.setattr("leanseq.study.drive.states", lambda plan, store: [])
    monkeypatch.setattr("leanseq.study.drive.units_to_run", lambda plan, store, retry: [])
    found = results()
    monkeypatch.setattr("leanseq.study.results.read_results", lambda plan, store, *, partial: found)
    command_line.run(Path("toy.toml"), output=Path("here"))
    assert capsys.readouterr().out.endswith("report: here/report.html\n")
    assert Path("here/report.html").exists()
