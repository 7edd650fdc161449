"""A small network for few sequences: motif detectors, a recurrent layer in both directions, one block, two pools.

In the line of DanQ (Quang & Xie 2016, Nucleic Acids Research 44:e107) and of DREAM-RNN (Rafi 2024, Nature
Biotechnology), with a ninth of LegNet's parameters. What was tried for it, and with what result, is in
`docs/lab-notebook.md`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from .layers import ChannelsLast, Unit
from .legnet import DIVISORS
from .network import Network
from .options import LeanOptions


class TwoPools(nn.Module):
    """Mean and maximum over the length, dropout, one linear layer.

    The mean counts what is there, the maximum finds what is there once.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * inputs, outputs)

    def forward(self, x: Float[Tensor, "n positions channels"]) -> Float[Tensor, "n outputs"]:
        """Logits of the bins, or the one value."""
        return self.out(self.dropout(torch.cat([x.mean(1), x.amax(1)], 1)))


class Lean(Network):
    """Convolution, maximum of neighbours, bidirectional LSTM, residual convolutions, two pools."""

    def __init__(self, channels: int, length: int, outputs: int, size: str, options: LeanOptions) -> None:
        super().__init__(channels, length, outputs)
        width, hidden = (_width(name, getattr(options, name), size) for name in ("channels", "hidden"))
        if options.kernel % 2 == 0:
            raise InputError(f"option kernel is {options.kernel}, expected an odd number")
        if options.pool > length:
            raise InputError(f"option pool is {options.pool}, expected at most the window of {length} bp")
        self.pool = options.pool
        self.input = ChannelsLast()
        self.stem = Unit(channels, width, options.kernel, dropout=options.dropout)
        self.recurrent = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(options.dropout)
        self.blocks = nn.ModuleList(
            Unit(2 * hidden, 2 * hidden, 5, dropout=options.dropout) for _ in range(options.blocks)
        )
        self.head = TwoPools(2 * hidden, outputs, options.dropout)

    def features(self, x: Float[Tensor, "n channels length"]) -> Float[Tensor, "n positions width"]:
        """Features of every place, as the head sees them."""
        x = self.stem(self.input(x))
        n, length, width = x.shape
        places = length // self.pool
        x = x[:, : places * self.pool].reshape(n, places, self.pool, width).amax(2)
        x = self.dropout(self.recurrent(x)[0])
        for block in self.blocks:
            x = x + block(x)
        return x

    def forward(self, x: Float[Tensor, "n channels length"]) -> Float[Tensor, "n outputs"]:
        """Logits of the bins, or one value a sequence.

        Parameters
        ----------
        x
            One-hot channels A, C, G, T (zeros for N), then the extra channels, constant over a sequence.
        """
        return self.head(self.features(x))


def _width(name: str, full: int, size: str) -> int:
    """A width at a size; refused where it would have to be rounded, so that every value makes another network."""
    divisor = DIVISORS[size]
    if full % divisor:
        raise InputError(f"option {name} is {full}, expected a multiple of {divisor} at size {size}")
    return full // divisor
