"""From a study to its runs: every configuration with every seed, each with the key of its content."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data.summary import fingerprint
from ..data.table import Table, read_table
from ..errors import InputError
from ..models import parse_spec as parse_network
from ..models import resolve
from ..runs.settings import Settings, read_size
from .spec import BUDGETS, LIST, Spec

RESULTS = 2
"""Version of the numbers: raised when the same settings give other results, so that old runs are not taken for new."""
KEY_LETTERS = 16


@dataclass(frozen=True)
class Case:
    """One configuration: its factor values, the name made of them, and its settings without a seed."""

    label: str
    factors: Mapping[str, Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Unit:
    """One run: a configuration with a seed.

    Attributes
    ----------
    case
        Index of its configuration in the plan.
    seed
        Seed of weights, batches and dropout.
    settings
        Everything the run depends on, besides the table.
    key
        Hash of results version, settings, table and baselines: the name of its folder.
    baselines
        Baselines trained beside the network, a key of `SETS`.
    """

    case: int
    seed: int
    settings: Settings
    key: str
    baselines: str = "quick"


@dataclass(frozen=True)
class Plan:
    """A study, resolved against its table.

    Attributes
    ----------
    spec
        The study.
    table
        The measured sequences.
    cases
        Configurations in the order of the file.
    units
        All runs, seeds of one configuration together.
    """

    spec: Spec
    table: Table
    cases: tuple[Case, ...]
    units: tuple[Unit, ...]

    def of(self, case: int) -> list[Unit]:
        """Runs of one configuration, in the order of the seeds."""
        return [unit for unit in self.units if unit.case == case]

    def references(self) -> dict[int, int]:
        """Configuration -> the one it is compared with: the same factor values but for the reference's."""
        places = {_text(case.factors): i for i, case in enumerate(self.cases)}
        out = {}
        for i, case in enumerate(self.cases):
            other = places[_text({**case.factors, **self.spec.reference})]
            if self.spec.reference and other != i:
                out[i] = other
        return out


def make_plan(spec: Spec, table: Path | None = None) -> Plan:
    """Read the table and resolve every run.

    Parameters
    ----------
    spec
        The study, already changed by presets and the command line.
    table
        A file in place of the study's own.

    Raises
    ------
    InputError
        If the table cannot be used, or the settings of a configuration do not fit.
    """
    cases = make_cases(spec)
    first = _settings(spec, cases[0], spec.seeds[0])
    measured = read_table(
        table or find_table(spec), sequence=first.data.sequence_column, expression=first.data.expression_column
    )
    print_ = fingerprint(measured)
    units, cases_of = [], {}
    for i, case in enumerate(cases):
        for seed in spec.seeds:
            settings = _settings(spec, case, seed)
            units.append(Unit(i, seed, settings, run_key(settings, print_)))
            if (other := cases_of.setdefault(units[-1].key, i)) != i:
                raise InputError(
                    f"{spec.path}: configurations {cases[other].label!r} and {case.label!r} are the same run; leave "
                    "one out, or look for a setting that changes nothing"
                )
    for name, plain in (("select", "last"), ("patience", 0)) if spec.rows != "test" else ():
        if any(getattr(unit.settings.recipe, name) != plain for unit in units):
            raise InputError(
                f"{spec.path}: compare.rows is {spec.rows!r}, but {name} chooses by validation rows; compare 'test'"
            )
    return Plan(spec, measured, cases, tuple(units))


def find_table(spec: Spec) -> Path:
    """The study's table: as named, beside the study, or in the folder LEANSEQ_DATA.

    Raises
    ------
    InputError
        If it is in none of these.
    """
    if path := _find(spec, spec.table):
        return path
    raise InputError(
        f"{spec.path}: the table {spec.table!r} is not here, not beside the study and not in LEANSEQ_DATA; "
        "name it with --table"
    )


def _find(spec: Spec, name: str) -> Path | None:
    """A file that a study names: here, beside the study, or in the folder LEANSEQ_DATA."""
    places = [Path(), Path(spec.path).parent]
    if folder := os.environ.get("LEANSEQ_DATA"):
        places.append(Path(folder))
    return next((path for place in places if (path := place / name).is_file()), None)


