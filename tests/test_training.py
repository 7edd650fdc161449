import dataclasses
import os
import signal

import numpy as np
import pytest
import torch

from leanseq import InputError
from leanseq.data.encoding import encode
from leanseq.data.labels import SoftBins
from leanseq.models import create
from leanseq.training.batches import epoch_batches
from leanseq.training.checkpoints import load_checkpoint
from leanseq.training.estimate import Pace, measure
from leanseq.training.evaluate import activated_outputs
from leanseq.training.fit import Interrupted, Watcher, fit
from leanseq.training.inputs import Channels, Examples, network_input
from leanseq.training.lr_range import range_test
from leanseq.training.objectives import Objective
from leanseq.training.optimizers import Lion, Muon, make_optimizer
from leanseq.training.recipe import Recipe
from leanseq.training.schedules import learning_rate

OBJECTIVE = Objective("kl", SoftBins(), 8.0, 3.0)
PLAIN = Channels()


def toy(n=96, length=24, seed=0):
    """Rows whose expression is 4, or 12 where TATAAA was planted."""
    rng = np.random.default_rng(seed)
    rows = ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]
    rows = [row[:8] + "TATAAA" + row[14:] if i % 2 else row for i, row in enumerate(rows)]
    return Examples(encode(rows), np.where(np.arange(n) % 2, 12.0, 4.0), np.ones(n))


def network(channels=PLAIN, objective=OBJECTIVE, **options):
    return create(
        "legnet-optimized",
        channels=channels.count,
        length=24,
        outputs=objective.outputs,
        size="tiny",
        options=options,
        seed=1,
    )


def run(recipe, *, channels=PLAIN, objective=OBJECTIVE, train=None, valid=None, seed=0, folder=None, watcher=None, **o):
    made = network(channels, objective, **o)
    examples = train or toy()
    history = fit(
        made, objective, channels, recipe, examples, valid or toy(32, seed=9), seed=seed, folder=folder, watcher=watcher
    )
    return made, history


def weights(made):
    return torch.cat([value.flatten().float() for value in made.state_dict().values()])


SHORT = Recipe(epochs=2, batch=16, lr=3e-3)


def test_a_planted_motif_is_learned():
    _, history = run(Recipe(epochs=16, batch=16, lr=3e-3))
    assert history[-1].valid_r > 0.8
    assert history[-1].valid_loss < 0.8 * OBJECTIVE.no_skill(toy().expression, toy().expression)["constant"]


@pytest.mark.parametrize(
    "changed",
    [
        {"epochs": 3},
        {"batch": 24},
        {"optimizer": "lion"},
        {"optimizer": "muon"},
        {"lr": 1e-3},
        {"weight_decay": 0.5},
        {"schedule": "constant"},
        {"clip": 0.01},
        {"ema": 0.9},
        {"strands": "both"},
        {"strands": "forward"},
        {"shift": 2},
        {"stream": 48},
    ],
    ids=str,
)
def test_every_number_of_the_recipe_changes_the_result(changed):
    before, after = run(SHORT)[0], run(dataclasses.replace(SHORT, **changed))[0]
    assert not torch.equal(weights(before), weights(after))


@pytest.mark.parametrize("changed", [{"select": "best"}, {"patience": 1}], ids=str)
def test_the_choice_of_the_epoch_changes_the_result(changed):
    rows = toy(32, seed=9)
    opposite = dataclasses.replace(rows, expression=16 - rows.expression)  # worse with every thing learned
    recipe = dataclasses.replace(SHORT, epochs=10)
    before, history = run(recipe, valid=opposite)
    assert history[-1].valid_r < -0.5
    assert not torch.equal(weights(before), weights(run(dataclasses.replace(recipe, **changed), valid=opposite)[0]))


def test_seed_weights_channels_and_dropout_change_the_result():
    before = weights(run(SHORT)[0])
    assert not torch.equal(before, weights(run(SHORT, seed=1)[0]))
    uneven = dataclasses.replace(toy(), weight=np.where(np.arange(96) < 48, 2.0, 0.0))
    assert not torch.equal(before, weights(run(SHORT, train=uneven)[0]))
    assert not torch.equal(before, weights(run(SHORT, dropout=0.2)[0]))
    for channels in (Channels(reverse=True), Channels(singleton=True)):
        made, _ = run(SHORT, channels=channels)
        extra = made.stem.conv.weight[:, 4]
        assert not torch.equal(extra, network(channels).stem.conv.weight[:, 4])


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = run(SHORT, dropout=0.2), run(SHORT, dropout=0.2)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(weights(first[0]), weights(second[0]))
    figures = [[dataclasses.astuple(epoch)[:-1] for epoch in history] for _, history in (first, second)]
    assert figures[0] == figures[1]


RICH = dataclasses.replace(SHORT, ema=0.9, select="best", optimizer="lion")
ORTHOGONAL = dataclasses.replace(SHORT, optimizer="muon")


