"""Compiled kernels give what plain torch gives: outputs, gradients, statistics."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from leanseq import kernels
from leanseq.errors import InputError
from leanseq.kernels import build
from leanseq.kernels.functions import inverted_bottleneck, norm_silu, statistics
from leanseq.models import create
from leanseq.models.dilated import MixedConv
from leanseq.models.layers import BatchNorm, Conv
from leanseq.models.legnet import SqueezeExcite
from leanseq.training.cpu import Processor


def can_compile():
    try:
        return bool(build.library())
    except build.BuildError:
        return False


compiled = pytest.mark.skipif(not can_compile(), reason="no C compiler here")


@pytest.fixture(autouse=True)
def _as_before():
    before = dict(kernels._state)
    torch.manual_seed(0)
    yield
    kernels._state.update(before)


def a_norm(channels, *, training):
    norm = BatchNorm(channels).train(training)
    for value in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(value, 0.3, 1)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return norm


def in_double(module, *tensors):
    return copy.deepcopy(module).double(), *(tensor.detach().double().requires_grad_() for tensor in tensors)


def gradients(y, towards, *inputs):
    return torch.autograd.grad((y * towards).sum(), inputs)


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        scale = other.abs().max().clamp_min(1e-6)
        torch.testing.assert_close(one.double() / scale, other.double() / scale, rtol=0, atol=1e-5)


@compiled
def test_statistics_of_far_away_values():
    h = torch.randn(5, 37, 50) * 0.1 + 1000 * torch.randn(50)
    mean, var = statistics(h)
    assert_close((mean, var), (h.double().mean((0, 1)), h.double().var((0, 1), correction=0)))


@compiled
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (2, 150, 64), (5, 20, 130)])
def test_norm_silu(shape, training):
    norm = a_norm(shape[2], training=training and shape != (1, 1, 1))
    h, towards = torch.randn(shape, requires_grad=True), torch.randn(shape)
    plain, own = in_double(norm, h)
    y, expected = norm_silu(h, norm), F.silu(plain(own))
    found = gradients(y, towards, h, norm.weight, norm.bias)
    wanted = gradients(expected, towards, own, plain.weight, plain.bias)
    assert_close([y, *found], [expected, *wanted])
    assert_close([norm.running_mean, norm.running_var], [plain.running_mean, plain.running_var])
    assert norm.num_batches_tracked == plain.num_batches_tracked


@compiled
def test_silu_of_extreme_values():
    norm = BatchNorm(6).eval()
    norm.running_var.fill_(1 - norm.eps)
    h = torch.tensor([[[-3e4, -100.0, -20.0, 20.0, 100.0, 3e4]]], requires_grad=True)
    y = norm_silu(h, norm)
    torch.testing.assert_close(y, F.silu(h))
    torch.testing.assert_close(gradients(y, 1, h)[0], gradients(F.silu(h), 1, h)[0])


@compiled
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("pairwise", [True, False])
@pytest.mark.parametrize("conv", ["plain", "wide", "mixed"])
def test_the_middle_of_a_block(training, pairwise, conv):
    n, length, channels = 3, 11, 20
    made = Conv(channels, channels, 9 if conv == "wide" else 3, groups=channels)
    if conv == "mixed":
        made = MixedConv(made, 4, 0.3)
    middle = nn.ModuleDict(
        {
            "first": a_norm(channels, training=training),
            "local": made,
            "second": a_norm(channels, training=training),
            "gate": SqueezeExcite(channels, 8, pairwise=pairwise),
        }
    )
    for weight in middle["gate"].parameters():
        nn.init.normal_(weight, 0, 0.4)
    h, towards = torch.randn(n, length, channels, requires_grad=True), torch.randn(n, length, channels)
    plain, own = in_double(middle, h)
    kernels.choose("torch")
    expected = F.silu(plain["first"](own))
    expected = plain["gate"](F.silu(plain["second"](plain["local"](expected))))
    gate = middle["gate"]
    taps, offsets = made.taps(), torch.tensor(made.offsets())
    y = inverted_bottleneck(h, middle["first"], taps, offsets, middle["second"], gate.gates, list(gate.parameters()))
    found = gradients(y, towards, h, *middle.parameters())
    wanted = gradients(expected, towards, own, *plain.parameters())
    assert_close([y, *found], [expected, *wanted])
    assert_close([v.double() for v in middle.buffers()], [v.double() for v in plain.buffers()])


@compiled
def test_frozen_weights_get_no_gradient_and_the_rest_theirs():
    network = create("legnet-optimized", channels=4, length=30, outputs=3, size="tiny")
    for weight in network.blocks[0].gate.squeeze.parameters():
        weight.requires_grad_(requires_grad=False)
    kernels.choose("compiled")
    network(torch.randn(2, 4, 30)).sum().backward()
    assert network.blocks[0].gate.squeeze.weight.grad is None
    assert network.blocks[0].gate.excite.weight.grad.abs().sum() > 0


@compiled
@pytest.mark.parametrize("spec", ["legnet-optimized", "legnet-dream2022", "legnet-optimized+dilated"])
@pytest.mark.parametrize("training", [True, False])
def test_whole_networks_agree(spec, training):
    network = create(spec, channels=4, length=40, outputs=6, size="tiny").train(training)
    x, answers = torch.randn(4, 4, 40), []
    for choice in ("torch", "compiled"):
        kernels.choose(choice)
        same = copy.deepcopy(network)
        out = same(x)
        out.square().sum().backward()
        with torch.no_grad():
            quiet = copy.deepcopy(network)(x)
        torch.testing.assert_close(quiet, out, rtol=1e-5, atol=1e-6)
        answers.append([out.detach(), same.stem.conv.weight.grad, same.blocks[1].local.conv.weight.grad])
    for plain, fused in zip(*answers, strict=True):
        scale = plain.abs().max()
        torch.testing.assert_close(fused / scale, plain / scale, rtol=0, atol=2e-3 if training else 1e-5)
    assert not torch.equal(answers[0][1], answers[1][1])  # both ways were really taken


@compiled
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_every_time_with_any_number_of_threads(threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        h, norm = torch.randn(2, 50, 40), a_norm(40, training=True)
        first, again = statistics(h), statistics(h)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
        torch.testing.assert_close(first[0], h.mean((0, 1)))
        torch.testing.assert_close(norm_silu(h, copy.deepcopy(norm)), F.silu(norm(h)))
    finally:
        torch.set_num_threads(before)


def test_choosing():
    assert kernels.choose("torch") == "torch"
    assert not kernels.usable(torch.zeros(1))
    with pytest.raises(InputError, match="--kernels is 'fast', expected auto, compiled, torch"):
        Processor(kernels="fast")
    if can_compile():
        assert Processor(kernels="auto", keep_memory=False).prepare().kernels == "compiled"
        assert kernels.usable(torch.zeros(1))
        assert not kernels.usable(torch.zeros(1, dtype=torch.float64))
        with torch.autocast("cpu", torch.bfloat16):
            assert not kernels.usable(torch.zeros(1))


@pytest.mark.parametrize(
    ("compiler", "said"),
    [("/nowhere/cc", "No such file"), ("/bin/false", "could not compile"), (None, "no C compiler")],
)
def test_without_a_working_compiler_torch_does_it_and_says_why(monkeypatch, tmp_path, compiler, said):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", compiler or "")
    if compiler is None:
        monkeypatch.setattr("shutil.which", lambda name: None)
    build.library.cache_clear()
    try:
        assert said in kernels.choose("auto")
        with pytest.raises(InputError, match=r"--kernels compiled: .*; use --kernels torch"):
            kernels.choose("compiled")
        assert not kernels.usable(torch.zeros(1))
        assert list(tmp_path.rglob("*.so")) == []
    finally:
        build.library.cache_clear()


@pytest.mark.parametrize("keep", [True, False])
def test_memory_is_kept_unless_refused(monkeypatch, keep):
    called = []
    monkeypatch.setattr("leanseq.training.cpu.keep_memory", lambda: called.append(True))
    Processor(keep_memory=keep, kernels="torch").prepare()
    assert called == [True] * keep
