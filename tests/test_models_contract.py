"""What every network promises, checked over the registry."""

import json

import pytest
import torch

from leanseq.models import ARCHITECTURES, MODIFICATIONS, OPTIONS, create, describe

VARIANTS = [*[(name,) for name in MODIFICATIONS], (), tuple(MODIFICATIONS)]
SPECS = ["+".join((name, *variant)) for name in ARCHITECTURES for variant in VARIANTS]
TOKENS = [f"{name}+embedding" for name in ARCHITECTURES]
CASES = [(spec, {}) for spec in SPECS] + [(spec, {"embedding.kind": "tokens"}) for spec in TOKENS]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Toy networks are faster on one thread, far faster where others share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(spec, options=None, *, channels=6, length=80, outputs=18, seed=0):
    return create(spec, channels=channels, length=length, outputs=outputs, size="tiny", options=options, seed=seed)


def batch(n=4, channels=6, length=80, seed=0):
    """Random sequences; extra channels are 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 4, (n, length), generator=generator)
    bases = torch.nn.functional.one_hot(codes, 4).transpose(1, 2).float()
    extras = torch.randint(0, 2, (n, channels - 4, 1), generator=generator).float().expand(-1, -1, length)
    return torch.cat([bases, extras], 1)


def run(network, x):
    """Output in training mode, always with the same dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network.train()(x)


def warm(network, length=80):
    """Fill the running statistics, then evaluate."""
    for seed in range(3):
        run(network, batch(16, length=length, seed=seed))
    return network.eval()


def test_registries_agree():
    assert set(OPTIONS) == set(ARCHITECTURES) | set(MODIFICATIONS)


@pytest.mark.parametrize(("spec", "options"), CASES)
@pytest.mark.parametrize(("outputs", "length"), [(1, 80), (18, 150), (18, 231)])
def test_shapes(spec, options, outputs, length):
    network = make(spec, options, outputs=outputs, length=length).eval()
    for n in (1, 3):
        result = network(batch(n, length=length))
        assert result.shape == (n, outputs)
        assert result.isfinite().all()


@pytest.mark.parametrize(("spec", "options"), CASES)
@pytest.mark.parametrize("outputs", [1, 18])
def test_gradient_reaches_every_parameter(spec, options, outputs):
    network = make(spec, options, outputs=outputs)
    run(network, batch()).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(("spec", "options"), CASES)
def test_weights_come_from_the_seed_alone(spec, options):
    state = torch.get_rng_state()
    first = make(spec, options, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        same, other = make(spec, options, seed=1), make(spec, options, seed=2)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, same.state_dict()[name]), name
        if name.endswith("weight") and "norm" not in name and weight.ndim > 1:
            assert not torch.equal(weight, other.state_dict()[name]), name


@pytest.mark.parametrize(("spec", "options"), CASES)
def test_save_load_and_recreate(spec, options):
    network = warm(make(spec, options))
    again = create(**json.loads(json.dumps(network.config)), seed=5)
    assert again.config == network.config
    again.load_state_dict(network.state_dict())
    x = batch()
    assert torch.equal(again.eval()(x), network(x))


@pytest.mark.parametrize(("spec", "options"), CASES)
def test_evaluation_sees_each_row_alone(spec, options):
    network = warm(make(spec, options))
    x = batch(5)
    together = network(x)
    assert torch.equal(together, network(x))
    alone = torch.cat([network(row.unsqueeze(0)) for row in x])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("spec", "options"), CASES)
@pytest.mark.parametrize("channel", [4, 5])
def test_extra_channels_matter(spec, options, channel):
    network = warm(make(spec, options))
    x = batch()
    other = x.clone()
    other[:, channel] = 1 - other[:, channel]
    assert not torch.allclose(network(x), network(other), atol=1e-7, rtol=0)


@pytest.mark.parametrize("spec", SPECS)
def test_config_holds_every_option(spec):
    config = make(spec).config
    assert list(config["options"]) == [option.key for option in describe(spec)]


def another(option, blocks):
    """A valid value that is not the default, for a network with so many blocks."""
    choices = option.expected.removeprefix("one of ").replace(" or ", ", ").split(", ")
    special = {"dilated.rates": [2] * blocks, "transformer.heads": 2}
    if option.key in special:
        return special[option.key]
    match option.kind:
        case "bool":
            return not option.default
        case "int":
            return option.default + 1
        case "float":
            return option.default + 0.2
        case _:
            return next(choice for choice in choices if choice != option.default)


@pytest.mark.parametrize(
    ("spec", "option"),
    [
        (spec, option)
        for name in ARCHITECTURES
        for spec in (name, *(f"{name}+{modification}" for modification in MODIFICATIONS))
        for option in describe(spec)
    ],
    ids=lambda value: getattr(value, "key", value),
)
def test_every_option_changes_something(spec, option):
    context = {"embedding.kind": "tokens"} if option.key == "embedding.k" else {}
    plain = make(spec, context)
    changed = make(spec, {**context, option.key: another(option, len(plain.blocks))})
    assert plain.config["options"][option.key] != changed.config["options"][option.key]
    x = batch()
    assert not torch.allclose(run(plain, x), run(changed, x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("modification", MODIFICATIONS)
def test_common_layers_start_equal(architecture, modification):
    plain = make(architecture).state_dict()
    modified = make(f"{architecture}+{modification}").state_dict()
    common = {name for name in plain.keys() & modified.keys() if plain[name].shape == modified[name].shape}
    assert len(common) > 0.9 * len(plain)
    assert all(torch.equal(plain[name], modified[name]) for name in common)
