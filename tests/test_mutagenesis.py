"""Saturation mutagenesis equals the prediction of every mutant by itself."""

import numpy as np
import polars as pl
import pytest
import torch

from leanseq.apply.bundle import Model
from leanseq.apply.mutagenesis import saturation_mutagenesis
from leanseq.data.construct import Construct
from leanseq.data.encoding import decode
from leanseq.data.labels import SoftBins
from leanseq.errors import InputError
from leanseq.models import create
from leanseq.models.mutants import saves
from leanseq.training.inputs import Channels
from leanseq.training.objectives import Objective
from toy import random_sequences


def a_model(spec="legnet-optimized", length=60, left="ACGTACGTAC", right="", options=None, both=True):
    channels = Channels(reverse=True)
    network = create(spec, channels=channels.count, length=length, outputs=1, size="tiny", options=options or {})
    torch.manual_seed(0)
    for module in network.modules():  # gates near one half would hide a wrong gate
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, 0, 0.5)
    bases = torch.nn.functional.one_hot(torch.randint(4, (64, length)), 4).float()
    with torch.no_grad():  # running statistics as after a training, so that signals come through
        for _ in range(30):
            network(torch.cat([bases, torch.zeros(64, length, 1)], 2).transpose(1, 2))
    network.eval()
    construct = Construct(left_flank=left, right_flank=right, length=length)
    return Model(network, construct, Objective("mse", SoftBins(), 0.0, 1.0), channels, both)


def brute_force(model, sequence):
    own = model.predict([sequence])[0]
    return [
        [own if base == letter else model.predict([sequence[:i] + letter + sequence[i + 1 :]])[0] for letter in "ACGT"]
        for i, base in enumerate(sequence)
    ]


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("legnet-optimized", {}),
        ("legnet-dream2022", {}),
        ("legnet-lean", {}),
        ("legnet-optimized+dilated", {"dilated.ratio": 0.4}),
        ("legnet-optimized+lstm+transformer", {}),
        ("legnet-optimized+embedding", {}),
        ("legnet-optimized+embedding", {"embedding.kind": "tokens"}),
    ],
)
def test_a_map_equals_brute_force(spec, options):
    model = a_model(spec, options=options)
    sequences = random_sequences(2, 45, seed=3)
    found = saturation_mutagenesis(model, sequences)
    assert found.shape == (2, 45, 4)
    expected = np.array([brute_force(model, one) for one in sequences])
    assert np.ptp(expected) > 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("length", [8, 20, 30])
def test_windows_shorter_than_the_view_of_a_mutation(length):
    model = a_model(length=length, left="", both=False)
    sequence = random_sequences(1, length, seed=1)[0]
    found = saturation_mutagenesis(model, [sequence])[0]
    np.testing.assert_allclose(found, brute_force(model, sequence), rtol=0, atol=1e-4)


def test_only_networks_with_an_embedding_are_computed_whole():
    assert saves(a_model("legnet-optimized+dilated").network)
    assert not saves(a_model("legnet-optimized+embedding").network)


def test_n_has_four_mutants_and_an_empty_list_none():
    model = a_model()
    found = saturation_mutagenesis(model, ["ACGTNACGT"])[0]
    assert found[4, 1] == pytest.approx(model.predict(["ACGTCACGT"])[0], abs=1e-4)
    assert saturation_mutagenesis(model, []).shape == (0, 0, 4)


def test_progress_is_told():
    told = []
    saturation_mutagenesis(a_model(), ["ACGT", "TTTT"], watch=lambda *place: told.append(place))
    assert told == [(1, 2), (2, 2)]


def test_sequences_of_different_lengths_are_refused():
    with pytest.raises(InputError, match=r"row 2.*5 bp, expected 4"):
        saturation_mutagenesis(a_model(), ["ACGT", "ACGTA"])


@pytest.mark.parametrize(("left", "right"), [("ACGTAC", ""), ("ACG", "TTT"), ("", "GGG"), ("ACGTACGTACGT", "GG")])
@pytest.mark.parametrize("length", [4, 7, 10])
def test_where_a_row_stands_in_its_window(left, right, length):
    construct = Construct(left_flank=left, right_flank=right, length=10)
    row = random_sequences(1, length, seed=length)[0]
    start = construct.start_of(length)
    assert decode(construct.windows(pl.Series([row])))[0][start : start + length] == row
