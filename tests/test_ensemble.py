"""An ensemble says what its parts say together, and its folder says the same again, or is refused with one line."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import leanseq
from leanseq import InputError
from leanseq.apply import bundle, ensemble
from leanseq.apply.ensemble import Ensemble, save_ensemble
from leanseq.apply.mutagenesis import saturation_mutagenesis
from leanseq.baselines import CONSTANT, GC, RIDGE, TREES, BoostedTrees, Constant, GcCurve, KmerRidge
from leanseq.baselines.familiarity import Familiarity
from leanseq.cli import main
from leanseq.data.construct import Construct
from leanseq.data.labels import SoftBins
from leanseq.data.motifs import Motif
from leanseq.data.table import from_columns
from leanseq.evaluation.conformal import Conformal
from leanseq.models import create
from leanseq.study import scoring
from leanseq.study.engine import Done, Engine
from leanseq.training.cpu import Processor
from leanseq.training.inputs import Channels
from leanseq.training.objectives import Objective
from toy import LEFT, RIGHT, random_sequences, rows

CONSTRUCT = Construct("toy", LEFT, RIGHT, left_flank="ACGTT", length=75)
SEQUENCES = rows(150)["sequence"].to_list()
UNFIT = "ACGT"
AGAIN = "copy the model folder again"


def a_network(seed, kind="mse", spec="legnet-optimized"):
    channels, objective = Channels(reverse=True), Objective(kind, SoftBins(), 8.0, 30.0)
    network = create(
        spec, channels=channels.count, length=CONSTRUCT.length, outputs=objective.outputs, size="tiny", seed=seed
    )
    torch.manual_seed(seed)
    bases = torch.nn.functional.one_hot(torch.randint(4, (64, CONSTRUCT.length)), 4).float()
    with torch.no_grad():  # running statistics as after a training, so that signals come through
        for _ in range(30):
            network(torch.cat([bases, torch.zeros(64, CONSTRUCT.length, 1)], 2).transpose(1, 2))
    return bundle.Model(network.eval(), CONSTRUCT, objective, channels)


@pytest.fixture(scope="module")
def whole():
    """Two networks, all four baselines, and intervals."""
    frame = rows(90, seed=1)
    codes, values = CONSTRUCT.windows(frame["sequence"]), frame["expression"].to_numpy()
    given = codes[:60], values[:60], codes[60:], values[60:]
    tata = Motif("TATA", "toy", np.eye(4)[[3, 0, 3, 0, 0, 0]])
    made = Ensemble(
        networks=(a_network(0), a_network(1, "kl", "legnet-optimized")),
        baselines={
            GC: GcCurve.fit(*given),
            TREES: BoostedTrees.fit(*given, motifs=[tata], k_max=2),
            RIDGE: KmerRidge.fit(*given),
            CONSTANT: Constant.fit(*given),
        },
        weights=(0.1, 0.3, 0.05, 0.25, 0.2, 0.15),
        intercept=-0.7,
        construct=CONSTRUCT,
    )
    calibration = made.answer(frame["sequence"].to_list()[60:])
    intervals = Conformal.fit(calibration.prediction, calibration.spread, values[60:], level=0.8)
    assert intervals.offset is not None
    return replace(made, intervals=intervals, familiarity=Familiarity.fit(codes[:60], codes[60:]))


@pytest.fixture(scope="module")
def saved(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    save_ensemble(whole, folder, "# An ensemble\n")
    return folder


@pytest.fixture
def run(saved, tmp_path, monkeypatch):
    """A saved ensemble to spoil, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(saved, tmp_path / "run"))


def only(whole, **parts):
    """An ensemble of some parts of the whole one."""
    parts = {"networks": (), "baselines": {}, **parts}
    count = len(parts["networks"]) + len(parts["baselines"])
    return replace(whole, **parts, weights=(0.5,) * count, intervals=None)


