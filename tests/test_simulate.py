from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from leanseq.cli.simulate import simulate as command
from leanseq.data.construct import YEAST_ABF1TATA
from leanseq.data.encoding import decode, encode, reverse_complement
from leanseq.data.motifs import by_name
from leanseq.data.occupancy import FACTORS, Factor, Promoter, occupancy, respond
from leanseq.data.simulate import BLOCK, Experiment, simulate, simulate_chunks
from leanseq.errors import InputError

SEED = 7


@pytest.fixture(scope="module")
def made():
    return simulate(2 * BLOCK, SEED)


def insert_at(site: str, end: int, length: int = 110) -> np.ndarray:
    """A bland sequence with one site that ends at `end`."""
    bland = ("GTCA" * length)[:length]
    return encode([bland[: end - len(site)] + site + bland[end:]])


def expression(site: str, end: int = 90, model: Promoter | None = None) -> float:
    return float(respond(insert_at(site, end), model).expression[0])


def consensus(name: str) -> str:
    return by_name([name])[0].consensus


# --- the promoter model ---


def test_best_site_is_bound_by_its_concentration():
    model = Promoter()
    for column, factor in enumerate(FACTORS):
        site = encode([consensus(factor.name)])
        odds = factor.concentration * model.concentration
        assert occupancy(site, model)[0, 0, column] == pytest.approx(odds / (1 + odds), rel=1e-5)
        other = occupancy(reverse_complement(site), model)[0, 0, column + len(FACTORS)]
        assert other == pytest.approx(odds / (1 + odds), rel=1e-5)


def test_a_site_must_fit_and_hold_letters():
    bound = occupancy(encode(["ACGTACGTACGT"]))
    width = len(consensus(FACTORS[0].name))
    assert width == 14
    assert (bound[:, :, [0, len(FACTORS)]] == 0).all()
    assert (occupancy(encode(["NNNNNNNNNNNNNNNNNNNN"])) == 0).all()


def test_activators_raise_and_repressors_lower():
    nothing = expression("")
    assert expression(consensus("GCN4")) > nothing + 0.5
    assert expression(consensus("UME6")) < nothing - 0.5
    # A general regulatory factor opens the chromatin.
    assert respond(insert_at(consensus("REB1"), 90)).openness > respond(insert_at("", 90)).openness + 0.1


def test_position_strand_and_tata_matter():
    nothing = expression("")
    assert expression(consensus("GCN4"), 105) > expression(consensus("GCN4"), 40) > nothing
    rap1 = by_name(["RAP1"])[0]
    assert expression(rap1.consensus) > expression(rap1.reverse_complement().consensus)


@pytest.mark.parametrize(("synergy", "low", "high"), [(0.0, -0.1, 0.1), (2.0, 0.15, 9.0)])
def test_a_tata_box_multiplies_activators(synergy, low, high):
    model = Promoter(strength=0.5, synergy=synergy)
    activator, tata = consensus("GCN4") + "GCGGC", consensus("SPT15")
    energies = []
    for left in (activator, "GTCAGTCAGCGGC"):
        for right in (tata, "GTCAGTCAGTC"):
            share = expression(left + right, model=model) / 17
            energies.append(np.log(share / (1 - share)))
    both, first, second, neither = energies
    assert low < both - first - second + neither < high


def test_poly_a_and_at_open_the_chromatin():
    flat = Promoter(at_opening=0.0)
    assert respond(encode(["A" * 110]), flat).openness > respond(encode(["G" * 110]), flat).openness
    rich, poor = encode(["ATTA" * 27]), encode(["GTCC" * 27])
    assert respond(rich).openness > respond(rich, flat).openness
    assert respond(poor).openness < respond(poor, flat).openness


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 1.0},
        {"concentration": 3.0},
        {"stringency": 0.5},
        {"basal": 0.5},
        {"open_gain": 1.0},
        {"synergy": 0.0},
        {"position_decay": 100.0},
        {"strand_bias": 0.0},
        {"closed": 2.0},
        {"at_opening": 1.0},
        {"poly_a": 1.0},
    ],
)
def test_every_parameter_of_the_promoter_matters(made, change):
    codes = encode(made.table["sequence"].head(64))
    changed = respond(codes, replace(Promoter(), **change)).expression
    assert np.abs(changed - respond(codes).expression).max() > 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": -1.0}, "strength is -1.0, expected 0 or more"),
        ({"stringency": float("nan")}, "stringency is nan"),
        ({"basal": float("inf")}, "basal is inf, expected a finite number"),
        ({"position_decay": 0.0}, "position_decay is 0.0, expected bp above 0"),
        ({"strand_bias": 1.5}, "strand_bias is 1.5, expected 0 to 1"),
    ],
)
def test_promoter_checks_its_parameters(change, message):
    with pytest.raises(InputError, match=message):
        Promoter(**change)


