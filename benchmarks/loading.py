"""From a table of millions of rows to codes and labels: leanseq against pandas and one-hot encoding row by row."""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import common

ROWS, SAMPLE, CHECKED = 6_700_000, 20_000, 1_000
SECONDS, MEGABYTES, RATIO = 60, 3_000, 20
TABLE = Path(tempfile.gettempdir()) / "leanseq-simulated.tsv"
PART = 51_200

ONE_HOT = {"A": [1, 0, 0, 0], "C": [0, 1, 0, 0], "G": [0, 0, 1, 0], "T": [0, 0, 0, 1], "N": [0, 0, 0, 0]}
LENGTH, BINS, SD = 150, 18, 0.5


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of a function in a fresh process, whose memory is then its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_mb() -> float:
    """Most memory that this process has held, MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage of a child begins with its parent's figure on Linux
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def simulated(path: Path, rows: int, jobs: int = 1) -> None:
    """Make a simulated table of at least `rows` rows; one that is there, or a part of it, is used and completed."""
    path.touch()
    with path.open("r+b") as file:
        lines = end = 0
        for piece in iter(partial(file.read, 1 << 24), b""):
            lines += piece.count(b"\n")
            end = file.tell() - len(piece) + piece.rfind(b"\n") + 1 if b"\n" in piece else end
        file.seek(end)
        file.truncate()
        if not lines:
            file.write(b"sequence\texpression\n")
        parts = [(start, min(PART, rows - start)) for start in range(max(lines - 1, 0), rows, PART)]
        with ProcessPoolExecutor(jobs) as pool:
            for text in pool.map(simulated_rows, *zip(*parts, strict=True)) if parts else ():
                file.write(text)


def simulated_rows(start: int, rows: int) -> bytes:
    """Lines of a simulated table."""
    from leanseq.data.simulate import simulate_chunks

    parts = (part.table.select("sequence", "expression") for part in simulate_chunks(rows, start=start))
    return "".join(part.write_csv(separator="\t", include_header=False) for part in parts).encode()


def head(path: Path, rows: int, folder: Path) -> Path:
    """A table of the first rows of another."""
    out = folder / f"{rows}.tsv"
    with path.open("rb") as file, out.open("wb") as short:
        short.writelines(islice(file, rows + 1))
    return out


def load_leanseq(path: Path) -> dict[str, Any]:
    """Read, check, complete and encode a table as `leanseq train` does."""
    import polars as pl

    from leanseq.data.labels import fit_bins
    from leanseq.data.table import read_table
    from leanseq.runs.prepare import choose_construct
    from leanseq.runs.settings import DataSettings

    imports, times = peak_mb(), [time.perf_counter()]
    table = read_table(path)
    times.append(time.perf_counter())
    construct, _ = choose_construct(table, DataSettings())
    codes = construct.windows(table.sequences)
    times.append(time.perf_counter())
    labels = fit_bins(table.expression).spread(table.expression)
    times.append(time.perf_counter())
    return {
        "rows": len(table),
        "seconds": times[-1] - times[0],
        "seconds_read": times[1] - times[0],
        "seconds_encode": times[2] - times[1],
        "seconds_label": times[3] - times[2],
        "peak_mb": peak_mb(),
        "imports_mb": imports,
        "held_mb": (table.frame.estimated_size() + codes.nbytes + labels.nbytes) / 1e6,
        "threads": pl.thread_pool_size(),
    }


def load_plain(path: Path, rows: int) -> dict[str, Any]:
    """Read and encode the first rows with pandas and Python, as published training code does."""
    import pandas as pd
    from scipy.stats import norm  # noqa: F401 (its import is not timed)

    from leanseq.data.construct import YEAST_PTPA

    imports, began = peak_mb(), time.perf_counter()
    table = pd.read_csv(path, sep="\t", nrows=rows)
    codes, labels = plain_arrays(table.sequence, table.expression, YEAST_PTPA.left_flank)
    seconds = time.perf_counter() - began
    held = (table.memory_usage(deep=True).sum() + codes.nbytes + labels.nbytes) / 1e6
    return {"rows": len(table), "seconds": seconds, "peak_mb": peak_mb(), "imports_mb": imports, "held_mb": float(held)}


def plain_arrays(sequences: Any, values: Any, flank: str) -> tuple[Any, Any]:
    """One-hot rows [n, 4, 150] and soft bins [n, 18]."""
    import numpy as np
    from scipy.stats import norm

    edges = np.array([-np.inf, *(np.arange(1, BINS) - 0.5), np.inf])
    padded = [flank[len(flank) - (LENGTH - len(sequence)) :] + sequence for sequence in sequences]
    codes = np.stack([np.array([ONE_HOT[base] for base in sequence], dtype=np.float32).T for sequence in padded])
    labels = np.stack([np.diff(norm.cdf(edges, loc=value, scale=SD)) for value in values])
    return codes, labels


def check(path: Path) -> None:
    """Both ways give the same arrays."""
    import numpy as np

    from leanseq.data.construct import YEAST_PTPA
    from leanseq.data.labels import SoftBins
    from leanseq.data.table import read_table

    with tempfile.TemporaryDirectory() as folder:
        table = read_table(head(path, CHECKED, Path(folder)))
    codes, labels = plain_arrays(table.sequences, table.expression, YEAST_PTPA.left_flank)
    ours = np.eye(5, dtype=np.float32)[YEAST_PTPA.windows(table.sequences)][:, :, :4].transpose(0, 2, 1)
    np.testing.assert_array_equal(codes, ours)
    np.testing.assert_allclose(labels, SoftBins().spread(table.expression), atol=1e-6)


def extrapolated(row: dict[str, Any], rows: int) -> dict[str, Any]:
    """Seconds and memory for more rows, in proportion."""
    share = rows / row["rows"]
    return {
        "seconds": row["seconds"] * share,
        "peak_mb": row["imports_mb"] + (row["peak_mb"] - row["imports_mb"]) * share,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the table (default: %(default)s)")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="rows given to the reference (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="the contenders take turns (default: %(default)s)")
    parser.add_argument("--table", type=Path, default=TABLE, help="simulated table, made if absent (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that simulate (default: %(default)s)")
    given = parser.parse_args()
    simulated(given.table, given.rows, given.jobs)
    apart(check, given.table)
    note = (
        f"Read, check, pad to {LENGTH} and encode, with soft-bin labels; imports are not timed. leanseq: all rows, "
        f"uint8 codes. plain (pandas, one-hot by dictionary, labels row by row): {given.sample:,} rows only, in "
        "its own process; its time and memory for all rows are EXTRAPOLATED linearly. Medians of "
        f"{given.repeats} turns. Targets: under {SECONDS} s, under {MEGABYTES:,} MB, {RATIO} times faster."
    )
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = head(given.table, given.rows, Path(folder))
        for turn in range(given.repeats):
            for name, job in (("leanseq", (load_leanseq, path)), ("plain", (load_plain, path, given.sample))):
                rows.append({"what": name, "turn": turn, **apart(*job)})
                common.save("loading", rows, note)
    ours, plain = (
        {
            key: common.median([row[key] for row in rows if row["what"] == name])
            for key in ("rows", "seconds", "peak_mb", "imports_mb")
        }
        for name in ("leanseq", "plain")
    )
    whole = extrapolated(plain, given.rows)
    rows.append(
        {
            "what": "summary",
            "rows": given.rows,
            "seconds": ours["seconds"],
            "peak_mb": ours["peak_mb"],
            "bytes_per_row": (ours["peak_mb"] - ours["imports_mb"]) * 1e6 / given.rows,
            "plain_seconds_extrapolated": whole["seconds"],
            "plain_peak_mb_extrapolated": whole["peak_mb"],
            "times_faster": whole["seconds"] / ours["seconds"],
            "under_60_s": ours["seconds"] < SECONDS,
            "under_3_gb": ours["peak_mb"] < MEGABYTES,
            "20_times_faster": whole["seconds"] > RATIO * ours["seconds"],
        }
    )
    common.save("loading", rows, note)


if __name__ == "__main__":
    main()
