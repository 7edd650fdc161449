"""Models that every network must beat: quick, exact, no torch.

Each has `fit(codes, expression, valid_codes, valid_expression, weights)`, where validation rows only choose options
such as a penalty, and `predict(codes)`. Give them the windows that a network would see.
"""

from .constant import Constant
from .kmer_ridge import KmerRidge

BASELINES: dict[str, type[KmerRidge] | type[Constant]] = {"k-mer ridge": KmerRidge, "constant": Constant}
"""Name in tables -> class, the strongest first."""
