"""Would `leanseq plan` have been right? Fit its curve without the largest sizes, and look where those came out.

    python benchmarks/hold_back.py runs/plan/yeast_native80 [more folders] [--store runs/store]

The folders are those of finished `leanseq plan` commands without options of the data. Nothing is trained.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from leanseq.data.table import read_table
from leanseq.lab.enough import FACTORS, judge
from leanseq.lab.recipe import narrow
from leanseq.lab.subsets import TABLE, curve_plan
from leanseq.runs.settings import DataSettings
from leanseq.study.plan import Plan


def without(plan: Plan, sizes: int) -> Plan:
    """The plan without its largest sizes."""
    kept = len(plan.cases) - sizes
    return replace(plan, cases=plan.cases[:kept], units=tuple(unit for unit in plan.units if unit.case < kept))


def lines(folder: Path, store: Path, draws: int) -> list[str]:
    """Predicted and measured r of every kind of model at twice and four times the size that the curve knows."""
    table = read_table(folder / TABLE)
    share = float(json.loads((folder / "plan.json").read_text(encoding="utf-8"))["share_of_epochs"])
    plan = curve_plan(table, narrow(table, DataSettings()), draws, share)
    whole = judge(plan, store)
    out = []
    for sizes, factor in enumerate(FACTORS, start=1):
        if len(whole.rows) - sizes < 3:  # too few to fit a curve to
            continue
        known = judge(without(plan, sizes), store)
        for name, side in known.sides.items():
            said, came = side.curve.at(whole.rows[-1]), whole.sides[name].r[-1]
            held = "yes" if said.low <= came.mean() <= said.high else "no"
            cells = (
                folder.name,
                f"{known.rows[-1]:,}",
                f"{whole.rows[-1]:,} ({factor:g} times)",
                name,
                f"{said.value:.3f} ({said.low:.3f} to {said.high:.3f})",
                f"{came.mean():.3f} ({came.min():.3f} to {came.max():.3f})",
                held,
            )
            out.append(f"| {' | '.join(cells)} |")
    return out


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--store", type=Path, default=Path("runs/store"))
    parser.add_argument("--draws", type=int, default=3)
    asked = parser.parse_args()
    print("| table | fitted on up to | predicted at | model | predicted r | measured r (draws) | in the interval |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for folder in asked.folders:
        print("\n".join(lines(folder, asked.store, asked.draws)), flush=True)


if __name__ == "__main__":
    main()
