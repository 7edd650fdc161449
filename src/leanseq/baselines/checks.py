"""What every baseline asks of its rows."""

from __future__ import annotations

from ..errors import InputError

MIN_ROWS = 10
"""Fewest training rows and fewest validation rows."""


def enough(baseline: str, **rows: int) -> None:
    """Refuse too few rows.

    Parameters
    ----------
    baseline
        Its name, for the message.
    rows
        Number of rows by what they are for, such as `training=400`.

    Raises
    ------
    InputError
        If a number is below `MIN_ROWS`.
    """
    for part, count in rows.items():
        if count < MIN_ROWS:
            raise InputError(f"{baseline}: {count} {part} rows, expected {MIN_ROWS} or more")
