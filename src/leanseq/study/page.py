"""Write a study's report: one HTML file that opens anywhere, offline."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import __version__
from ..baselines import RIDGE
from ..errors import InputError
from ..files import write_text
from ..report import words
from ..report.page import environment
from ..report.tables import HARDWARE, SOFTWARE
from . import figures, tables
from .judge import Judged, answer
from .plan import find_table
from .results import Results

ROWS = {"test": "test", "valid": "validation", "held-out": "held-out (validation and test)"}


def write_page(results: Results, judged: Judged, path: Path) -> Path:
    """Write the page of a study; the same results give the same bytes.

    Raises
    ------
    InputError
        If the page cannot be written.
    """
    write_text(path, render(results, judged))
    return path


def render(results: Results, judged: Judged) -> str:
    """Compose the page of a study."""
    spec = results.plan.spec
    pages = environment()
    pages.filters["cell"] = tables.text
    return pages.get_template("study.html").render(
        version=__version__,
        spec=spec,
        judged=judged,
        ridge=RIDGE,
        rows=ROWS[judged.compared],
        answer=answer(judged),
        level=level(len(judged.comparisons)),
        changes=[(name, value(old), value(now)) for name, (old, now) in spec.changes.items()],
        missing=results.missing,
        curves=[list(figures.curves(results, at).values()) for at in figures.panel_values(results)],
        intervals=list(figures.intervals(judged).values()),
        differences=[*figures.differences(judged).values(), *figures.ridge_differences(judged).values()],
        learning=list(figures.learning_curve(judged).values()),
        configurations=tables.configurations(judged),
        fits=tables.fits(judged),
        comparisons=tables.comparisons(judged),
        how=how_rows(results, judged),
    )


def level(comparisons: int) -> str:
    """Level of an interval that is one of several.

    Examples
    --------
    >>> level(1), level(14)
    ('95', '99.64')
    """
    return f"{100 - 5 / max(1, comparisons):.4g}"


def command(results: Results) -> str:
    """The command that runs the study again, with every change on its line."""
    spec, parts = results.plan.spec, ["leanseq", "study", "run", results.plan.spec.path]
    parts += ["--preset", spec.preset] if spec.preset else []
    before = spec.alone
    for name, now in spec.base.items():
        if name not in before.base or before.base[name] != now:
            parts += ["--set", f"{name}={now if isinstance(now, str) else json.dumps(now)}"]
    # --seeds is a number: other lists of seeds come from the file or a preset
    parts += ["--seeds", str(len(spec.seeds))] if spec.seeds != before.seeds else []
    try:
        usual = find_table(spec).resolve()
    except InputError:
        usual = None
    if Path(results.plan.table.path).resolve() != usual:
        parts += ["--table", results.plan.table.path]
    return shlex.join(parts)


def how_rows(results: Results, judged: Judged) -> list[tuple[str, str]]:
    """List what ran, on what, and for how long."""
    runs = [metrics["rows"] for each in results.configurations for metrics in each.metrics]
    machines = [machine for each in results.configurations for machine in each.hardware]
    seeds = sorted({seed for row in judged.rows for seed in row.seeds})
    total = sum(second for row in judged.rows for second in row.seconds)
    facts = HARDWARE | SOFTWARE
    return [
        ("command", command(results)),
        ("leanseq", __version__),
        ("table", f"{results.plan.table.path}, {len(results.plan.table):,} sequences"),
        ("seeds", ", ".join(map(str, seeds))),
        ("runs", f"{sum(len(row.seeds) for row in judged.rows)}, {words.duration(total)} of training in all"),
        *(
            (f"{name} rows of a run", _distinct(f"{rows[key]:,}" for rows in runs))
            for key, name in {"train": "training", "valid": "validation", "test": "test"}.items()
        ),
        ("compared rows", _distinct(f"{row.n:,} {ROWS[judged.compared]}" for row in judged.rows)),
        *(
            (name, _distinct(str(machine[key]) for machine in machines if key in machine))
            for key, name in facts.items()
            if any(key in machine for machine in machines)
        ),
    ]


def value(setting: Any) -> str:
    """Write a setting as the study file would."""
    if setting is None:
        return "not set"
    if isinstance(setting, list):
        return ", ".join(map(str, setting))
    return str(setting).lower() if isinstance(setting, bool) else str(setting)


def _distinct(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
