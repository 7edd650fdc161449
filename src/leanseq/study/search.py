"""Search for the best settings of a network: trials that Optuna proposes, run on the same workers as studies.

The test rows of the table take no part. Its validation rows are cut in two at random, homology groups whole: the
search half compares the trials, the fresh half, which no trial sees, says how good the winner really is.

Every trial is a run in the store, and the journal in the output folder remembers every trial: a search that was stopped
goes on where it was. With one worker the same seed gives the same trials, stopped or not, since what is proposed is a
function of the seed, the number of the trial and the results so far. With more workers the results come back in
another order each time, and the proposals follow them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import polars as pl
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from ..data.summary import fingerprint
from ..data.table import Table, read_table
from ..errors import InputError
from ..files import atomic_path
from ..runs.folder import HISTORY, check_writable
from ..runs.settings import DataSettings, Settings
from .engine import Engine, died, work
from .halves import TABLE, split_table
from .plan import RESULTS, Plan, Unit, construct_text, make_settings, run_key
from .space import Space, belongs
from .spec import Spec
from .store import Busy, locked
from .trial import NAME, Attempt, open_journal, try_out
from .worker import Outcome, to_task

JOURNAL, TRIALS = "journal.log", "trials.csv"
FOUND = ("best.toml", "result.json", "search.svg")


class Tried(NamedTuple):
    """A trial that came back: `complete`, `pruned` or `failed`."""

    number: int
    state: str
    r: float | None
    seconds: float | None
    parameters: Mapping[str, Any]
    reason: str
    run: str


@dataclass(frozen=True)
class Search:
    """A search that is open.

    Attributes
    ----------
    space
        What is searched.
    table, rows
        The user's table; the same rows with the split of the search.
    folder, store
        Output of the search; folder of all runs.
    seed
        Of what is proposed.
    prune
        Whether hopeless trials are stopped.
    journal, study
        Optuna's memory.
    """

    space: Space
    table: Table
    rows: Table
    folder: Path
    store: Path
    seed: int
    prune: bool
    journal: JournalStorage
    study: optuna.Study

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials so far, those that run included."""
        return self.study.get_trials(deepcopy=False, states=(*_STATES, TrialState.RUNNING))

    @property
    def left(self) -> int:
        """Trials that have not come back."""
        return max(self.space.trials, len(self.trials)) - len(self.tried())

    def settings(self, drawn: Mapping[str, Any], seed: int) -> Settings:
        """Settings of a run on the rows of the search."""
        settings = make_settings(self.space.values(drawn), seed)
        kept = {name: getattr(settings.data, name) for name in ("construct", "left_flank", "right_flank", "length")}
        return replace(settings, data=DataSettings(split="column", **kept))

    def trial(self, number: int) -> FrozenTrial:
        """A trial by its number."""
        trial = self.journal.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
        return self.journal.get_trial(trial)

    def drawn(self, trial: FrozenTrial) -> dict[str, Any]:
        """What a trial tries."""
        return {name: self.space.parameters[name].read(value) for name, value in trial.params.items()}

    def key(self, settings: Settings) -> str:
        """Name of a run in the store."""
        return run_key(settings, fingerprint(self.rows))

    def tried(self) -> list[Tried]:
        """Trials that came back, in the order of their numbers."""
        return [_tried(self, trial) for trial in self.trials if trial.state in _STATES]


