"""A network's answer on rows, without gradient, averaged over both strands."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from .inputs import Channels, network_input
from .objectives import Objective

BATCH = 128


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
        answers = []
        for other in (False, True) if both_strands else (False,):
            flipped = torch.full((len(batch),), other, device=device)
            answers.append(objective.activate(network(network_input(batch, channels, flipped))))
        parts.append(torch.stack(answers).mean(0).cpu())
    return torch.cat(parts) if parts else torch.zeros(0, objective.outputs)
