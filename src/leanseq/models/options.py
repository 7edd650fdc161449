"""Options of the networks: their types, defaults, limits and meaning. No torch here, so that help is fast.

An option is a field of a frozen dataclass. Its value may come from Python, TOML or the command line, there as
a string, and is checked against the field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, NamedTuple

from ..errors import InputError


def _option(
    default: Any,
    meaning: str,
    *,
    low: int | float | None = None,
    high: int | float | None = None,
    choices: tuple[str, ...] = (),
    only: tuple[str, str] | None = None,
) -> Any:
    """Declare an option; `only` = (field, value) says when it has an effect."""
    metadata = {"meaning": meaning, "low": low, "high": high, "choices": choices, "only": only}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class LegNetOptions:
    """Options of LegNet itself."""

    dropout: float = _option(0.0, "share of features dropped after each activation", low=0, high=0.9)


@dataclass(frozen=True)
class EmbeddingOptions:
    """Options of `embedding`."""

    kind: str = _option(
        "length",
        "length: a learned linear map of the length axis; tokens: an embedding of overlapping k-mers",
        choices=("length", "tokens"),
    )
    size: int = _option(70, "positions after the map, or channels of a token", low=1, high=4096)
    k: int = _option(3, "length of a token, bp", low=1, high=6, only=("kind", "tokens"))


@dataclass(frozen=True)
class DilatedOptions:
    """Options of `dilated`."""

    ratio: float = _option(0.4, "weight of the dilated convolution; 0 is plain LegNet", low=0, high=1)
    rates: tuple[int, ...] = _option((4, 3, 2, 2, 1, 1), "dilation of each block; 1 leaves it as it is", low=1)
    place: str = _option(
        "first",
        "which convolution of a block: the grouped one, or the one that resizes",
        choices=("first", "second"),
    )


@dataclass(frozen=True)
class TransformerOptions:
    """Options of `transformer`."""

    layers: int = _option(2, "number of layers", low=1, high=64)
    heads: int = _option(4, "attention heads of a layer; must divide the width of the features", low=1)
    feedforward: int = _option(4, "hidden width of the feed-forward part, in widths of the features", low=1)
    positions: str = _option("sinusoidal", "encoding of the position", choices=("sinusoidal", "learned", "none"))
    dropout: float = _option(0.1, "dropout of attention and of both residual branches", low=0, high=0.9)


@dataclass(frozen=True)
class LSTMOptions:
    """Options of `lstm`."""

    hidden: int = _option(128, "hidden state of each direction", low=1)
    bidirectional: bool = _option(False, "read the sequence in both directions")
    dropout: float = _option(0.3, "share of the pooled state that is dropped", low=0, high=0.9)
    pooling: str = _option("mean", "the mean state over all positions, or the last state", choices=("mean", "last"))


class Option(NamedTuple):
    """One option as help shows it.

    Attributes
    ----------
    key
        Name in `--set key=value` and in a configuration.
    kind
        int, float, bool, str or tuple[int, ...].
    default
        Value when it is not given.
    expected
        What values it takes, in words.
    meaning
        What it does.
    """

    key: str
    kind: str
    default: object
    expected: str
    meaning: str


def list_options(options: type, prefix: str = "") -> list[Option]:
    """Options of one dataclass, with their keys.

    Examples
    --------
    >>> [option.key for option in list_options(LSTMOptions, "lstm.")]
    ['lstm.hidden', 'lstm.bidirectional', 'lstm.dropout', 'lstm.pooling']
    """
    return [
        Option(prefix + item.name, str(item.type), item.default, _expected(item), item.metadata["meaning"])
        for item in fields(options)
    ]


def read_options(options: type, given: Mapping[str, object], prefix: str = "") -> Any:
    """Make the dataclass from the given values, keys without prefix; the others keep their default.

    Raises
    ------
    InputError
        If a value is of the wrong type, out of range, or could have no effect.

    Examples
    --------
    >>> read_options(LSTMOptions, {"hidden": "64", "bidirectional": "true"}).hidden
    64
    """
    known = {item.name: item for item in fields(options)}
    values = options(**{name: _parse(known[name], value, prefix + name) for name, value in given.items()})
    for name, item in known.items():
        only = item.metadata["only"]
        if only and getattr(values, name) != item.default and getattr(values, only[0]) != only[1]:
            raise InputError(
                f"option {prefix}{name} has an effect only with {prefix}{only[0]}={only[1]}; "
                f"found {prefix}{only[0]}={getattr(values, only[0])}"
            )
    return values


def unknown(kind: str, name: str, known: list[str]) -> InputError:
    """The error for a name that is not known, with the closest that is."""
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return InputError(f"unknown {kind} {name!r}; {hint}known: {', '.join(known) or 'none'}")


def _expected(item: Field[Any]) -> str:
    """What an option takes, in words."""
    low, high, choices = (item.metadata[key] for key in ("low", "high", "choices"))
    if choices:
        return " or ".join(choices) if len(choices) < 3 else "one of " + ", ".join(choices)
    if item.type == "bool":
        return "true or false"
    noun = {"int": "a whole number", "float": "a number"}.get(str(item.type), "whole numbers with commas,")
    if low is None:
        return noun
    return f"{noun} of {low} or more" if high is None else f"{noun} from {low} to {high}"


def _parse(item: Field[Any], value: object, key: str) -> object:
    """Turn a given value into the type of its field, or raise."""
    try:
        parsed = _convert(str(item.type), value)
    except (TypeError, ValueError):
        parsed = None
    low, high, choices = (item.metadata[name] for name in ("low", "high", "choices"))
    numbers = parsed if isinstance(parsed, tuple) else () if isinstance(parsed, str) else (parsed,)
    wrong = (
        parsed is None
        or (choices and parsed not in choices)
        or (low is not None and any(number < low for number in numbers))
        or (high is not None and any(number > high for number in numbers))
    )
    if wrong:
        close = get_close_matches(str(value), choices, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"option {key} is {value!r}, expected {_expected(item)}{hint}")
    return parsed


def _convert(kind: str, value: object) -> object:
    """Convert without guessing: no truth of strings, no rounding; raises ValueError or TypeError."""
    if kind.startswith("tuple"):
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, (list, tuple)) or not value:
            raise TypeError
        return tuple(_convert("int", item) for item in value)
    if kind == "bool":
        return (
            {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else _only(value, bool)
        )
    if kind == "str":
        return _only(value, str)
    if isinstance(value, bool):
        raise TypeError
    if kind == "int":
        return int(value) if isinstance(value, str) else _only(value, int)
    number = float(value) if isinstance(value, (str, int)) else _only(value, float)
    return number if math.isfinite(number) else None


def _only(value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value
