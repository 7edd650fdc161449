"""Dilated convolutions (Yu & Koltun 2016) mixed into the blocks: a wider view with kernels of the same size.

In every block with a rate above 1 one convolution becomes `(1 - ratio) * vanilla + ratio * dilated`, each
with its own weights. Ratio 0 is plain LegNet: no dilated convolution is made.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from .layers import Conv, convolve
from .legnet import Block, LegNet
from .options import DilatedOptions


class MixedConv(Conv):
    """A convolution and its dilated companion, mixed.

    It is itself the vanilla convolution: its weight has the name, and so from the same seed the values, that
    it has in plain LegNet.
    """

    def __init__(self, vanilla: Conv, rate: int, ratio: float) -> None:
        outputs, inputs, kernel = vanilla.weight.shape
        shape = (inputs * vanilla.groups, outputs, kernel)
        super().__init__(*shape, groups=vanilla.groups, init=vanilla.init)
        self.ratio = ratio
        self.dilated = Conv(*shape, groups=vanilla.groups, dilation=rate, init=vanilla.init)

    def offsets(self) -> list[int]:
        """Distances at which the weights of both stand, bp."""
        return super().offsets() + self.dilated.offsets()

    def taps(self) -> Float[Tensor, "taps channels"]:
        """Both depth-wise convolutions as one of twice the taps."""
        return torch.cat([super().taps() * (1 - self.ratio), self.dilated.taps() * self.ratio])

    def forward(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length out"]:
        """Mix both convolutions."""
        # The ratio scales the weights, which are far smaller than the outputs.
        vanilla = convolve(x, self.weight * (1 - self.ratio), groups=self.groups)
        dilated = self.dilated
        return vanilla + convolve(x, dilated.weight * self.ratio, groups=self.groups, dilation=dilated.dilation)


def insert(network: LegNet, options: DilatedOptions) -> None:
    """Mix dilated convolutions into the blocks of a network, in place.

    Raises
    ------
    InputError
        If there is not one rate for each block.
    """
    # the default is of the published networks, with six blocks
    rates = options.rates[: len(network.blocks)] if options.rates == DilatedOptions().rates else options.rates
    if len(rates) != len(network.blocks):
        raise InputError(
            f"option dilated.rates has {len(rates)} rates, expected one for each of the {len(network.blocks)} blocks"
        )
    for block, rate in zip(network.blocks, rates, strict=True):
        block = cast(Block, block)
        unit = block.local if options.place == "first" else block.resize
        if rate > 1 and options.ratio > 0:
            unit.conv = MixedConv(unit.conv, rate, options.ratio)
