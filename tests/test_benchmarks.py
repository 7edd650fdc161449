"""The plain reference of the benchmarks computes what leanseq computes, so that their times may be compared."""

import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import common
import contest
import mutagenesis
import prediction
import reference
import show
import time_to_accuracy
import training_step

from leanseq.data.encoding import encode
from leanseq.data.labels import SoftBins
from leanseq.models import create
from leanseq.training.inputs import Channels, network_input
from leanseq.training.schedules import one_cycle

SPECS = [*training_step.MODELS, "legnet-dream2022+embedding+dilated+transformer+lstm"]
LENGTH = 40


def pair(spec, dtype, channels=6, length=LENGTH):
    """Leanseq's network and the plain one with the same weights."""
    ours = create(spec, **contest.network_arguments(spec, "tiny", channels, length)).to(dtype)
    for parameter in ours.parameters():  # the small initial values would hide the gates
        nn.init.normal_(parameter, 0, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    plain = reference.PlainLegNet(spec, "tiny", channels, length).to(dtype)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-6), (torch.float32, 2e-3)])
@pytest.mark.parametrize("spec", SPECS)
def test_networks_give_the_same_outputs_and_gradients(spec, dtype, error):
    ours, plain = pair(spec, dtype)
    x = torch.randn(4, 6, LENGTH, generator=torch.Generator().manual_seed(0)).to(dtype)
    x[:, 4:] = x[:, 4:, :1]  # the extra channels are constant over a sequence
    close = {"rtol": error, "atol": error}
    outputs = ours(x), plain(x)
    torch.testing.assert_close(*outputs, **close)
    for output in outputs:
        (output * torch.linspace(-1, 1, 18)).sum().backward()
    gradients = dict(plain.named_parameters())
    for name, parameter in ours.named_parameters():
        scale = parameter.grad.abs().max()
        torch.testing.assert_close(gradients[name].grad / scale, parameter.grad / scale, **close, msg=name)


@pytest.mark.parametrize("channels", [4, 6])
def test_inputs_and_labels_are_those_of_leanseq(channels):
    sequences, labels = ["ACGTN" * 4, "GATTACA" * 2 + "TTTTTT"], [3.0, 11.4]
    dataset = reference.SequenceDataset(sequences, labels, channels)
    flipped = torch.tensor([False, False, True, True])
    codes, whole = torch.from_numpy(np.tile(encode(sequences), (2, 1))), torch.tensor([True, False] * 2)
    extra = channels == 6
    expected = network_input(codes, Channels(extra, extra), flipped, whole)
    ((inputs, targets),) = reference.load_batches(dataset, [[0, 1, 2, 3]])
    torch.testing.assert_close(inputs, expected)
    torch.testing.assert_close(targets, torch.from_numpy(SoftBins().spread(np.tile(labels, 2))))


@pytest.mark.parametrize("spec", ["legnet-optimized", "legnet-dream2022"])
def test_losses_agree_over_some_steps(spec, monkeypatch):
    monkeypatch.setattr("leanseq.training.cpu.keep_memory", lambda: True)
    monkeypatch.setattr("leanseq.training.cpu.set_threads", lambda threads: threads)
    plan = training_step.Plan(spec, "tiny", 4)
    plain = training_step.reference(*training_step.reference_arguments(plan, 6))(6)
    assert plain == pytest.approx(training_step.leanseq(plan)(6), abs=training_step.TOLERANCE)
    assert len(set(plain)) == 6


def test_learning_rates_agree():
    trainer = reference.Trainer(nn.Linear(40, 18), 10, 5e-3, 0.01)
    for step in range(10):
        assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(one_cycle(step, 10, 5e-3))
        trainer.step(torch.zeros(2, 40), torch.full((2, 18), 1 / 18))


def test_predictions_agree():
    weights = contest.initial_weights("legnet-optimized", "tiny", 4)
    plain, ours = (
        prediction.reference("legnet-optimized", "tiny", 3, weights),
        prediction.leanseq("legnet-optimized", "tiny", 3),
    )
    answers = [call(3, single) for call in (plain, ours) for single in (False, True)]
    assert np.ptp(answers, axis=0).max() < prediction.TOLERANCE


