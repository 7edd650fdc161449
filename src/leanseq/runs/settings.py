"""Everything a run depends on, besides the table: frozen dataclasses, checked when made.

The command line, Python and configuration files all fill these same fields.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from ..data.organisms import ORGANISMS
from ..errors import InputError
from ..models import SIZES, resolve
from ..training.cpu import Processor
from ..training.recipe import Recipe

SPLITS = ("auto", "column", "cluster", "homology", "random")
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class DataSettings:
    """How a table is read and split.

    Attributes
    ----------
    sequence_column
        Column of the sequences.
    expression_column
        Column of the measured values.
    construct
        Reporter construct: `auto` (from the adapters), `none`, `yeast-ptpa`, `yeast-abf1tata`, `human-lentimpra`, or a
        TOML file.
    left_flank
        Context 5' of every row, in place of the construct's.
    right_flank
        Context 3' of every row, in place of the construct's.
    length
        Window the network sees, bp; 0 for the construct's own, or the longest row.
    organism
        Whose motifs boosted trees look for: `yeast`, `human`, `none`, or `auto` for the construct's own.
    split
        `column` (a column `split`), `cluster` (whole groups of a column `cluster`), `homology` (rows that share 11-mers
        stay together), `random`, or `auto`: the first of these that the table allows.
    train
        Training rows: a count, a share, or `all` that are left.
    valid
        Validation rows: a count or a share; `auto` is a tenth, or what the split column says.
    test
        Test rows: a count, a share, or `rest`; `auto` is a tenth, or the rest if `train` is given.
    split_seed
        Seed of the split and of the training subset, apart from the seed of training.
    """

    sequence_column: str = "sequence"
    expression_column: str = "expression"
    construct: str = "auto"
    left_flank: str | None = None
    right_flank: str | None = None
    length: int = 0
    organism: str = "auto"
    split: str = "auto"
    train: str = "all"
    valid: str = "auto"
    test: str = "auto"
    split_seed: int = 0

    def __post_init__(self) -> None:
        _known("organism", self.organism, ("auto", *ORGANISMS, "none"))
        _known("split", self.split, SPLITS)
        if self.length < 0:
            raise InputError(f"--length is {self.length}, expected a number of bp, or 0 for the construct's own")
        words = {"train": ("all",), "valid": ("auto",), "test": ("auto", "rest")}
        for name, known in words.items():
            if (value := getattr(self, name)) not in known:
                read_size(name, value)
        if self.split_seed < 0:
            raise InputError(f"--split-seed is {self.split_seed}, expected 0 or more")


@dataclass(frozen=True)
class NetworkSettings:
    """Which network learns what.

    Attributes
    ----------
    model
        Architecture and modifications, such as `legnet-optimized+dilated+lstm`.
    size
        `full` as published, `small` half of every width, `tiny` a quarter.
    set
        Options of the network as `name=value`, such as `lstm.hidden=64`; `leanseq models` lists them.
    reverse
        Add a channel that says which strand is shown.
    singleton
        Add a channel that marks training rows with a whole-number value.
    objective
        `kl` on soft bins, `mse` on one output, `mse-bins` on the expected bin.
    bins
        Number of soft bins.
    bin_low
        Centre of the first bin, in the unit of expression; fitted to the values if not given.
    bin_high
        Centre of the last bin; fitted if not given.
    bin_sd
        Standard deviation of a measured value; half a bin if not given.
    """

    model: str = "legnet-optimized"
    size: str = "full"
    set: list[str] = field(default_factory=list)
    reverse: bool = False
    singleton: bool = False
    objective: str = "kl"
    bins: int = 18
    bin_low: float | None = None
    bin_high: float | None = None
    bin_sd: float | None = None

    def __post_init__(self) -> None:
        _known("size", self.size, SIZES)
        _known("objective", self.objective, ("kl", "mse", "mse-bins"))
        resolve(self.model, self.options)
        if self.objective == "mse" and (self.bins, self.bin_low, self.bin_high, self.bin_sd) != (18, None, None, None):
            raise InputError("--bins and --bin-... change nothing with --objective mse; use kl or mse-bins")
        if self.objective == "mse-bins" and self.bin_sd is not None:
            raise InputError("--bin-sd changes nothing with --objective mse-bins; use kl")
        if self.bins < 2:
            raise InputError(f"--bins is {self.bins}, expected 2 or more")

    @property
    def options(self) -> dict[str, object]:
        """Options of the network by name."""
        out: dict[str, object] = {}
        for item in self.set:
            name, equals, value = item.partition("=")
            if not equals:
                raise InputError(f"--set {item!r}: expected name=value, such as lstm.hidden=64")
            if name.strip() in out:
                raise InputError(f"--set {name.strip()} is given twice")
            out[name.strip()] = value.strip()
        return out


@dataclass(frozen=True)
class MachineSettings(Processor):
    """Where and how long a run computes.

    Attributes
    ----------
    seed
        Seed of weights, batches and dropout.
    budget
        Time for training, such as 90s, 10m or 1h; sets the number of epochs from a short measurement.
    """

    seed: int = 0
    budget: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0:
            raise InputError(f"--seed is {self.seed}, expected 0 or more")
        if self.budget is not None:
            read_budget(self.budget)


@dataclass(frozen=True)
class Settings:
    """All settings of a run."""

    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    recipe: Recipe = field(default_factory=Recipe)
    machine: MachineSettings = field(default_factory=MachineSettings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, grouped; without an `auto` organism, as in runs from before there was one."""
        groups = asdict(self)
        if self.data.organism == "auto":
            del groups["data"]["organism"]
        return groups

    def command(self, table: str) -> str:
        """The command line that gives these settings: every one that is not the default.

        Examples
        --------
        >>> Settings.make(model="legnet-optimized+lstm", set=["lstm.hidden=64"], reverse=True).command("t.tsv")
        'leanseq train t.tsv --model legnet-optimized+lstm --set lstm.hidden=64 --reverse'
        """
        words, plain = ["leanseq", "train", table], Settings()
        for part in fields(self):
            group = getattr(self, part.name)
            for item in fields(group):
                value, flag = getattr(group, item.name), f"--{item.name.replace('_', '-')}"
                if value == getattr(getattr(plain, part.name), item.name):
                    continue
                if isinstance(value, bool):
                    words.append(flag if value else f"--no-{flag[2:]}")
                    continue
                for one in value if isinstance(value, list) else [value]:
                    words += [flag, str(one)]
        return shlex.join(words)

    @staticmethod
    def make(**values: Any) -> Settings:
        """Settings from flat names, such as `model="legnet-optimized", epochs=4, seed=1`.

        Raises
        ------
        InputError
            If a name is unknown or a value does not fit.
        """
        settings = Settings()
        owner = {f.name: part.name for part in fields(Settings) for f in fields(getattr(settings, part.name))}
        groups: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if name not in owner:
                near = get_close_matches(name, owner, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(owner)}"
                raise InputError(f"unknown setting {name!r}; {hint}")
            group = getattr(settings, owner[name])
            kind = next(str(f.type) for f in fields(group) if f.name == name)
            groups.setdefault(owner[name], {})[name] = _like(name, value, getattr(group, name), kind)
        parts = {part: replace(getattr(settings, part), **given) for part, given in groups.items()}
        return replace(settings, **parts)


