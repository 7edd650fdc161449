"""Make a network from its spec; this is where torch is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any
from zlib import crc32

import torch
from torch import nn

from ..errors import InputError
from . import ARCHITECTURES, MODIFICATIONS, SIZES, describe, resolve
from .legnet import LegNet
from .options import unknown


def create(
    spec: str,
    *,
    channels: int,
    length: int,
    outputs: int,
    size: str = "full",
    options: Mapping[str, object] | None = None,
    seed: int = 0,
) -> LegNet:
    """Make a network.

    The weights of a layer depend on the seed, its name in the network and its shape, on nothing else: two
    specs with the same seed share every layer that they have in common. Torch's global generators stay as
    they were.

    Parameters
    ----------
    spec
        Architecture and modifications, such as `legnet-optimized+lstm`.
    channels
        Channels of the input: A, C, G, T, then extra ones.
    length
        Length of the input, bp.
    outputs
        18 for logits of the soft bins, 1 for a value.
    size
        `full` (as published), `small` or `tiny`.
    options
        Values by key, as `describe` lists them.
    seed
        Seed of the weights.

    Returns
    -------
    LegNet
        On the CPU, in training mode. `create(**network.config)` makes its like.

    Raises
    ------
    InputError
        If a name is unknown or a value does not fit.

    Examples
    --------
    >>> network = create("legnet-optimized", channels=4, length=150, outputs=18)
    >>> sum(weight.numel() for weight in network.parameters())
    2126018
    """
    for name, value, least in (("channels", channels, 4), ("length", length, 1), ("outputs", outputs, 1)):
        if value < least:
            raise InputError(f"{name} is {value}, expected {least} or more")
    if size not in SIZES:
        raise unknown("size", size, list(SIZES))
    chosen = resolve(spec, options)
    architecture, *modifications = chosen
    # The generator below is the CPU's alone, so layers are made there whatever the default device is.
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        network: LegNet = _load(ARCHITECTURES[architecture])(channels, length, outputs, size, chosen[architecture])
        for name in modifications:
            _load(MODIFICATIONS[name])(network, chosen[name])
        _draw_weights(network, seed)
    network.config = {
        "spec": "+".join(chosen),
        "size": size,
        "channels": channels,
        "length": length,
        "outputs": outputs,
        "options": {option.key: _plain(option.key, chosen) for option in describe(spec)},
    }
    return network


def _draw_weights(network: nn.Module, seed: int) -> None:
    """Draw the weights of every layer from a seed of its own, made of the seed and the layer's name."""
    for name, module in network.named_modules():
        reset = getattr(module, "reset_parameters", None)
        if reset is not None:
            torch.default_generator.manual_seed(crc32(f"{seed} {name}".encode()))
            reset()


def _plain(key: str, chosen: Mapping[str, Any]) -> object:
    """The value of an option as JSON can hold it."""
    owner, _, name = key.rpartition(".")
    value = getattr(chosen[owner or next(iter(chosen))], name)
    return list(value) if isinstance(value, tuple) else value


def _load(path: str) -> Any:
    """Import `module.name`."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
