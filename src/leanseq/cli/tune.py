"""`leanseq tune`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .study import Placed, Workers, asked_layout, duration, outcome_words, read_resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..study.drive import Progress
    from ..study.found import Found
    from ..study.search import Search, Tried

Flag = Annotated[bool, Parameter(negative="")]


def tune(
    space: Path,
    *,
    trials: int | None = None,
    seeds: int | None = None,
    best: int | None = None,
    preset: str | None = None,
    seed: int = 0,
    prune: bool = True,
    output: Path | None = None,
    overwrite: Flag = False,
    table: Path | None = None,
    store: Path = Path("runs/store"),
    workers: Placed = Workers(),  # noqa: B008
) -> None:
    """Search for the best settings of a network.

    Trials are compared on one half of the validation rows; the best are repeated with more seeds, and the winner is
    judged on the other half. Test rows take no part. Stop it as you like: the same command goes on.

    Parameters
    ----------
    space
        The search space, a TOML file.
    trials
        Number of trials.
    seeds
        Seeds that the best trials are repeated with.
    best
        Number of trials that are repeated.
    preset
        Use a preset of the file, such as `laptop`.
    seed
        Seed of what is proposed; each seed of training is the file's.
    prune
        Stop trials that are worse than the median of the others at the same epoch.
    output
        Folder of the search; by default `runs/tune/NAME`.
    overwrite
        Replace the search in the output folder; finished runs stay in the store.
    table
        Another table in place of the file's.
    store
        Folder of all runs, shared with studies.
    """
    from ..errors import InputError
    from ..study.found import words
    from ..study.plan import find_table
    from ..study.search import open_search
    from ..study.space import change, read_space
    from ..study.spec import Spec
    from . import stop
    from .progress import say

    asked = change(read_space(space), preset=preset, trials=trials, seeds=seeds, best=best)
    if seed < 0:
        raise InputError(f"--seed is {seed}, expected 0 or more")
    folder = output or Path("runs/tune") / asked.name
    path = table or find_table(Spec(asked.path, asked.title, asked.table))
    for name, (old, now) in asked.changes.items():
        say(f"changed: {name} is {now!r}, in the file {old!r}")
    with open_search(asked, path, folder, store, seed=seed, prune=prune, overwrite=overwrite) as search:
        try:
            found = _finish(search, workers)
        except KeyboardInterrupt:
            stop(130, "leanseq: stopped; what is finished is kept; run the same command again to continue")
        except OSError as error:
            raise InputError(f"{folder}: cannot write the search: {error.strerror or error}") from error
        for line in words(search, found):
            print(line)
        print(f"\nsettings, as a base of studies: {folder / 'best.toml'}\npicture: {folder / 'search.svg'}")
        print(found.command)


def _finish(search: Search, workers: Workers) -> Found:
    """Do all that is left to do."""
    from ..study.engine import open_engine
    from ..study.found import best_trials, judge, repeat_best, units_to_repeat, write_found
    from ..study.pace import choose_layout, estimate
    from ..study.search import run_trials, sample
    from .progress import say

    given = read_resources(workers.resources)
    say(_standing(search))
    if search.left or units_to_repeat(search, best_trials(search)):
        space, plan = search.space, sample(search)
        runs = search.left + space.best * (len(space.seeds) - 1)
        layout = asked_layout(workers, runs) or choose_layout(plan, plan.units[0], runs, search.store, say)
        say("measuring a few steps of the first network ...")
        times = estimate(plan, list(plan.units), search.store, layout.threads)
        with open_engine(layout, workers.scheduler, given) as engine:
            total = runs * times[plan.units[0].key].run / engine.workers
            where = "this machine" if workers.scheduler is None else workers.scheduler
            say(f"at most {runs} runs on {engine.workers} workers of {where}, about {duration(total)}")
            run_trials(search, engine, _teller(search))
            repeat_best(search, best_trials(search), engine, lambda done: say(_repeated(done)))
    found = judge(search, best_trials(search))
    write_found(search, found)
    return found


def _standing(search: Search) -> str:
    """Which trials there are, in words."""
    from collections import Counter

    states = Counter(each.state for each in search.tried())
    done = ", ".join(f"{count} {name}" for name, count in states.most_common()) or "none done yet"
    return f"{search.space.name}: {search.space.title} {max(search.space.trials, len(search.trials))} trials: {done}"


def _teller(search: Search) -> Callable[[Tried], None]:
    """Say each trial as it comes back, with the best so far and the time left."""
    from ..study.plan import label
    from .progress import say

    began, before = time.monotonic(), search.left
    best = max((each.r for each in search.tried() if each.state == "complete" and each.r is not None), default=None)

    def tell(tried: Tried) -> None:
        nonlocal best
        if tried.state == "complete" and tried.r is not None and (best is None or tried.r > best):
            best = tried.r
        left = search.left
        words = f"r {tried.r:.3f}" if tried.state == "complete" else f"{tried.state} ({tried.reason})"
        so_far = "" if best is None else f"; best {best:.3f}"
        pace = (time.monotonic() - began) / max(before - left, 1)
        soon = f"; about {duration(left * pace)} left" if left else ""
        done = max(search.space.trials, len(search.trials)) - left
        say(f"{done} of {done + left}: trial {tried.number}, {label(tried.parameters)}: {words}{so_far}{soon}")

    return tell


def _repeated(done: Progress) -> str:
    return f"again {done.done} of {done.total}: {done.unit.key}, seed {done.unit.seed}: {outcome_words(done)}"
