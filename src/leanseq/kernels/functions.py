"""Batch norm, SiLU, depth-wise convolution and gate as autograd functions on compiled kernels.

All work on `[n, length, channels]`, float32, on the processor. They save what went into the batch norm and compute
everything after it again in the backward pass, so a training step needs a third less memory than in plain
torch. A second derivative is not defined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .build import run


class Normal(NamedTuple):
    """A batch norm on the way: its weights, and the mean and biased variance it divides by.

    Attributes
    ----------
    gamma, beta, mean, var
        `[channels]`.
    eps
        What is added to the variance.
    batch
        Whether mean and variance are those of this batch, so that they depend on its input.
    """

    gamma: Tensor
    beta: Tensor
    mean: Tensor
    var: Tensor
    eps: float
    batch: bool


class Line(NamedTuple):
    """A batch norm as `h * scale + shift`, with what its backward pass needs."""

    scale: Tensor
    shift: Tensor
    mean: Tensor
    rstd: Tensor

    @classmethod
    def of(cls, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float) -> Line:
        """The line of a batch norm, without gradient."""
        rstd = (var + eps).rsqrt()
        scale = gamma.detach() * rstd
        return cls(scale, beta.detach() - mean * scale, mean, rstd)


def _sizes(x: Tensor) -> tuple[int, ...]:
    return (*x.shape, torch.get_num_threads())


def statistics(h: Float[Tensor, "n length channels"]) -> tuple[Float[Tensor, " channels"], Float[Tensor, " channels"]]:
    """Mean and biased variance of every channel."""
    mean, var = h.new_empty(h.shape[2]), h.new_empty(h.shape[2])
    run("statistics", h, *_sizes(h), mean, var)
    return mean, var


def _running(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def observe(norm: nn.BatchNorm1d, mean: Tensor, var: Tensor, rows: int) -> None:
    """Move a batch norm's running statistics towards those of a batch, as torch does."""
    momentum = norm.momentum or 0.0
    assert norm.num_batches_tracked is not None
    running_mean, running_var = _running(norm)
    with torch.no_grad():
        norm.num_batches_tracked.add_(1)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (rows / max(rows - 1, 1)), momentum)


def normal(norm: nn.BatchNorm1d, h: Tensor, known: tuple[Tensor, Tensor] | None = None) -> Normal:
    """What a batch norm does to `h`: by this batch in training (running statistics move), else by running statistics.

    Parameters
    ----------
    known
        Mean and variance of `h`, if a kernel has found them on its way.
    """
    if not norm.training:
        return Normal(norm.weight, norm.bias, *_running(norm), norm.eps, False)
    with torch.no_grad():
        mean, var = known or statistics(h)
    observe(norm, mean, var, h.shape[0] * h.shape[1])
    return Normal(norm.weight, norm.bias, mean, var, norm.eps, True)


def _line(norm: nn.BatchNorm1d) -> Line:
    """The line of a batch norm in evaluation mode."""
    return Line.of(norm.weight, norm.bias, *_running(norm), norm.eps)


def _silu(h: Tensor, line: Line) -> Tensor:
    y = torch.empty_like(h)
    run("silu", h, line.scale, line.shift, *_sizes(h), y, None)
    return y


def _silu_and_means(h: Tensor, line: Line) -> tuple[Tensor, Tensor]:
    """The same with its mean over the length."""
    y, sums = torch.empty_like(h), h.new_empty(h.shape[0], h.shape[2])
    run("silu", h, line.scale, line.shift, *_sizes(h), y, sums)
    return y, sums.div_(h.shape[1])


def _gated(y: Tensor, gate: Tensor) -> Tensor:
    """Multiply in place."""
    run("multiply", y, gate.contiguous(), *_sizes(y))
    return y


def _local(
    h: Tensor, line: Line, weight: Tensor, offsets: Tensor, mean: Tensor | None = None, var: Tensor | None = None
) -> Tensor:
    out = torch.empty_like(h)
    run("local", h, line.scale, line.shift, weight, offsets, len(offsets), *_sizes(h), out, mean, var)
    return out


