"""What a network is trained to do: match soft expression bins (KL) or the value itself (MSE)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..data.labels import SoftBins
from ..errors import InputError

KINDS = {
    "kl": "Kullback-Leibler divergence from soft bins; prediction is the expected bin (Penzar 2023)",
    "mse": "squared error of one output",
    "mse-bins": "squared error of the expected bin",
}


@dataclass(frozen=True)
class Objective:
    """A loss and the way from a network's output to expression.

    Attributes
    ----------
    kind
        `kl`, `mse` or `mse-bins`.
    bins
        Soft bins in the unit of expression (used by `kl` and `mse-bins`).
    mean, sd
        Of the training values; `mse` works on (value - mean) / sd so that no unit is special.
    """

    kind: str
    bins: SoftBins
    mean: float
    sd: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"objective {self.kind!r} is unknown, expected one of {', '.join(KINDS)}")
        if not self.sd > 0:
            raise InputError("objective: all training values are equal, expected values that differ")

    @property
    def outputs(self) -> int:
        """Number of outputs the network needs."""
        return 1 if self.kind == "mse" else self.bins.count

    @property
    def unit(self) -> float:
        """What one unit of `loss` is in the reported loss: nats for KL, squared expression for MSE."""
        return 1.0 if self.kind == "kl" else self.sd**2

    def targets(self, expression: Float[np.ndarray, " n"]) -> Float[Tensor, "n target"]:
        """What the loss compares with: bin probabilities, or the standardised value."""
        if self.kind == "kl":
            return torch.from_numpy(self.bins.spread(expression))
        return torch.from_numpy(((expression - self.mean) / self.sd).astype(np.float32))[:, None]

    def activate(self, output: Float[Tensor, "n outputs"]) -> Float[Tensor, "n outputs"]:
        """Bin probabilities, or the standardised value: quantities that may be averaged over strands."""
        return output if self.kind == "mse" else output.float().softmax(1)

    def loss(self, output: Float[Tensor, "n outputs"], target: Float[Tensor, "n target"]) -> Float[Tensor, " n"]:
        """Loss of each row on raw network output."""
        if self.kind == "kl":
            return F.kl_div(F.log_softmax(output.float(), 1), target, reduction="none").sum(1)
        return (self._standard(self.activate(output)) - target[:, 0]) ** 2

    def loss_of_activated(
        self, activated: Float[Tensor, "n outputs"], target: Float[Tensor, "n target"]
    ) -> Float[Tensor, " n"]:
        """Loss of each row on averaged, activated output."""
        if self.kind == "kl":
            return F.kl_div(activated.clamp_min(1e-12).log(), target, reduction="none").sum(1)
        return (self._standard(activated) - target[:, 0]) ** 2

    def expression(self, activated: Float[Tensor, "n outputs"]) -> Float[Tensor, " n"]:
        """Predicted expression in the user's unit."""
        return self._standard(activated) * self.sd + self.mean

    def _standard(self, activated: Float[Tensor, "n outputs"]) -> Float[Tensor, " n"]:
        if self.kind == "mse":
            return activated[:, 0]
        centres = torch.as_tensor(self.bins.centres, dtype=torch.float32, device=activated.device)
        return (activated @ centres - self.mean) / self.sd

    def constant_losses(
        self, train: Float[np.ndarray, " n"], expression: Float[np.ndarray, " m"]
    ) -> Float[np.ndarray, " m"]:
        """Loss of each value, in the reported unit, if the answer is always the average of the training labels."""
        if self.kind != "kl":
            return (expression - train.mean()) ** 2
        target = self.targets(expression)
        average = self.targets(train).mean(0, keepdim=True).expand_as(target)
        return self.loss_of_activated(average, target).double().numpy()

    def no_skill(self, train: Float[np.ndarray, " n"], expression: Float[np.ndarray, " m"]) -> dict[str, float]:
        """Losses on `expression` that need no sequence at all.

        Returns
        -------
        dict
            `constant`: always answer with the training labels' average. For KL also `uniform`: all bins alike,
            an untrained network.
        """
        levels = {"constant": float(self.constant_losses(train, expression).mean())}
        if self.kind == "kl":
            target = self.targets(expression)
            flat = torch.full_like(target, 1 / self.bins.count)
            levels["uniform"] = float(self.loss_of_activated(flat, target).mean())
        return levels

    def to_dict(self) -> dict[str, Any]:
        """Plain values for `config.json`."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Objective:
        """Inverse of `to_dict`."""
        return Objective(**{**values, "bins": SoftBins(**values["bins"])})
