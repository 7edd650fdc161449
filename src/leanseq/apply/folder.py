"""The files of a model folder, read with one line that names the file where one is missing, damaged or changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ..errors import InputError

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
NETWORK, ENSEMBLE = "network", "ensemble"
FORMATS = {NETWORK: 1, ENSEMBLE: 1}
"""Kind of model -> number of the format that is read and written."""
AGAIN = "copy the model folder again"

_WRONG = (
    *(TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError, MemoryError),
    SafetensorError,
)


def read_config(folder: Path, kind: str | None = None) -> dict[str, Any]:
    """Read what describes the model in a folder.

    Parameters
    ----------
    folder
        Holds `config.json`, whose key `kind` says what the model is; without it, a network.
    kind
        The only kind that will do; by default all of them.

    Raises
    ------
    InputError
        If folder or file is missing, cannot be read, or is of another kind or format.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a run or model folder with {CONFIG} and {WEIGHTS}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "; its training is not finished" if (folder / "run.json").exists() else ""
        raise InputError(f"{folder}: no {CONFIG} in this folder{hint}; expected a trained model") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); {AGAIN}") from error
    values = config if isinstance(config, dict) else {}
    found, expected = values.get("kind", NETWORK), [kind] if kind else list(FORMATS)
    if found not in expected:
        raise InputError(
            f"{path}: kind {found!r}, expected {' or '.join(expected)}; open it with leanseq.load of the version that "
            "wrote it"
        )
    if (number := values.get("format")) != FORMATS[found]:
        raise InputError(f"{path}: format {number!r}, expected {FORMATS[found]}; use the leanseq version that wrote it")
    return values


@contextmanager
def model_of(path: Path) -> Iterator[None]:
    """Make a model from what a file says; turn whatever is wrong with it into one line."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"{path}: the key {error} is missing; {AGAIN}") from error
    except _WRONG as error:
        raise InputError(f"{path}: not a leanseq model: {error}; {AGAIN}") from error


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises
    ------
    InputError
        If that is refused.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror}; {AGAIN}") from error


def sha256(data: bytes) -> str:
    """Name a file's content."""
    return hashlib.sha256(data).hexdigest()


def check_unchanged(path: Path, data: bytes, digest: object) -> None:
    """Refuse content whose SHA-256 is not the one that was saved."""
    if sha256(data) != digest:
        raise InputError(f"{path}: changed since it was saved (SHA-256 differs); {AGAIN}")