def test_factors_are_real():
    assert len({factor.name for factor in FACTORS}) == len(FACTORS) >= 20
    assert any(factor.activity > 0 for factor in FACTORS)
    assert any(factor.activity < 0 for factor in FACTORS)
    assert Factor("REB1", 1.0).concentration == 1.0


# --- the experiment ---


def test_table_looks_like_a_real_one(made):
    table, truth, _ = made
    values, reads = table["expression"].to_numpy(), table["reads"].to_numpy()
    assert table.columns == ["sequence", "expression", "reads"]
    assert len(table) == len(truth) == 2 * BLOCK
    assert ((values >= 0) & (values <= 17)).all()
    assert table["sequence"].str.starts_with("TGCATTTTTTTCACATC").all()
    assert table["sequence"].str.ends_with("GGTTACGGCTGTT").all()
    assert (table["sequence"].str.len_bytes() == 110).all()
    singles = reads == 1
    assert (values[singles] == np.round(values[singles])).all()
    assert 0.58 < (values == np.round(values)).mean() < 0.78
    assert reads.max() > 15
    assert 10.5 < values.mean() < 11.7
    assert 2.0 < values.std() < 3.0
    assert 0.75 < np.corrcoef(values, truth["noiseless"].to_numpy())[0, 1] < 0.88


def test_truth_is_what_the_model_says(made):
    part = made.table["sequence"].head(300)
    response = respond(encode(part))
    np.testing.assert_allclose(made.truth["noiseless"].head(300), response.expression, rtol=1e-5)
    np.testing.assert_allclose(made.truth["openness"].head(300), response.openness, rtol=1e-5)


def test_many_cells_come_near_the_truth():
    table, truth, _ = simulate(500, SEED, Experiment(extra_cells=200.0, dispersion=50.0, stray=0.0))
    inner = truth["noiseless"].is_between(4, 13)
    gap = table.filter(inner)["expression"] - truth.filter(inner)["noiseless"]
    assert gap.abs().max() < 0.6
    assert abs(gap.mean()) < 0.05


def test_planted_sites_stand_where_the_file_says(made):
    rows = made.table["sequence"].to_list()
    assert 0.4 < len(made.sites) / (2 * BLOCK) < 0.5
    last: dict[int, int] = {}
    for site in made.sites.iter_rows(named=True):
        assert rows[site["row"]][site["start"] : site["end"]] == site["site"]
        assert last.get(site["row"], 17) <= site["start"]
        last[site["row"]] = site["end"]
        assert site["end"] <= 97
    assert set(made.sites["strand"].unique()) == {"+", "-"}
    assert set(made.sites["motif"].unique()) == {factor.name for factor in FACTORS}


def test_planted_sites_follow_their_motif(made):
    motif = by_name(["REB1"])[0]
    here = made.sites.filter(pl.col("motif") == "REB1")
    codes = encode(here["site"])
    codes = np.where((here["strand"] == "+").to_numpy()[:, None], codes, reverse_complement(codes))
    share = np.stack([(codes == letter).mean(axis=0) for letter in range(4)], axis=1)
    assert np.abs(share - motif.probabilities).max() < 0.3
    # Sites drawn from a motif are bound far more than chance ones.
    assert here["occupancy"].median() > 0.5


def test_removing_a_planted_activator_lowers_expression(made):
    here = made.sites.filter((pl.col("motif") == "GCN4") & (pl.col("start") > 50))
    rows = made.table["sequence"].to_list()
    before = respond(encode([rows[index] for index in here["row"]])).expression
    cut = [
        rows[site["row"]][: site["start"]]
        + "GTCAGTCA"[: site["end"] - site["start"]]
        + rows[site["row"]][site["end"] :]
        for site in here.iter_rows(named=True)
    ]
    after = respond(encode(cut)).expression
    assert len(here) >= 5
    assert (before - after).mean() > 0.5


def test_same_seed_same_rows_and_a_smaller_table_is_the_start_of_a_larger(made):
    small = simulate(100, SEED)
    for part, whole in zip(small, made, strict=True):
        assert_frame_equal(part, whole.filter(pl.col("row") < 100) if "row" in whole.columns else whole.head(100))
    assert not simulate(100, SEED + 1).table.equals(small.table)