@pytest.mark.parametrize(
    ("number", "recipe", "at"),
    [
        (signal.SIGINT, SHORT, 1),
        (signal.SIGTERM, SHORT, 8),
        (signal.SIGINT, RICH, 6),
        (signal.SIGINT, RICH, 11),
        (signal.SIGTERM, ORTHOGONAL, 7),
        (signal.SIGTERM, SHORT, 12),
    ],
    ids=["first-step", "second-epoch", "end-of-epoch", "late", "muon", "last-step"],
)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, number, recipe, at):
    straight, history = run(recipe, dropout=0.2)

    def stop(done, total):
        if done == at:
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted):
        run(recipe, dropout=0.2, folder=tmp_path, watcher=Watcher(step=stop))
    resumed, again = run(recipe, dropout=0.2, folder=tmp_path)
    assert torch.equal(weights(straight), weights(resumed))
    for before, after in zip(history, again, strict=True):
        assert dataclasses.astuple(before)[:-1] == dataclasses.astuple(after)[:-1]


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(SHORT, folder=tmp_path)
    path = next(tmp_path.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="checkpoint is damaged"):
        load_checkpoint(tmp_path)


def test_a_lost_loss_is_said():
    with pytest.raises(InputError, match=r"not finite at step .*; lower --lr"):
        run(Recipe(epochs=2, batch=16, lr=1e20, clip=0.0, schedule="constant"))


def test_batches_hold_every_row_once_and_depend_on_seed_and_epoch():
    recipe = Recipe(batch=16)
    batches = epoch_batches(recipe, 100, 0, 0)
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(100))
    assert {len(batch.rows) for batch in batches} <= {16, 17}
    again, other, later = (epoch_batches(recipe, 100, *which)[0].rows for which in ((0, 0), (1, 0), (0, 1)))
    assert np.array_equal(batches[0].rows, again)
    assert not np.array_equal(again, other)
    assert not np.array_equal(again, later)


def test_both_strands_show_every_row_twice_and_stream_draws_anew():
    both = epoch_batches(Recipe(batch=16, strands="both"), 50, 0, 0)
    shown = sorted(zip(np.concatenate([b.rows for b in both]), np.concatenate([b.flipped for b in both]), strict=True))
    assert shown == [(row, flipped) for row in range(50) for flipped in (False, True)]
    drawn = [np.concatenate([b.rows for b in epoch_batches(Recipe(stream=20), 50, 0, e)]) for e in (0, 1)]
    assert [len(set(rows)) for rows in drawn] == [20, 20]
    assert set(drawn[0]) != set(drawn[1])


def test_shifts_are_drawn_anew_for_every_row_and_change_nothing_else():
    plain, moved = (epoch_batches(Recipe(batch=16, shift=shift), 100, 0, 0) for shift in (0, 2))
    for field in ("rows", "flipped"):
        assert all(np.array_equal(getattr(a, field), getattr(b, field)) for a, b in zip(plain, moved, strict=True))
    assert not np.concatenate([batch.shift for batch in plain]).any()
    drawn = np.concatenate([batch.shift for batch in moved])
    assert np.bincount(drawn + 2, minlength=5).min() > 5  # of 20 expected
    later = np.concatenate([batch.shift for batch in epoch_batches(Recipe(batch=16, shift=2), 100, 0, 1)])
    assert not np.array_equal(drawn, later)


def test_network_input_shows_either_strand_and_the_constant_channels():
    codes = torch.from_numpy(encode(["AACGN"]))
    both = torch.tensor([False, True])
    x = network_input(codes.repeat(2, 1), Channels(True, True), both, torch.tensor([True, False]))
    assert x[0, :4].argmax(0).tolist()[:4] == [0, 0, 1, 2]
    assert x[0, :4, 4].tolist() == [0, 0, 0, 0]
    assert x[1, :4].argmax(0).tolist()[1:] == [1, 2, 3, 3]  # NCGTT
    assert x[:, 4, 0].tolist() == [0, 1]
    assert x[:, 5, 0].tolist() == [1, 0]
    assert network_input(codes, Channels(False, True), both[:1])[0, 4].abs().sum() == 0


def test_a_prediction_is_the_mean_of_both_strands():
    made, codes = run(SHORT)[0], toy(8).codes
    both = activated_outputs(made, OBJECTIVE, PLAIN, codes)
    forward = activated_outputs(made, OBJECTIVE, PLAIN, codes, both_strands=False)
    turned = network_input(torch.from_numpy(codes), PLAIN, torch.ones(8, dtype=torch.bool))
    with torch.no_grad():
        assert torch.allclose(both, (forward + made(turned).softmax(1)) / 2, atol=1e-6)
    assert not torch.allclose(both, forward, atol=1e-6)


