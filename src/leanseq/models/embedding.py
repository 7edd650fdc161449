"""Two readings of an embedding of the input: a learned compression of the length, or k-mer tokens.

`length` maps the length axis of the four base channels by one learned matrix `[size, length]`: 150 bp become
70 positions, each a weighted sum over the whole sequence. `tokens` gives every position a learned vector for
the k-mer around it. The extra channels (reverse, singleton) stay beside either.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from .legnet import LegNet
from .options import EmbeddingOptions

BASES = 4


class LengthEmbedding(nn.Module):
    """A learned linear map of the length axis.

    Attributes
    ----------
    map
        Its weight is `[positions, length]`; every base channel goes through the same one.
    """

    def __init__(self, length: int, positions: int) -> None:
        super().__init__()
        self.map = nn.Linear(length, positions, bias=False)

    def forward(self, x: Float[Tensor, "n channels length"]) -> Float[Tensor, "n positions channels"]:
        """Compress the bases; the extra channels are constant over a sequence and keep their value."""
        bases = self.map(x[:, :BASES])
        extras = x[:, BASES:].mean(2, keepdim=True).expand(-1, -1, bases.shape[2])
        return torch.cat([bases, extras], 1).transpose(1, 2).contiguous()


class TokenEmbedding(nn.Module):
    """A learned vector for the k-mer around every position.

    A k-mer that holds an N or leaves the sequence is the padding token, whose vector is zero. Tokens are
    counted, not computed: no gradient flows back to the input.

    Attributes
    ----------
    table
        Its weight is `[4 ** k + 1, size]`, k-mers in alphabetical order, the padding token last.
    """

    def __init__(self, k: int, size: int) -> None:
        super().__init__()
        self.k = k
        self.table = nn.Embedding(BASES**k + 1, size, padding_idx=BASES**k)

    def tokens(self, bases: Float[Tensor, "n 4 length"]) -> Int[Tensor, "n length"]:
        """Number of the k-mer whose base `k // 2` is at each position."""
        codes = torch.where(bases.amax(1) > 0.5, bases.argmax(1), BASES)
        before = self.k // 2
        windows = F.pad(codes, (before, self.k - 1 - before), value=BASES).unfold(1, self.k, 1)
        powers = BASES ** torch.arange(self.k - 1, -1, -1, device=bases.device)
        return torch.where((windows == BASES).any(2), BASES**self.k, (windows * powers).sum(2))

    def forward(self, x: Float[Tensor, "n channels length"]) -> Float[Tensor, "n length embedded"]:
        """Vectors of the tokens, then the extra channels."""
        vectors = self.table(self.tokens(x[:, :BASES]))
        return torch.cat([vectors, x[:, BASES:].transpose(1, 2)], 2)


def insert(network: LegNet, options: EmbeddingOptions) -> None:
    """Fill the input slot of a network, in place."""
    if options.kind == "length":
        module = LengthEmbedding(network.length, options.size)
        network.replace_input(module, network.channels, options.size)
    else:
        channels = options.size + network.channels - BASES
        network.replace_input(TokenEmbedding(options.k, options.size), channels, network.length)
