"""Commands that have no test file of their own."""

import polars as pl
import pytest

from leanseq.cli import main
from toy import rows


@pytest.fixture
def table(tmp_path):
    rows(80).write_csv(tmp_path / "toy.tsv", separator="\t")
    return tmp_path / "toy.tsv"


def call(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert not end.value.code


def test_help_lists_every_command(capsys):
    call("--help")
    printed = capsys.readouterr().out
    for name in ("train", "predict", "evaluate", "report", "models", "lr-range", "simulate", "data"):
        assert name in printed


def test_models_lists_options_of_all_or_of_one(capsys):
    call("models")
    assert "lstm.hidden" in capsys.readouterr().out
    call("models", "legnet-optimized+dilated")
    printed = capsys.readouterr().out
    assert "dilated.ratio" in printed
    assert "lstm.hidden" not in printed


def test_lr_range_prints_rates_and_writes_its_steps(table, tmp_path, capsys):
    quick = ["--size", "tiny", "--batch", "16", "--threads", "1", "--steps", "20"]
    call("lr-range", table, *quick, "--low", "1e-5", "--high", "0.1", "--output", tmp_path / "lr.csv")
    assert "safe peak for one-cycle" in capsys.readouterr().out
    frame = pl.read_csv(tmp_path / "lr.csv")
    assert frame["lr"][0] == pytest.approx(1e-5)
    assert frame["lr"].is_sorted()
    assert frame.height <= 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lr-range", "--organism", "human"], "--organism changes nothing here: boosted trees alone look for motifs"),
        (["train", "--organism", "human"], "--organism changes nothing with --baselines quick"),
        (["train", "--organism", "mouse"], "--organism is 'mouse', expected one of auto, yeast, human, none"),
    ],
)
def test_an_organism_that_is_unknown_or_changes_nothing_is_refused(table, capsys, words, message):
    with pytest.raises(SystemExit) as end:
        main([words[0], str(table), *words[1:]])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_report_can_be_written_anew(table, tmp_path, capsys):
    run = tmp_path / "run"
    call("train", table, "--size", "tiny", "--epochs", "1", "--batch", "16", "--threads", "1", "--output", run)
    first = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    capsys.readouterr()
    call("report", run)
    assert (run / "report.html").read_bytes() == first
    assert "k-mer ridge" in capsys.readouterr().out


def test_train_names_its_folder_and_says_what_it_found(table, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("train", table, "--size", "tiny", "--epochs", "1", "--batch", "16", "--threads", "1")
    shown = capsys.readouterr()
    assert (tmp_path / "runs" / "toy_legnet-optimized_tiny_kl_seed0" / "report.html").exists()
    for word in ("sequences", "construct", "yeast-ptpa", "split", "leakage", "estimate", "epoch   1"):
        assert word in shown.err
