"""A checkpoint: everything a run needs to go on, as safetensors and JSON.

One pair of files, written together: the tensors first, then the JSON that names their digest. A kill between the
two leaves the former pair usable, because tensors carry the step in their name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from ..errors import InputError
from ..files import write_bytes, write_json

NAME = "checkpoint.json"


class DamagedCheckpoint(InputError):
    """A checkpoint cannot be used."""


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
    """Write a checkpoint and drop the one before it."""
    name = f"checkpoint-{progress['step']}.safetensors"
    # as bytes: a disk that is full is then the system's error, not one of safetensors' own
    write_bytes(folder / name, serialize({key: value.detach().cpu().contiguous() for key, value in tensors.items()}))
    write_json(folder / NAME, {**progress, "tensors": name})
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read the checkpoint of a run folder; None where there is none yet.

    Raises
    ------
    InputError
        If its files are damaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        progress = json.loads(path.read_text(encoding="utf-8"))
        return load_file(folder / progress["tensors"]), progress
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> DamagedCheckpoint:
    """What to say of a checkpoint that cannot be used."""
    reason = str(error).partition("\n")[0]
    return DamagedCheckpoint(f"{folder / NAME}: the checkpoint is damaged ({reason}); start again with --overwrite")


def remove_checkpoint(folder: Path) -> None:
    """Delete a finished run's checkpoint."""
    (folder / NAME).unlink(missing_ok=True)
    for path in folder.glob("checkpoint-*.safetensors"):
        path.unlink()


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as flat named tensors."""
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def with_prefix(prefix: str, module: nn.Module | dict[str, Tensor]) -> dict[str, Tensor]:
    """A module's state (or a dict of tensors) under a prefix."""
    tensors = module.state_dict() if isinstance(module, nn.Module) else module
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under a prefix, prefix removed."""
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