def _like(name: str, value: Any, default: Any, kind: str) -> Any:
    """A value of the kind of its default; a number may stand for text, a whole number for a fraction."""
    if isinstance(default, str):
        return str(value)
    if default is None:
        wanted = {"str | None": str, "float | None": (float, int)}[kind]
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise InputError(f"setting {name} is {value!r}, expected {'text' if wanted is str else 'a number'}")
        return value
    kinds = {bool: (bool,), int: (int,), float: (float, int), list: (list, tuple)}.get(type(default))
    assert kinds is not None
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise InputError(f"setting {name} is {value!r}, expected {type(default).__name__}, such as {default!r}")
    return type(default)(value)


def read_size(name: str, text: str) -> int | float:
    """A number of rows: a count of 1 or more, or a share between 0 and 1 (0 for none)."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 1 <= value < float("inf") and value == int(value):
        return int(value)
    if 0 < value < 1:
        return value
    if value == 0 and name == "test":
        return 0
    raise InputError(f"--{name} is {text!r}, expected a number of rows (2048) or a share (0.1)")


def read_budget(text: str) -> float:
    """Seconds of a time such as 90s, 10m or 1.5h.

    Examples
    --------
    >>> read_budget("10m")
    600.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip().lower())
    if not match or not float(match[1]):
        raise InputError(f"--budget is {text!r}, expected a time such as 90s, 10m or 1h")
    return float(match[1]) * _UNITS[match[2]]


def _known(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        near = get_close_matches(value, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"--{name} is {value!r}, expected one of {', '.join(known)}{hint}")
