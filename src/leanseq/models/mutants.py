"""Features of single mutants of one sequence, computed only where they can differ from its own.

Up to the first squeeze-and-excite gate a network sees no further than its kernels reach, so the stem and the first
block's widening and convolution are computed once for the sequence and, for a mutant, only around the mutation. From
the first gate on every position depends on the whole sequence: the rest of the network is computed whole. The result
is that of the whole network, to rounding.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from .layers import ChannelsLast, Conv
from .legnet import Block, LegNet


def saves(network: LegNet) -> bool:
    """Whether the network keeps positions apart up to its first gate; an embedding need not."""
    return isinstance(network.input, ChannelsLast)


def mutant_outputs(
    network: LegNet,
    own: Float[Tensor, "channels length"],
    mutants: Float[Tensor, "n channels length"],
    positions: Int64[Tensor, " n"],
) -> Float[Tensor, "n outputs"]:
    """Outputs of the network, in evaluation mode, on sequences that differ from `own` at one position each.

    Parameters
    ----------
    network
        One that `saves`.
    own
        Input channels of the sequence.
    mutants, positions
        Input channels of its mutants, and where they differ.
    """
    block = cast(Block, network.blocks[0])
    near = _reach(network.stem.conv)
    far = near + _reach(block.local.conv)
    stem = network.stem(network.input(own[None]))
    local = block.local(block.expand(stem))
    n, length = len(mutants), own.shape[1]

    # Values at most `far` from the mutation change; a piece twice as wide gives them as the whole sequence does.
    width = min(length, 4 * far + 1)
    starts = (positions - 2 * far).clamp(0, length - width)
    shown = starts[:, None] + torch.arange(width, device=starts.device)
    pieces = mutants.gather(2, shown[:, None].expand(n, mutants.shape[1], width))
    stem_piece = network.stem(network.input(pieces))
    local_piece = block.local(block.expand(stem_piece))

    near_piece, near_place, _ = _around(stem_piece, positions, starts, near, length)
    fresh, place, there = _around(local_piece, positions, starts, far, length)
    before = local[0].index_select(0, place % length)
    change = ((fresh - before) * there[:, None]).view(n, -1, fresh.shape[1]).sum(1) / length
    gates = block.gate.gates(local.mean(1) + change)
    gated = local * gates[:, None]
    gated.flatten(0, 1).index_copy_(0, place, fresh * gates.repeat_interleave(2 * far + 1, 0))
    inner = block.project(gated)
    skipped = stem.repeat(n, 1, 1)
    skipped.flatten(0, 1).index_copy_(0, near_place, near_piece)
    return network.head(network.after_first(block.join(inner, skipped)))


def _around(
    pieces: Float[Tensor, "n width channels"],
    positions: Int64[Tensor, " n"],
    starts: Int64[Tensor, " n"],
    reach: int,
    length: int,
) -> tuple[Float[Tensor, "rows channels"], Int64[Tensor, " rows"], Bool[Tensor, " rows"]]:
    """Values around each mutation, their rows in a flat `[n * length, channels]`, and which of them are there.

    Beyond an end of the sequence the end's own value stands again.
    """
    n, width, _ = pieces.shape
    wanted = positions[:, None] + torch.arange(-reach, reach + 1, device=positions.device)
    there = (wanted >= 0) & (wanted < length)
    wanted = wanted.clamp(0, length - 1)
    each = torch.arange(n, device=positions.device)[:, None]
    found = pieces.flatten(0, 1).index_select(0, (wanted - starts[:, None] + each * width).flatten())
    return found, (wanted + each * length).flatten(), there.flatten()


def _reach(conv: Conv) -> int:
    """How far a convolution sees to either side, bp."""
    return int(max(abs(offset) for offset in conv.offsets()))
