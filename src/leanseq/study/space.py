"""A search space as its file says it: one TOML file, checked, with nothing computed yet.

==================  ====================================================================================
key                 meaning
==================  ====================================================================================
``title``           the question, in words
``table``           file of measured sequences
``sampler``         `tpe`, which learns from the trials before, or `grid`, which tries every combination
``trials``          number of trials; a grid has as many as it has points
``seeds``           a number of seeds (0, 1, ...) or a list of them: trials use the first, the best few all
``best``            how many of the best trials are repeated with all seeds
``[base]``          settings shared by all trials, as in a study
``[space]``         what is searched: setting or option -> `low` and `high` (also `log = true` or `step`), or
                    `choices`, a list of values
``[presets.NAME]``  other values for the base, `trials`, `seeds` and `best`, for another machine
==================  ====================================================================================

Where `model` is searched too, an option is drawn only for the networks that have it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..models import ARCHITECTURES, MODIFICATIONS, describe
from ..runs.settings import DataSettings, Settings
from .plan import make_settings, option_text
from .spec import BUDGETS, Checker, read_toml

SAMPLERS = ("tpe", "grid")
TRIALS, SEEDS, BEST = 30, 3, 3

_CELLS = 2000
"""Combinations that a value is tried with until it fits."""
_KEYS = ("title", "table", "sampler", "trials", "seeds", "best", "base", "space", "presets")
_NUMBERS = ("trials", "seeds", "best")
_OPTIONS = {option.key: option.kind for name in ARCHITECTURES for option in describe("+".join([name, *MODIFICATIONS]))}
_KINDS = {
    **{
        item.name: type(item.default).__name__
        for part in fields(Settings)
        for item in fields(getattr(Settings(), part.name))
    },
    **_OPTIONS,
    "steps": "int",
}
_ROWS = tuple(item.name for item in fields(DataSettings))
"""Settings that decide the rows, which are the same for all trials."""


@dataclass(frozen=True)
class Parameter:
    """What one setting may be: one of `choices`, or a number from `low` to `high`, both included.

    Attributes
    ----------
    choices
        Values; empty for a range.
    low, high
        Limits of a range.
    log
        Whether a range is searched by ratios instead of differences.
    step
        Distance of the values of a range; None for any.
    whole
        Whether values are whole numbers.
    """

    choices: tuple[Any, ...] = ()
    low: int | float = 0
    high: int | float = 0
    log: bool = False
    step: int | float | None = None
    whole: bool = False

    @property
    def edges(self) -> tuple[Any, ...]:
        """Values that fit if all do."""
        return self.choices or (self.low, self.high)

    def suggest(self, trial: Any, name: str) -> Any:
        """Draw a value for an Optuna trial."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        if self.whole:
            return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step or 1)
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def read(self, drawn: Any) -> Any:
        """A drawn value as it is used: of a range, four digits, enough to tell trials apart and short to write."""
        return float(f"{drawn:.4g}") if isinstance(drawn, float) and not self.choices else drawn


