"""Write what a study found as small files, for a paper or another program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..files import write_json, write_text
from . import figures, tables
from .judge import Judged, answer
from .results import Results

FORMATS = {"csv": tables.csv, "md": tables.markdown, "tex": tables.latex}


def export(results: Results, judged: Judged, folder: Path) -> list[Path]:
    """Write tables, curves, `results.json` and figures; the same results give the same bytes.

    Returns
    -------
    list of Path
        The files, in the order written.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    texts = {
        f"{build.__name__}.{ending}": write(build(judged))
        for build in (tables.configurations, tables.fits, tables.comparisons)
        for ending, write in FORMATS.items()
    }
    texts["curves.csv"] = tables.csv(tables.curves(results))
    texts |= {f"{name}.svg": figures.standalone(panel) for name, panel in figures.draw(results, judged)}
    for name, content in texts.items():
        write_text(folder / name, content)
    write_json(folder / "results.json", document(results, judged))
    return [folder / name for name in (*texts, "results.json")]


def document(results: Results, judged: Judged) -> dict[str, Any]:
    """The content of `results.json`: None is undefined."""
    spec, table = results.plan.spec, results.plan.table
    return {
        "leanseq": __version__,
        "study": spec.name,
        "title": spec.title,
        "reproduces": spec.reproduces,
        "changes": {name: {"file": plain(old), "now": plain(now)} for name, (old, now) in spec.changes.items()},
        "missing": list(results.missing),
        "answer": answer(judged),
        "table": {"name": Path(table.path).name, "rows": len(table)},
        "split_rows": {each.label: each.metrics[0]["rows"] for each in results.configurations},
        **plain(judged),
    }


def plain(value: Any) -> Any:
    """Turn dataclasses and named tuples into dicts, and what is not a number into None, as JSON has it.

    Examples
    --------
    >>> from ..evaluation.bootstrap import Interval
    >>> plain({"r": Interval(0.5, float("nan"), 1.0)})
    {'r': {'value': 0.5, 'low': None, 'high': 1.0}}
    """
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())  # pyright: ignore[reportAttributeAccessIssue]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
