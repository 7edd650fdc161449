"""`leanseq report`."""

from __future__ import annotations

from pathlib import Path


def report(run: Path) -> None:
    """Write a finished run's `report.html` anew and print its table of results.

    Parameters
    ----------
    run
        Folder of a finished run.
    """
    import json

    from ..report.page import write_report
    from ..report.tables import results_table

    path = write_report(run)
    print(results_table(json.loads((run / "metrics.json").read_text(encoding="utf-8"))))
    print(f"\nreport: {path}")
