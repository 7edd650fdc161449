"""An LSTM (Hochreiter & Schmidhuber 1997) reads the features from 5' to 3' and takes the place of the head.

LegNet's head is a 1x1 convolution and a mean over the length. Here the LSTM's states are pooled over the
length, dropped out and mapped to the outputs by one linear layer. Dropout follows the pooling, because the
mean of 150 positions dropped independently would hardly be disturbed.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .legnet import LegNet
from .options import LSTMOptions


class LSTMHead(nn.Module):
    """LSTM, pooling, dropout, linear."""

    def __init__(self, inputs: int, outputs: int, options: LSTMOptions) -> None:
        super().__init__()
        self.pooling = options.pooling
        self.lstm = nn.LSTM(inputs, options.hidden, batch_first=True, bidirectional=options.bidirectional)
        self.dropout = nn.Dropout(options.dropout)
        self.out = nn.Linear(options.hidden * (1 + options.bidirectional), outputs)

    def forward(self, x: Float[Tensor, "n positions channels"]) -> Float[Tensor, "n outputs"]:
        """Logits of the bins, or the one value.

        The last state of the backward direction is the one at the 5' end, where it has read everything.
        """
        states, (last, _) = self.lstm(x)
        pooled = states.mean(1) if self.pooling == "mean" else torch.cat(list(last), 1)
        return self.out(self.dropout(pooled))


def insert(network: LegNet, options: LSTMOptions) -> None:
    """Fill the head slot of a network, in place."""
    network.head = LSTMHead(network.widths[-1], network.outputs, options)
