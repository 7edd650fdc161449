"""A fitted baseline as the content of a file: text for the trees, named tensors for the others; no pickle."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from ..errors import InputError
from . import BASELINES, Baseline, BoostedTrees, column


def file_name(name: str) -> str:
    """Name of the file of a baseline.

    Raises
    ------
    InputError
        If the name is not one of `BASELINES`.

    Examples
    --------
    >>> file_name("boosted trees"), file_name("k-mer ridge")
    ('boosted_trees.json', 'kmer_ridge.safetensors')
    """
    if name not in BASELINES:
        raise InputError(f"unknown baseline {name!r}, expected one of {', '.join(BASELINES)}")
    return column(name) + (".json" if BASELINES[name] is BoostedTrees else ".safetensors")


def to_bytes(baseline: Baseline) -> bytes:
    """Everything that `predict` needs."""
    if isinstance(baseline, BoostedTrees):
        return baseline.to_text().encode()
    return save({field.name: np.asarray(getattr(baseline, field.name)) for field in fields(baseline)})


def from_bytes(name: str, data: bytes) -> Baseline:
    """Read what `to_bytes` wrote; predictions are the same to the last bit.

    Other content raises a ValueError, a TypeError or, from its parser, a SafetensorError.
    """
    kind = BASELINES[name]
    if kind is BoostedTrees:
        return BoostedTrees.from_text(data.decode())
    values: dict[str, Any] = {key: value if value.ndim else value.item() for key, value in load(data).items()}
    return kind(**values)
