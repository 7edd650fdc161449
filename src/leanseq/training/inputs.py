"""From codes in memory to what a network reads: one-hot channels on the device, either strand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from ..data.encoding import N

_ONE_HOT = torch.eye(5)[:, :4]
_COMPLEMENT = torch.tensor([3, 2, 1, 0, 4], dtype=torch.uint8)


@dataclass(frozen=True)
class Channels:
    """Which constant channels stand beside A C G T (Penzar 2023).

    Attributes
    ----------
    reverse
        1 on every position where the other strand is shown.
    singleton
        1 on every position of a training row whose label is a whole number; always 0 at prediction.
    """

    reverse: bool = False
    singleton: bool = False

    @property
    def count(self) -> int:
        """Number of input channels."""
        return 4 + self.reverse + self.singleton


@dataclass(frozen=True)
class Examples:
    """Rows ready for training or evaluation, in memory.

    Attributes
    ----------
    codes
        One window a row, uint8.
    expression
        Measured values in the user's unit.
    weight
        Weight of each row in the loss, mean 1.
    """

    codes: UInt8[np.ndarray, "n length"]
    expression: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> Examples:
        """The chosen rows."""
        return Examples(self.codes[rows], self.expression[rows], self.weight[rows])


def shifted(codes: UInt8[Tensor, "n length"], by: Int64[Tensor, " n"]) -> UInt8[Tensor, "n length"]:
    """Move each row by its own number of positions, to the left if that is positive; what comes in is unknown.

    Examples
    --------
    >>> shifted(torch.tensor([[0, 1, 2, 3], [0, 1, 2, 3]], dtype=torch.uint8), torch.tensor([1, -2])).tolist()
    [[1, 2, 3, 4], [4, 4, 0, 1]]
    """
    length = codes.shape[1]
    places = torch.arange(length, device=codes.device) + by[:, None]
    moved = codes.gather(1, places.clamp(0, length - 1))
    return moved.where((places >= 0) & (places < length), torch.full_like(moved, N))


def network_input(
    codes: UInt8[Tensor, "n length"],
    channels: Channels,
    flipped: Bool[Tensor, " n"],
    singleton: Bool[Tensor, " n"] | None = None,
) -> Float[Tensor, "n channels length"]:
    """One-hot rows, some of them as the other strand, with the constant channels.

    Parameters
    ----------
    codes
        Windows on the network's device.
    channels
        Which constant channels to add.
    flipped
        Rows to show as their reverse complement.
    singleton
        Rows whose label is a whole number; None (prediction) gives zeros.
    """
    other = _COMPLEMENT.to(codes.device)[codes.flip(1).long()]
    shown = torch.where(flipped[:, None], other, codes)
    parts = [_ONE_HOT.to(codes.device)[shown.long()]]
    n, length = codes.shape
    if channels.reverse:
        parts.append(flipped.float()[:, None, None].expand(n, length, 1))
    if channels.singleton:
        mark = torch.zeros(n, device=codes.device) if singleton is None else singleton.float()
        parts.append(mark[:, None, None].expand(n, length, 1))
    # positions before channels in memory: the networks work in that order
    return torch.cat(parts, dim=2).transpose(1, 2)
