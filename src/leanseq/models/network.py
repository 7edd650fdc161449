"""What all networks share."""

from __future__ import annotations

from torch import nn


class Network(nn.Module):
    """A network from one-hot channels to outputs.

    Attributes
    ----------
    config
        Arguments of `leanseq.models.create` that make the same network; plain values.
    channels, length, outputs
        Channels and length (bp) of the input, number of outputs.
    """

    def __init__(self, channels: int, length: int, outputs: int) -> None:
        super().__init__()
        self.config: dict[str, object] = {}
        self.channels, self.length, self.outputs = channels, length, outputs
