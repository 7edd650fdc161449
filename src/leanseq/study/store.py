"""The store: one folder a run, named by the key of its content, shared by all studies.

A finished run's folder also holds `sound.json`, written last, with a digest of every file that results are read from:
a folder that was cut short, changed or copied badly is told from a sound one. `failure.json` says why a run failed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from ..errors import InputError
from ..files import write_json
from ..runs.folder import BUNDLE, DATA, HISTORY, METRICS, PREDICTIONS, RUN, now
from ..training.checkpoints import NAME as CHECKPOINT

SOUND, FAILURE = "sound.json", "failure.json"
FILES = (RUN, DATA, HISTORY, METRICS, PREDICTIONS, *BUNDLE)


class Busy(Exception):
    """Another process is at this run."""


class State(NamedTuple):
    """Where a run stands: `waiting`, `interrupted`, `running`, `finished`, `failed` or `damaged`, and why."""

    name: str
    reason: str = ""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run against every other process; the lock goes with the process, however that ends.

    Raises
    ------
    Busy
        If another process holds it.
    InputError
        If the store cannot be written to.
    """
    lock = FileLock(_lock_path(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Busy from error
    except OSError as error:
        raise InputError(f"{folder.parent}: cannot write to the store: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def seal(folder: Path) -> None:
    """Write down that a run is finished, with the digests of its files."""
    (folder / FAILURE).unlink(missing_ok=True)
    write_json(folder / SOUND, {name: _digest(folder / name) for name in FILES})


def state(folder: Path) -> State:
    """Look at a run's folder; reads every file of a finished run once."""
    if (folder / SOUND).exists():
        wrong = _damage(folder)
        return State("damaged", wrong) if wrong else State("finished")
    if (folder / FAILURE).exists():
        return State("failed", _reason(folder))
    if _is_locked(folder):
        return State("running")
    return State("interrupted") if (folder / RUN).exists() else State("waiting")


def check(folder: Path) -> None:
    """Refuse a run that is not finished and sound.

    Raises
    ------
    InputError
        Names the file and what is wrong with it.
    """
    found = state(folder)
    if found.name == "damaged":
        raise InputError(f"{found.reason}; run the study again: it keeps the damaged folder aside and redoes the run")
    if found.name != "finished":
        reason = f": {found.reason}" if found.reason else ""
        raise InputError(f"{folder}: the run is {found.name}{reason}, expected finished; run the study first")


def fail(folder: Path, reason: str, attempts: int) -> None:
    """Record why a run failed."""
    write_json(folder / FAILURE, {"reason": reason, "attempts": attempts, "when": now()})


def make_ready(folder: Path) -> bool:
    """Prepare a run's folder for work and say whether there is something to resume.

    A damaged run is kept aside under another name; what was never started properly is cleared.
    """
    if state(folder).name == "damaged":
        set_aside(folder)
        return False
    (folder / FAILURE).unlink(missing_ok=True)
    if not (folder / RUN).exists():
        shutil.rmtree(folder, ignore_errors=True)
        return False
    try:
        recorded_settings(folder)
    except InputError:
        raise
    except (ValueError, TypeError, KeyError):
        set_aside(folder)
        return False
    return True


def set_aside(folder: Path) -> None:
    """Keep a damaged folder under another name."""
    names = (folder.with_name(f"{folder.name}.damaged-{i}") for i in range(1, 10**6))
    folder.rename(next(path for path in names if not path.exists()))


def steps_done(folder: Path) -> int:
    """Steps that the last checkpoint of a run has made; 0 where there is none."""
    try:
        return int(json.loads((folder / CHECKPOINT).read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def recorded_settings(folder: Path) -> dict[str, Any]:
    """`Settings.to_dict()` that an interrupted run was started with: it goes on with them, to the same bits.

    The name of the folder says that they mean the same as the settings of the task, even where they are written
    otherwise.

    Raises
    ------
    InputError
        If the file cannot be read now; nothing is wrong with it for all we know.
    ValueError, TypeError, KeyError
        If its content is damaged.
    """
    path = folder / RUN
    try:
        settings = json.loads(path.read_bytes())["identity"]["settings"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); try again") from error
    settings["machine"]["threads"]
    return settings


def _damage(folder: Path) -> str:
    """What is wrong with a sealed run; empty if nothing is."""
    path = folder / SOUND
    try:
        digests = json.loads(path.read_text(encoding="utf-8"))
        if set(digests) != set(FILES):
            return f"{path}: names other files than a run has"
    except (OSError, ValueError, TypeError) as error:
        return f"{path}: damaged ({error})"
    for name, digest in digests.items():
        file = folder / name
        try:
            if _digest(file) != digest:
                return f"{file}: changed or cut short since the run finished"
        except FileNotFoundError:
            return f"{file}: is missing"
        except OSError as error:
            return f"{file}: cannot be read ({error.strerror})"
    return ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _reason(folder: Path) -> str:
    try:
        return str(json.loads((folder / FAILURE).read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, TypeError, KeyError):
        return "unknown"


def _is_locked(folder: Path) -> bool:
    if not _lock_path(folder).exists():
        return False
    try:
        with locked(folder):
            return False
    except Busy:
        return True
