"""A study as its file says it: one TOML file, checked, with nothing computed yet.

====================  ==================================================================================
key                   meaning
====================  ==================================================================================
``title``             the question, in words
``reproduces``        what of the report it does again
``table``             file of measured sequences
``seeds``             a number of seeds (0, 1, ...) or a list of them
``[base]``            settings shared by all runs: those of `leanseq train`, options of networks
                      (`lstm.hidden`), and `steps`, a budget that sets the epochs from the number of steps
``[grid]``            factors of which every combination is run: setting -> list of values
``[paired]``          factors that change together: setting -> lists of equal length
``[[list]]``          named configurations: `label` and the settings that make it
``[compare]``         `reference`: the factor values all others are compared with; `rows`: which held-out rows
``[plot]``            `panels`: the factor that gets a panel a value; `x`: the factor on the axis of a learning curve
``[presets.NAME]``    other values for the base, and seeds, for another machine
====================  ==================================================================================
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..models import ARCHITECTURES, MODIFICATIONS, describe
from ..runs.settings import Settings

LIST = "configuration"
"""Name of the factor whose values are the labels of `[[list]]`."""
ROWS = ("test", "valid", "held-out")
BUDGETS = ("epochs", "steps", "budget")
"""Base settings that exclude each other: the later word, from a preset or the command line, replaces the earlier."""

_KEYS = ("title", "reproduces", "table", "seeds", "base", "grid", "paired", "list", "compare", "plot", "presets")
_FLAT = [item.name for part in fields(Settings) for item in fields(getattr(Settings(), part.name))]
_NOT_HERE = ("seed", "set", "device", "threads", "kernels", "keep_memory", "organism")
"""Settings that the study or the machine decides, or that change nothing in a study."""
_OPTIONS = [option.key for name in ARCHITECTURES for option in describe("+".join([name, *MODIFICATIONS]))]
SETTINGS = tuple(dict.fromkeys([*(name for name in _FLAT if name not in _NOT_HERE), *_OPTIONS, "steps"]))
"""Every name that may stand in base, grid, paired, list and presets."""


@dataclass(frozen=True)
class Spec:
    """A study file.

    Attributes
    ----------
    path
        The file, for messages.
    title, reproduces
        What it asks, and of which figure or table of the report.
    table
        Name of the table.
    seeds
        Seeds of every configuration.
    base
        Settings of all runs.
    grid, paired, listed
        Factors; the configurations are all combinations of the three.
    reference
        Factor values that mark what the others are compared with; empty for no comparison.
    rows
        Rows that are compared: `test`, `valid`, or `held-out` for both (which only a study that selects nothing by
        validation may use).
    panels, x
        Factors that order the figures; empty for none.
    presets
        Name -> values that take the place of the base's, `seeds` among them.
    preset
        The preset that was used; empty for none.
    changes
        What a preset or the command line changed: name -> (value of the file, value now).
    origin
        The study as the file has it, where it was changed.
    """

    path: str
    title: str
    table: str
    reproduces: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)
    base: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, list[Any]] = field(default_factory=dict)
    paired: Mapping[str, list[Any]] = field(default_factory=dict)
    listed: tuple[Mapping[str, Any], ...] = ()
    reference: Mapping[str, Any] = field(default_factory=dict)
    rows: str = "test"
    panels: str = ""
    x: str = ""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preset: str = ""
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    origin: Spec | None = None

    @property
    def name(self) -> str:
        """Name of the study: its file without the ending."""
        return Path(self.path).stem

    @property
    def factors(self) -> dict[str, list[Any]]:
        """Factor -> its values, in the order of the file."""
        out: dict[str, list[Any]] = {LIST: [item["label"] for item in self.listed]} if self.listed else {}
        return {**out, **{name: list(values) for name, values in {**self.paired, **self.grid}.items()}}

    @property
    def alone(self) -> Spec:
        """The study with its preset and nothing else changed."""
        return change(self.origin or self, {}, preset=self.preset or None)

    @property
    def varied(self) -> set[str]:
        """Settings that the factors change."""
        return {*self.grid, *self.paired, *(key for item in self.listed for key in item if key != "label")}


def read_spec(path: str | Path) -> Spec:
    """Read and check a study file.

    Raises
    ------
    InputError
        If the file cannot be read, is not TOML, or a key or value does not fit.
    """
    content = read_toml(Path(path))
    return parse_spec(content, str(path))


def read_toml(path: Path, kind: str = "study") -> dict[str, Any]:
    """Content of a TOML file.

    Raises
    ------
    InputError
        If it cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start + 1}), expected a {kind} file in TOML") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the {kind}: {error.strerror}; check its path") from error
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML: {error}; correct the file") from error


