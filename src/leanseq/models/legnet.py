"""LegNet (Penzar et al. 2023, Bioinformatics 39:btad457), winner of DREAM 2022: two published forms and a lean one.

A stem, six blocks and a head. A block widens its channels, convolves each by itself, gates them by
squeeze-and-excite (Hu et al. 2018), narrows them again, concatenates the result with its input and resizes.
With 18 outputs they are logits of the soft bins; the softmax belongs to the loss and to the prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .. import kernels
from ..kernels.functions import inverted_bottleneck
from .layers import ChannelsLast, MeanHead, Unit
from .options import LegNetOptions

WIDTHS = (256, 128, 128, 64, 64, 64, 64)
"""Channels of the stem and of the six blocks at size `full`."""
KERNEL = 7
EXPANSION = 4
REDUCTION = 4
LEAN_WIDTHS = (128, 64, 64, 64)
"""The same of the lean form."""
DIVISORS = {"full": 1, "small": 2, "tiny": 4}
"""By what a size divides every width."""


@dataclass(frozen=True)
class Form:
    """What differs between the two published forms.

    Attributes
    ----------
    expand_input
        Whether a block widens to four times its input width; otherwise to four times its output width.
    filters_per_group
        Channels that a filter of the grouped convolution reads; 1 is a depth-wise convolution.
    block_first
        Order of the concatenation: [block(x), x] if true, [x, block(x)] if false.
    pairwise
        Whether squeeze-and-excite has the bilinear term.
    head_activation
        Whether a SiLU follows the head's convolution.
    init
        See `layers.Conv`.
    """

    expand_input: bool
    filters_per_group: int
    block_first: bool
    pairwise: bool
    head_activation: bool
    init: str


class SmallLinear(nn.Linear):
    """A linear layer that starts at N(0, 0.001) with zero bias, so that every gate starts near one half."""

    def reset_parameters(self) -> None:
        """Draw new weights from torch's global generator."""
        nn.init.normal_(self.weight, 0, 0.001)
        nn.init.zeros_(self.bias)


