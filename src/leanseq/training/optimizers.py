"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..models.legnet import LegNet


class Lion(torch.optim.Optimizer):
    """Sign of an interpolated momentum, with decoupled weight decay (Chen 2023, arXiv:2302.06675)."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter once."""
        for group in self.param_groups:
            now, later = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                average = state["exp_avg"]
                update = average.lerp(parameter.grad, 1 - now).sign_()
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])
                average.lerp_(parameter.grad, 1 - later)


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for matrices, Adam for vectors and outputs; decoupled weight decay of matrices alone.

    A matrix moves in all its directions alike, not most in those of its largest gradients (Jordan 2024, Muon: an
    optimizer for hidden layers). Its steps have the root mean square of AdamW's, so that learning rates compare (Liu
    2025, arXiv:2502.16982). A filter bank counts as one matrix with a row a filter. `outputs` are the weights of the
    last layer, whose directions are not alike: one of them is expression.
    """

    ITERATIONS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)
    """Of the Newton-Schulz iteration: singular values end between about 0.7 and 1.2."""
    SCALE, EPSILON = 0.2, 1e-8

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        outputs: Iterable[nn.Parameter] = (),
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas})
        self.outputs = {id(each) for each in outputs}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter once."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    orthogonal = parameter.ndim > 1 and id(parameter) not in self.outputs
                    (self._orthogonal if orthogonal else self._adam)(parameter, parameter.grad, group)

    def _orthogonal(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, keep = self.state[parameter], group["momentum"]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(gradient, 1 - keep)
        update = self._alike(gradient.lerp(average, keep).flatten(1))
        size = group["lr"] * self.SCALE * max(update.shape) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update.view_as(parameter), alpha=-size)

    def _alike(self, x: Tensor) -> Tensor:
        wide = x.shape[0] <= x.shape[1]
        x = x if wide else x.t()
        x = x / (x.norm() + self.EPSILON)
        a, b, c = self.COEFFICIENTS
        for _ in range(self.ITERATIONS):
            gram = x @ x.t()
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x if wide else x.t()

    def _adam(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (first, second) = self.state[parameter], group["betas"]
        if not state:
            state |= {"step": torch.zeros(()), **{n: torch.zeros_like(parameter) for n in ("exp_avg", "exp_avg_sq")}}
        state["step"] += 1
        time = float(state["step"])
        mean = state["exp_avg"].lerp_(gradient, 1 - first) / (1 - first**time)
        square = state["exp_avg_sq"].lerp_(gradient.square(), 1 - second) / (1 - second**time)
        if parameter.ndim > 1:
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.addcdiv_(mean, square.sqrt() + self.EPSILON, value=-group["lr"])


def make_optimizer(name: str, network: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov 2019), Lion or Muon over all parameters.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    makers: dict[str, Callable[..., Any]] = {
        "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True),
        "lion": lambda parameters: Lion(parameters, lr=lr, weight_decay=weight_decay),
        "muon": lambda parameters: Muon(parameters, lr, weight_decay, outputs=_output_weights(cast(LegNet, network))),
    }
    if name not in makers:
        raise InputError(f"optimizer {name!r} is unknown, expected one of {', '.join(makers)}")
    return makers[name](network.parameters())


def _output_weights(network: LegNet) -> list[nn.Parameter]:
    """The matrix that makes the outputs, whatever else the head holds."""
    return [each for each in network.head.parameters() if each.ndim > 1 and len(each) == network.outputs]
