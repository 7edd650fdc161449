"""Models that every network must beat: no torch, no tuning by hand.

Each has `fit(codes, expression, valid_codes, valid_expression, weights)`, where validation rows only choose options
such as a penalty, and `predict(codes)`. Give them the windows that a network would see.
"""

from .boosted_trees import BoostedTrees
from .constant import Constant
from .gc import GcCurve
from .kmer_ridge import KmerRidge

Baseline = BoostedTrees | KmerRidge | GcCurve | Constant

TREES, RIDGE, GC, CONSTANT = "boosted trees", "k-mer ridge", "GC content", "constant"
BASELINES: dict[str, type[Baseline]] = {TREES: BoostedTrees, RIDGE: KmerRidge, GC: GcCurve, CONSTANT: Constant}
"""Name in tables -> class, the strongest first."""
SETS = {"quick": (RIDGE, GC, CONSTANT), "all": tuple(BASELINES)}
"""Baselines of a run: those that take seconds, or the trees as well."""


def column(name: str) -> str:
    """Name of a baseline's column in `predictions.parquet`.

    Examples
    --------
    >>> column("k-mer ridge"), column("GC content")
    ('kmer_ridge', 'gc_content')
    """
    return name.lower().replace("-", "").replace(" ", "_")