class LowRankBilinear(nn.Module):
    """Every product of two inputs, mapped to the outputs by a tensor of low rank.

    The tensor regression layer of Kossaifi et al. (2020) in its CP form, on the outer product of a vector
    with itself: output o is `sum_r scale_r out_or (left_r . x) (right_r . x) + bias_o`, so that neither the
    outer product nor the tensor `[features, features, outputs]` is ever made.

    Attributes
    ----------
    scale, left, right, out, bias
        `[rank]`, `[features, rank]`, `[features, rank]`, `[outputs, rank]`, `[outputs]`, as in
        tensorly-torch. The rank makes the factors hold `share` of the numbers of the full tensor.
    """

    def __init__(self, features: int, outputs: int, share: float = 0.5) -> None:
        super().__init__()
        rank = max(1, round(share * features**2 * outputs / (2 * features + outputs)))
        self.scale = nn.Parameter(torch.empty(rank))
        self.left = nn.Parameter(torch.empty(features, rank))
        self.right = nn.Parameter(torch.empty(features, rank))
        self.out = nn.Parameter(torch.empty(outputs, rank))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw factors whose full tensor has a standard deviation of 0.00075, and biases from -1 to 1."""
        nn.init.ones_(self.scale)
        deviation = (0.00075 / math.sqrt(len(self.scale))) ** (1 / 3)
        for factor in (self.left, self.right, self.out):
            nn.init.normal_(factor, 0, deviation)
        nn.init.uniform_(self.bias, -1, 1)

    def forward(self, x: Float[Tensor, "n features"]) -> Float[Tensor, "n outputs"]:
        """Map the products of every vector of the batch."""
        return F.linear((x @ self.left) * (x @ self.right) * self.scale, self.out, self.bias)


class SqueezeExcite(nn.Module):
    """Gate every channel by what the whole sequence holds (Hu et al. 2018).

    Mean over the length, a bottleneck, a sigmoid; with `pairwise` the bottleneck also sees products of its
    features.
    """

    def __init__(self, channels: int, bottleneck: int, *, pairwise: bool) -> None:
        super().__init__()
        linear = SmallLinear if pairwise else nn.Linear
        products = bottleneck // 2 if pairwise else 0
        self.squeeze = linear(channels, bottleneck)
        self.mix = linear(bottleneck, bottleneck) if pairwise else None
        self.pairs = LowRankBilinear(bottleneck, products) if pairwise else None
        self.excite = linear(bottleneck + products, channels)

    def gates(self, means: Float[Tensor, "n channels"]) -> Float[Tensor, "n channels"]:
        """Gates from 0 to 1, from means over the length."""
        state = F.silu(self.squeeze(means))
        if self.mix is not None and self.pairs is not None:
            state = self.mix(state)
            state = F.silu(torch.cat([state, self.pairs(state)], 1))
        return torch.sigmoid(self.excite(state))

    def forward(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length channels"]:
        """Multiply every channel by its gate."""
        # A sum, because the gradient of a mean is a whole array of its own.
        return x * self.gates(x.sum(1) / x.shape[1]).unsqueeze(1)


class Block(nn.Module):
    """One block: widen, convolve by group, gate, narrow, concatenate with the input, resize."""

    def __init__(self, inputs: int, outputs: int, form: Form, dropout: float) -> None:
        super().__init__()
        middle = EXPANSION * (inputs if form.expand_input else outputs)
        groups = middle // form.filters_per_group
        self.block_first = form.block_first
        self.expand = Unit(inputs, middle, dropout=dropout, init=form.init)
        self.local = Unit(middle, middle, KERNEL, groups=groups, dropout=dropout, init=form.init)
        self.gate = SqueezeExcite(middle, inputs // REDUCTION, pairwise=form.pairwise)
        self.project = Unit(middle, inputs, dropout=dropout, init=form.init)
        self.resize = Unit(2 * inputs, outputs, KERNEL, dropout=dropout, init=form.init)

    def forward(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length out"]:
        """Apply the block."""
        return self.join(self.project(self._middle(x)), x)

    def join(
        self, inner: Float[Tensor, "n length channels"], x: Float[Tensor, "n length channels"]
    ) -> Float[Tensor, "n length out"]:
        """Concatenate the narrowed features with the block's input and resize."""
        return self.resize(torch.cat([inner, x] if self.block_first else [x, inner], 2))

    def _middle(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n length middle"]:
        """Widened, convolved by group, gated."""
        first, second = self.expand, self.local
        dropped = self.training and first.dropout.p > 0
        if not second.conv.depthwise or dropped or not kernels.usable(x):
            return self.gate(second(first(x)))
        gate, local = self.gate, second.conv
        return inverted_bottleneck(
            first.conv(x),
            first.norm,
            local.taps(),
            torch.tensor(local.offsets()),
            second.norm,
            gate.gates,
            list(gate.parameters()),
        )


def halve(x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n half channels"]:
    """The larger of every two neighbours; the last of an odd number stands alone."""
    if x.shape[1] % 2:
        x = torch.cat([x, x[:, -1:]], 1)
    return torch.maximum(x[:, ::2], x[:, 1::2])


class LegNet(nn.Module):
    """The network, with four slots that modifications fill: input, blocks, context, head.

    Attributes
    ----------
    config
        Arguments of `leanseq.models.create` that make the same network; plain values.
    channels, length, outputs
        Channels and length (bp) of the input, number of outputs.
    widths
        Channels of the stem and of each block.
    positions
        Length of the features; another than `length` where the input slot compresses it or the network pools.
    """

    form: ClassVar[Form]
    all_widths: ClassVar[tuple[int, ...]] = WIDTHS
    pools: ClassVar[int] = 0
    """Blocks, from the second, whose input is halved in length by max pooling."""

    def __init__(self, channels: int, length: int, outputs: int, size: str, options: LegNetOptions) -> None:
        super().__init__()
        self.config: dict[str, object] = {}
        self.channels, self.length, self.outputs = channels, length, outputs
        self.options = options
        self.widths = tuple(width // DIVISORS[size] for width in self.all_widths)
        self.positions = self._pooled(length)
        self.input: nn.Module = ChannelsLast()
        self.stem = self._make_stem(channels)
        self.blocks = nn.ModuleList(
            Block(inputs, width, self.form, options.dropout)
            for inputs, width in zip(self.widths[:-1], self.widths[1:], strict=True)
        )
        self.context: nn.Module = nn.Identity()
        # SiLU is never below -0.28: it suits logits, but one output could not reach a lower label.
        activation = self.form.head_activation and outputs > 1
        self.head: nn.Module = MeanHead(self.widths[-1], outputs, activation=activation, init=self.form.init)

    def _make_stem(self, channels: int) -> Unit:
        return Unit(channels, self.widths[0], KERNEL, dropout=self.options.dropout, init=self.form.init)

    def replace_input(self, module: nn.Module, channels: int, positions: int) -> None:
        """Fill the input slot with a module from `[n, channels, length]` to `[n, positions, channels]`."""
        self.input, self.positions = module, self._pooled(positions)
        if channels != self.channels:
            self.stem = self._make_stem(channels)

    def features(self, x: Float[Tensor, "n channels length"]) -> Float[Tensor, "n positions width"]:
        """Features of every position, as the head sees them."""
        return self.after_first(self.blocks[0](self.stem(self.input(x))))

    def after_first(self, x: Float[Tensor, "n length channels"]) -> Float[Tensor, "n positions width"]:
        """From what the first block gives to what the head sees."""
        for i, block in enumerate(self.blocks[1:]):
            x = block(halve(x) if i < self.pools else x)
        return self.context(x)

    def _pooled(self, positions: int) -> int:
        return -(-positions // 2**self.pools)

    def forward(self, x: Float[Tensor, "n channels length"]) -> Float[Tensor, "n outputs"]:
        """Logits of the bins, or one value a sequence.

        Parameters
        ----------
        x
            One-hot channels A, C, G, T (zeros for N), then the extra channels, constant over a sequence.
        """
        return self.head(self.features(x))


class LegNetDream2022(LegNet):
    """The form that won DREAM 2022; 1,852,846 parameters with 6 channels and 18 outputs.

    With one output its head has no activation (the published network always has 18).
    """

    form = Form(
        expand_input=False,
        filters_per_group=2,
        block_first=False,
        pairwise=True,
        head_activation=True,
        init="fan-out",
    )


class LegNetOptimized(LegNet):
    """The form its authors chose later by ablation; 2,129,602 parameters with 6 channels and 18 outputs."""

    form = Form(
        expand_input=True,
        filters_per_group=1,
        block_first=True,
        pairwise=False,
        head_activation=False,
        init="default",
    )


class LegNetLean(LegNetOptimized):
    """For few sequences: half as wide, three blocks, the length halved before the second and the third.

    Found by experiment (`docs/lab-notebook.md`); with 10,240 rows it is more exact than the published forms for a
    fraction of their work.
    """

    all_widths = LEAN_WIDTHS
    pools = 2
