"""Convolution, normalisation and pooling on `[n, length, channels]`, channels last.

All networks keep this layout inside, because on a CPU it is several times faster than `[n, channels,
length]`: a 1x1 convolution is one matrix product, batch norm works on a 2-D view, and a wider convolution is
a channels-last `conv2d` on a view. Weights keep the shapes of `torch.nn`, so they compare with those of
published code.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .. import kernels
from ..kernels.functions import norm_silu


def convolve(
    x: Float[Tensor, "n length channels"],
    weight: Float[Tensor, "out group_channels kernel"],
    bias: Float[Tensor, " out"] | None = None,
    *,
    groups: int = 1,
    dilation: int = 1,
) -> Float[Tensor, "n length out"]:
    """Convolve along the length with zero padding that keeps it; equals `F.conv1d` on the transposed input.

    Parameters
    ----------
    weight
        `out` filters over `channels / groups` channels and an odd number of positions.
    dilation
        Distance between the positions a filter reads, bp.
    """
    kernel = weight.shape[2]
    if kernel == 1 and groups == 1:
        return F.linear(x, weight.squeeze(2), bias)
    image = x.transpose(1, 2).unsqueeze(2)  # [n, channels, 1, length]: a view that is channels-last in memory
    filters = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    padding = dilation * (kernel - 1) // 2
    result = F.conv2d(image, filters, bias, 1, (0, padding), (1, dilation), groups)
    return result.squeeze(2).transpose(1, 2)


class Conv(nn.Module):
    """A convolution along the length, same padding.

    Attributes
    ----------
    weight
        `[outputs, inputs / groups, kernel]`, as in `torch.nn.Conv1d`.
    bias
        `[outputs]` or None.
    init
        `default` draws as `torch.nn.Conv1d`; `fan-out` draws N(0, sqrt(2 / (kernel * outputs))) and zero
        biases (the initialisation of EfficientNetV2 that LegNet took over).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        bias: bool = False,
        init: str = "default",
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel is {kernel}, expected an odd number")
        self.groups, self.dilation, self.init = groups, dilation, init
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights from torch's global generator."""
        outputs, inputs, kernel = self.weight.shape
        bound = 1 / math.sqrt(inputs * kernel)
        if self.init == "fan-out":
            nn.init.normal_(self.weight, 0, math.sqrt(2 / (kernel * outputs)))
        else:
            nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            bound = 0 if self.init == "fan-out" else bound
            nn.init.uniform_(self.bias, -bound, bound)

    @property
    def depthwise(self) -> bool:
        """Whether every channel is convolved by itself."""
        return self.weight.shape[1] == 1 and self.groups == len(self.weight) and self.bias is None

    def offsets(self) -> list[int]:
        """Distances at which the weights stand, bp."""
        kernel = self.weight.shape[2]
        return [(k - kernel // 2) * self.dilation for k in range(kernel)]

    def taps(self) -> Float[Tensor, "taps channels"]:
        """Weights of a depth-wise convolution at these distances."""
        return self.weight.squeeze(1).t()

    def forward(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length out"]:
        """Convolve every sequence of the batch."""
        return convolve(x, self.weight, self.bias, groups=self.groups, dilation=self.dilation)


class BatchNorm(nn.BatchNorm1d):
    """Batch norm of every channel over all positions of all sequences, channels last."""

    def forward(self, input: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length channels"]:
        """Normalise; in training by this batch, in evaluation by the running statistics."""
        # Two dimensions, because torch is three times slower on three.
        return super().forward(input.reshape(-1, input.shape[-1])).view(input.shape)


class Unit(nn.Module):
    """Convolution without bias, batch norm, SiLU, dropout: the repeated unit of LegNet."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        groups: int = 1,
        dropout: float = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()
        self.conv = Conv(inputs, outputs, kernel, groups=groups, init=init)
        self.norm = BatchNorm(outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length out"]:
        """Apply the four steps."""
        return self.dropout(self.activate(self.conv(x)))

    def activate(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length channels"]:
        """Batch norm and SiLU."""
        return norm_silu(x, self.norm) if kernels.usable(x) else F.silu(self.norm(x))


class ChannelsLast(nn.Module):
    """The one place where `[n, channels, length]` becomes `[n, length, channels]`."""

    def forward(self, x: Float[Tensor, "n channels length"]) -> Float[Tensor, "n length channels"]:
        """Transpose and copy."""
        return x.transpose(1, 2).contiguous()


class MeanHead(nn.Module):
    """A 1x1 convolution to the outputs, then the mean over the length.

    Attributes
    ----------
    activation
        Whether a SiLU stands between the two. Without it both are linear and the mean is taken first.
    """

    def __init__(self, inputs: int, outputs: int, *, activation: bool, init: str = "default") -> None:
        super().__init__()
        self.conv = Conv(inputs, outputs, bias=True, init=init)
        self.activation = activation

    def forward(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n outputs"]:
        """Logits of the bins, or the one value."""
        if self.activation:
            return F.silu(self.conv(x)).mean(1)
        return self.conv(x.mean(1, keepdim=True)).squeeze(1)
