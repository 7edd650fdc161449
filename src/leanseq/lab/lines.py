"""The baselines of a fit, trained once and kept in its folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ..baselines import BASELINES, CONSTANT, TREES, Baseline
from ..baselines.storage import file_name, from_bytes, to_bytes
from ..data.motifs import Motif, motifs_of
from ..data.summary import fingerprint
from ..data.table import Table
from ..errors import InputError
from ..evaluation.metrics import pearson
from ..files import write_bytes, write_json
from ..runs.prepare import Prepared
from ..runs.scores import fit_baseline
from ..study.plan import RESULTS
from .fitting import Trained

FOLDER, RECORD = "baselines", "trained.json"


def train_baselines(table: Table, prepared: Prepared, folder: Path, say: Callable[[str], None]) -> dict[str, Trained]:
    """Train every baseline, or read those that an earlier fit of the same rows left.

    Parameters
    ----------
    table, prepared
        The rows with their split, as `with_split` made them, and prepared.
    folder
        Of the fit.
    say
        Called with a line about each.
    """
    place = folder / FOLDER
    construct = prepared.construct.to_dict()
    motifs = motifs_of(construct.pop("organism"))  # decides the trees alone, and they tell their motifs
    identity = {"results": RESULTS, "table": fingerprint(table), "construct": construct}
    known = _known(place, identity)
    if TREES in known and _names(known[TREES].model.motifs) != _names(motifs):
        del known[TREES]
    valid, out = prepared.examples.take(prepared.split.valid), {}
    for name in BASELINES:
        if name not in known:
            began = time.perf_counter()
            model = fit_baseline(name, prepared)
            known[name] = Trained(model, time.perf_counter() - began)
            write_bytes(place / file_name(name), to_bytes(model))
            seconds = {each: trained.seconds for each, trained in known.items()}
            write_json(place / RECORD, {"identity": identity, "seconds": seconds})
        out[name] = known[name]
        if name != CONSTANT:
            r = pearson(valid.expression, known[name].model.predict(valid.codes))
            say(f"{name:<22}validation r {r:.3f}, trained in {known[name].seconds:.0f} s")
    return out


def _known(place: Path, identity: dict[str, Any]) -> dict[str, Trained]:
    """Baselines of the same rows; one that cannot be read is trained again."""
    try:
        record = json.loads((place / RECORD).read_text(encoding="utf-8"))
        seconds = {str(name): float(value) for name, value in record["seconds"].items()}
        if record["identity"] != identity:
            return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    read = {name: _read(name, place) for name in seconds if name in BASELINES}
    return {name: Trained(model, seconds[name]) for name, model in read.items() if model is not None}


def _names(motifs: Sequence[Motif]) -> list[str]:
    return [motif.identifier for motif in motifs]


def _read(name: str, place: Path) -> Baseline | None:
    try:
        return from_bytes(name, (place / file_name(name)).read_bytes())
    except (OSError, ValueError, TypeError, SafetensorError, InputError):
        return None
