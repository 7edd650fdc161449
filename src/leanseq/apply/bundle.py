"""A trained model in a folder: `model.safetensors`, `config.json`, `README.md`; no code, no pickle."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors

from .. import __version__
from ..data import construct as constructs
from ..data.construct import Construct
from ..data.table import Table, from_columns
from ..errors import InputError
from ..files import write_bytes, write_json, write_text
from ..models import create
from ..models.network import Network
from ..training import cpu
from ..training.cpu import choose_device
from ..training.evaluate import activated_outputs
from ..training.inputs import Channels
from ..training.objectives import Objective

FORMAT = 1
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


@dataclass(frozen=True)
class Model:
    """A trained network with everything that its prediction depends on.

    Attributes
    ----------
    network
        In evaluation mode.
    construct
        Window and adapters that sequences must fit.
    objective
        From outputs to expression in the unit of the training table.
    channels
        Constant input channels.
    both_strands
        Whether a prediction is the mean over both strands.
    """

    network: Network
    construct: Construct
    objective: Objective
    channels: Channels
    both_strands: bool = True

    def predict(self, sequences: Sequence[str] | Table, *, misfits: str = "refuse") -> Float[np.ndarray, " n"]:
        """Predict expression.

        Parameters
        ----------
        sequences
            Rows as in the training table, adapters included; strings or a table.
        misfits
            What happens if a sequence lacks the adapters or is longer than the window: `refuse` all, or `skip` it
            (its prediction is NaN).

        Returns
        -------
        Float[np.ndarray, " n"]
            In the unit of the training table.

        Raises
        ------
        InputError
            If a sequence is not DNA or, unless skipped, does not fit the construct.
        """
        if misfits not in ("refuse", "skip"):
            raise InputError(f"--misfits is {misfits!r}, expected refuse or skip")
        if not isinstance(sequences, Table):
            if isinstance(sequences, str):
                raise InputError("predict: one string given, expected a list of sequences; write [sequence]")
            if not len(sequences):
                return np.zeros(0)
            sequences = from_columns({"sequence": list(sequences)}, "sequences")
        fits = self.fits(sequences, misfits=misfits)
        out = np.full(len(sequences), np.nan)
        chosen = sequences.sequences.filter(pl.Series(fits))
        activated = activated_outputs(
            self.network,
            self.objective,
            self.channels,
            self.construct.windows(chosen),
            both_strands=self.both_strands,
        )
        out[fits] = self.objective.expression(activated).double().numpy()
        return out

    def fits(self, table: Table, *, misfits: str = "refuse") -> Bool[np.ndarray, " n"]:
        """Which rows fit the construct.

        Raises
        ------
        InputError
            If one does not and `misfits` is `refuse`.
        """
        fits = self.construct.fits(table.sequences)
        if misfits == "refuse" and not fits.all():
            raise InputError(self._misfit(table, int(np.argmin(fits)), int((~fits).sum())))
        return fits

    def _misfit(self, table: Table, row: int, count: int) -> str:
        sequence, construct = table.sequences[row], self.construct
        if len(sequence) > construct.length:
            reason = f"is {len(sequence)} bp long, expected at most the model's window of {construct.length} bp"
        elif len(sequence) < construct.adapter_length:
            reason = f"is {len(sequence)} bp long, expected both adapters of {construct.name}: over "
            reason += f"{construct.adapter_length} bp"
        else:
            side = "left" if not sequence.startswith(construct.left_adapter) else "right"
            adapter = construct.left_adapter if side == "left" else construct.right_adapter
            verb = "start" if side == "left" else "end"
            reason = f"does not {verb} with the {side} adapter {adapter} of {construct.name}"
        others = f" (and {count - 1:,} more rows)" if count > 1 else ""
        return (
            f"{table.where(row)}: column 'sequence' {reason}{others}; give sequences as in the training table, or "
            "leave such rows without a prediction with --misfits skip"
        )


def save(model: Model, folder: Path, card: str) -> None:
    """Write a model's files into a folder; `card` is the text of its README."""
    weights = dump_tensors({name: value.detach().cpu().contiguous() for name, value in _state(model.network).items()})
    write_bytes(folder / WEIGHTS, weights)
    write_json(
        folder / CONFIG,
        {
            "format": FORMAT,
            "leanseq": __version__,
            "network": model.network.config,
            "construct": model.construct.to_dict(),
            "objective": model.objective.to_dict(),
            "channels": asdict(model.channels),
            "both_strands": model.both_strands,
            "sha256": hashlib.sha256(weights).hexdigest(),
        },
    )
    write_text(folder / CARD, card)


def load(folder: str | Path, *, device: str = "cpu", keep_memory: bool = True) -> Model:
    """Load a trained model from a run folder or any folder with its files.

    Parameters
    ----------
    folder
        Holds `model.safetensors` and `config.json`.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    keep_memory
        Keep freed memory in the process, which makes predictions faster (see `Processor`).

    Returns
    -------
    Model

    Raises
    ------
    InputError
        If a file is missing, damaged, changed since it was saved, or does not fit the other.
    """
    folder, device = Path(folder), choose_device(device)
    if keep_memory:
        cpu.keep_memory()
    config = _config(folder)
    try:
        model = _model(config)
    except KeyError as error:
        raise InputError(f"{folder / CONFIG}: the key {error} is missing; copy the model folder again") from error
    except (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise InputError(f"{folder / CONFIG}: not a leanseq model: {error}; copy the model folder again") from error
    _read_weights(folder / WEIGHTS, model.network, config["sha256"])
    model.network.eval().to(device)
    return model


def _model(config: dict[str, Any]) -> Model:
    """An untrained model as a configuration describes it; raises what `load` turns into one line."""
    construct = constructs.from_dict(config["construct"], "config")
    objective, channels = Objective.from_dict(config["objective"]), Channels(**config["channels"])
    both_strands, _ = config["both_strands"], config["sha256"]
    for name, value in {"both_strands": both_strands, **asdict(channels)}.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}, expected true or false")
    if not math.isfinite(objective.mean) or not math.isfinite(objective.sd):
        raise ValueError("mean and sd of the objective must be finite")
    needed = {"channels": channels.count, "length": construct.length, "outputs": objective.outputs}
    for name, value in needed.items():
        if (found := config["network"][name]) != value:
            raise ValueError(f"network has {name} {found!r}, but construct, channels and objective need {value}")
    return Model(create(**config["network"]), construct, objective, channels, both_strands)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a run or model folder with {CONFIG} and {WEIGHTS}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "; its training is not finished" if (folder / "run.json").exists() else ""
        raise InputError(f"{folder}: no {CONFIG} in this folder{hint}; expected a trained model") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); copy the model folder again") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else None
        raise InputError(f"{path}: format {found!r}, expected {FORMAT}; use the leanseq version that wrote it")
    return config


def _read_weights(path: Path, network: Network, digest: object) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the weights: {error.strerror}; copy the model folder again") from error
    try:
        tensors = parse_tensors(data)
    except (SafetensorError, ValueError) as error:
        raise InputError(
            f"{path}: not a safetensors file ({error}), and no other format is loaded; copy the model folder again"
        ) from error
    expected = {name: tuple(value.shape) for name, value in _state(network).items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if wrong := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        raise InputError(
            f"{path}: the weights are not those of the network in {CONFIG} (first difference: {wrong[0]}); copy the "
            "model folder again"
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputError(f"{path}: changed since it was saved (SHA-256 differs); copy the model folder again")
    network.load_state_dict(tensors)


def _state(network: Network) -> dict[str, Any]:
    return network.state_dict()