def _through_norm(
    dz: Tensor, h: Tensor, line: Line, total: Tensor, moment: Tensor, batch: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of h (made of `dz` in place), gamma and beta."""
    rows = h.shape[0] * h.shape[1]
    centre = total / rows if batch else torch.zeros_like(total)
    slope = -line.scale * line.rstd.square() * moment / rows if batch else torch.zeros_like(total)
    run("affine", dz, h, line.scale, centre, slope, line.mean, *_sizes(h))
    return dz, moment * line.rstd, total


class _NormSilu(Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float, batch: bool):
        line = Line.of(gamma, beta, mean, var, eps)
        ctx.save_for_backward(h, *line)
        ctx.batch = batch
        return _silu(h, line)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        h, *rest = ctx.saved_tensors
        line = Line(*rest)
        dy, dz = dy.contiguous(), torch.empty_like(h)
        total, moment = torch.empty_like(line.mean), torch.empty_like(line.mean)
        run("silu_backward", h, dy, line.scale, line.shift, line.mean, None, None, *_sizes(h), dz, total, moment)
        return *_through_norm(dz, h, line, total, moment, ctx.batch), None, None, None, None


class _NormSiluLocal(Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        weight: Tensor,
        offsets: Tensor,
        statistics: bool,
        gamma: Tensor,
        beta: Tensor,
        mean: Tensor,
        var: Tensor,
        eps: float,
        batch: bool,
    ):
        line = Line.of(gamma, beta, mean, var, eps)
        weight = weight.contiguous()
        found = (torch.empty_like(mean), torch.empty_like(mean)) if statistics else (None, None)
        out = _local(h, line, weight, offsets, *found)
        ctx.save_for_backward(h, weight, offsets, *line)
        ctx.batch = batch
        if statistics:
            ctx.mark_non_differentiable(*found)
        return out, *found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor, *_: Any):  # pyright: ignore[reportIncompatibleMethodOverride]
        h, weight, offsets, *rest = ctx.saved_tensors
        line = Line(*rest)
        dout, dz, dweight = dout.contiguous(), torch.empty_like(h), torch.empty_like(weight)
        total, moment = torch.empty_like(line.mean), torch.empty_like(line.mean)
        run(
            "local_backward",
            dout,
            h,
            line.scale,
            line.shift,
            line.mean,
            weight,
            offsets,
            len(offsets),
            *_sizes(h),
            dz,
            dweight,
            total,
            moment,
        )
        dh, dgamma, dbeta = _through_norm(dz, h, line, total, moment, ctx.batch)
        return dh, dweight, None, None, dgamma, dbeta, None, None, None, None


class _NormSiluGate(Function):
    """The gate is a small network of its own; its graph is kept from forward to backward."""

    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        gamma: Tensor,
        beta: Tensor,
        mean: Tensor,
        var: Tensor,
        eps: float,
        batch: bool,
        gates: Callable[[Tensor], Tensor],
        *parameters: Tensor,
    ):
        line = Line.of(gamma, beta, mean, var, eps)
        y, means = _silu_and_means(h, line)
        with torch.set_grad_enabled(any(ctx.needs_input_grad)):
            means.requires_grad_(any(ctx.needs_input_grad))
            gate = gates(means).contiguous()
        _gated(y, gate)
        ctx.save_for_backward(h, y, *line)
        ctx.batch, ctx.means, ctx.gate, ctx.parameters = batch, means, gate, parameters
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        h, y, *rest = ctx.saved_tensors
        line = Line(*rest)
        dy, dgate = dy.contiguous(), torch.empty_like(ctx.gate)
        run("dot", y, dy, *_sizes(h), dgate)
        # y holds the gate already. A gate near zero passes nothing on, whatever its gradient.
        dgate = torch.where(ctx.gate > 1e-30, dgate / ctx.gate, 0.0)
        wanted = [ctx.means, *(p for p in ctx.parameters if p.requires_grad)]
        dmeans, *found = torch.autograd.grad(ctx.gate, wanted, dgate, retain_graph=False)
        gradients = iter(found)
        dparameters = [next(gradients) if p.requires_grad else None for p in ctx.parameters]
        dz, extra = torch.empty_like(h), (dmeans / h.shape[1]).contiguous()
        total, moment = torch.empty_like(line.mean), torch.empty_like(line.mean)
        run(
            "silu_backward",
            h,
            dy,
            line.scale,
            line.shift,
            line.mean,
            ctx.gate.detach(),
            extra,
            *_sizes(h),
            dz,
            total,
            moment,
        )
        return *_through_norm(dz, h, line, total, moment, ctx.batch), None, None, None, None, None, *dparameters


def norm_silu(h: Float[Tensor, "n length channels"], norm: nn.BatchNorm1d) -> Float[Tensor, "n length channels"]:
    """`silu(norm(h))`."""
    h = h.contiguous()
    if not torch.is_grad_enabled() and not norm.training:
        return _silu(h, _line(norm))
    return _NormSilu.apply(h, *normal(norm, h))


def inverted_bottleneck(
    h: Float[Tensor, "n length channels"],
    first: nn.BatchNorm1d,
    weight: Float[Tensor, "taps channels"],
    offsets: Int64[Tensor, " taps"],
    second: nn.BatchNorm1d,
    gates: Callable[[Tensor], Tensor],
    parameters: list[nn.Parameter],
) -> Float[Tensor, "n length channels"]:
    """`y * gates(mean of y)` for `y = silu(second(convolve(silu(first(h)))))`: the middle of a LegNet block.

    Parameters
    ----------
    weight, offsets
        A depth-wise convolution: `out[l] = sum over k of weight[k] * in[l + offsets[k]]`, zeros outside.
    gates
        From means over the length `[n, channels]` to gates of the same shape.
    parameters
        What `gates` learns.
    """
    h = h.contiguous()
    if not torch.is_grad_enabled() and not first.training:
        out = _local(h, _line(first), weight.contiguous(), offsets)
        y, means = _silu_and_means(out, _line(second))
        return _gated(y, gates(means))
    out, mean, var = _NormSiluLocal.apply(h, weight, offsets, second.training, *normal(first, h))
    return _NormSiluGate.apply(out, *normal(second, out, (mean, var) if second.training else None), gates, *parameters)