def parse_spec(content: Mapping[str, Any], path: str = "study.toml") -> Spec:
    """Make a spec from the content of a study file.

    Examples
    --------
    >>> spec = parse_spec({"title": "?", "table": "t.tsv", "seeds": 2, "grid": {"lr": [1e-3, 3e-3]}})
    >>> spec.seeds, spec.factors
    ((0, 1), {'lr': [0.001, 0.003]})
    """
    check = Checker(path)
    check.names("key", content, _KEYS)
    for key in ("title", "table"):
        if not isinstance(content.get(key), str) or not content[key].strip():
            raise check.error(key, content.get(key), "text")
    if not isinstance(content.get("reproduces", ""), str):
        raise check.error("reproduces", content["reproduces"], "text")
    tables = {key: check.table(key, content.get(key, {})) for key in ("base", "grid", "paired", "compare", "plot")}
    check.settings("base", tables["base"])
    for key in ("grid", "paired"):
        check.settings(key, tables[key])
        for name, values in tables[key].items():
            if not isinstance(values, list) or not values:
                raise check.error(f"{key}.{name}", values, "a list of values")
            if any(value in values[:i] for i, value in enumerate(values)):
                raise check.error(f"{key}.{name}", values, "values that differ")
    lengths = {name: len(values) for name, values in tables["paired"].items()}
    if len(set(lengths.values())) > 1:
        raise check.error("paired", lengths, "lists of equal length")
    listed = content.get("list", [])
    if not isinstance(listed, list):
        raise check.error("list", listed, "one [[list]] table for each configuration")
    for i, item in enumerate(listed):
        where = f"list[{i + 1}]"
        check.settings(where, {k: v for k, v in check.table(where, item).items() if k != "label"})
        if not isinstance(item.get("label"), str) or not item["label"].strip():
            raise check.error(f"{where}.label", item.get("label"), "a name of the configuration")
        if item["label"] in [other["label"] for other in listed[:i]]:
            raise check.error(f"{where}.label", item["label"], "a label of its own")
    presets = check.table("presets", content.get("presets", {}))
    for name, values in presets.items():
        check.settings(f"presets.{name}", check.table(f"presets.{name}", values), extra=("seeds",))
        if "seeds" in values:
            check.seeds(f"presets.{name}.seeds", values["seeds"])
    spec = Spec(
        path=path,
        title=content["title"].strip(),
        table=content["table"].strip(),
        reproduces=content.get("reproduces", ""),
        seeds=check.seeds("seeds", content.get("seeds", 3)),
        base=tables["base"],
        grid=tables["grid"],
        paired=tables["paired"],
        listed=tuple(listed),
        presets=presets,
    )
    places = {"grid": spec.grid, "paired": spec.paired, "list": {key for item in listed for key in item}}
    for (one, first), (other, second) in itertools.combinations(places.items(), 2):
        if twice := sorted(_kinds(first) & _kinds(second)):
            raise check.error(f"{other}.{twice[0]}", f"varied by {one} too", "each setting varied in one place")
    return _with_words(spec, check, tables["compare"], tables["plot"])


def _with_words(spec: Spec, check: Checker, compare: Mapping[str, Any], plot: Mapping[str, Any]) -> Spec:
    """Add what is compared and plotted, once the factors are known."""
    check.names("compare key", compare, ("reference", "rows"))
    check.names("plot key", plot, ("panels", "x"))
    factors = spec.factors
    reference = check.table("compare.reference", compare.get("reference", {}))
    check.names("factor in compare.reference:", reference, list(factors))
    for name, value in reference.items():
        if value not in factors[name]:
            raise check.error(f"compare.reference.{name}", value, f"one of {factors[name]}")
    if named := [name for name in spec.paired if name in reference]:
        at = spec.paired[named[0]].index(reference[named[0]])
        partners = {name: values[at] for name, values in spec.paired.items()}
        for name in named:
            if reference[name] != partners[name]:
                raise check.error(f"compare.reference.{name}", reference[name], f"{partners[name]}, its partner")
        reference = {**reference, **partners}
    rows = compare.get("rows", "test")
    if rows not in ROWS:
        raise check.error("compare.rows", rows, f"one of {', '.join(ROWS)}")
    for key, value in plot.items():
        if not isinstance(value, str) or value not in factors:
            raise check.error(f"plot.{key}", value, f"a factor: {', '.join(factors) or 'there is none'}")
    x = plot.get("x", "")
    if x and not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in factors[x]):
        raise check.error("plot.x", x, "a factor whose values are numbers")
    return replace(spec, reference=reference, rows=rows, panels=plot.get("panels", ""), x=x)


