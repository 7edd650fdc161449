"""The small network."""

import pytest
import torch
from torch import nn

from leanseq.errors import InputError
from leanseq.models import create


def make(options=None, size="tiny", length=60):
    return create("lean", channels=4, length=length, outputs=18, size=size, options=options)


def test_parameters():
    count = sum(weight.numel() for weight in make(size="full", length=110).parameters())
    assert count == 4 * 128 * 15 + 2 * 128 + 2 * (4 * 64 * (128 + 64) + 8 * 64) + 128 * 128 * 5 + 2 * 128 + 257 * 18


def test_it_is_what_its_parts_say():
    network = make({"dropout": 0, "pool": 3}, length=61).eval()
    x = torch.randn(2, 4, 61)
    stem = torch.nn.functional.silu(
        network.stem.norm(nn.functional.conv1d(x, network.stem.conv.weight, padding="same").transpose(1, 2))
    )
    pooled = nn.functional.max_pool1d(stem.transpose(1, 2), 3).transpose(1, 2)
    states = network.recurrent(pooled)[0]
    block = network.blocks[0]
    inner = nn.functional.conv1d(states.transpose(1, 2), block.conv.weight, padding="same").transpose(1, 2)
    y = states + nn.functional.silu(block.norm(inner))
    expected = network.head.out(torch.cat([y.mean(1), y.amax(1)], 1))
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 14}, "option kernel is 14, expected an odd number"),
        ({"channels": 130}, "option channels is 130, expected a multiple of 4 at size tiny"),
        ({"hidden": 66}, "option hidden is 66, expected a multiple of 4 at size tiny"),
        ({"pool": 16}, "option pool is 16, expected at most the window of 10 bp"),
    ],
)
def test_what_would_be_rounded_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        make(options, length=10)
