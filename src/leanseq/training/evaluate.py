"""A network's answer on rows, without gradient, averaged over both strands."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from .inputs import Channels, network_input
from .objectives import Objective

BATCH = 64
"""Rows of a forward pass, each on both strands."""


@torch.no_grad()
def activated_outputs(
    network: nn.Module,
    objective: Objective,
    channels: Channels,
    codes: UInt8[np.ndarray, "n length"],
    *,
    both_strands: bool = True,
) -> Float[Tensor, "n outputs"]:
    """Averaged activated outputs of rows, on the CPU.

    Parameters
    ----------
    network
        Left in evaluation mode.
    objective
        How outputs become quantities that may be averaged.
    channels
        Constant channels; `singleton` is always 0 here.
    codes
        Windows, uint8.
    both_strands
        Average the answers for the row and for its reverse complement.
    """
    network.eval()
    device = next(network.parameters()).device
    parts = []
    for start in range(0, len(codes), BATCH):
        batch = torch.from_numpy(codes[start : start + BATCH]).to(device)
        flipped = torch.zeros(len(batch), dtype=torch.bool, device=device)
        if both_strands:
            batch, flipped = batch.repeat(2, 1), torch.cat([flipped, ~flipped])
        answers = objective.activate(network(network_input(batch, channels, flipped)))
        parts.append(answers.view(1 + both_strands, -1, answers.shape[1]).mean(0).cpu())
    return torch.cat(parts) if parts else torch.zeros(0, objective.outputs)
