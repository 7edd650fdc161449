"""The report: run folders as `leanseq train` leaves them, read, judged and drawn."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from leanseq.errors import InputError
from leanseq.report.page import write_report
from leanseq.report.scores import Score, from_dict
from leanseq.report.svg import spread
from leanseq.report.tables import results_table
from leanseq.report.words import headline, verdict

LONG = "legnet-dream2022+embedding+dilated+transformer+lstm"
CONSTRUCT = {
    "name": "yeast-abf1tata",
    "left_adapter": "TCACGCAGTATAGTTC",
    "right_adapter": "GGTTTATTGTTTATAAAAA",
    "left_flank": "GCTAGCTGATTATGGTAACTCTATCGGACTTGAGGGATCACATT",
    "right_flank": "",
    "length": 150,
}


def score(value: float, half: float = 0.023) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def result(model: str, split: str, n: int, r: float | None, kl: float | None, ceiling: float | None) -> dict[str, Any]:
    return {
        "model": model,
        "split": split,
        "n": n,
        "r": None if r is None else score(r),
        "rho": None if r is None else score(r - 0.01),
        "mse": score(9.8 * (1 - (r or 0) ** 2), 0.2),
        "r2": score((r or 0) ** 2 - 0.001, 0.03),
        "kl": None if kl is None else score(kl),
        "seconds": {"k-mer ridge": 2.13, "constant": 0.0}.get(model, 912.3),
        "share_of_ceiling": r / ceiling if r is not None and ceiling else None,
    }


def metrics(model: str, loss: str, splits: dict[str, int], ceiling: float | None, gain: float) -> dict[str, Any]:
    models = ((model, 0.676, 1.14), ("k-mer ridge", 0.676 - gain, None), ("constant", None, 1.42))
    return {
        "selection": "the last epoch was kept; validation rows chose nothing",
        "ceiling": {
            "r": ceiling,
            "words": "Replicates agree with r = 0.730; the mean of 2 of them has reliability 0.844."
            if ceiling
            else "The noise ceiling is unknown: the table has no replicate columns (rep1, rep2) and no column sd.",
        },
        "loss": loss,
        "no_skill": {"constant": 1.42, "uniform": 2.03} if loss == "KL" else {"constant": 9.81},
        "rows": {"train": 10240, "valid": 2048, "test": splits.get("test", 0), "left_out": 0},
        "results": [
            result(name, split, n, r, kl if loss == "KL" else None, ceiling)
            for split, n in splits.items()
            for name, r, kl in models
        ],
        "differences": [
            {"split": split, "a": model, "b": "k-mer ridge", "measure": "r", **score(gain), "p": 0.002}
            for split in splits
        ],
    }


def make_run(folder: Path, model: str, loss: str, splits: dict[str, int], epochs: int, **values: Any) -> Path:
    """Write a plausible run folder."""
    table = values.get("table", "yeast_abf1tata.tsv")
    recipe = {"epochs": epochs, "batch": 128, "optimizer": "adamw", "lr": 0.003, "weight_decay": 0.05, "clip": 1.0}
    documents = {
        "run.json": {
            "leanseq": "0.1.0",
            "status": "finished",
            "settings": {"model": model, "size": "small", "objective": loss.lower(), "seed": 0, "recipe": recipe},
            "network": {"parameters": 2126018},
            "data": {"table": table, "fingerprint": "3f9a" * 16},
            "hardware": {"processor": "AMD EPYC 7B13", "cores": 2, "memory_gb": 7.8, "device": "cpu", "threads": 2},
            "started": "2025-05-04T10:11:12+00:00",
            "finished": "2025-05-04T10:26:24+00:00",
            "seconds": 912.3,
            "peak_memory_mb": 2100,
            "estimate_seconds": 900,
        },
        "data.json": {
            "summary": {"length_median": 115.0},
            "lines": [["sequences", "13,239"], ["length", "97 to 127 bp, median 115"], ["expression", "0 to 17"]],
            "construct": CONSTRUCT,
            "construct_words": "yeast-abf1tata, inferred from the adapters",
            "split_words": "random, whole homology groups stay together: 10,240 train, 2,048 validation",
            "leakage_words": "No validation sequence has a close relative among the training sequences",
        },
        "metrics.json": metrics(model, loss, splits, values.get("ceiling"), values.get("gain", 0.078)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    history(epochs, 1.0 if loss == "KL" else 7.0).write_csv(folder / "history.csv")
    predictions(splits).write_parquet(folder / "predictions.parquet")
    return folder


def history(epochs: int, unit: float) -> pl.DataFrame:
    done = np.arange(1, epochs + 1)
    progress = 1 - np.exp(-4 * done / max(epochs, 4))
    return pl.DataFrame(
        {
            "epoch": done,
            "lr": np.full(epochs, 0.003),
            "train_loss": unit * (1.62 - 0.6 * progress),
            "train_r": 0.1 + 0.68 * progress,
            "train_rho": 0.1 + 0.66 * progress,
            "valid_loss": unit * (1.45 - 0.31 * progress),
            "valid_r": [None if epochs > 3 and i == 0 else value for i, value in enumerate(0.2 + 0.48 * progress)],
            "valid_rho": 0.2 + 0.47 * progress,
            "seconds": np.full(epochs, 114.0),
        }
    )


def predictions(splits: dict[str, int]) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    split = np.repeat(list(splits), list(splits.values()))
    truth = rng.normal(10, 3, len(split)).clip(0, 17)
    measured = np.where(rng.random(len(split)) < 0.7, np.round(truth), truth)
    network, ridge = (
        10 + share * (measured - 10) + rng.normal(0, 3 * np.sqrt(share - share**2), len(split))
        for share in (0.46, 0.36)
    )
    columns = {"split": split, "expression": measured, "prediction": network, "kmer_ridge": ridge}
    return pl.DataFrame({"row": np.arange(len(split)), **columns})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    script = "<script>alert('&')</script>.tsv"
    both = {"valid": 300, "test": 200}
    made = {
        "kl": make_run(folder / "kl", "legnet-optimized", "KL", both, 8, ceiling=0.919),
        "mse": make_run(folder / "mse", LONG, "MSE", {"valid": 200}, 1, table=script, gain=-0.004),
    }
    for run in made.values():
        write_report(run)
    return made


def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_says_what_to_change_next(runs: dict[str, Path], tmp_path: Path):
    assert "<strong>Schedule unfinished:</strong>" in page(runs["mse"])
    assert "Next: train 2 epochs instead of 1." in page(runs["mse"])
    assert "Leakage between splits" not in page(runs["kl"])
    leaky = make_run(tmp_path, "legnet-optimized", "KL", {"valid": 300}, 8)
    data = json.loads((leaky / "data.json").read_text())
    (leaky / "data.json").write_text(json.dumps({**data, "leaked": 0.2}))
    write_report(leaky)
    assert "20.0% of the validation and test rows have a homologous row in train" in page(leaky)
    assert "Next: split by homology" in page(leaky)


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def svg(text: str, name: str) -> str:
    """The figure whose ids start with a name."""
    return next(part for part in re.findall(r"<svg.*?</svg>", text, re.DOTALL) if f'id="{name}-' in part)


@pytest.mark.parametrize("kind", ["kl", "mse"])
def test_page_loads_nothing_from_elsewhere(runs: dict[str, Path], kind: str) -> None:
    text = page(runs[kind])
    for tag, attributes in Elements(text).found:
        assert tag not in ("script", "link", "iframe", "object", "img")
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


@pytest.mark.parametrize("kind", ["kl", "mse"])
def test_figures_are_described_and_ids_are_unique(runs: dict[str, Path], kind: str) -> None:
    elements = Elements(page(runs[kind])).found
    figures = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(figures) == {"kl": 6, "mse": 5}[kind]
    assert all(figure["role"] == "img" and len(figure["aria-label"] or "") > 40 for figure in figures)
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        if (attributes.get("xlink:href") or "").startswith("#"):
            assert (attributes["xlink:href"] or "")[1:] in ids


def test_loss_curves_show_their_no_skill_levels(runs: dict[str, Path]) -> None:
    loss, r = svg(page(runs["kl"]), "loss"), svg(page(runs["kl"]), "r")
    for label in ("no skill:", "constant 1.420", "uniform 2.030", "KL divergence, nats", "validation", "training"):
        assert label in loss
    for label in ("no skill 0", "k-mer ridge 0.598", "ceiling 0.919", "validation", "training", "epoch"):
        assert label in r


def test_loss_curve_of_squared_errors_has_no_uniform_level(runs: dict[str, Path]) -> None:
    loss = svg(page(runs["mse"]), "loss")
    assert "constant 9.810" in loss
    assert "uniform" not in loss
    assert "ceiling" not in svg(page(runs["mse"]), "r")


def test_letters_of_figures_are_9_points_or_more(runs: dict[str, Path]) -> None:
    sizes = re.findall(r"<t(?:ext|span) [^>]*font-size: ([\d.]+)px", page(runs["kl"]))
    assert len(sizes) > 30
    assert min(map(float, sizes)) >= 9


def test_names_are_escaped_and_may_break_only_between_parts(runs: dict[str, Path]) -> None:
    text = page(runs["mse"])
    assert "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;.tsv" in text
    assert "legnet-dream2022+<wbr>embedding+<wbr>dilated" in text
    assert "+<wbr>0" not in text


def test_same_run_gives_same_bytes(runs: dict[str, Path]) -> None:
    before = page(runs["kl"])
    assert write_report(runs["kl"]) == runs["kl"] / "report.html"
    assert page(runs["kl"]) == before
    assert [path.name for path in runs["kl"].glob("*report*")] == ["report.html"]
    assert str(runs["kl"]) not in before


def test_page_says_what_the_run_was(runs: dict[str, Path]) -> None:
    text = page(runs["kl"])
    for words in ("2,126,018", "3f9a3f9a", "15 min 12 s", "13,239", "35 bp", "80 bp", "learning rate (peak)", "2.1 GB"):
        assert words in text
    assert "<dt>KL</dt>" in text
    assert "<dt>KL</dt>" not in page(runs["mse"])


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.01, 0.05, "The network is clearly better"),
        (-0.01, 0.05, "There is no evidence of a gain"),
        (-0.05, -0.01, "The network is clearly worse"),
        (0.0, 0.02, "There is no evidence of a gain"),
    ],
)
def test_verdict_follows_the_interval(low: float, high: float, words: str) -> None:
    assert verdict(Score((low + high) / 2, low, high)) == words


def test_headline_is_about_the_test_rows_if_there_are_any() -> None:
    told = headline(from_dict(metrics("legnet-optimized", "KL", {"valid": 2048, "test": 951}, 0.919, 0.078)))
    assert told == [
        "legnet-optimized predicts 951 test sequences with r = 0.676 (95% interval 0.653 to 0.699).",
        "That is 74% of the most these labels allow, 0.919.",
        "The k-mer ridge, a linear model trained in 2.1 s, reaches 0.598.",
        "The network is clearly better: the difference in r is +0.078 (+0.055 to +0.101).",
    ]


def test_headline_says_so_if_the_loss_shows_no_skill() -> None:
    values = metrics("lean", "KL", {"valid": 2048}, None, 0.0)
    assert headline(from_dict(values))[-1].startswith("There is no evidence of a gain")
    values["results"][0]["kl"] = score(1.43)
    assert headline(from_dict(values))[-1].endswith("no better than the same answer for every sequence.")


def test_network_that_learned_nothing_gets_a_page(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "lean", "KL", {"valid": 100}, 2, ceiling=0.9)
    values = json.loads((folder / "metrics.json").read_text())
    values["results"][0].update(r=None, rho={"value": float("nan"), "low": None, "high": None})
    values["differences"] = []
    (folder / "metrics.json").write_text(json.dumps(values))
    frame = pl.read_parquet(folder / "predictions.parquet").with_columns(prediction=pl.lit(9.0), kmer_ridge=None)
    frame.write_parquet(folder / "predictions.parquet")
    pl.read_csv(folder / "history.csv").with_columns(valid_r=None, train_r=None).write_csv(folder / "history.csv")
    assert "nothing was learned" in page(write_report(folder).parent)


def with_all_baselines(values: dict[str, Any]) -> dict[str, Any]:
    """Metrics of a run that grew trees and fitted the GC curve too."""
    order = ["boosted trees", "k-mer ridge", "GC content", "constant"]
    results = values["results"]
    model, sizes = results[0]["model"], {each["split"]: each["n"] for each in results}
    for split, n in sizes.items():
        for name, r in (("boosted trees", 0.641), ("GC content", 0.3)):
            results.append({**result(name, split, n, r, None, values["ceiling"]["r"]), "seconds": 12.4})
            difference = {"split": split, "a": model, "b": name, "measure": "r", **score(0.676 - r, 0.04), "p": 0.1}
            values["differences"].append(difference)
    places = {name: place for place, name in enumerate([model, *order])}
    results.sort(key=lambda each: (list(sizes).index(each["split"]), places[each["model"]]))
    return values


def test_page_shows_every_baseline_that_was_trained(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "lean", "KL", {"valid": 300, "test": 200}, 8, ceiling=0.919)
    before = page(write_report(folder).parent)
    values = with_all_baselines(json.loads((folder / "metrics.json").read_text()))
    (folder / "metrics.json").write_text(json.dumps(values))
    frame = pl.read_parquet(folder / "predictions.parquet")
    more = frame.with_columns(boosted_trees=pl.col("kmer_ridge") + 1, gc_content=pl.lit(9.0), constant=pl.lit(10.0))
    more.write_parquet(folder / "predictions.parquet")
    text = page(write_report(folder).parent)
    assert "boosted trees 0.641" in svg(text, "r")
    assert "by boosted trees: r = 0.641" in svg(text, "scatter1")
    assert "by k-mer ridge: r = 0.598" in svg(text, "scatter2")
    assert "scatter3" not in text
    dots = svg(text, "dots-test")
    named = re.findall("lean|boosted trees|k-mer ridge|GC content|constant", dots[dots.index("<text") :])
    assert list(dict.fromkeys(named)) == ["lean", "boosted trees", "k-mer ridge", "GC content", "constant"]
    assert "Network minus boosted trees: test +0.035 (−0.005 to +0.075)" in text
    for word in ("boosted trees", "GC content"):
        assert f"<dt>{word}</dt>" in text
        assert word not in before


def test_headline_judges_the_network_against_trees_too() -> None:
    values = with_all_baselines(metrics("lean", "KL", {"valid": 2048, "test": 951}, 0.919, 0.078))
    assert headline(from_dict(values))[2:] == [
        "The k-mer ridge, a linear model trained in 2.1 s, reaches 0.598.",
        "The network is clearly better: the difference in r is +0.078 (+0.055 to +0.101).",
        "The boosted trees, trained in 12 s, reach 0.641.",
        "There is no evidence of a gain: the difference in r is +0.035 (−0.005 to +0.075).",
    ]
    assert from_dict(values).network == "lean"
    values["results"] = [each for each in values["results"] if each["model"] != "lean"]
    with pytest.raises(ValueError, match="no results of a network"):
        from_dict(values)


@pytest.mark.parametrize("model", ["legnet-optimized", LONG])
def test_results_table_has_all_baselines_in_order(model: str) -> None:
    table = results_table(with_all_baselines(metrics(model, "KL", {"valid": 2048, "test": 951}, 0.919, 0.078)))
    assert max(map(len, table.splitlines())) <= 100
    names = [line[:13].strip() for line in table.splitlines() if line.startswith(("boosted", "k-mer", "GC", "const"))]
    assert names == ["boosted trees", "k-mer ridge", "GC content", "constant"] * 2


@pytest.mark.parametrize("model", ["legnet-optimized", LONG])
@pytest.mark.parametrize("loss", ["KL", "MSE"])
def test_results_table_fits_a_terminal(model: str, loss: str) -> None:
    table = results_table(metrics(model, loss, {"valid": 2048, "test": 951}, 0.919, 0.078))
    lines = table.splitlines()
    assert max(map(len, lines)) <= 100
    assert table.isascii()
    header = lines[0].split()
    assert ("KL" in header) == (loss == "KL")
    start = lines[0].index("  r ") + 2
    rows = [line for line in lines[1:] if not line.startswith("  ")]
    assert len(rows) == 6
    assert {line[start:].split("  ")[0] for line in rows} == {"0.676 [0.653, 0.699]", "0.598 [0.575, 0.621]", "-"}


def test_labels_do_not_overlap() -> None:
    wanted, heights = np.array([0.1, 0.1, 0.12, 5.0, 9.9]), np.full(5, 1.0)
    places = spread(wanted, heights, 0.0, 10.0)
    assert np.diff(places).min() >= 1 - 1e-9
    assert places[0] >= 0.5
    assert places[-1] <= 9.5
    assert places[3] == pytest.approx(5.0)


@pytest.mark.parametrize("name", ["run.json", "data.json", "history.csv", "metrics.json", "predictions.parquet"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "other"])
def test_missing_and_damaged_files_are_named(tmp_path: Path, name: str, damage: str) -> None:
    path = make_run(tmp_path, "lean", "KL", {"valid": 50}, 2) / name
    if damage == "missing":
        path.unlink()
    elif damage == "other":
        # readable, but not what it should be
        if path.suffix == ".parquet":
            pl.DataFrame({"row": [1]}).write_parquet(path)
        else:
            path.write_text("[1]" if path.suffix == ".json" else "a,b\n1,2\n")
    else:
        path.write_bytes(path.read_bytes()[: 20 if damage == "cut" else 0])
    with pytest.raises(InputError) as caught:
        write_report(tmp_path)
    assert str(caught.value).startswith(f"{path}: the file is {'missing' if damage == 'missing' else 'damaged'}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_unfinished_run_has_no_report(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "lean", "KL", {"valid": 50}, 2)
    (folder / "run.json").write_text(json.dumps({"leanseq": "0.1.0", "status": "running", "settings": {"model": "x"}}))
    with pytest.raises(InputError, match="the run is 'running', expected 'finished'"):
        write_report(folder)


def test_metrics_without_predictions_are_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "lean", "KL", {"valid": 50}, 2)
    (folder / "metrics.json").write_text(json.dumps(metrics("lean", "KL", {"valid": 50, "test": 9}, None, 0.1)))
    with pytest.raises(InputError, match=r"predictions\.parquet.*'test'"):
        write_report(folder)
