"""LegNet against the published numbers, and against the same network written plainly with `[n, channels, length]`."""

import warnings

import pytest
import torch
import torch.nn.functional as F

from leanseq.models import create
from leanseq.models.legnet import LowRankBilinear, SqueezeExcite, halve

NAMES = ["legnet-dream2022", "legnet-optimized"]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Toy networks are faster on one thread, far faster where others share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("name", "channels", "count"),
    [
        ("legnet-dream2022", 6, 1_852_846),
        ("legnet-optimized", 6, 2_129_602),
        ("legnet-optimized", 4, 2_126_018),
    ],
)
def test_parameter_counts(name, channels, count):
    network = create(name, channels=channels, length=150, outputs=18)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_dream_parameters_outside_the_tensor_regression_layers():
    network = create("legnet-dream2022", channels=6, length=150, outputs=18)
    inside = sum(
        parameter.numel()
        for module in network.modules()
        if isinstance(module, LowRankBilinear)
        for parameter in module.parameters()
    )
    assert sum(parameter.numel() for parameter in network.parameters()) - inside == 1_767_026


@pytest.mark.parametrize("name", NAMES)
def test_sizes_scale_the_widths(name):
    make = {size: create(name, channels=4, length=80, outputs=1, size=size) for size in ("full", "small", "tiny")}
    assert [make[size].widths[0] for size in make] == [256, 128, 64]
    assert make["tiny"].widths == (64, 32, 32, 16, 16, 16, 16)


def test_halving_keeps_the_larger_neighbour_and_the_last_of_an_odd_number():
    x = torch.tensor([[1.0, 4.0, -3.0, -2.0, -5.0]]).unsqueeze(2)
    assert halve(x).squeeze().tolist() == [4.0, -2.0, -5.0]


@pytest.mark.parametrize(("length", "positions"), [(1, 1), (80, 20), (81, 21), (83, 21)])
def test_the_lean_form_pools_twice(length, positions):
    network = create("legnet-lean", channels=4, length=length, outputs=3)
    assert network.widths == (128, 64, 64, 64)
    features = network.eval().features(torch.zeros(2, 4, length))
    assert features.shape == (2, positions, 64) == (2, network.positions, 64)


def test_the_lean_form_has_a_quarter_of_the_parameters():
    network = create("legnet-lean", channels=5, length=110, outputs=18)
    assert sum(parameter.numel() for parameter in network.parameters()) == 494_290


def plain(name, weights, x):
    """LegNet in training mode as its paper writes it, `[n, channels, length]`."""

    def unit(x, key, groups=1):
        weight = weights[f"{key}.conv.weight"]
        x = F.conv1d(x, weight, padding="same", groups=groups)
        scale, shift = weights[f"{key}.norm.weight"], weights[f"{key}.norm.bias"]
        return F.silu(F.batch_norm(x, None, None, scale, shift, training=True))

    def linear(x, key):
        return F.linear(x, weights[f"{key}.weight"], weights[f"{key}.bias"])

    def gates(x, key):
        state = F.silu(linear(x.mean(2), f"{key}.squeeze"))
        if dream:
            state = linear(state, f"{key}.mix")
            factors = [weights[f"{key}.pairs.{part}"] for part in ("scale", "left", "right", "out")]
            tensor = torch.einsum("r,ir,jr,or->ijo", *factors)
            pairs = torch.einsum("ni,nj,ijo->no", state, state, tensor) + weights[f"{key}.pairs.bias"]
            state = F.silu(torch.cat([state, pairs], 1))
        return torch.sigmoid(linear(state, f"{key}.excite"))

    dream = name == "legnet-dream2022"
    x = unit(x, "stem")
    for number in range(6):
        key = f"blocks.{number}"
        inner = unit(x, f"{key}.expand")
        inner = unit(inner, f"{key}.local", groups=inner.shape[1] // (2 if dream else 1))
        inner = unit(inner * gates(inner, f"{key}.gate").unsqueeze(2), f"{key}.project")
        x = unit(torch.cat([x, inner] if dream else [inner, x], 1), f"{key}.resize")
    x = F.conv1d(x, weights["head.conv.weight"], weights["head.conv.bias"])
    return (F.silu(x) if dream else x).mean(2)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_network_written_plainly(name):
    network = create(name, channels=6, length=40, outputs=18, size="tiny").double()
    for parameter in network.parameters():  # the small initial values would hide the gates
        torch.nn.init.normal_(parameter, 0, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    x = torch.randn(4, 6, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(x), plain(name, dict(network.named_parameters()), x))


def receptive_field(network):
    """Positions of the input that the features of the middle position depend on, gates apart."""
    network = network.double().eval()
    length = network.length
    x = torch.rand(1, network.channels, length, dtype=torch.float64, requires_grad=True)
    network.features(x)[0, length // 2].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero().flatten()
    return int(seen.max() - seen.min()) + 1


@pytest.fixture
def open_gates(monkeypatch):
    """A gate sees the whole sequence; for the receptive field of the convolutions it stays open."""
    monkeypatch.setattr(SqueezeExcite, "gates", lambda _, means: torch.ones_like(means))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("open_gates")
def test_receptive_field(name):
    network = create(name, channels=4, length=201, outputs=18, size="tiny")
    assert receptive_field(network) == 79


@pytest.mark.parametrize(("place", "field"), [("first", 121), ("second", 121)])
@pytest.mark.usefixtures("open_gates")
def test_receptive_field_dilated(place, field):
    options = {"dilated.place": place}
    spec = "legnet-optimized+dilated"
    network = create(spec, channels=4, length=201, outputs=18, size="tiny", options=options)
    assert receptive_field(network) == field


def test_dream_initial_weights():
    network = create("legnet-dream2022", channels=6, length=150, outputs=18)
    block = network.blocks[0]
    assert block.expand.conv.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert block.local.conv.weight.std().item() == pytest.approx((2 / (7 * 512)) ** 0.5, rel=0.05)
    assert block.gate.squeeze.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not block.gate.excite.bias.any()
    assert not network.head.conv.bias.any()
    pairs = block.gate.pairs
    tensor = torch.einsum("r,ir,jr,or->ijo", pairs.scale, pairs.left, pairs.right, pairs.out)
    assert tensor.std().item() == pytest.approx(0.00075, rel=0.2)


def test_dream_with_one_output_can_be_negative():
    network = create("legnet-dream2022", channels=4, length=30, outputs=1, size="tiny")
    torch.nn.init.constant_(network.head.conv.bias, -5)
    assert network(torch.rand(2, 4, 30)).max() < -3


@pytest.mark.parametrize(("features", "outputs"), [(64, 32), (32, 16), (16, 8), (4, 2)])
def test_bilinear_equals_tensorly(features, outputs):
    pytest.importorskip("tensorly")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tltorch = pytest.importorskip("tltorch")
        layer = tltorch.TRL((features, features), (outputs,), bias=True, rank=0.5)
        layer.weight = layer.weight.normal_(std=0.5)
        ours = LowRankBilinear(features, outputs)
        with torch.no_grad():
            theirs = [layer.weight.weights, *layer.weight.factors, layer.bias]
            for mine, other in zip((ours.scale, ours.left, ours.right, ours.out, ours.bias), theirs, strict=True):
                mine.copy_(other)
        assert len(list(ours.parameters())) == len(list(layer.parameters()))
        x = torch.randn(5, features)
        expected = layer(x.unsqueeze(2) @ x.unsqueeze(1))
    torch.testing.assert_close(ours(x), expected, atol=1e-4, rtol=1e-4)