def test_one_cycle_is_that_of_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.005, total_steps=80, cycle_momentum=False)
    for step in range(80):
        assert learning_rate("one-cycle", step, 80, 0.005) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if step < 79:
            theirs.step()
    assert learning_rate("constant", 7, 80, 0.005) == 0.005


def test_lion_steps_by_the_sign():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -1.0, 2.0]))
    optimizer = Lion([parameter], lr=0.1, weight_decay=0.5)
    parameter.grad = torch.tensor([3.0, -0.01, 0.0])
    optimizer.step()
    assert parameter.tolist() == pytest.approx([0.95 - 0.1, -0.95 + 0.1, 1.9])
    parameter.grad = torch.tensor([-0.01, 0.0, 0.0])
    optimizer.step()  # momentum .03 outweighs the small new gradient
    assert parameter[0].item() == pytest.approx(0.85 * 0.95 - 0.1)


def test_muon_moves_a_matrix_alike_in_all_directions():
    left, right = (torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(i)))[0] for i in (0, 1))
    gradient = left[:, :6] @ torch.diag(torch.tensor([100.0, 10, 5, 3, 2, 1])) @ right[:6]
    for slanted in (gradient, gradient[:, :5].contiguous()):
        parameter = torch.nn.Parameter(torch.ones_like(slanted).view(len(slanted), -1, 1))
        parameter.grad = slanted.view_as(parameter)
        Muon([parameter], lr=0.1, weight_decay=0.5).step()
        step = (0.95 - parameter.detach().squeeze(2)) / (0.1 * 0.2 * 8**0.5)
        values = torch.linalg.svdvals(step)[: torch.linalg.matrix_rank(slanted)]
        assert values.min() > 0.3
        assert values.max() < 1.3
        assert (step * slanted).sum() > 0


def test_muon_is_adam_for_vectors_without_decay():
    ours, theirs = (torch.nn.Parameter(torch.tensor([1.0, -1.0, 2.0])) for _ in range(2))
    muon = Muon([ours], lr=0.1, weight_decay=0.5)
    adam = torch.optim.Adam([theirs], lr=0.1)
    for step in range(1, 6):
        ours.grad = theirs.grad = torch.tensor([3.0, -0.01, 0.5]) / step
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs)


def test_muon_is_adamw_for_the_weights_of_the_outputs():
    ours, theirs = (torch.nn.Parameter(torch.tensor([[1.0, -1.0], [2.0, 0.5]])) for _ in range(2))
    muon = Muon([ours], lr=0.1, weight_decay=0.5, outputs=[ours])
    adam = torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.5)
    for step in range(1, 6):
        ours.grad = theirs.grad = torch.tensor([[3.0, -0.01], [0.5, 1.0]]) / step
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("spec", "name"), [("legnet-lean", "conv.weight"), ("legnet-optimized+lstm", "out.weight")])
def test_the_outputs_of_a_network_are_those_of_its_last_layer(spec, name):
    made = create(spec, channels=4, length=24, outputs=18, size="tiny")
    muon = make_optimizer("muon", made, 0.1, 0.0)
    assert isinstance(muon, Muon)
    assert muon.outputs == {id(dict(made.head.named_parameters())[name])}


def test_the_range_test_finds_a_rate_that_learns():
    found = range_test(network(), OBJECTIVE, PLAIN, SHORT, toy(), seed=0, low=1e-5, high=10.0, steps=60)
    assert 1e-5 < found.steepest < 1
    assert len(found.lr) == len(found.loss) <= 60
    assert found.loss[0] > min(found.loss)


def test_the_estimate_changes_nothing_and_a_budget_sets_the_steps():
    made, before = network(), weights(network())
    pace = measure(made, OBJECTIVE, PLAIN, SHORT, toy(), toy(32))
    assert torch.equal(weights(made), before)
    assert pace.step > 0
    pace = Pace(step=0.5, look=1.0)
    assert pace.within(Recipe(batch=10), 100, 61.0).epochs == 10
    short = pace.within(Recipe(batch=10), 100, 3.0)
    assert (short.epochs, short.stream) == (1, 40)
    assert pace.seconds(short, 100) == pytest.approx(3.0)


def test_bfloat16_and_compile_reach_the_training_step(monkeypatch):
    plain, _ = run(SHORT)
    rough, _ = run(dataclasses.replace(SHORT, precision="bfloat16"))
    assert not torch.equal(weights(plain), weights(rough))
    torch.testing.assert_close(weights(plain), weights(rough), rtol=0, atol=0.2)
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network: compiled.append(network) or network)
    same, _ = run(dataclasses.replace(SHORT, compile=True))
    assert len(compiled) == 1
    assert torch.equal(weights(plain), weights(same))
    with pytest.raises(InputError, match="--precision is 'half', expected one of float32, bfloat16"):
        Recipe(precision="half")