def make_cases(spec: Spec) -> tuple[Case, ...]:
    """All combinations of list, paired and grid factors, in the order of the file."""
    lists = [({LIST: item["label"]}, {k: v for k, v in item.items() if k != "label"}) for item in spec.listed]
    pairs = [dict(zip(spec.paired, values, strict=True)) for values in zip(*spec.paired.values(), strict=True)]
    grid = [dict(zip(spec.grid, values, strict=True)) for values in itertools.product(*spec.grid.values())]
    cases = []
    for (named, listed), pair, cell in itertools.product(lists or [({}, {})], pairs or [{}], grid):
        factors = {**named, **pair, **cell}
        changed = {**listed, **pair, **cell}
        # a budget of the configuration takes the place of another one in the base
        base = {k: v for k, v in spec.base.items() if k not in BUDGETS or not any(b in changed for b in BUDGETS)}
        cases.append(Case(label(factors) or spec.name, factors, {**base, **changed}))
    return tuple(cases)


def label(factors: Mapping[str, Any]) -> str:
    """Name of a configuration.

    Examples
    --------
    >>> label({"configuration": "plain", "train": 10240, "lr": 1e-5})
    'plain, train 10,240, lr 1e-05'
    """
    words = []
    for name, value in factors.items():
        said = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        words.append(said if name == LIST else f"{name} {said}")
    return ", ".join(words)


def make_settings(values: Mapping[str, Any], seed: int) -> Settings:
    """Settings of a run, from flat names, options of networks and a number of steps.

    Raises
    ------
    InputError
        If a value does not fit.
    """
    given = dict(values)
    steps = given.pop("steps", None)
    known = {name for group in asdict(Settings()).values() for name in group}
    options = [f"{name}={option_text(given.pop(name))}" for name in list(given) if name not in known]
    settings = Settings.make(**given, set=options, seed=seed)
    return settings if steps is None else _with_steps(settings, steps)


def _settings(spec: Spec, case: Case, seed: int) -> Settings:
    values = dict(case.settings)
    construct = str(values.get("construct", ""))
    if construct.endswith(".toml") and (path := _find(spec, construct)):
        values["construct"] = str(path.resolve())  # workers are in other folders
    try:
        return make_settings(values, seed)
    except InputError as error:
        raise InputError(f"{spec.path}: configuration {case.label!r}: {error}") from error


def _with_steps(settings: Settings, steps: Any) -> Settings:
    """Settings with as many epochs as come nearest to a number of steps."""
    rows = None if settings.data.train == "all" else read_size("train", settings.data.train)
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise InputError(f"steps is {steps!r}, expected a whole number of 1 or more")
    if not isinstance(rows, int):
        raise InputError(f"steps needs train as a number of rows, found {settings.data.train!r}")
    epochs = max(1, round(steps / settings.recipe.steps_per_epoch(rows)))
    return Settings(
        settings.data,
        settings.network,
        type(settings.recipe)(**{**asdict(settings.recipe), "epochs": epochs}),
        settings.machine,
    )


def option_text(value: Any) -> str:
    """An option's value as `--set` writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def run_key(settings: Settings, table: str, baselines: str = "quick") -> str:
    """Hash of all that decides the numbers of a run; device and threads are not part of it.

    Parameters
    ----------
    settings
        Options are completed with their defaults first: a default that is written out makes no other run.
    table
        Fingerprint of the table.
    baselines
        A key of `SETS`; the quick ones leave no trace, as every run had them before there were others.
    """
    groups = settings.to_dict()
    network, construct = groups["network"], groups["data"]["construct"]
    options = resolve(settings.network.model, settings.network.options)
    network["model"] = "+".join(parse_network(settings.network.model))
    network["set"] = {name: asdict(value) for name, value in options.items()}
    groups["data"]["construct"] = construct_text(construct)
    if not settings.recipe.shift:  # leaves no trace: no run had any before it could be asked for
        del groups["recipe"]["shift"]
    decisive = {
        "results": RESULTS,
        "table": table,
        **{name: groups[name] for name in ("data", "network", "recipe")},
        **{name: groups["machine"][name] for name in ("seed", "budget")},
        **({} if baselines == "quick" else {"baselines": baselines}),
    }
    text = json.dumps(decisive, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LETTERS]


def construct_text(construct: str) -> str:
    """A construct as it decides numbers: by its name, or by the content of its file."""
    if not construct.endswith(".toml"):
        return construct
    try:
        return Path(construct).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{construct}: cannot read the construct: {error}") from error


def _text(factors: Mapping[str, Any]) -> str:
    """Factor values as something to look up by: some are lists."""
    return json.dumps(dict(factors))
