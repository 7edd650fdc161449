"""From a table and settings to rows that can be trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from ..data.construct import BUILT_IN, MATCH_SHARE, Construct, infer, read_construct
from ..data.homology import constant_ends, homology_groups, identical_groups, inserts
from ..data.splits import Leakage, Split, leakage, nested_subsets, split_by_column, split_by_group
from ..data.summary import summarise
from ..data.table import Table
from ..errors import InputError
from ..training.inputs import Examples
from .settings import DataSettings, read_size

FEWEST_TRAIN, FEWEST_VALID = 20, 10
HOMOLOGY_ROWS = 200_000
"""Above this, `auto` splits at random: grouping by shared 11-mers would take minutes."""


@dataclass(frozen=True)
class Prepared:
    """A table in its construct, split.

    Attributes
    ----------
    construct, construct_words
        The construct with its window length set, and how it was found.
    split, split_words
        Rows of each part, and how they were chosen.
    groups
        Rows that were kept together; also the unit of the bootstrap.
    leakage
        What training rows tell about the others.
    examples
        All rows of the table; index with the split.
    misfits
        Rows without the construct's adapters: kept.
    """

    construct: Construct
    construct_words: str
    split: Split
    split_words: str
    groups: Int64[np.ndarray, " n"]
    leakage: Leakage
    examples: Examples
    misfits: int


def prepare(table: Table, settings: DataSettings) -> Prepared:
    """Find the construct, encode all rows and split them.

    Raises
    ------
    InputError
        If rows do not fit the construct or the table is too small for the split.
    """
    values = table.expression
    if len(table) < FEWEST_TRAIN + FEWEST_VALID:
        raise InputError(
            f"{table.path}: {len(table)} rows, expected at least {FEWEST_TRAIN + FEWEST_VALID} to train and validate on"
        )
    if values.min() == values.max():
        raise InputError(
            f"{table.path}: column 'expression' is {values[0]:g} in every row, expected values that differ"
        )
    construct, words = choose_construct(table, settings)
    bare = inserts(table.sequences, Construct("ends", *constant_ends(table.sequences)))
    with _naming(table.path):
        groups, split, split_words = _split(table, bare, settings)
    for name, least in (("train", FEWEST_TRAIN), ("valid", FEWEST_VALID)):
        if len(rows := getattr(split, name)) < least:
            raise InputError(f"{table.path}: {len(rows)} rows for {name}, expected at least {least}; change --{name}")
        if values[rows].min() == values[rows].max():
            raise InputError(f"{table.path}: column 'expression' is {values[rows[0]]:g} in every row for {name}")
    weight = table.frame["weight"].to_numpy() if "weight" in table.frame.columns else np.ones(len(table))
    if not weight[split.train].sum():
        raise InputError(f"{table.path}: column 'weight' is 0 in every training row, expected a positive weight")
    return Prepared(
        construct=construct,
        construct_words=words,
        split=split,
        split_words=split_words,
        groups=groups,
        leakage=leakage(bare, split),
        examples=Examples(construct.windows(table.sequences), values, weight / weight[split.train].mean()),
        misfits=int((~construct.matches(table.sequences)).sum()),
    )


def describe(table: Table, prepared: Prepared) -> dict[str, Any]:
    """Content of `data.json`: what the table holds and what was chosen for it."""
    summary = summarise(table)
    construct = f"{prepared.construct.name}, {prepared.construct_words}"
    choices = [("construct", f"{construct}; window {prepared.construct.length} bp")]
    if prepared.construct.organism:
        choices.append(("organism", prepared.construct.organism))
    if prepared.misfits:
        choices.append(("without adapters", f"{prepared.misfits:,} rows, kept"))
    choices += [("split", prepared.split_words), ("leakage", prepared.leakage.words)]
    return {
        "summary": summary.to_dict(),
        "lines": summary.lines(),
        "choices": choices,
        "construct": prepared.construct.to_dict(),
        "construct_words": construct,
        "misfits": prepared.misfits,
        "split_words": prepared.split_words,
        "leakage_words": prepared.leakage.words,
        "leaked": prepared.leakage.share,
    }


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Name the table in errors of functions that know only its rows."""
    try:
        yield
    except InputError as error:
        raise error if str(error).startswith((path, "--")) else InputError(f"{path}: {error}") from error