def call(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return stopped.value.code, capsys.readouterr()


# --- what it says -----------------------------------------------------------------------------------------------------


def test_prediction_and_spread_by_their_definitions(whole):
    codes = CONSTRUCT.windows(pl.Series(SEQUENCES))
    parts = whole.parts(codes)
    for own, network in zip(parts[:2], whole.networks, strict=True):
        np.testing.assert_array_equal(own, network.predict(SEQUENCES))
    for own, baseline in zip(parts[2:], whole.baselines.values(), strict=True):
        np.testing.assert_array_equal(own, baseline.predict(codes))
    assert len(np.unique(parts.round(6), axis=0)) == 6
    answer = whole.answer(SEQUENCES)
    np.testing.assert_array_equal(answer.prediction, whole.predict(SEQUENCES))
    np.testing.assert_allclose(answer.prediction, -0.7 + np.array(whole.weights) @ parts)
    mean = np.average(parts, axis=0, weights=whole.weights)
    np.testing.assert_allclose(answer.spread, np.average((parts - mean) ** 2, axis=0, weights=whole.weights) ** 0.5)
    low, high = whole.intervals.interval(answer.prediction, answer.spread)
    np.testing.assert_array_equal((answer.low, answer.high), (low, high))
    assert np.ptp(high - low) > 0


@pytest.mark.parametrize("index", range(6))
def test_every_part_and_its_weight_count(whole, index):
    weights = list(whole.weights)
    weights[index] += 1
    more = replace(whole, weights=tuple(weights)).answer(SEQUENCES[:20])
    before = whole.answer(SEQUENCES[:20])
    part = whole.parts(CONSTRUCT.windows(pl.Series(SEQUENCES[:20])))[index]
    np.testing.assert_allclose(more.prediction - before.prediction, part)
    assert (more.spread != before.spread).all()


def test_one_part_has_no_spread_and_weights_of_0_leave_the_intercept(whole):
    assert (only(whole, networks=whole.networks[:1]).answer(SEQUENCES[:20]).spread == 0).all()
    nothing = replace(whole, weights=(0.0,) * 6).answer(SEQUENCES[:20])
    assert (nothing.prediction == -0.7).all()
    assert (nothing.spread == 0).all()


def test_intervals_may_be_missing_or_ignore_the_spread(whole):
    answer = replace(whole, intervals=None).answer(SEQUENCES[:20])
    assert np.isnan([answer.low, answer.high]).all()
    plain = replace(whole, intervals=Conformal(0.9, 60, None, (), (2.0,))).answer(SEQUENCES[:20])
    np.testing.assert_allclose((plain.low, plain.high), (plain.prediction - 2, plain.prediction + 2))


def test_misfits_are_refused_or_skipped(whole):
    some = [*SEQUENCES[:2], UNFIT, SEQUENCES[2]]
    with pytest.raises(InputError, match=r"^sequences: row 3: column 'sequence' is 4 bp long, .* --misfits skip$"):
        whole.answer(some)
    with pytest.raises(InputError, match=r"row 3: .* is 4 bp long"):
        whole.fits(from_columns({"sequence": some}, "table"))
    skipped = whole.answer(some, misfits="skip")
    assert len(skipped.unfamiliar) == 4
    for values in (*skipped[:4], whole.predict(some, misfits="skip")):
        assert np.isnan(values).tolist() == [False, False, True, False]
    assert whole.columns(some, misfits="skip").null_count().row(0) == (1, 1, 1, 1, 1)
    assert [len(values) for values in whole.answer([])] == [0, 0, 0, 0, 0]


WRONG = {
    "weights": ({"weights": (0.5,)}, "1 weights for 6 parts, expected one for each"),
    "nothing": ({"networks": (), "baselines": {}, "weights": ()}, "0 weights for 0 parts"),
    "negative": ({"weights": (0.5, -0.1, 0.0, 0.0, 0.0, 0.0)}, "weights must be numbers of 0 or more"),
    "nan": ({"intercept": float("nan")}, "the intercept a number"),
    "construct": ({"construct": replace(CONSTRUCT, length=76)}, "a network has another construct"),
    "name": ({"networks": (), "baselines": {RIDGE: Constant(1.0)}, "weights": (1.0,)}, "no fitted baseline of that"),
}


@pytest.mark.parametrize(("changed", "words"), WRONG.values(), ids=WRONG)
def test_parts_that_do_not_fit_together_are_refused(whole, changed, words):
    with pytest.raises(InputError, match=words):
        replace(whole, **changed)


# --- its folder -------------------------------------------------------------------------------------------------------


def test_networks_of_another_organism_or_name_fit_if_their_windows_are_the_same(whole):
    assert replace(whole, construct=replace(CONSTRUCT, name="other", organism="human")).networks == whole.networks


def test_a_saved_ensemble_gives_the_same_bits(whole, run):
    again = leanseq.load(run)
    assert isinstance(again, Ensemble)
    some = [*SEQUENCES, UNFIT]
    np.testing.assert_array_equal(again.answer(some, misfits="skip"), whole.answer(some, misfits="skip"))
    assert (again.weights, again.intercept, again.intervals) == (whole.weights, whole.intercept, whole.intervals)
    assert list(again.baselines) == list(whole.baselines)
    assert again.baselines[RIDGE].penalty == whole.baselines[RIDGE].penalty
    assert sorted(path.name for path in run.iterdir()) == [
        *("README.md", "boosted_trees.json", "config.json", "constant.safetensors", "gc_content.safetensors"),
        *("kmer_ridge.safetensors", "network-0", "network-1"),
    ]
    assert (run / "README.md").read_text() == "# An ensemble\n"


def test_an_ensemble_of_few_parts_is_saved_too(whole, tmp_path):
    for i, parts in enumerate([{"networks": whole.networks[:1]}, {"baselines": {GC: whole.baselines[GC]}}]):
        few = only(whole, **parts)
        save_ensemble(few, tmp_path / str(i), "")
        again = leanseq.load(tmp_path / str(i))
        np.testing.assert_array_equal(again.answer(SEQUENCES[:20]), few.answer(SEQUENCES[:20]))


def test_the_configuration_is_written_last(whole, tmp_path, monkeypatch):
    def full(path, data):
        raise InputError(f"{path}: no space left")

    monkeypatch.setattr(ensemble, "write_text", full)
    with pytest.raises(InputError, match=r"README.md: no space"):
        save_ensemble(whole, tmp_path, "")
    with pytest.raises(InputError, match=r"no config.json in this folder; expected a trained model"):
        leanseq.load(tmp_path)


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("change", [flipped, lambda data: data[:20], lambda data: b""], ids=["bit", "cut", "empty"])
@pytest.mark.parametrize(
    "name", ["network-1/config.json", "boosted_trees.json", "kmer_ridge.safetensors", "gc_content.safetensors"]
)
def test_a_changed_part_is_refused(run, name, change):
    path = run / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        leanseq.load(run)
    assert str(caught.value) == f"{path}: changed since it was saved (SHA-256 differs); {AGAIN}"


def test_missing_and_changed_files_are_named(run):
    weights = run / "network-0" / "model.safetensors"
    weights.write_bytes(flipped(weights.read_bytes()))
    with pytest.raises(InputError, match=r"network-0/model.safetensors: changed since it was saved"):
        leanseq.load(run)
    for name in ("boosted_trees.json", "network-0"):
        gone = run / name
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(InputError, match=f"network-0/config.json: cannot read the file: No such file .*; {AGAIN}"):
        leanseq.load(run)
    shutil.copytree(run / "network-1", run / "network-0")  # a good model, but not the one that was saved
    with pytest.raises(InputError, match=r"network-0/config.json: changed since it was saved"):
        leanseq.load(run)


def spoil(run, **values):
    """Set keys of the configuration, or take them out."""
    path = run / "config.json"
    config = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in config.items() if value != "gone"}))


