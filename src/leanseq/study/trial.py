"""What happens in a worker: one trial of a search, which says how it goes and stops early where it is hopeless."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from ..runs.folder import read_record
from ..training.fit import Watcher
from ..training.learner import Epoch
from .worker import Outcome, Task, run

NAME = "search"
"""Name of the one study in a journal."""


class Pruned(Exception):
    """A trial was stopped, because it is worse than the median of the others at the same epoch."""


def open_journal(path: Path) -> JournalStorage:
    """Optuna's memory in a file that several processes write to."""
    # locked by a file that is made, not by a link: links need a privilege on Windows
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))


@dataclass(frozen=True)
class Attempt:
    """A trial as it is sent to a worker: its run, and where it says how it goes."""

    task: Task
    journal: str
    number: int
    prune: bool


def try_out(attempt: Attempt) -> Outcome:
    """Run one trial in a worker; `pruned` if it was stopped early."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = open_journal(Path(attempt.journal))
    study = optuna.load_study(study_name=NAME, storage=journal, pruner=optuna.pruners.MedianPruner())
    number = journal.get_trial_id_from_study_id_trial_number(study._study_id, attempt.number)

    def epoch(record: Epoch) -> None:
        # a run that goes on from a checkpoint may show an epoch again
        if record.epoch not in journal.get_trial(number).intermediate_values:
            journal.set_trial_intermediate_value(number, record.epoch, record.valid_r)
        # after its last epoch a trial is as good as done; a budget settles their number when the run begins
        last = read_record(Path(attempt.task.folder))["epochs"]
        if attempt.prune and record.epoch < last and study.pruner.prune(study, journal.get_trial(number)):
            raise Pruned

    try:
        return run(attempt.task, Watcher(epoch=epoch))
    except Pruned:
        return Outcome("pruned", "worse than the median of the trials before it at the same epoch")
