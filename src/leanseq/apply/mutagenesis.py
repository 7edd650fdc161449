"""Saturation mutagenesis: the prediction for every single mutant of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from ..data.construct import Construct
from ..data.table import from_columns
from ..errors import InputError
from ..models.mutants import mutant_outputs, saves
from ..training.evaluate import BATCH
from ..training.inputs import network_input
from .bundle import Model
from .ensemble import Ensemble

_LETTERS = 4


@torch.no_grad()
def saturation_mutagenesis(
    model: Model | Ensemble, sequences: Sequence[str], *, watch: Callable[[int, int], None] = lambda done, total: None
) -> Float[np.ndarray, "n length 4"]:
    """Predict every single mutant of every sequence, exactly.

    Parameters
    ----------
    model
        A trained model.
    sequences
        n sequences as in the training table, adapters included, all of one length. Adapters are mutated too.
    watch
        Called after each sequence with how many are done and how many there are.

    Returns
    -------
    Float[np.ndarray, "n length 4"]
        Predictions in the unit of the training table for A, C, G, T at every position; the base that stands there has
        the prediction of the sequence itself.

    Raises
    ------
    InputError
        If a sequence is not DNA, does not fit the model's construct, or has another length than the first.
    """
    if not len(sequences):
        return np.zeros((0, 0, _LETTERS))
    table = from_columns({"sequence": list(sequences)}, "sequences")
    length = len(table.sequences[0])
    odd = table.sequences.str.len_bytes() != length
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise InputError(f"{table.where(row)}: {len(table.sequences[row])} bp, expected {length} as the first sequence")
    own = model.predict(table)
    out = np.empty((len(table), length, _LETTERS))
    for i, sequence in enumerate(table.sequences):
        mutants, other = _mutants(model.construct, sequence)
        found = np.full(other.shape, own[i])
        found[other] = _expression(model, mutants)
        out[i] = found.reshape(length, _LETTERS)
        watch(i + 1, len(table))
    return out


class _Mutants(NamedTuple):
    """Windows of single mutants, the window of their sequence, and where they differ from it."""

    window: UInt8[Tensor, " window"]
    codes: UInt8[Tensor, "n window"]
    places: Int64[Tensor, " n"]

    def to(self, device: torch.device) -> _Mutants:
        return _Mutants(*(each.to(device) for each in self))


def _mutants(construct: Construct, sequence: str) -> tuple[_Mutants, Bool[np.ndarray, " letters"]]:
    """All mutants by position and letter, and which letters, A, C, G, T at every position, are mutants."""
    window = torch.from_numpy(construct.windows(pl.Series([sequence]))[0])
    first = construct.start_of(len(sequence))
    places = torch.arange(first, first + len(sequence)).repeat_interleave(_LETTERS)
    letters = torch.arange(_LETTERS, dtype=torch.uint8).repeat(len(sequence))
    other = window[places] != letters
    places, letters = places[other], letters[other]
    codes = window.repeat(len(places), 1)
    codes[torch.arange(len(places)), places] = letters
    return _Mutants(window, codes, places), other.numpy()


def _expression(model: Model | Ensemble, mutants: _Mutants) -> Float[np.ndarray, " n"]:
    if isinstance(model, Ensemble):
        codes = mutants.codes.numpy()
        networks = [_expression(network, mutants) for network in model.networks]
        return model.combine(np.stack([*networks, *(each.predict(codes) for each in model.baselines.values())]))
    mutants = mutants.to(next(model.network.parameters()).device)
    strands = [_activated(model, mutants, flipped=flipped) for flipped in (False, True)[: 1 + model.both_strands]]
    return model.objective.expression(torch.stack(strands).mean(0)).double().cpu().numpy()


def _activated(model: Model, mutants: _Mutants, *, flipped: bool) -> Float[Tensor, "n outputs"]:
    """Activated outputs of mutants on one strand."""

    def channels(codes: Tensor) -> Tensor:
        return network_input(codes, model.channels, torch.full((len(codes),), flipped, device=codes.device))

    own = channels(mutants.window[None])[0]
    at = len(mutants.window) - 1 - mutants.places if flipped else mutants.places
    parts = []
    for start in range(0, len(at), BATCH):
        some = slice(start, start + BATCH)
        shown = channels(mutants.codes[some])
        network = model.network
        output = mutant_outputs(network, own, shown, at[some]) if saves(network) else network(shown)
        parts.append(model.objective.activate(output))
    return torch.cat(parts)
