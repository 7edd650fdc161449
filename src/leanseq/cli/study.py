"""`leanseq study`: many runs that answer one question."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

if TYPE_CHECKING:
    from ..study.drive import Progress
    from ..study.plan import Plan

app = App(name="study", help="Plan, run and report studies: configurations x seeds, compared on the same rows.")


@dataclass(frozen=True)
class Scale:
    """What is changed of the study file.

    Attributes
    ----------
    preset
        Use a preset of the file, such as `laptop`.
    size
        Size of the networks: `full`, `small` or `tiny`.
    epochs
        Passes over the training rows, in place of the study's own budget.
    seeds
        Number of seeds.
    set
        Any other setting of the base as `name=value`, such as `lr=1e-3` or `lstm.hidden=64`.
    table
        Another table in place of the study's.
    store
        Folder of all runs; studies share them.
    """

    preset: str | None = None
    size: str | None = None
    epochs: int | None = None
    seeds: int | None = None
    set: list[str] = field(default_factory=list)
    table: Path | None = None
    store: Path = Path("runs/store")


@dataclass(frozen=True)
class Workers:
    """Where a study runs.

    Attributes
    ----------
    processes
        Worker processes on this machine; 0 chooses processes and threads by a measurement.
    threads
        Processor threads of each process; 0 shares the cores out.
    scheduler
        Address of a Dask scheduler to use instead, such as `tcp://10.0.0.1:8786`.
    resources
        What a run needs of a worker, as `GPU=1`; start workers with the same `--resources`.
    """

    processes: int = 0
    threads: int = 0
    scheduler: str | None = None
    resources: list[str] = field(default_factory=list)


Scaled = Annotated[Scale, Parameter(name="*", group=Group("Scale", sort_key=1))]
Placed = Annotated[Workers, Parameter(name="*", group=Group("Workers", sort_key=2))]
Flag = Annotated[bool, Parameter(negative="")]


@app.command
def plan(study: Path, *, threads: int = 1, scale: Scaled = Scale()) -> None:
    """Say what would run and how long it would take, and start nothing.

    Parameters
    ----------
    study
        The study file.
    threads
        Processor threads of a run, for the estimate.
    """
    from ..study.drive import states, summary, units_to_run
    from ..study.pace import estimate
    from .progress import say

    planned = _plan(study, scale)
    found = states(planned, scale.store)
    pending = units_to_run(planned, scale.store, retry=True)
    if pending:
        say("measuring a few steps of each network ...")
    times = estimate(planned, pending, scale.store, threads)
    print(f"{planned.spec.name}: {planned.spec.title}")
    print(f"table {planned.table.path}, {len(planned.table):,} rows; seeds {', '.join(map(str, planned.spec.seeds))}")
    for line in _changes(planned):
        print(line)
    for i, case in enumerate(planned.cases):
        parts = [f"{unit.key} {state.name}" for unit, state in found if unit.case == i]
        print(f"  {case.label}: {', '.join(parts)}")
    total = sum(time.run for time in times.values())
    print(f"{summary(found)}; {len(pending)} different ones to do: about {duration(total)} one after another")


@app.command
def run(
    study: Path,
    *,
    retry: Flag = False,
    output: Path | None = None,
    scale: Scaled = Scale(),
    workers: Placed = Workers(),
) -> None:
    """Run all of a study that is not finished yet, and write its report.

    Stop it as you like and run it again: finished runs are kept, others go on from their checkpoints.

    Parameters
    ----------
    study
        The study file.
    retry
        Try failed runs again.
    output
        Folder of the report; by default `runs/studies/NAME`, with the preset in the name.
    """
    from .progress import say

    planned = _plan(study, scale)
    for line in _changes(planned):
        say(line)
    carry_out(planned, scale.store, workers, retry=retry)
    _report(planned, scale.store, _folder(planned, output), partial=False)


def carry_out(planned: Plan, store: Path, workers: Workers, *, retry: bool, name: str = "study") -> None:
    """Run all that is not finished, and stop with one line if something failed."""
    from ..runs.folder import check_writable
    from ..study.drive import run_study, share_done, states, summary, units_to_run
    from ..study.engine import open_engine
    from ..study.pace import choose_layout, estimate
    from . import stop
    from .progress import follow, say

    resources = read_resources(workers.resources)
    check_writable(store)
    pending = units_to_run(planned, store, retry=retry)
    say(summary(states(planned, store)))
    if pending:
        try:
            layout = asked_layout(workers, len(pending)) or choose_layout(planned, pending[0], len(pending), store, say)
            say("measuring a few steps of each network ...")
            times = estimate(planned, pending, store, layout.threads)
            with open_engine(layout, workers.scheduler, resources) as engine:
                total = sum(time.run for time in times.values()) / engine.workers
                where = "this machine" if workers.scheduler is None else workers.scheduler
                say(f"{len(pending)} runs on {engine.workers} workers of {where}, about {duration(total)}")
                with follow(name, lambda: share_done(pending, store, times), total) as tell:
                    run_study(planned, pending, store, engine, times, lambda told: tell(_told(planned, told)))
        except KeyboardInterrupt:
            stop(130, "leanseq: stopped; what is finished is kept; run the same command again to continue")
    found = states(planned, store)
    failed = [(unit, state) for unit, state in found if state.name != "finished"]
    if failed:
        unit, state = failed[0]
        stop(
            2,
            f"leanseq: error: {summary(found)}; first: {store / unit.key} "
            f"({planned.cases[unit.case].label}, seed {unit.seed}): {state.reason or state.name}; "
            "--retry tries failed runs again",
        )
    say(summary(found))


@app.command
def status(study: Path, *, scale: Scaled = Scale()) -> None:
    """Say where every run of a study stands.

    Parameters
    ----------
    study
        The study file.
    """
    from ..study.drive import states, summary

    planned = _plan(study, scale)
    found = states(planned, scale.store)
    for unit, state in found:
        reason = f" ({state.reason})" if state.reason else ""
        print(f"{unit.key}  {state.name:<12}{planned.cases[unit.case].label}, seed {unit.seed}{reason}")
    print(summary(found))


@app.command
def report(study: Path, *, partial: Flag = False, output: Path | None = None, scale: Scaled = Scale()) -> None:
    """Judge the finished runs of a study, print the verdicts and write `report.html`.

    Parameters
    ----------
    study
        The study file.
    partial
        Report the runs that are finished, and say which are missing, instead of refusing.
    output
        Folder of the report; by default `runs/studies/NAME`, with the preset in the name.
    """
    planned = _plan(study, scale)
    _report(planned, scale.store, _folder(planned, output), partial=partial)


@app.command
def export(study: Path, *, partial: Flag = False, output: Path | None = None, scale: Scaled = Scale()) -> None:
    """Write the tables, curves and figures of a study as small files: CSV, Markdown, LaTeX, JSON and SVG.

    Parameters
    ----------
    study
        The study file.
    partial
        Export the runs that are finished, and say which are missing, instead of refusing.
    output
        Folder of the files; by default `export` in the folder of the report.
    """
    from ..study.export import export as write
    from ..study.judge import judge
    from ..study.results import read_results

    planned = _plan(study, scale)
    results = read_results(planned, scale.store, partial=partial)
    folder = output or _folder(planned, None) / "export"
    files = write(results, judge(results), folder)
    print(f"{len(files)} files: {folder}")


def _folder(planned: Plan, output: Path | None) -> Path:
    """Where the report of a study goes."""
    name = "-".join(filter(None, [planned.spec.name, planned.spec.preset]))
    return output or Path("runs/studies") / name


def _report(planned: Plan, store: Path, folder: Path, *, partial: bool) -> None:
    """Write the report of a study, and print what it found and where the page is."""
    from ..study.judge import answer, judge
    from ..study.page import write_page
    from ..study.results import read_results

    results = read_results(planned, store, partial=partial)
    judged = judge(results)
    for line in [*_changes(planned), *(f"missing: {words}" for words in results.missing)]:
        print(line)
    for heading, comparisons in (
        ("against the reference:", judged.comparisons),
        ("against the k-mer ridge:", judged.ridge),
    ):
        for line in [heading, *(f"  {each.words}" for each in comparisons)] if comparisons else []:
            print(line)
    for line in answer(judged):
        print(line)
    print(f"report: {write_page(results, judged, folder / 'report.html')}")


def _plan(study: Path, scale: Scale) -> Plan:
    """The study as the command line changes it, resolved."""
    from ..study.plan import make_plan
    from ..study.spec import change, read_spec

    values: dict[str, Any] = {}
    for item in scale.set:
        name, value = _pair("--set", item, "name=value, such as lr=1e-3")
        values[name] = value
    values |= {name: value for name in ("size", "epochs") if (value := getattr(scale, name)) is not None}
    spec = change(read_spec(study), values, preset=scale.preset, seeds=scale.seeds)
    return make_plan(spec, scale.table)


def _pair(flag: str, item: str, expected: str) -> tuple[str, Any]:
    """A name and its value, read as TOML would be; what is no TOML value is text."""
    import tomllib

    from ..errors import InputError

    name, equals, value = (part.strip() for part in item.partition("="))
    if not equals or not name or not value:
        raise InputError(f"{flag} {item!r}: expected {expected}")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


def read_resources(items: list[str]) -> dict[str, float]:
    """What a run needs of a worker, checked."""
    from ..errors import InputError

    out = {}
    for item in items:
        name, value = _pair("--resources", item, "NAME=NUMBER, such as GPU=1")
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
            raise InputError(f"--resources {item!r}: expected a number above 0, such as GPU=1")
        out[name] = float(value)
    return out


def asked_layout(workers: Workers, runs: int):
    """The layout that was asked for, or that needs no measurement; None to measure."""
    from ..errors import InputError
    from ..study.engine import Layout, cores

    for name in ("processes", "threads"):
        if getattr(workers, name) < 0:
            raise InputError(f"--{name} is {getattr(workers, name)}, expected 0 or more")
    if workers.scheduler is not None:
        if workers.processes or workers.threads:
            raise InputError("--processes and --threads change nothing with --scheduler: its workers decide")
        return Layout(1, 0)
    if not workers.processes and not workers.threads:
        return Layout(1, cores()) if runs == 1 or cores() == 1 else None
    processes = workers.processes or max(1, cores() // workers.threads)
    return Layout(processes, workers.threads or max(1, cores() // processes))


def _changes(planned: Plan) -> list[str]:
    changes = planned.spec.changes
    return [f"changed: {name} is {now!r}, in the file {old!r}" for name, (old, now) in changes.items()]


def _told(planned: Plan, progress: Progress) -> str:
    unit, label = progress.unit, planned.cases[progress.unit.case].label
    return f"{progress.done} of {progress.total} {unit.key} {label}, seed {unit.seed}: {outcome_words(progress)}"


def outcome_words(progress: Progress) -> str:
    """What became of a run, in words."""
    outcome = progress.outcome
    return outcome.status if outcome.status == "finished" else f"{outcome.status}: {outcome.reason}"


def duration(seconds: float) -> str:
    """A time in words."""
    from ..report import words

    return words.duration(seconds)
