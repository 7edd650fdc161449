"""What a fit was: version, command, data, seed, hardware, time; the content of `fit.json`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.summary import fingerprint
from ..data.table import Table, read_table
from ..errors import InputError
from ..runs.folder import hardware, now
from ..runs.prepare import Prepared
from ..runs.settings import DataSettings
from ..study.plan import Plan
from ..training.cpu import Processor
from .fitting import Trained
from .steady import Steadied
from .subsets import TABLE

FEWEST_VALID = 50
"""Validation rows that weights and intervals need."""


def enough(table: Table, prepared: Prepared) -> None:
    """Refuse a split with too few validation rows, before anything is trained.

    Raises
    ------
    InputError
        If there are fewer than `FEWEST_VALID`.
    """
    if (rows := len(prepared.split.valid)) < FEWEST_VALID:
        raise InputError(
            f"{table.path}: {rows} validation rows, expected at least {FEWEST_VALID} to weigh models and to calibrate "
            f"intervals; give more with --valid, or train one network with leanseq train"
        )


def claim(folder: Path, rows: Table) -> None:
    """Make sure that a folder is new, or a fit of these rows: no other model is lost.

    Parameters
    ----------
    folder
        Where a fit is to be written.
    rows
        As `with_split` made them.

    Raises
    ------
    InputError
        If it holds something else.
    """
    if folder.is_file():
        raise InputError(f"{folder}: is a file, expected a folder for the fit; choose another --output")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / TABLE).exists():
        raise InputError(f"{folder}: holds something else than a fit; choose another --output")
    if fingerprint(read_table(folder / TABLE)) != fingerprint(rows):
        raise InputError(
            f"{folder}: holds a fit of other rows, or of another split of these; choose another --output, or remove it"
        )


def begin(table: Table, data: DataSettings, budget: str, seed: int, *, legnet: str | None) -> dict[str, Any]:
    """What is known before anything is trained."""
    plain, words = DataSettings(), ["leanseq", "fit", table.path, "--budget", budget]
    words += ["--seed", str(seed)] if seed else []
    words += ["--legnet", legnet] if legnet else []
    for name, default in vars(plain).items():
        if (value := getattr(data, name)) != default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return {
        "leanseq": __version__,
        "command": shlex.join(words),
        "table": Path(table.path).name,
        "fingerprint": fingerprint(table),
        "budget": budget,
        "seed": seed,
        "started": now(),
    }


def finish(record: dict[str, Any], plan: Plan, trained: Iterable[Trained], steadied: Steadied | None) -> dict[str, Any]:
    """The record with what was trained, and on what."""
    settings = plan.units[0].settings
    return {
        **record,
        "finished": now(),
        "members": len(plan.units),
        "epochs": [unit.settings.recipe.epochs for unit in plan.units],
        "runs": [unit.key for unit in plan.units],
        "network": {"model": settings.network.model, "size": settings.network.size},
        "recipe": settings.recipe.to_dict(),
        "values": "steadied" if steadied else "as measured",
        "training_seconds": round(sum(each.seconds for each in trained) + (steadied.seconds if steadied else 0.0), 1),
        "hardware": hardware(Processor(threads=1).prepare()),
    }


def counted(epochs: Iterable[int]) -> str:
    """How many networks are trained how long, in words.

    Examples
    --------
    >>> counted([14, 7, 7])
    '1 of 14 epochs, 2 of 7 epochs'
    """
    return ", ".join(f"{count} of {each} epochs" for each, count in Counter(epochs).items())
