"""Transformer layers (Vaswani et al. 2017) between the blocks and the head: every position sees every other.

A layer is `x + attention(norm(x))`, then `x + feedforward(norm(x))`: the norm stands before each part (Xiong
et al. 2020), which trains from a high learning rate without warm-up; one last norm closes the stack.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from .legnet import LegNet
from .options import TransformerOptions


def sinusoids(positions: int, channels: int) -> Float[Tensor, "positions channels"]:
    """Sines and cosines of the position, with wavelengths from 2 pi to 10,000 * 2 pi positions."""
    place = torch.arange(positions, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, channels, 2) * (-math.log(10_000) / channels))
    pairs = torch.stack([torch.sin(place * rates), torch.cos(place * rates)], 2)
    return pairs.flatten(1)[:, :channels].contiguous()


class LearnedPositions(nn.Module):
    """One learned vector a position, added to the features."""

    def __init__(self, positions: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(positions, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights from torch's global generator."""
        nn.init.normal_(self.weight, 0, 0.02)

    def forward(self, x: Float[Tensor, "n positions channels"]) -> Float[Tensor, "n positions channels"]:
        """Add the vectors."""
        return x + self.weight


class SinusoidalPositions(nn.Module):
    """A fixed code of the position, added to the features."""

    table: Tensor

    def __init__(self, positions: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(positions, channels), persistent=False)

    def forward(self, x: Float[Tensor, "n positions channels"]) -> Float[Tensor, "n positions channels"]:
        """Add the code."""
        return x + self.table[: x.shape[1]]


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        # No bias: attention does not change when all keys move together, so theirs would never learn.
        self.query_key_value = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "n positions channels"]) -> Float[Tensor, "n positions channels"]:
        """Attend from every position to all."""
        n, positions, channels = x.shape
        parts = self.query_key_value(x).view(n, positions, 3, self.heads, channels // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.out(mixed.transpose(1, 2).reshape(n, positions, channels))


class Layer(nn.Module):
    """Attention and feed-forward, each with a norm before and a residual around."""

    def __init__(self, channels: int, options: TransformerOptions) -> None:
        super().__init__()
        hidden = options.feedforward * channels
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, options.heads, options.dropout)
        self.feedforward_norm = nn.LayerNorm(channels)
        self.feedforward = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Float[Tensor, "n positions channels"]) -> Float[Tensor, "n positions channels"]:
        """Apply both parts."""
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.feedforward(self.feedforward_norm(x)))


def insert(network: LegNet, options: TransformerOptions) -> None:
    """Fill the context slot of a network, in place.

    Raises
    ------
    InputError
        If the heads do not divide the width of the features.
    """
    channels = network.widths[-1]
    if channels % options.heads:
        raise InputError(f"option transformer.heads is {options.heads}, expected a divisor of the {channels} features")
    encodings = {"sinusoidal": SinusoidalPositions, "learned": LearnedPositions}
    encoding = encodings.get(options.positions)
    network.context = nn.Sequential(
        encoding(network.positions, channels) if encoding else nn.Identity(),
        *(Layer(channels, options) for _ in range(options.layers)),
        nn.LayerNorm(channels),
    )