@dataclass(frozen=True)
class Space:
    """A search space; the attributes are the keys of the file.

    `changes` holds what a preset or the command line changed: name -> (value of the file, value now).
    """

    path: str
    title: str
    table: str
    parameters: Mapping[str, Parameter]
    base: Mapping[str, Any] = field(default_factory=dict)
    sampler: str = "tpe"
    trials: int = TRIALS
    seeds: tuple[int, ...] = tuple(range(SEEDS))
    best: int = BEST
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the search: its file without the ending."""
        return Path(self.path).stem

    def values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """All settings of a trial by flat name; options that its network does not have are left out."""
        values = {**self.base, **drawn}
        if "model" not in self.parameters:
            return values
        return {name: value for name, value in values.items() if belongs(name, values["model"])}

    def edges(self, **fixed: Any) -> Iterator[dict[str, Any]]:
        """Combinations of choices and limits, with some values fixed; the first few thousand."""
        values = {**{name: each.edges for name, each in self.parameters.items()}, **{k: (v,) for k, v in fixed.items()}}
        for cell in itertools.islice(itertools.product(*values.values()), _CELLS):
            yield dict(zip(values, cell, strict=True))

    def first(self) -> dict[str, Any]:
        """The first combination of choices and limits that fit together."""
        return next(drawn for drawn in self.edges() if _wrong(self, drawn) is None)

    def grid(self) -> list[dict[str, Any]]:
        """Every combination of choices, in the order of the file, each once."""
        points: list[dict[str, Any]] = []
        for cell in itertools.product(*(each.choices for each in self.parameters.values())):
            point = dict(zip(self.parameters, cell, strict=True))
            if "model" in point:
                point = {name: value for name, value in point.items() if belongs(name, point["model"])}
            if point not in points:
                points.append(point)
        return points


def belongs(name: str, model: str) -> bool:
    """Whether a setting has a meaning for a network.

    Examples
    --------
    >>> belongs("lstm.hidden", "legnet-optimized"), belongs("lr", "legnet-optimized")
    (False, True)
    """
    return name not in _OPTIONS or name in [option.key for option in describe(model)]


def read_space(path: str | Path) -> Space:
    """Read and check the file of a search space.

    Raises
    ------
    InputError
        If the file cannot be read, is not TOML, or a key or value does not fit.
    """
    return parse_space(read_toml(Path(path), "space"), str(path))


def parse_space(content: Mapping[str, Any], path: str = "space.toml") -> Space:
    """Make a search space from the content of its file.

    Examples
    --------
    >>> space = parse_space({"title": "?", "table": "t.tsv", "space": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}}})
    >>> space.parameters["lr"].edges, space.trials
    ((0.0001, 0.01), 30)
    """
    check = Checker(path, "space")
    check.names("key", content, _KEYS)
    for key in ("title", "table"):
        if not isinstance(content.get(key), str) or not content[key].strip():
            raise check.error(key, content.get(key), "text")
    sampler = content.get("sampler", "tpe")
    if sampler not in SAMPLERS:
        raise check.error("sampler", sampler, f"one of {', '.join(SAMPLERS)}")
    base, given = (check.table(key, content.get(key, {})) for key in ("base", "space"))
    check.settings("base", base)
    check.settings("space", given)
    if not given:
        raise check.error("space", None, "a table [space] of the settings to search")
    presets = check.table("presets", content.get("presets", {}))
    for name, values in presets.items():
        where = f"presets.{name}"
        check.settings(where, check.table(where, values), extra=_NUMBERS)
        _numbers(check, values, f"{where}.")
    for where, values in {"base": base, **{f"presets.{name}": values for name, values in presets.items()}}.items():
        _only_once(check, where, values, given)
    parameters = {name: _parameter(check, name, value) for name, value in given.items()}
    space = Space(path, content["title"].strip(), content["table"].strip(), parameters, base, sampler, presets=presets)
    space = replace(space, **_numbers(check, content))
    if sampler == "grid":
        space = _as_grid(check, space, content)
    _try_edges(check, space)
    return space


def change(
    space: Space,
    *,
    preset: str | None = None,
    trials: int | None = None,
    seeds: int | None = None,
    best: int | None = None,
) -> Space:
    """A space with other numbers: a preset first, then single ones.

    Raises
    ------
    InputError
        If a name is unknown or a number does not fit.
    """
    check = Checker(space.path, "space")
    given: dict[str, Any] = {}
    if preset is not None:
        check.names("preset", [preset], list(space.presets))
        given = dict(space.presets[preset])
    flags = {"trials": trials, "seeds": seeds, "best": best}
    numbers = _numbers(check, {name: given.pop(name) for name in _NUMBERS if name in given})
    numbers |= _numbers(check, {name: value for name, value in flags.items() if value is not None}, "--")
    if space.sampler == "grid" and "trials" in numbers:
        raise InputError(
            f"{space.path}: trials change nothing for sampler = 'grid', which tries every point; leave out"
        )
    budget = any(name in BUDGETS for name in given)
    kept = {name: value for name, value in space.base.items() if not (budget and name in BUDGETS)}
    now = replace(space, base={**kept, **given}, **numbers)
    changes = {name: (space.base.get(name), now.base.get(name)) for name in {**space.base, **given}}
    changes |= {name: (getattr(space, name), getattr(now, name)) for name in _NUMBERS}
    now = replace(now, changes={name: pair for name, pair in changes.items() if pair[0] != pair[1]})
    _try_edges(check, now)
    return now


def _numbers(check: Checker, given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Trials, seeds and best, as far as they are given."""
    out: dict[str, Any] = {}
    for name in ("trials", "best"):
        if name in given:
            if not _is_whole(given[name]) or given[name] < 1:
                raise check.error(f"{where}{name}", given[name], "a whole number of 1 or more")
            out[name] = given[name]
    return out | ({"seeds": check.seeds(f"{where}seeds", given["seeds"])} if "seeds" in given else {})