_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@contextmanager
def open_search(
    space: Space, table: Path, folder: Path, store: Path, *, seed: int = 0, prune: bool = True, overwrite: bool = False
) -> Iterator[Search]:
    """Begin a search, or go on with the one in the folder; no other process may work at it meanwhile.

    Parameters
    ----------
    space
        What is searched, already changed by a preset and the command line.
    table
        The measured sequences.
    folder, store
        Output of the search; folder of all runs.
    seed
        Of what is proposed.
    prune
        Stop trials that are worse than the median of the others at the same epoch.
    overwrite
        Forget the search in the folder; its runs stay in the store.

    Raises
    ------
    InputError
        If the table does not fit, the folder holds another search or cannot be written to, or is in use.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = make_settings(space.values(space.first()), space.seeds[0]).data
    measured = read_table(table, sequence=data.sequence_column, expression=data.expression_column)
    check_writable(folder)
    check_writable(store)
    try:
        with locked(folder):
            _clear(folder, overwrite=overwrite)
            # without a journal a table is left from a search that was stopped before it began
            rows = split_table(measured, data, folder / TABLE, anew=not (folder / JOURNAL).exists())
            journal, study = _open_study(folder, _identity(space, measured, rows, seed))
            yield Search(space, measured, rows, folder, store, seed, prune, journal, study)
    except Busy as error:
        raise InputError(f"{folder}: another process is at this search; wait, or choose another --output") from error


def _clear(folder: Path, *, overwrite: bool) -> None:
    """Forget an earlier search if that is wanted, and refuse a folder that holds something else."""
    others = folder.exists() and any(path.name != TABLE and path.name[0] != "." for path in folder.iterdir())
    if others and not (folder / JOURNAL).exists():
        raise InputError(f"{folder}: not empty and not a search ({JOURNAL} is missing); choose another --output")
    if overwrite:
        for name in (TABLE, TRIALS, *FOUND, JOURNAL):  # the journal last: it says that the folder is a search
            (folder / name).unlink(missing_ok=True)


def _identity(space: Space, table: Table, rows: Table, seed: int) -> dict[str, Any]:
    """What must not change while a search goes on: all that trials depend on."""
    return {
        "base": json.dumps(dict(space.base), sort_keys=True),
        "space": json.dumps({name: asdict(each) for name, each in space.parameters.items()}),
        "sampler": space.sampler,
        "--seed": seed,
        "seed of trials": space.seeds[0],
        "results version": RESULTS,
        "construct": construct_text(str(space.base.get("construct", ""))),
        "table": fingerprint(table),
        TABLE: fingerprint(rows),
    }


def _open_study(folder: Path, identity: dict[str, Any]) -> tuple[JournalStorage, optuna.Study]:
    try:
        journal = open_journal(folder / JOURNAL)
        study = optuna.create_study(storage=journal, study_name=NAME, direction="maximize", load_if_exists=True)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / JOURNAL}: damaged ({error}); --overwrite it or choose another --output") from error
    before = study.user_attrs
    for name, now in identity.items():
        if name not in before:
            study.set_user_attr(name, now)
        elif before[name] != now:
            raise InputError(
                f"{folder}: holds another search: its {name} has changed; --overwrite it (runs stay in the store), or "
                "choose another --output"
            )
    return journal, study


def sample(search: Search) -> Plan:
    """One run on the user's table with the settings of the next trial: what the time is estimated by.

    A new trial that is drawn for it stands in the journal as running, and is the first to be run.
    """
    trials = search.trials
    begun = [trial for trial in trials if trial.state == TrialState.RUNNING]
    trial = _draw(search, begun[0]) if begun else _ask(search) if search.left else trials[0]
    space, seed = search.space, search.space.seeds[0]
    try:
        settings = make_settings(space.values(search.drawn(trial)), seed)
    except InputError:
        # each value fits, but not all of these together
        settings = make_settings(space.values(space.first()), seed)
    unit = Unit(0, seed, settings, search.key(settings))
    return Plan(Spec(space.path, space.title, space.table, seeds=space.seeds), search.table, (), (unit,))


def _ask(search: Search) -> FrozenTrial:
    number = len(search.trials)
    waiting = search.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if search.space.sampler == "grid" and not waiting:
        search.study.enqueue_trial(search.space.grid()[number])
    return _draw(search, None)


def _draw(search: Search, begun: FrozenTrial | None) -> FrozenTrial:
    """Draw all that a trial still lacks."""
    study, number = search.study, begun.number if begun else len(search.trials)
    # a sampler of its own for each trial: what is proposed does not depend on when the search was stopped
    seed = np.random.SeedSequence([search.seed, number]).generate_state(1)[0]
    study.sampler = optuna.samplers.TPESampler(seed=int(seed))
    trial = optuna.Trial(study, begun._trial_id) if begun else study.ask()
    # the model first: it decides which options there are
    drawn: dict[str, Any] = {}
    for name, each in sorted(search.space.parameters.items(), key=lambda item: item[0] != "model"):
        if "model" not in drawn or belongs(name, drawn["model"]):
            drawn[name] = each.suggest(trial, name)
    return search.journal.get_trial(trial._trial_id)


def run_trials(search: Search, engine: Engine, tell: Callable[[Tried], None]) -> None:
    """Run trials until there are as many as asked for; one that fails is recorded and stops nothing.

    Parameters
    ----------
    search
        The search; trials that it has already are kept, those that were interrupted go on.
    engine
        Where to run; as many trials at once as it has workers.
    tell
        Called after each trial.
    """
    begun = [trial for trial in search.trials if trial.state == TrialState.RUNNING]

    def attempts() -> Iterator[Attempt]:
        while begun or len(search.trials) < search.space.trials:
            trial = _draw(search, begun.pop(0)) if begun else _ask(search)
            try:
                yield _attempt(search, trial, engine.threads)
            except InputError as error:
                # each value fits, but not all of them together
                tell(_close(search, trial, Outcome("failed", str(error))))

    for done in work(engine, try_out, attempts(), lambda done: done.error is None and done.result.status == "busy"):
        outcome = done.result or Outcome("failed", _words(done.error))
        tell(_close(search, search.trial(done.item.number), outcome))


def _attempt(search: Search, trial: FrozenTrial, threads: int) -> Attempt:
    settings = search.settings(search.drawn(trial), search.space.seeds[0])
    key = search.key(settings)
    search.journal.set_trial_user_attr(trial._trial_id, "run", key)
    task = to_task(settings, search.folder / TABLE, search.store / key, threads)
    return Attempt(task, str((search.folder / JOURNAL).resolve()), trial.number, search.prune)


def _close(search: Search, trial: FrozenTrial, outcome: Outcome) -> Tried:
    """Tell Optuna what became of a trial, and write it down for people."""
    reason = outcome.reason
    if outcome.status == "finished":
        key = search.journal.get_trial(trial._trial_id).user_attrs["run"]
        r, seconds = last_epoch(search.store / key)
        search.journal.set_trial_user_attr(trial._trial_id, "seconds", seconds)
        reason = "" if math.isfinite(r) else "r is undefined: the network gives every row the same value"
        state, value = (TrialState.COMPLETE, r) if not reason else (TrialState.FAIL, None)
    else:
        state, value = TrialState.PRUNED if outcome.status == "pruned" else TrialState.FAIL, None
    if reason:
        search.journal.set_trial_user_attr(trial._trial_id, "reason", reason)
    search.study.tell(trial.number, value, state)
    write_trials(search)
    return _tried(search, search.journal.get_trial(trial._trial_id))


def _tried(search: Search, trial: FrozenTrial) -> Tried:
    noted = trial.user_attrs
    r = trial.value if trial.value is not None and math.isfinite(trial.value) else None
    return Tried(
        number=trial.number,
        state=_STATES[trial.state],
        r=r,
        seconds=noted.get("seconds"),
        parameters=search.drawn(trial),
        reason=noted.get("reason", ""),
        run=noted.get("run", ""),
    )


def last_epoch(folder: Path) -> tuple[float, float]:
    """Validation r after the last epoch of a finished run, and the seconds of all its epochs."""
    history = pl.read_csv(folder / HISTORY, schema_overrides={"valid_r": pl.Float64})
    r = history["valid_r"][-1]
    return math.nan if r is None else float(r), float(history["seconds"].sum())


def write_trials(search: Search) -> None:
    """Write the table of trials."""
    tried = search.tried()
    columns: dict[str, list[Any]] = {
        "number": [each.number for each in tried],
        "state": [each.state for each in tried],
        "r": [each.r for each in tried],
        "seconds": [each.seconds for each in tried],
        **{name: [each.parameters.get(name) for each in tried] for name in search.space.parameters},
        "reason": [each.reason for each in tried],
        "run": [each.run for each in tried],
    }
    with atomic_path(search.folder / TRIALS) as path:
        pl.DataFrame(columns, strict=False).write_csv(path)


def _words(error: BaseException | None) -> str:
    """Why a task came back without a result."""
    if died(error):
        return (
            "the worker process was lost four times over, most likely out of memory; search smaller networks or "
            "batches, or use fewer processes"
        )
    return f"{type(error).__name__}: {error}"
