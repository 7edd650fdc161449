"""Tables of the report and of the command line: rows of text, nothing drawn."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any, NamedTuple

from ..data.construct import Construct
from . import scores
from .loading import Run
from .words import duration, number

WIDTH = 100
NAMES = {
    "lr": "learning rate (peak)",
    "ema": "weight average, decay (0: none)",
    "clip": "gradient clipping (0: none)",
    "shift": "random shift, positions (0: none)",
    "stream": "rows drawn an epoch (0: all)",
    "patience": "patience, epochs (0: never stop)",
}
ELSEWHERE = ("seed", "device", "threads", "spec")
"""Settings that the report shows in another place."""
HARDWARE = {"processor": "processor", "cores": "cores", "memory_gb": "memory, GB", "device": "device"}
SOFTWARE = {"threads": "threads", "torch": "PyTorch", "python": "Python"}


def results_table(metrics: Mapping[str, Any]) -> str:
    """Set the scores in aligned columns of plain text, for a terminal of 100 columns.

    Parameters
    ----------
    metrics
        The content of `metrics.json`.

    Returns
    -------
    str
        A header and one line per model and split; long model names go on in a second line. KL and the share
        of the ceiling have a column only if they are known.
    """
    known = scores.from_dict(metrics)
    rows = [_text_row(result) for split in known.splits for result in known.results if result.split == split]
    shown = [name for name in rows[0] if name in ("r", "rho", "MSE", "R2") or any(row[name] != "-" for row in rows)]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in shown}
    rest = sum(widths.values()) - widths["model"] + 2 * (len(shown) - 1)
    widths["model"] = min(widths["model"], max(12, WIDTH - rest))
    lines = [_line({name: name for name in shown}, widths)]
    for row in rows:
        first, *more = broken(row["model"], widths["model"])
        lines += [_line({**row, "model": first}, widths), *(f"  {part}" for part in more)]
    return "\n".join(lines)


def broken(name: str, width: int) -> list[str]:
    """Break a model name into lines, after a `+` where it can be.

    Examples
    --------
    >>> broken("legnet-dream2022+transformer+lstm", 20)
    ['legnet-dream2022+', 'transformer+lstm']
    """
    # a space after each + is where textwrap may break; the ones it kept are taken out again
    parts = wrap(name.replace(" ", "\0").replace("+", "+ "), width + 1, break_on_hyphens=False)
    return [part.replace("+ ", "+").replace("\0", " ") for part in parts] or [name]


def _text_row(result: scores.Result) -> dict[str, str]:
    r = result.scores["r"]
    plain = {name: _plain(score.value if score else None) for name, score in result.scores.items()}
    return {
        "model": result.model,
        "split": result.split,
        "n": str(result.n),
        "r": f"{plain['r']} [{_plain(r.low)}, {_plain(r.high)}]" if r else "-",
        "rho": plain["rho"],
        "MSE": plain["mse"],
        "R2": plain["r2"],
        "KL": plain["kl"],
        "ceiling": "-" if result.share is None else f"{result.share:.0%}",
        "seconds": "-" if result.seconds is None else f"{result.seconds:.{0 if result.seconds >= 10 else 1}f}",
    }


def _plain(value: float | None) -> str:
    return number(value).replace("−", "-").replace("–", "-")


def _line(row: dict[str, str], widths: dict[str, int]) -> str:
    cells = (
        f"{row[name]:<{width}}" if name in ("model", "split", "r") else f"{row[name]:>{width}}"
        for name, width in widths.items()
    )
    return "  ".join(cells).rstrip()


class Part(NamedTuple):
    """A stretch of the network's window; `length` in bp, `letters` empty where rows differ."""

    name: str
    length: int
    letters: str


def construct_parts(construct: Construct, row: float) -> list[Part]:
    """Cut the network's window into its parts, 5' to 3', for a row of the median length.

    Examples
    --------
    >>> toy = Construct("toy", "AC", "GT", left_flank="TTTT", length=10)
    >>> [f"{part.name} {part.length}" for part in construct_parts(toy, 7.0)]
    ['left flank 3', 'left adapter 2', 'insert 3', 'right adapter 2']
    """
    gap = max(0, construct.length - round(row))
    left = min(gap, len(construct.left_flank))
    right = min(gap - left, len(construct.right_flank))
    parts = [
        Part("unknown (N)", gap - left - right, ""),
        Part("left flank", left, construct.left_flank[len(construct.left_flank) - left :]),
        Part("left adapter", len(construct.left_adapter), construct.left_adapter),
        Part("insert", max(0, round(row) - construct.adapter_length), ""),
        Part("right adapter", len(construct.right_adapter), construct.right_adapter),
        Part("right flank", right, construct.right_flank[:right]),
    ]
    return [part for part in parts if part.length]


def settings_rows(run: Run) -> list[tuple[str, str]]:
    """List how the network was built and trained; what was left open (None, an empty list) is left out."""
    settings = {**run.info["settings"], **run.info["network"]}
    rows = [(name, value) for name, value in _flat(settings) if name not in ELSEWHERE and value]
    return [(NAMES.get(name, name.replace("_", " ")), value) for name, value in rows]


def reproduction_rows(run: Run) -> list[tuple[str, str]]:
    """List what is needed to do the run again and what it cost."""
    info, data, machine = run.info, run.info["data"], run.info["hardware"]
    command, memory = info.get("command"), info["peak_memory_mb"]
    times = [duration(info["seconds"]) if info["seconds"] else ""]
    if info["estimate_seconds"]:
        times.append(f"estimated before training: {duration(info['estimate_seconds'])}")
    rows = [
        ("command", " ".join(map(str, command)) if isinstance(command, list) else str(command or "")),
        ("leanseq", str(info["leanseq"])),
        ("seed", str(info["settings"].get("seed", ""))),
        ("table", str(data.get("table", ""))),
        ("fingerprint of the table", str(data.get("fingerprint", ""))),
        *((words, _value(machine[key])) for key, words in (HARDWARE | SOFTWARE).items() if key in machine),
        ("started", str(info.get("started") or "")),
        ("finished", str(info.get("finished") or "")),
        ("time", ", ".join(filter(None, times))),
        ("peak memory", f"{memory / 1000:.1f} GB" if memory else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        rows += _flat(value) if isinstance(value, Mapping) else [(str(name), _value(value))]
    return rows


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
