"""Use a trained model."""

from __future__ import annotations

from pathlib import Path

from . import bundle
from .bundle import Model
from .ensemble import Ensemble, load_ensemble
from .folder import ENSEMBLE, read_config

__all__ = ["Ensemble", "Model", "load"]


def load(folder: str | Path, *, device: str = "cpu", keep_memory: bool = True) -> Model | Ensemble:
    """Load a trained model from a run folder or any folder with its files.

    Parameters
    ----------
    folder
        Holds `config.json` and the files that it names.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    keep_memory
        Keep freed memory in the process, which makes predictions faster (see `Processor`).

    Returns
    -------
    Model or Ensemble
        One network, or several networks and baselines.

    Raises
    ------
    InputError
        If a file is missing, damaged, changed since it was saved, or does not fit the others.
    """
    read = load_ensemble if read_config(Path(folder)).get("kind") == ENSEMBLE else bundle.load
    return read(folder, device=device, keep_memory=keep_memory)
