"""The four modifications, each by what it is meant to do."""

import pytest
import torch
import torch.nn.functional as F

from leanseq.errors import InputError
from leanseq.models import ARCHITECTURES, create
from leanseq.models.dilated import MixedConv
from leanseq.models.embedding import LengthEmbedding, TokenEmbedding
from leanseq.models.layers import Conv
from leanseq.models.lstm import LSTMHead
from leanseq.models.options import LSTMOptions
from leanseq.models.transformer import sinusoids


@pytest.fixture(autouse=True)
def seeded():
    """Every test draws the same numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def make(spec, options=None, length=60):
    return create(spec, channels=6, length=length, outputs=18, size="tiny", options=options)


def one_hot(text):
    codes = torch.tensor(["ACGTN".index(letter) for letter in text])
    return F.one_hot(codes, 5)[:, :4].T.unsqueeze(0).float()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_ratio_zero_is_plain_legnet(architecture):
    plain, dilated = make(architecture), make(f"{architecture}+dilated", {"dilated.ratio": 0})
    assert plain.state_dict().keys() == dilated.state_dict().keys()
    x = torch.rand(3, 6, 60)
    assert torch.equal(plain(x), dilated(x))
    assert torch.equal(plain.eval()(x), dilated.eval()(x))


def test_rates_of_one_stay_plain():
    network = make("legnet-optimized+dilated")
    assert [isinstance(block.local.conv, MixedConv) for block in network.blocks] == [True] * 4 + [False] * 2
    rates = [block.local.conv.dilated.dilation for block in network.blocks[:4]]
    assert rates == [4, 3, 2, 2]
    network = make("legnet-optimized+dilated", {"dilated.place": "second"})
    assert [isinstance(block.resize.conv, MixedConv) for block in network.blocks] == [True] * 4 + [False] * 2
    assert not any(isinstance(block.local.conv, MixedConv) for block in network.blocks)


def test_mixed_convolution_is_the_mix():
    vanilla = Conv(4, 6, 7)
    mixed = MixedConv(vanilla, 3, 0.25)
    x = torch.randn(2, 30, 4)
    y = x.transpose(1, 2)
    expected = 0.75 * F.conv1d(y, mixed.weight, padding="same") + 0.25 * F.conv1d(
        y, mixed.dilated.weight, padding="same", dilation=3
    )
    torch.testing.assert_close(mixed(x), expected.transpose(1, 2))


def test_one_rate_for_each_block():
    with pytest.raises(InputError, match="has 2 rates, expected one for each of the 6 blocks"):
        make("legnet-optimized+dilated", {"dilated.rates": "4,2"})


def test_length_embedding_compresses_the_length():
    network = make("legnet-optimized+embedding", length=150)
    x = torch.rand(2, 6, 150)
    x[:, 4:] = torch.tensor([1.0, 0.0]).view(1, 2, 1)
    assert isinstance(network.input, LengthEmbedding)
    assert network.input.map.weight.shape == (70, 150)
    embedded = network.input(x)
    assert embedded.shape == (2, 70, 6)
    expected = torch.einsum("sl,ncl->nsc", network.input.map.weight, x[:, :4])
    torch.testing.assert_close(embedded[..., :4], expected)
    torch.testing.assert_close(embedded[0, :, 4:], torch.tensor([1.0, 0.0]).expand(70, 2))
    assert network.features(x).shape == (2, 70, 16)


def test_tokens_of_three():
    embedding = TokenEmbedding(3, 5)
    # Windows .AC ACG CGT GTN TNA NAA AA. : the first and last leave the sequence, three hold an N.
    assert embedding.tokens(one_hot("ACGTNAA")).tolist() == [[64, 6, 27, 64, 64, 64, 64]]
    assert TokenEmbedding(1, 5).tokens(one_hot("ACGTN")).tolist() == [[0, 1, 2, 3, 4]]
    assert TokenEmbedding(2, 5).tokens(one_hot("ACGTN")).tolist() == [[16, 1, 6, 11, 16]]


def test_padding_token_is_zero_and_extras_stay_beside():
    network = make("legnet-optimized+embedding", {"embedding.kind": "tokens", "embedding.size": 5})
    x = torch.cat([one_hot("NNNN" + "A" * 56), torch.ones(1, 2, 60)], 1)
    embedded = network.input(x)
    assert embedded.shape == (1, 60, 7)
    assert not embedded[0, :5, :5].any()
    assert embedded[0, 5:-1, :5].any(1).all()
    assert (embedded[..., 5:] == 1).all()


def test_sinusoids():
    table = sinusoids(50, 16)
    assert table.shape == (50, 16)
    assert table[0].tolist() == [0.0, 1.0] * 8
    torch.testing.assert_close(table[:, 0], torch.arange(50.0).sin())
    assert sinusoids(50, 7).shape == (50, 7)


@pytest.mark.parametrize(("positions", "aware"), [("sinusoidal", True), ("learned", True), ("none", False)])
def test_transformer_knows_the_order_only_by_its_encoding(positions, aware):
    context = make("legnet-optimized+transformer", {"transformer.positions": positions}).context.eval()
    x = torch.randn(2, 60, 16)
    shuffled = x[:, torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    # Without an encoding a transformer is equivariant, so its mean does not see the order.
    same = torch.allclose(context(x).mean(1), context(shuffled).mean(1), atol=1e-5)
    assert same is not aware


def test_transformer_sees_the_whole_sequence():
    context = make("legnet-optimized+transformer").context.eval()
    x = torch.randn(1, 60, 16, requires_grad=True)
    context(x)[0, 0, 0].backward()  # one feature: the last norm makes their sum a constant
    assert x.grad is not None
    assert x.grad[0].any(1).all()


def test_heads_must_divide_the_features():
    with pytest.raises(InputError, match=r"transformer\.heads is 3, expected a divisor of the 16 features"):
        make("legnet-optimized+transformer", {"transformer.heads": 3})


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_lstm_head(bidirectional, pooling):
    options = LSTMOptions(hidden=8, bidirectional=bidirectional, pooling=pooling)
    head = LSTMHead(4, 3, options).eval()
    x = torch.randn(2, 20, 4)
    states, _ = head.lstm(x)
    last = torch.cat([states[:, -1, :8], states[:, 0, 8:]], 1)
    torch.testing.assert_close(head(x), head.out(states.mean(1) if pooling == "mean" else last))
    assert head.out.in_features == 8 * (1 + bidirectional)


def test_all_four_stand_in_their_slots():
    network = make("legnet-optimized+lstm+transformer+dilated+embedding")
    assert network.config["spec"] == "legnet-optimized+embedding+dilated+transformer+lstm"
    assert isinstance(network.input, LengthEmbedding)
    assert isinstance(network.blocks[0].local.conv, MixedConv)
    assert isinstance(network.context, torch.nn.Sequential)
    assert isinstance(network.head, LSTMHead)
