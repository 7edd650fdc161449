"""A trained model in a folder: `model.safetensors`, `config.json`, `README.md`; no code, no pickle."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors

from .. import __version__
from ..data import construct as constructs
from ..data.construct import Construct
from ..errors import InputError
from ..files import write_bytes, write_json, write_text
from ..models import create
from ..models.legnet import LegNet
from ..training import cpu
from ..training.cpu import choose_device
from ..training.evaluate import activated_outputs
from ..training.inputs import Channels
from ..training.objectives import Objective
from .folder import (
    AGAIN,
    CARD,
    CONFIG,
    FORMATS,
    NETWORK,
    WEIGHTS,
    check_unchanged,
    model_of,
    read_bytes,
    read_config,
    sha256,
)
from .predictor import Predictor


@dataclass(frozen=True)
class Model(Predictor):
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

    network: LegNet
    construct: Construct
    objective: Objective
    channels: Channels
    both_strands: bool = True

    def expression(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Predict windows of the construct, in the unit of the training table."""
        activated = activated_outputs(
            self.network, self.objective, self.channels, codes, both_strands=self.both_strands
        )
        return self.objective.expression(activated).double().numpy()


def save(model: Model, folder: Path, card: str) -> None:
    """Write a model's files into a folder; `card` is the text of its README."""
    weights = dump_tensors({name: value.detach().cpu().contiguous() for name, value in _state(model.network).items()})
    write_bytes(folder / WEIGHTS, weights)
    write_json(
        folder / CONFIG,
        {
            "format": FORMATS[NETWORK],
            "leanseq": __version__,
            "network": model.network.config,
            "construct": model.construct.to_dict(),
            "objective": model.objective.to_dict(),
            "channels": asdict(model.channels),
            "both_strands": model.both_strands,
            "sha256": sha256(weights),
        },
    )
    write_text(folder / CARD, card)


def load(folder: str | Path, *, device: str = "cpu", keep_memory: bool = True) -> Model:
    """Load a trained network from a run folder or any folder with its files.

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
    config = read_config(folder, NETWORK)
    with model_of(folder / CONFIG):
        model = _model(config)
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


def _read_weights(path: Path, network: LegNet, digest: object) -> None:
    data = read_bytes(path)
    try:
        tensors = parse_tensors(data)
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path}: not a safetensors file ({error}), and no other format is loaded; {AGAIN}") from error
    expected = {name: tuple(value.shape) for name, value in _state(network).items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if wrong := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        raise InputError(
            f"{path}: the weights are not those of the network in {CONFIG} (first difference: {wrong[0]}); {AGAIN}"
        )
    check_unchanged(path, data, digest)
    network.load_state_dict(tensors)


def _state(network: LegNet) -> dict[str, Any]:
    return network.state_dict()
