"""The README of a model folder."""

from __future__ import annotations

from typing import Any

from ..baselines import BASELINES, CONSTANT
from .settings import Settings


def card(settings: Settings, record: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Say in Markdown what a model is, how it was trained, how good it is and how to use it."""
    data, network = record["data"], record["network"]
    known = {result["model"] for result in metrics["results"]}
    baselines = [name for name in BASELINES if name in known and name != CONSTANT]
    lines = [
        f"# {network['spec']} trained on {data['table']}",
        "",
        "A leanseq model: it predicts expression from short regulatory DNA.",
        "Files: `model.safetensors` (weights), `config.json` (network, construct, label scale). No code, no pickle.",
        "",
        f"| split | rows | r (95 % interval) | rho |{''.join(f' {name} r |' for name in baselines)}",
        f"| --- | --- | --- | --- |{' --- |' * len(baselines)}",
    ]
    by_model = {(result["model"], result["split"]): result for result in metrics["results"]}
    for split in ("valid", "test"):
        if (own := by_model.get((network["spec"], split))) is None:
            continue
        interval = f"{own['r']['value']:.3f} ({own['r']['low']:.3f} to {own['r']['high']:.3f})" if own["r"] else "-"
        others = (by_model[name, split]["r"] for name in baselines)
        cells = [split, f"{own['n']:,}", interval, *(_value(part) for part in (own["rho"], *others))]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        metrics["selection"],
        metrics["ceiling"]["words"],
        "",
        f"Trained {record['started']} with leanseq {record['leanseq']}, seed {settings.machine.seed}, "
        f"{record['epochs']} epochs, data fingerprint `{data['fingerprint'][:16]}`.",
        "",
        "```sh",
        "leanseq predict THIS_FOLDER sequences.tsv",
        "```",
        "",
    ]
    return "\n".join(lines)


def _value(interval: dict[str, float] | None) -> str:
    return f"{interval['value']:.3f}" if interval else "-"