@pytest.mark.parametrize("key", ["construct", "networks", "baselines", "weights", "intercept", "intervals"])
def test_a_configuration_without_one_of_its_keys_is_refused(run, key):
    spoil(run, **{key: "gone"})
    with pytest.raises(InputError, match=f"config.json: the key '{key}' is missing; {AGAIN}"):
        leanseq.load(run)
    spoil(run, **{key: "x"})
    with pytest.raises(InputError, match=AGAIN):
        leanseq.load(run)


CONFIGS = {
    "format": ({"format": 2}, "config.json: format 2, expected 1; use the leanseq version that wrote it"),
    "kind": ({"kind": "forest"}, "config.json: kind 'forest', expected network or ensemble; open it with"),
    "weights": ({"weights": [1.0]}, f"not a leanseq model: ensemble: 1 weights for 6 parts.*; {AGAIN}"),
    "negative": ({"weights": [-1] * 6}, f"not a leanseq model: ensemble: weights must be .*; {AGAIN}"),
    "baseline": (
        {"baselines": {"k-mer rigde": "0"}},
        f"not a leanseq model: unknown baseline 'k-mer rigde'.*; {AGAIN}",
    ),
    "path": ({"baselines": {"../x": "0"}}, f"not a leanseq model: unknown baseline '../x'.*; {AGAIN}"),
    "intervals": ({"intervals": {"level": 0.9}}, f"the key 'rows' is missing; {AGAIN}"),
    "factors": (
        {"intervals": {"level": 0.9, "rows": 9, "offset": None, "edges": [], "factors": [float("nan")]}},
        f"not a leanseq model: its intervals are not finite; {AGAIN}",
    ),
}


