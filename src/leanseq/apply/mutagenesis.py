"""Saturation mutagenesis: the prediction for every single mutant of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from ..data.table import from_columns
from ..errors import InputError
from ..models.mutants import mutant_outputs, saves
from ..training.evaluate import BATCH
from ..training.inputs import network_input
from .bundle import Model

_LETTERS = 4


@torch.no_grad()
def saturation_mutagenesis(
    model: Model, sequences: Sequence[str], *, watch: Callable[[int, int], None] = lambda done, total: None
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
        out[i] = _map(model, sequence, float(own[i]))
        watch(i + 1, len(table))
    return out


def _map(model: Model, sequence: str, own: float) -> Float[np.ndarray, "length 4"]:
    window = torch.from_numpy(model.construct.windows(pl.Series([sequence]))[0])
    first = model.construct.start_of(len(sequence))
    places = torch.arange(first, first + len(sequence)).repeat_interleave(_LETTERS)
    letters = torch.arange(_LETTERS, dtype=torch.uint8).repeat(len(sequence))
    other = window[places] != letters
    places, letters = places[other], letters[other]
    mutants = window.repeat(len(places), 1)
    mutants[torch.arange(len(places)), places] = letters
    device = next(model.network.parameters()).device
    strands = [_predict(model, *(x.to(device) for x in (window, mutants, places)), flipped=False)]
    if model.both_strands:
        strands.append(_predict(model, *(x.to(device) for x in (window, mutants, places)), flipped=True))
    found = np.full(other.shape, own)
    found[other.numpy()] = model.objective.expression(torch.stack(strands).mean(0)).double().cpu().numpy()
    return found.reshape(len(sequence), _LETTERS)


def _predict(model: Model, window: Tensor, mutants: Tensor, places: Tensor, *, flipped: bool) -> Tensor:
    """Activated outputs of mutants on one strand."""

    def channels(codes: Tensor) -> Tensor:
        return network_input(codes, model.channels, torch.full((len(codes),), flipped, device=codes.device))

    own = channels(window[None])[0]
    at = window.shape[0] - 1 - places if flipped else places
    parts = []
    for start in range(0, len(mutants), BATCH):
        some = slice(start, start + BATCH)
        shown = channels(mutants[some])
        network = model.network
        output = mutant_outputs(network, own, shown, at[some]) if saves(network) else network(shown)
        parts.append(model.objective.activate(output))
    return torch.cat(parts)
