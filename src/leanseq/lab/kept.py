"""Numbers that a folder keeps with what they are of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import write_json


def keep_number(path: Path, identity: dict[str, Any], number: float) -> None:
    """Write a number and what it is of."""
    write_json(path, {"identity": identity, "number": number})


def kept_number(path: Path, identity: dict[str, Any]) -> float | None:
    """The number of a file, or None if there is no such file, it is damaged, or of something else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return float(record["number"]) if record["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