@pytest.mark.parametrize(("values", "words"), CONFIGS.values(), ids=CONFIGS)
def test_a_damaged_configuration_is_refused(run, values, words):
    spoil(run, **values)
    with pytest.raises(InputError, match=words):
        leanseq.load(run)


@pytest.mark.parametrize("name", [TREES, RIDGE, GC, CONSTANT])
def test_content_that_is_no_such_baseline_is_refused_though_its_digest_fits(whole, run, name):
    data = ensemble.to_bytes(whole.baselines[CONSTANT if name == RIDGE else RIDGE])
    (run / ensemble.file_name(name)).write_bytes(data)
    digests = json.loads((run / "config.json").read_text())["baselines"]
    spoil(run, baselines={**digests, name: ensemble.sha256(data)})
    with pytest.raises(InputError, match=rf"{ensemble.file_name(name)}: not a leanseq model: .*; {AGAIN}"):
        leanseq.load(run)


def test_a_ridge_on_other_kmers_or_of_no_numbers_is_refused(whole, run):
    ridge = whole.baselines[RIDGE]
    digests = json.loads((run / "config.json").read_text())["baselines"]
    for weights in (ridge.weights[:9], ridge.weights * np.float32(np.nan)):
        data = ensemble.to_bytes(replace(ridge, weights=weights, intercept=float("nan")))
        (run / "kmer_ridge.safetensors").write_bytes(data)
        spoil(run, baselines={**digests, RIDGE: ensemble.sha256(data)})
        with pytest.raises(InputError, match=rf"kmer_ridge.safetensors: not a leanseq model: .*; {AGAIN}"):
            leanseq.load(run)


def test_only_a_network_is_loaded_as_a_network(run):
    with pytest.raises(InputError, match=r"config.json: kind 'ensemble', expected network; open it with leanseq.load"):
        bundle.load(run)
    assert isinstance(leanseq.load(run / "network-0"), bundle.Model)


# --- commands ---------------------------------------------------------------------------------------------------------


def test_predict_adds_all_columns(whole, run, capsys):
    table = pl.DataFrame({"id": ["a", "b", "c"], "sequence": [SEQUENCES[0], UNFIT, SEQUENCES[1]]})
    table.write_csv("some.tsv", separator="\t")
    code, said = call(capsys, "predict", "run", "some.tsv", "--misfits", "skip", "--output", "p.parquet")
    assert not code
    assert "1 of 3 sequences do not fit the construct: no prediction" in said.out + said.err
    found = pl.read_parquet("p.parquet")
    assert found.columns == ["id", "sequence", "prediction", "low", "high", "spread", "unfamiliar"]
    answer = whole.answer([SEQUENCES[0], SEQUENCES[1]])._asdict()
    for name in found.columns[2:]:
        assert found[name].to_list() == [answer[name][0], None, answer[name][1]]
    spoil(run, intervals=None, familiarity=None)
    assert call(capsys, "predict", "run", "some.tsv", "--misfits", "skip", "--output", "q.parquet")[0] == 0
    assert pl.read_parquet("q.parquet").columns == ["id", "sequence", "prediction", "spread"]