def choose_construct(table: Table, settings: DataSettings) -> tuple[Construct, str]:
    """The construct that the settings name or the adapters show, with its window and organism, and how it was found.

    Raises
    ------
    InputError
        If the named construct is not that of the table, or a row is longer than the window.
    """
    name = settings.construct
    if name == "auto":
        with _naming(table.path):
            construct = infer(table.sequences)
        words = "inferred from the adapters" if construct.name != "none" else "no known adapters: rows as they are"
    elif name == "none":
        construct, words = Construct(), "as asked: rows as they are"
    elif name in BUILT_IN:
        construct, words = BUILT_IN[name], "as asked"
    elif name.endswith(".toml"):
        construct, words = read_construct(Path(name)), f"from {Path(name).name}"
    else:
        raise InputError(f"--construct is {name!r}, expected auto, none, {', '.join(BUILT_IN)}, or a .toml file")
    share = float(construct.matches(table.sequences).mean())
    if share <= MATCH_SHARE:
        raise InputError(
            f"{table.path}: column 'sequence': only {share:.1%} of the rows carry the adapters of {construct.name}, "
            f"expected over {MATCH_SHARE:.0%}; choose another --construct, or none"
        )
    given = {"left_flank": settings.left_flank, "right_flank": settings.right_flank}
    changed = {key: value for key, value in given.items() if value is not None}
    if changed:
        construct = replace(construct, name="custom" if construct.name == "none" else construct.name, **changed)
        words += ", with " + " and ".join(f"--{key.replace('_', '-')}" for key in changed)
    if settings.organism != "auto":
        construct = replace(construct, organism="" if settings.organism == "none" else settings.organism)
    lengths = table.sequences.str.len_bytes()
    longest = int(lengths.max())  # pyright: ignore[reportArgumentType]
    flanks = len(construct.left_flank) + len(construct.right_flank)
    length = settings.length or construct.length or longest + flanks
    if longest > length:
        row = int(lengths.arg_max() or 0)
        raise InputError(
            f"{table.where(row)}: column 'sequence' is {longest} bp long, expected at most the window of {length} bp; "
            f"set --length {longest} or more"
        )
    return replace(construct, length=length), words


def _split(
    table: Table, bare: UInt8[np.ndarray, "n insert"], settings: DataSettings
) -> tuple[Int64[np.ndarray, " n"], Split, str]:
    kind = _kind(table, settings.split)
    if kind == "column":
        groups = identical_groups(bare)
        split, words = _by_column(table, settings)
    else:
        if kind == "homology":
            groups, how = homology_groups(bare), "at random, rows that share 11-mers kept together"
        elif kind == "cluster":
            _, groups = np.unique(table.frame["cluster"].cast(str).fill_null("").to_numpy(), return_inverse=True)
            groups, how = groups.astype(np.int64), "at random, clusters of the table kept together"
        else:
            groups, how = identical_groups(bare), "at random, equal sequences kept together"
        split, words = _drawn(groups, settings), how
    sizes = ", ".join(
        f"{len(rows):,} {name}" for name, rows in zip(("training", "validation", "test"), split, strict=True)
    )
    left = len(table) - sum(len(rows) for rows in split)
    return groups, split, f"{words}: {sizes} rows" + (f", {left:,} left out" if left else "")


def _kind(table: Table, wanted: str) -> str:
    columns = table.frame.columns
    if wanted == "auto":
        if "split" in columns:
            return "column"
        if "cluster" in columns:
            return "cluster"
        return "homology" if len(table) <= HOMOLOGY_ROWS else "random"
    name = {"column": "split", "cluster": "cluster"}.get(wanted)
    if name and name not in columns:
        raise InputError(f"{table.path}: no column {name!r}, expected one for --split {wanted}")
    return wanted


def _by_column(table: Table, settings: DataSettings) -> tuple[Split, str]:
    for name in ("valid", "test"):
        if getattr(settings, name) != "auto":
            raise InputError(
                f"--{name} changes nothing here: the column 'split' says which rows these are; use --split random or "
                "homology to ignore it"
            )
    split, _ = split_by_column(table.frame["split"])
    if settings.train == "all":
        return split, "by the column 'split'"
    train = _subset(split.train, settings)
    return split._replace(train=train), f"by the column 'split', a random {len(train):,} of its training rows"


def _drawn(groups: Int64[np.ndarray, " n"], settings: DataSettings) -> Split:
    tenth = max(len(groups) // 10, FEWEST_VALID)
    valid = tenth if settings.valid == "auto" else read_size("valid", settings.valid)
    rest = settings.test == "rest" or (settings.test == "auto" and settings.train != "all")
    if rest and settings.train == "all":
        raise InputError("--test rest needs --train to say how many rows to train on")
    test = 0 if rest else tenth if settings.test == "auto" else read_size("test", settings.test)
    split = split_by_group(groups, valid, test, settings.split_seed)
    if settings.train == "all":
        return split
    train = _subset(split.train, settings)
    if not rest:
        return split._replace(train=train)
    others = np.setdiff1d(split.train, train)
    return split._replace(train=train, test=others[~np.isin(groups[others], groups[train])])


def _subset(rows: Int64[np.ndarray, " train"], settings: DataSettings) -> Int64[np.ndarray, " size"]:
    size = read_size("train", settings.train)
    count = round(size * len(rows)) if isinstance(size, float) else size
    return np.sort(nested_subsets(rows, [count], settings.split_seed)[0])
