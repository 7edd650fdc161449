"""What a search found: its best trials repeated with several seeds, and the winner judged on rows no trial saw."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int64

from ..errors import InputError
from ..evaluation.bootstrap import Interval
from ..evaluation.metrics import pearson
from ..evaluation.paired import score_seeds
from ..files import write_json, write_text
from ..report.words import number
from ..runs.folder import PREDICTIONS
from .drive import Progress, run_study
from .engine import Engine
from .halves import FRESH, GROUP, SEARCH, SPLIT
from .pace import Estimate
from .plan import Case, Plan, Unit, label, make_settings
from .search import Search, Tried
from .search_figure import draw
from .spec import Spec
from .store import state


@dataclass(frozen=True, eq=False)
class Repeated:
    """A trial with all its seeds.

    Attributes
    ----------
    number, parameters
        Of the trial.
    r
        Mean over seeds of r on the search half.
    seed_r
        r of each seed there.
    runs
        Its runs in the store, one a seed.
    """

    number: int
    parameters: Mapping[str, Any]
    r: float
    seed_r: tuple[float, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Found:
    """The result of a search.

    Attributes
    ----------
    winner
        The best by the mean over seeds on the search half.
    best
        All that were repeated with every seed, the winner first.
    missing
        What could not be repeated, in words.
    fresh, kmer_ridge
        Mean r over seeds on the fresh half with its interval over rows and seeds; r of the k-mer ridge there.
    rows
        Rows of either half.
    command
        The winner's `leanseq train` on the user's own table.
    """

    winner: Repeated
    best: tuple[Repeated, ...]
    missing: tuple[str, ...]
    fresh: Interval
    kmer_ridge: Interval
    rows: Mapping[str, int]
    command: str


def best_trials(search: Search) -> Plan:
    """The best different trials with all seeds, as a study.

    Raises
    ------
    InputError
        If no trial was completed.
    """
    space = search.space
    best = sorted(_complete(search).values(), key=lambda each: (-(each.r or 0.0), each.number))[: space.best]
    if not best:
        reasons = Counter(each.reason for each in search.tried()).most_common(1)
        raise InputError(
            f"{search.folder}: none of {len(search.tried())} trials was completed"
            + (f"; most often: {reasons[0][0]}" if reasons else "")
            + "; search other settings, with --overwrite"
        )
    cases = tuple(Case(f"trial {each.number}", each.parameters, space.values(each.parameters)) for each in best)
    units = []
    for i, each in enumerate(best):
        for seed in space.seeds:
            settings = search.settings(each.parameters, seed)
            units.append(Unit(i, seed, settings, search.key(settings)))
    spec = Spec(space.path, space.title, space.table, seeds=space.seeds)
    return Plan(spec, search.rows, cases, tuple(units))


def _complete(search: Search) -> dict[str, Tried]:
    """Completed trials by their run; of equal ones the first."""
    return {each.run: each for each in reversed(search.tried()) if each.state == "complete"}


def repeat_best(search: Search, plan: Plan, engine: Engine, tell: Callable[[Progress], None]) -> None:
    """Run the best trials with the seeds they lack, at the pace that their first seed had."""
    units = units_to_repeat(search, plan)
    train = int((search.rows.frame[SPLIT] == "train").sum())
    known, estimates = _complete(search), {}
    for unit in units:
        seconds = known[plan.of(unit.case)[0].key].seconds or 0.0
        recipe = unit.settings.recipe
        estimates[unit.key] = Estimate(seconds, seconds / (recipe.epochs * recipe.steps_per_epoch(train)), 0.0)
    run_study(plan, units, search.store, engine, estimates, tell)


def units_to_repeat(search: Search, plan: Plan) -> list[Unit]:
    """Runs of the best trials that are not finished."""
    return [unit for unit in plan.units if state(search.store / unit.key).name != "finished"]


def judge(search: Search, plan: Plan) -> Found:
    """Choose the winner on the search half, and score it on the fresh half.

    Raises
    ------
    InputError
        If none of the best was finished with all seeds.
    """
    known, best, missing = _complete(search), [], []
    for i, case in enumerate(plan.cases):
        units = plan.of(i)
        wrong = [(unit, found) for unit in units if (found := state(search.store / unit.key)).name != "finished"]
        if wrong:
            unit, found = wrong[0]
            missing.append(f"{case.label}, seed {unit.seed}: {found.reason or found.name}")
            continue
        runs = tuple(unit.key for unit in units)
        expression, predicted, _, _ = _rows(search, runs, SEARCH)
        scores = tuple(pearson(expression, each) for each in predicted)
        best.append(Repeated(known[runs[0]].number, case.factors, float(np.mean(scores)), scores, runs))
    if not best:
        raise InputError(f"{search.folder}: none of the best trials was finished with all seeds: {missing[0]}")
    best.sort(key=lambda each: -each.r if math.isfinite(each.r) else math.inf)
    winner = best[0]
    expression, predicted, ridge, groups = _rows(search, winner.runs, FRESH)
    counts = search.rows.frame[SPLIT]
    settings = make_settings(search.space.values(winner.parameters), search.space.seeds[0])
    return Found(
        winner=winner,
        best=tuple(best),
        missing=tuple(missing),
        fresh=score_seeds(expression, predicted, groups),
        kmer_ridge=score_seeds(expression, ridge[None], groups),
        rows={"search": int((counts == SEARCH).sum()), "fresh": len(expression)},
        command=settings.command(search.table.path),
    )


def _rows(
    search: Search, runs: tuple[str, ...], split: str
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "seeds n"], Float[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Measured values, predictions of every run, those of the k-mer ridge, and the groups that the split kept whole."""
    frames = [pl.read_parquet(search.store / run / PREDICTIONS).filter(pl.col("split") == split) for run in runs]
    first = frames[0]
    groups = search.rows.frame[GROUP].to_numpy()[first["row"].to_numpy() - 1]
    predicted = np.stack([frame["prediction"].to_numpy() for frame in frames])
    return first["expression"].to_numpy(), predicted, first["kmer_ridge"].to_numpy(), groups