@pytest.mark.parametrize("name", ["prediction", "low", "high", "spread", "unfamiliar"])
def test_a_column_that_predict_would_add_is_refused(run, capsys, name):
    pl.DataFrame({"sequence": SEQUENCES[:1], name: [1.0]}).write_csv("some.tsv", separator="\t")
    code, said = call(capsys, "predict", "run", "some.tsv")
    assert (code, said.err) == (2, f"leanseq: error: some.tsv: has a column '{name}' already; rename it\n")
    if name != "prediction":  # a network adds only that
        assert call(capsys, "predict", "run/network-0", "some.tsv", "--output", "p.tsv")[0] == 0
        assert pl.read_csv("p.tsv", separator="\t").columns == ["sequence", name, "prediction"]


def test_evaluate_scores_an_ensemble(run, whole, capsys):
    rows(40, seed=2).write_csv("other.tsv", separator="\t")
    code, said = call(capsys, "evaluate", "run", "other.tsv")
    assert not code
    frame = pl.read_csv("other.tsv", separator="\t")
    r = np.corrcoef(frame["expression"], whole.predict(frame["sequence"].to_list()))[0, 1]
    assert f"{r:.3f}" in said.out


def test_partitions_carry_all_columns_with_the_same_bits(whole, run, monkeypatch):
    assert scoring.PART % ensemble.BLOCK == 0
    for module, name in ((scoring, "PART"), (ensemble, "BLOCK")):
        monkeypatch.setattr(module, name, 64)
    sent = []

    def work(engine, function, items, again):  # the last first, and everything through a pickle as between processes
        for item in reversed(list(items)):
            sent.append(pickle.loads(pickle.dumps(item)))
            yield Done(item, pickle.loads(pickle.dumps(function(sent[-1]))), None)

    monkeypatch.setattr(scoring, "work", work)
    engine, shares = object.__new__(Engine), []
    given = [UNFIT, *SEQUENCES, UNFIT]
    for model, folder in ((whole, run), (whole.networks[0], run / "network-0")):
        for some, sizes in ((given, [22, 64, 64]), ([UNFIT], [])):
            sent.clear()
            table = from_columns({"sequence": some}, "table")
            found = scoring.predict(folder, model, table, engine, Processor(threads=1), shares.append, misfits="skip")
            assert [len(part.sequences) for part in sent] == sizes
            assert found.equals(model.columns(table, misfits="skip"))
            assert found.columns == ["prediction", "low", "high", "spread", "unfamiliar"][: 5 if model is whole else 1]
    assert shares[:3] == [1 / 3, 2 / 3, 1]


# --- mutagenesis ------------------------------------------------------------------------------------------------------


def test_mutagenesis_equals_the_prediction_of_every_mutant(whole):
    open_ends = replace(CONSTRUCT, left_adapter="", right_adapter="")
    networks = tuple(replace(network, construct=open_ends) for network in whole.networks)
    model = replace(whole, networks=networks, construct=open_ends)
    plain = replace(model, networks=(), weights=model.weights[2:])
    sequences = random_sequences(2, 30, seed=3)
    mutants = [one[:i] + letter + one[i + 1 :] for one in sequences for i in range(30) for letter in "ACGT"]
    expected = model.predict(mutants).reshape(2, 30, 4)
    found = saturation_mutagenesis(model, sequences)
    assert np.ptp(expected) > 1e-2 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    for index in range(2):  # the networks take part
        assert np.abs(found - saturation_mutagenesis(plain, sequences)).max() > 1e-3, index
    np.testing.assert_array_equal(saturation_mutagenesis(plain, sequences), plain.predict(mutants).reshape(2, 30, 4))