def _only_once(check: Checker, where: str, values: Mapping[str, Any], space: Mapping[str, Any]) -> None:
    """Refuse what is both fixed and searched, and a selection that is not the last epoch's."""
    for name in values:
        other = next((b for b in BUDGETS if b in space), None) if name in BUDGETS else name if name in space else None
        if other is not None:
            also = "" if other == name else f" as {other}"
            raise InputError(f"{check.path}: {name} stands in {where} and{also} in space, expected one of them")
    if values.get("select", "last") != "last":
        raise check.error(f"{where}.select", values["select"], "'last': trials are compared by their last epoch")


def _parameter(check: Checker, name: str, value: object) -> Parameter:
    """What `[space]` says of one setting."""
    key, kind = f"space.{name}", _KINDS[name]
    if name in _ROWS or name == "select":
        why = (
            "it decides the rows, which all trials share" if name in _ROWS else "trials are compared by the last epoch"
        )
        raise InputError(f"{check.path}: {name} cannot stand in space: {why}; leave it out")
    if not isinstance(value, dict):
        raise check.error(key, value, "a table with low and high, or with choices")
    check.names(f"key in {key}:", value, ("low", "high", "log", "step", "choices"))
    if "choices" in value:
        return _choices(check, key, value)
    if kind not in ("int", "float"):
        raise check.error(key, value, "choices = [...]: it is no number")
    whole = kind == "int"
    expected = "a whole number" if whole else "a number"
    for part in ("low", "high", *(["step"] if "step" in value else [])):
        found = value.get(part)
        fits = _is_whole(found) or (isinstance(found, float) and math.isfinite(found) and not whole)
        if not fits or (part == "step" and found <= 0):  # pyright: ignore[reportOptionalOperand]
            raise check.error(f"{key}.{part}", found, expected + (" above 0" if part == "step" else ""))
    low, high, log = value["low"], value["high"], value.get("log", False)
    if not low < high:
        raise check.error(f"{key}.low", low, f"less than high, which is {high!r}")
    if not isinstance(log, bool):
        raise check.error(f"{key}.log", log, "true or false")
    if log and low <= 0:
        raise check.error(f"{key}.low", low, "more than 0, since log = true")
    if log and "step" in value:
        raise check.error(f"{key}.step", value["step"], "no step beside log = true")
    if "step" in value and (high - low) / value["step"] < 1:
        raise check.error(f"{key}.step", value["step"], f"at most {high - low:g}, the width of the range")
    kept = int if whole else float
    return Parameter((), kept(low), kept(high), log, kept(value["step"]) if "step" in value else None, whole)


def _choices(check: Checker, key: str, value: Mapping[str, Any]) -> Parameter:
    if other := sorted(value.keys() - {"choices"}):
        raise check.error(f"{key}.{other[0]}", value[other[0]], "nothing beside choices")
    choices = value["choices"]
    if not isinstance(choices, list) or not choices:
        raise check.error(f"{key}.choices", choices, "a list of values")
    if any(choice in choices[:i] for i, choice in enumerate(choices)):
        raise check.error(f"{key}.choices", choices, "values that differ")
    # Optuna keeps plain values only; an option reads a list from text
    choices = tuple(option_text(choice) if isinstance(choice, list) else choice for choice in choices)
    if any(not isinstance(choice, (str, int, float)) for choice in choices):
        raise check.error(f"{key}.choices", value["choices"], "text, numbers, true and false, or lists of numbers")
    return Parameter(choices)


def _as_grid(check: Checker, space: Space, content: Mapping[str, Any]) -> Space:
    for name, each in space.parameters.items():
        if not each.choices:
            raise check.error(f"space.{name}", "a range", "choices = [...], since sampler = 'grid'")
    given = {"": content, **{f"presets.{name}.": values for name, values in space.presets.items()}}
    for where, values in given.items():
        if "trials" in values:
            raise check.error(f"{where}trials", values["trials"], "none: a grid tries every point")
    return replace(space, trials=len(space.grid()))


def _try_edges(check: Checker, space: Space) -> None:
    """Refuse a choice or limit that fits with none of the others', before any trial meets it."""
    for name, each in space.parameters.items():
        for value in each.edges:
            wrong = None
            for drawn in space.edges(**{name: value}):
                found = _wrong(space, drawn)
                wrong = wrong or found
                if found is None and name in space.values(drawn):
                    break
            else:
                reason = wrong or f"no model of the space has the option {name}"
                raise InputError(f"{check.path}: space.{name} = {value!r}: {reason}; correct the space file")


def _wrong(space: Space, drawn: Mapping[str, Any]) -> InputError | None:
    """Why values do not fit together."""
    try:
        make_settings(space.values(drawn), space.seeds[0])
    except InputError as error:
        return error
    return None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
