"""The README of a model folder."""

from __future__ import annotations

from typing import Any

from .settings import Settings


def card(settings: Settings, record: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Say in Markdown what a model is, how it was trained, how good it is and how to use it."""
    data, network = record["data"], record["network"]
    lines = [
        f"# {network['spec']} trained on {data['table']}",
        "",
        "A leanseq model: it predicts expression from short regulatory DNA.",
        "Files: `model.safetensors` (weights), `config.json` (network, construct, label scale). No code, no pickle.",
        "",
        "| split | rows | r (95 % interval) | rho | k-mer ridge r |",
        "| --- | --- | --- | --- | --- |",
    ]
    by_model = {(result["model"], result["split"]): result for result in metrics["results"]}
    for split in ("valid", "test"):
        if (own := by_model.get((network["spec"], split))) is None:
            continue
        ridge = by_model["k-mer ridge", split]
        interval = f"{own['r']['value']:.3f} ({own['r']['low']:.3f} to {own['r']['high']:.3f})" if own["r"] else "-"
        cells = [split, f"{own['n']:,}", interval, *(_value(part) for part in (own["rho"], ridge["r"]))]
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
