"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from ..errors import InputError


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


def make_optimizer(name: str, network: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov 2019) or Lion over all parameters.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    makers: dict[str, Callable[..., Any]] = {
        "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True),
        "lion": lambda parameters: Lion(parameters, lr=lr, weight_decay=weight_decay),
    }
    if name not in makers:
        raise InputError(f"optimizer {name!r} is unknown, expected one of {', '.join(makers)}")
    return makers[name](network.parameters())