def write_found(search: Search, found: Found) -> None:
    """Write `best.toml`, `result.json` and `search.svg`."""
    winner = found.winner
    lines = [f"# Trial {winner.number} of `leanseq tune {search.space.path}`.", *words(search, found)[:3]]
    comment = [line if line.startswith("#") else f"# {line}" for line in lines]
    settings = search.space.values(winner.parameters)
    base = [f"{_key(name)} = {_toml(value)}" for name, value in settings.items()]
    write_text(search.folder / "best.toml", "\n".join([*comment, "", "[base]", *base, ""]))
    states = Counter(each.state for each in search.tried())
    result = {
        "space": search.space.path,
        "title": search.space.title,
        "table": search.table.path,
        "trials": dict(states),
        "sampler": search.space.sampler,
        "sampler_seed": search.seed,
        "seeds": list(search.space.seeds),
        "winner": {"trial": winner.number, "parameters": dict(winner.parameters), "runs": list(winner.runs)},
        "settings": settings,
        "fresh": {"rows": found.rows["fresh"], "r": _plain(found.fresh), "kmer_ridge": _plain(found.kmer_ridge)},
        "search": {
            "rows": found.rows["search"],
            "r": _finite(winner.r),
            "words": "chose the winner, so it is too high",
        },
        "best": [
            {
                "trial": each.number,
                "parameters": dict(each.parameters),
                "search_r": _finite(each.r),
                "search_r_of_seeds": [_finite(r) for r in each.seed_r],
                "runs": list(each.runs),
            }
            for each in found.best
        ],
        "missing": list(found.missing),
        "command": found.command,
    }
    write_json(search.folder / "result.json", result)
    chosen = {each.number for each in found.best}
    write_text(search.folder / "search.svg", draw(search.space, search.tried(), winner.number, chosen))


def words(search: Search, found: Found) -> list[str]:
    """The result in sentences."""
    winner, seeds = found.winner, len(search.space.seeds)
    mean = "one seed" if seeds == 1 else f"mean of {seeds} seeds"
    out = [
        f"winner: {label(winner.parameters)} (trial {winner.number})",
        f"on {found.rows['fresh']:,} fresh rows, which no trial saw: r = {_interval(found.fresh)}, {mean}; "
        f"k-mer ridge {_interval(found.kmer_ridge)}",
        f"on the {found.rows['search']:,} rows of the search: r = {number(winner.r)}, which chose it and is too high",
    ]
    out += [
        f"next: {label(each.parameters)} (trial {each.number}), r = {number(each.r)} on the rows of the search"
        for each in found.best[1:]
    ]
    out += [f"not repeated: {line}" for line in found.missing]
    return out


def _interval(interval: Interval) -> str:
    return f"{number(interval.value)} ({number(interval.low)} to {number(interval.high)})"


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in interval._asdict().items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _toml(value: Any) -> str:
    """A value as TOML writes it.

    Examples
    --------
    >>> _toml(True), _toml(1e-5), _toml("a"), _toml([1, 2])
    ('true', '1e-05', '"a"', '[1, 2]')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False)
