"""Networks by name. Importing this does not import torch; making a network does.

A spec is an architecture and any modifications of it, as in `legnet-optimized+dilated+lstm`. Each
modification fills a slot of its own (input, blocks, context, head), so they combine freely and their order
means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .options import (
    DilatedOptions,
    EmbeddingOptions,
    LegNetOptions,
    LSTMOptions,
    Option,
    TransformerOptions,
    list_options,
    read_options,
    unknown,
)

if TYPE_CHECKING:
    from .factory import create

__all__ = [
    "ARCHITECTURES",
    "MODIFICATIONS",
    "OPTIONS",
    "SIZES",
    "create",
    "describe",
    "parse_spec",
    "resolve",
]

ARCHITECTURES = {
    "legnet-dream2022": "leanseq.models.legnet.LegNetDream2022",
    "legnet-optimized": "leanseq.models.legnet.LegNetOptimized",
    "legnet-lean": "leanseq.models.legnet.LegNetLean",
}
"""Networks: name -> class, called with channels, length, outputs, size and its options."""

MODIFICATIONS = {
    "embedding": "leanseq.models.embedding.insert",
    "dilated": "leanseq.models.dilated.insert",
    "transformer": "leanseq.models.transformer.insert",
    "lstm": "leanseq.models.lstm.insert",
}
"""Modifications in the order of their slots: name -> function, called with a network and its options."""

OPTIONS = {
    "legnet-dream2022": LegNetOptions,
    "legnet-optimized": LegNetOptions,
    "legnet-lean": LegNetOptions,
    "embedding": EmbeddingOptions,
    "dilated": DilatedOptions,
    "transformer": TransformerOptions,
    "lstm": LSTMOptions,
}
"""Options of each architecture and modification."""

SIZES = ("full", "small", "tiny")
"""All widths of an architecture: as published, a half, a quarter."""


def __getattr__(name: str) -> Any:
    """Load `create`, and with it torch, on first use."""
    if name == "create":
        from .factory import create

        return create
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def parse_spec(spec: str) -> list[str]:
    """Names of a spec: the architecture, then its modifications in the order of their slots.

    Raises
    ------
    InputError
        If a name is unknown or stands there twice.

    Examples
    --------
    >>> parse_spec("legnet-optimized+lstm+dilated")
    ['legnet-optimized', 'dilated', 'lstm']
    """
    architecture, *modifications = (name.strip() for name in spec.split("+"))
    if architecture not in ARCHITECTURES:
        raise unknown("architecture", architecture, list(ARCHITECTURES))
    for name in modifications:
        if name not in MODIFICATIONS:
            raise unknown("modification", name, list(MODIFICATIONS))
        if modifications.count(name) > 1:
            raise InputError(f"modification {name!r} stands more than once in {spec!r}, expected once")
    return [architecture, *(name for name in MODIFICATIONS if name in modifications)]


def describe(spec: str) -> list[Option]:
    """Every option of a spec: key, type, default, expected values and meaning.

    Raises
    ------
    InputError
        If the spec holds an unknown name.

    Examples
    --------
    >>> for option in describe("legnet-optimized+dilated"):
    ...     print(option.key, option.default, option.expected)
    dropout 0.0 a number from 0 to 0.9
    dilated.ratio 0.4 a number from 0 to 1
    dilated.rates (4, 3, 2, 2, 1, 1) whole numbers with commas, of 1 or more
    dilated.place first first or second
    """
    return [option for name in parse_spec(spec) for option in list_options(OPTIONS[name], _prefix(name))]


def resolve(spec: str, options: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Check options and complete them with their defaults.

    Parameters
    ----------
    spec
        Architecture and modifications.
    options
        Values by key, such as `dropout` or `lstm.hidden`; strings are parsed.

    Returns
    -------
    dict[str, Any]
        For every name of the spec its frozen options dataclass.

    Raises
    ------
    InputError
        If a name is unknown, a value does not fit, or an option belongs to nothing in the spec.

    Examples
    --------
    >>> resolve("legnet-optimized+lstm", {"lstm.hidden": "64"})["lstm"]
    LSTMOptions(hidden=64, bidirectional=False, dropout=0.3, pooling='mean')
    """
    names, given = parse_spec(spec), dict(options or {})
    known = [option.key for option in describe(spec)]
    for key in given:
        owner = key.partition(".")[0]
        if key not in known and owner in MODIFICATIONS and owner not in names:
            raise InputError(f"option {key} belongs to {owner!r}, which is not in {spec!r}; use {spec}+{owner}")
        if key not in known:
            raise unknown(f"option of {spec!r}:", key, known)
    return {
        name: read_options(
            OPTIONS[name],
            {
                option.key.removeprefix(_prefix(name)): given[option.key]
                for option in list_options(OPTIONS[name], _prefix(name))
                if option.key in given
            },
            _prefix(name),
        )
        for name in names
    }


def _prefix(name: str) -> str:
    """What precedes an option's name in its key: nothing for the architecture."""
    return f"{name}." if name in MODIFICATIONS else ""