def test_a_map_holds_the_prediction_of_every_single_mutant():
    network = reference.PlainLegNet("legnet-optimized", "tiny", 4, 12).eval()
    sequence, left = "ACGTNAC", "GGTTAA"
    predicted = reference.mutagenesis(network, [sequence], left[:5])[0]
    for position, base in ((0, "A"), (0, "T"), (4, "G"), (6, "C"), (6, "A")):
        mutant = "GGTTA" + sequence[:position] + base + sequence[position + 1 :]
        expected = reference.predict_one_by_one(network, [mutant])[0]
        assert predicted[position, "ACGT".index(base)] == pytest.approx(expected, abs=1e-5)
    assert mutagenesis.LENGTH + len(mutagenesis.LEFT) == reference.LENGTH


def test_operations_of_a_small_network_equal_a_count_by_hand():
    network = reference.PlainLegNet("legnet-optimized", "tiny", 4, 10)
    products, widths = 10 * 4 * 64 * 7, (64, 32, 32, 16, 16, 16, 16)
    for inputs, outputs in pairwise(widths):
        middle, bottleneck = 4 * inputs, inputs // 4
        products += 10 * (2 * inputs * middle + 7 * middle + 7 * 2 * inputs * outputs) + 2 * middle * bottleneck
    products += 10 * 16 * 18
    assert reference.forward_flops(network, 4, 10) == 2 * products
    assert reference.step_flops(network, 4, 10) == 6 * products


@pytest.mark.parametrize("spec", ["legnet-optimized+transformer", "legnet-optimized+embedding+dilated"])
def test_operations_equal_those_that_torch_counts(spec):
    from torch.utils.flop_counter import FlopCounterMode

    network = reference.PlainLegNet(spec, "tiny", 4).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 4, reference.LENGTH))
    assert reference.forward_flops(network, 4) == counter.get_total_flops()


def test_operations_of_an_lstm():
    plain, lstm = (reference.PlainLegNet(f"legnet-optimized{end}", "tiny", 4, 10) for end in ("", "+lstm"))
    more = 10 * 4 * 128 * (16 + 128) + 128 * 18 - 10 * 16 * 18
    assert reference.forward_flops(lstm, 4, 10) - reference.forward_flops(plain, 4, 10) == 2 * more


def test_a_row_says_when_a_target_was_first_reached():
    row = time_to_accuracy.row("toy", [(1.0, 0.5), (2.0, 0.6), (3.0, 0.55), (4.0, 0.57)], computed=True)
    assert row["seconds_to_0.566"] == 2.0
    assert row["seconds_to_0.65"] is None
    assert (row["best_r"], row["seconds"]) == (0.6, 4.0)


def test_the_page_leaves_out_what_was_not_measured(tmp_path):
    assert "##" not in show.page(tmp_path, tmp_path)


def test_the_page_shows_every_result(tmp_path):
    rows = [time_to_accuracy.row("toy", [(1.0, 0.5), (2.0, 0.6)], computed=False)]
    record = {"benchmark": "time_to_accuracy", "command": "python x.py", "date": "today", "leanseq": "0", "commit": "0"}
    machine = {"processor": "any", "cores": 2, "memory_gib": 8.0, "python": "3", "torch": "2"}
    (tmp_path / "time_to_accuracy.json").write_text(json.dumps({**record, "hardware": machine, "rows": rows}))
    text = show.page(tmp_path, tmp_path)
    assert "| toy | 2 | 2 | – | 0.6 | 2 | no |" in text
    assert "(time_to_accuracy.svg)" in text
    assert (tmp_path / "time_to_accuracy.svg").stat().st_size > 1000


def test_the_page_is_the_one_that_its_results_give(tmp_path):
    shutil.copytree(common.RESULTS, tmp_path / "results")
    assert show.page(tmp_path / "results", tmp_path) == (common.HERE / "README.md").read_text()