def change(spec: Spec, values: Mapping[str, Any], *, preset: str | None = None, seeds: int | None = None) -> Spec:
    """A study with another base: a preset first, then single values, then the number of seeds.

    Raises
    ------
    InputError
        If a name is unknown, or belongs to a factor, which the study varies itself.
    """
    check, origin = Checker(spec.path), spec.origin or spec
    given: dict[str, Any] = {}
    if preset is not None:
        check.names("preset", [preset], list(spec.presets))
        spec = replace(spec, preset=preset)
        given = {name: value for name, value in spec.presets[preset].items() if name != "seeds"}
        if "seeds" in spec.presets[preset] and seeds is None:
            seeds_now = check.seeds("seeds", spec.presets[preset]["seeds"])
            spec = replace(spec, seeds=seeds_now, changes={"seeds": (list(spec.seeds), list(seeds_now))})
    check.settings("setting", values)
    for name in (*given, *values):
        if name in spec.varied or (name in BUDGETS and _budgeted(spec)):
            raise InputError(f"{spec.path}: {name} is a factor of this study; leave it out, or change the study file")
    for name in values:
        if name in BUDGETS:
            given = {key: value for key, value in given.items() if key not in BUDGETS}
    given.update(values)
    base, changes = dict(spec.base), dict(spec.changes)
    for name, value in given.items():
        before = {key: base.pop(key) for key in BUDGETS if key in base} if name in BUDGETS else {}
        old = before.get(name, base.get(name))
        if before and name not in before:
            changes[next(iter(before))] = (next(iter(before.values())), None)
        base[name] = value
        if old != value:
            changes[name] = (old, value)
    if seeds is not None:
        now = check.seeds("--seeds", seeds)
        if now != spec.seeds:
            changes["seeds"] = (list(spec.seeds), list(now))
        spec = replace(spec, seeds=now)
    return replace(spec, base=base, changes=changes, origin=origin)


def _kinds(names: Iterable[str]) -> set[str]:
    """Settings by what they decide: all budgets are one."""
    return {"budget" if name in BUDGETS else name for name in names}


def _budgeted(spec: Spec) -> bool:
    """Whether every configuration has a budget of its own."""
    own = [bool(item.keys() & set(BUDGETS)) for item in spec.listed]
    return "budget" in _kinds({*spec.grid, *spec.paired}) or (bool(own) and all(own))


@dataclass(frozen=True)
class Checker:
    """Errors that name the file and the key."""

    path: str
    kind: str = "study"

    def error(self, key: str, found: object, expected: str) -> InputError:
        """Say what a key holds and what it should hold."""
        said = "missing" if found is None else repr(found)
        return InputError(f"{self.path}: {key} is {said}, expected {expected}; correct the {self.kind} file")

    def names(self, kind: str, given: Iterable[str], known: Iterable[str]) -> None:
        """Refuse the first name that is not known, and suggest the nearest."""
        known = list(known)
        for name in given:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
                raise InputError(f"{self.path}: unknown {kind} {name!r}; {hint}")

    def table(self, key: str, value: object) -> dict[str, Any]:
        """Refuse what is no table."""
        if not isinstance(value, dict):
            raise self.error(key, value, f"a table, [{key}]")
        return value

    def settings(self, where: str, given: Mapping[str, Any], extra: tuple[str, ...] = ()) -> None:
        """Refuse names that are no settings, and two budgets."""
        kind = "setting" if where == "setting" else f"setting in {where}:"
        for name in given:
            if name in _NOT_HERE:
                hint = {
                    "seed": "use seeds",
                    "set": "write options by name, such as lstm.hidden",
                    "organism": "boosted trees alone look for motifs, and none are grown here",
                }
                raise InputError(
                    f"{self.path}: {name} cannot stand in {where}; {hint.get(name, 'the machine decides it')}"
                )
        self.names(kind, given, [*SETTINGS, *extra])
        if len(found := [name for name in BUDGETS if name in given]) > 1:
            raise InputError(f"{self.path}: {where} has {' and '.join(found)}, expected one of them")

    def seeds(self, key: str, value: object) -> tuple[int, ...]:
        """Seeds, from their number or a list of them."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        seeds = list(range(value)) if whole and 0 < value <= 1000 else value  # pyright: ignore[reportArgumentType, reportOperatorIssue]
        if (
            not isinstance(seeds, list)
            or not seeds
            or any(not isinstance(seed, int) or isinstance(seed, bool) or seed < 0 for seed in seeds)
            or len(set(seeds)) < len(seeds)
        ):
            raise self.error(key, value, "a number of seeds, or a list of different whole numbers")
        return tuple(seeds)