def test_parts_made_apart_join_to_the_whole(made):
    parts = list(simulate_chunks(300, SEED, start=2 * BLOCK - 200))
    assert [len(part.table) for part in parts] == [200, 100]
    assert_frame_equal(parts[0].table, made.table.tail(200))
    assert parts[1].sites["row"].min() >= 2 * BLOCK
    assert parts[1].sites["row"].max() < 2 * BLOCK + 100


@pytest.mark.parametrize(
    "change",
    [
        {"insert_length": 60},
        {"gc": 0.3},
        {"planted": 2.0},
        {"extra_cells": 0.0},
        {"dispersion": 5.0},
        {"cell_noise": 0.5},
        {"stray": 0.2},
        {"promoter": Promoter(basal=0.0)},
        {"construct": YEAST_ABF1TATA},
    ],
)
def test_every_parameter_of_the_experiment_matters(made, change):
    assert not simulate(200, SEED, replace(Experiment(), **change)).table.equals(made.table.head(200))


def test_no_planted_sites_gives_an_empty_table_of_sites():
    sites = simulate(10, SEED, Experiment(planted=0.0, extra_cells=0.0))
    assert len(sites.sites) == 0
    assert sites.sites.schema["row"] == pl.Int64
    assert (sites.table["reads"] == 1).all()


def test_gc_share():
    codes = encode(simulate(500, SEED, Experiment(gc=0.3, planted=0.0)).table["sequence"])[:, 17:-13]
    assert np.isin(codes, (1, 2)).mean() == pytest.approx(0.3, abs=0.01)
    assert len(set(decode(codes))) == 500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"insert_length": 5}, "insert_length is 5, expected 15 to 10,000 bp"),
        ({"gc": 1.1}, "gc is 1.1, expected a share from 0 to 1"),
        ({"stray": -0.1}, "stray is -0.1"),
        ({"planted": float("nan")}, "planted is nan"),
        ({"cell_noise": -1.0}, "cell_noise is -1.0"),
        ({"dispersion": 0.0}, "dispersion is 0.0, expected above 0"),
    ],
)
def test_experiment_checks_its_parameters(change, message):
    with pytest.raises(InputError, match=message):
        Experiment(**change)


@pytest.mark.parametrize(("rows", "seed", "message"), [(0, 0, "rows is 0, expected 1 or more"), (1, -1, "seed is -1")])
def test_counts_are_checked(rows, seed, message):
    with pytest.raises(InputError, match=message):
        simulate(rows, seed)


# --- the command ---


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz", ".parquet"])
def test_command_writes_three_files(tmp_path, capsys, made, suffix):
    output = tmp_path / f"toy{suffix}"
    command(output, rows=50, seed=SEED)
    read = pl.read_parquet if suffix == ".parquet" else lambda path: pl.read_csv(path, separator="\t")
    assert_frame_equal(read(output), made.table.head(50))
    assert_frame_equal(read(tmp_path / f"toy.truth{suffix}"), made.truth.head(50))
    assert read(tmp_path / f"toy.sites{suffix}").columns == made.sites.columns
    assert "50 sequences" in capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 3


def test_command_refuses_to_overwrite(tmp_path):
    output = tmp_path / "toy.tsv"
    (tmp_path / "toy.truth.tsv").write_text("mine")
    with pytest.raises(InputError, match=r"toy\.truth\.tsv: exists already"):
        command(output, rows=10)
    assert not output.exists()
    command(output, rows=10, overwrite=True)
    assert (tmp_path / "toy.truth.tsv").read_text() != "mine"


def test_command_names_its_mistakes(tmp_path):
    with pytest.raises(InputError, match="unknown kind of output"):
        command(tmp_path / "toy.xlsx", rows=10)
    with pytest.raises(InputError, match="three different files"):
        command(tmp_path / "toy.tsv", rows=10, truth=tmp_path / "toy.tsv")
    with pytest.raises(InputError, match="rows is 0"):
        command(tmp_path / "toy.tsv", rows=0)
    assert list(tmp_path.iterdir()) == []


def test_defaults_of_the_command_are_those_of_the_experiment():
    from inspect import signature

    given = signature(command).parameters
    for name in ("insert_length", "gc", "planted", "extra_cells", "dispersion", "cell_noise", "stray"):
        assert given[name].default == getattr(Experiment(), name)
