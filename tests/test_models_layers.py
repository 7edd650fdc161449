"""The channels-last layers against those of torch."""

import pytest
import torch
from torch import nn

from leanseq.models.layers import BatchNorm, Conv, MeanHead


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "groups", "dilation"),
    [
        (6, 8, 7, 1, 1),
        (8, 12, 1, 1, 1),
        (8, 8, 7, 8, 1),
        (8, 8, 7, 4, 1),
        (8, 8, 7, 8, 4),
        (8, 4, 7, 1, 3),
        (8, 8, 1, 4, 1),
    ],
)
@pytest.mark.parametrize(("n", "length"), [(3, 20), (1, 20), (2, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_conv_equals_torch(inputs, outputs, kernel, groups, dilation, n, length, bias):
    torch.manual_seed(0)
    ours = Conv(inputs, outputs, kernel, groups=groups, dilation=dilation, bias=bias)
    theirs = nn.Conv1d(inputs, outputs, kernel, padding="same", groups=groups, dilation=dilation, bias=bias)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(n, length, inputs, requires_grad=True)
    y = x.detach().transpose(1, 2).clone().requires_grad_()
    ours_out, theirs_out = ours(x), theirs(y)
    torch.testing.assert_close(ours_out, theirs_out.transpose(1, 2))
    gradient = torch.randn_like(ours_out)
    ours_out.backward(gradient)
    theirs_out.backward(gradient.transpose(1, 2))
    torch.testing.assert_close(x.grad, y.grad.transpose(1, 2))
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(name).grad, atol=1e-4, rtol=1e-4)


def test_conv_output_stays_channels_last():
    x = torch.randn(3, 20, 8)
    assert Conv(8, 8, 7, groups=8)(x).is_contiguous()
    assert Conv(8, 8, 7, dilation=2)(x).is_contiguous()


def test_default_init_is_that_of_torch():
    torch.manual_seed(3)
    ours = Conv(8, 12, 7, bias=True)
    torch.manual_seed(3)
    theirs = nn.Conv1d(8, 12, 7)
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_fan_out_init():
    torch.manual_seed(0)
    conv = Conv(64, 256, 7, groups=4, bias=True, init="fan-out")
    assert conv.weight.std().item() == pytest.approx((2 / (7 * 256)) ** 0.5, rel=0.02)
    assert not conv.bias.any()


def test_even_kernel_is_refused():
    with pytest.raises(ValueError, match="odd"):
        Conv(4, 4, 6)


def test_batch_norm_equals_torch():
    torch.manual_seed(0)
    ours, theirs = BatchNorm(5), nn.BatchNorm1d(5)
    x = (torch.randn(4, 11, 5) * 3 + 1).requires_grad_()
    y = x.detach().transpose(1, 2).clone().requires_grad_()
    gradient = torch.randn(4, 11, 5)
    for mode in (True, True, False):
        ours.train(mode)
        theirs.train(mode)
        x.grad = y.grad = None
        first, second = ours(x), theirs(y)
        torch.testing.assert_close(first, second.transpose(1, 2))
        first.backward(gradient)
        second.backward(gradient.transpose(1, 2))
        torch.testing.assert_close(x.grad, y.grad.transpose(1, 2))
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
        torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)
        for name, buffer in ours.named_buffers():
            torch.testing.assert_close(buffer, theirs.get_buffer(name))


def test_mean_head_takes_the_mean_of_the_convolution():
    x = torch.randn(3, 20, 8)
    head = MeanHead(8, 5, activation=False)
    torch.testing.assert_close(head(x), head.conv(x).mean(1))
    head = MeanHead(8, 5, activation=True)
    torch.testing.assert_close(head(x), nn.functional.silu(head.conv(x)).mean(1))
