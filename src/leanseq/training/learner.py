"""What changes from step to step while a network learns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..evaluation.metrics import pearson, spearman
from .batches import Batch, epoch_batches
from .checkpoints import (
    damaged,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
    with_prefix,
    without_prefix,
)
from .evaluate import activated_outputs
from .inputs import Channels, Examples, network_input, shifted
from .objectives import Objective
from .optimizers import make_optimizer
from .recipe import Recipe
from .schedules import learning_rate


@dataclass(frozen=True)
class Epoch:
    """One row of `history.csv`; losses in the objective's reported unit.

    Training figures are those of the network while it learned: in training mode, averaged over the epoch.
    """

    epoch: int
    lr: float
    train_loss: float
    train_r: float
    train_rho: float
    valid_loss: float
    valid_r: float
    valid_rho: float
    seconds: float


class Learner:
    """A network, its optimiser and its place in the run; knows how to make a step and to be saved and restored."""

    def __init__(
        self, network: nn.Module, objective: Objective, channels: Channels, recipe: Recipe, train: Examples, seed: int
    ) -> None:
        self.network, self.objective, self.channels, self.recipe = network, objective, channels, recipe
        self.seed, self.rows = seed, len(train)
        self.forward = torch.compile(network) if recipe.compile else network
        self.device = next(network.parameters()).device
        self.codes = torch.from_numpy(train.codes).to(self.device)
        self.targets = objective.targets(train.expression).to(self.device)
        self.weights = torch.from_numpy(train.weight.astype(np.float32)).to(self.device)
        self.integer = torch.from_numpy(train.expression == np.round(train.expression)).to(self.device)
        self.expression = train.expression
        self.optimizer = make_optimizer(recipe.optimizer, network, recipe.lr, recipe.weight_decay)
        self.steps_per_epoch = recipe.steps_per_epoch(self.rows)
        self.steps = self.steps_per_epoch * recipe.epochs
        self.step = 0
        self.average = {name: value.clone() for name, value in network.state_dict().items()} if recipe.ema else {}
        self.best: dict[str, Tensor] = {}
        self.elapsed = 0.0
        # loss, prediction and label of every row of the running epoch, in the order shown
        self.seen = torch.zeros(3, recipe.rows_per_epoch(self.rows))
        self.shown = 0

    @property
    def epoch(self) -> int:
        """Index of the running epoch."""
        return self.step // self.steps_per_epoch

    def rest_of_epoch(self) -> Iterator[Batch]:
        """Batches of the running epoch that are still to come."""
        batches = epoch_batches(self.recipe, self.rows, self.seed, self.epoch)
        yield from batches[self.step % self.steps_per_epoch :]

    def learn(self, rows: np.ndarray, flipped: np.ndarray, shift: np.ndarray, lr: float | None = None) -> None:
        """Make one step on a batch, at the schedule's learning rate or at `lr`."""
        self.network.train()
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.step]).generate_state(1, np.uint64)[0] >> 1))
        for group in self.optimizer.param_groups:
            group["lr"] = lr or learning_rate(self.recipe.schedule, self.step, self.steps, self.recipe.lr)
        chosen = torch.from_numpy(rows).to(self.device)
        codes = self.codes[chosen]
        if self.recipe.shift:
            codes = shifted(codes, torch.from_numpy(shift).to(self.device))
        shown = network_input(codes, self.channels, torch.from_numpy(flipped).to(self.device), self.integer[chosen])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            output = self.forward(shown).float()
        losses = self.objective.loss(output, self.targets[chosen])
        loss = (losses * self.weights[chosen]).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self._remember(rows, losses.detach(), output.detach())
        if self.recipe.ema:
            self._average()
        self.step += 1

    def _remember(self, rows: np.ndarray, losses: Tensor, output: Tensor) -> None:
        if not torch.isfinite(losses).all():
            raise InputError(
                f"the loss is not finite at step {self.step + 1} (epoch {self.epoch + 1}); lower --lr (now "
                f"{self.recipe.lr:g}) or set --clip"
            )
        place = slice(self.shown, self.shown + len(rows))
        self.seen[0, place] = losses.cpu()
        self.seen[1, place] = self.objective.expression(self.objective.activate(output)).cpu()
        self.seen[2, place] = torch.from_numpy(self.expression[rows].astype(np.float32))
        self.shown += len(rows)

    @torch.no_grad()
    def _average(self) -> None:
        # a short memory at first, so that the average does not hold on to the random start
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def finish_epoch(self, valid: Examples, seconds: float) -> Epoch:
        """Look at the validation rows and sum the epoch up."""
        with _weights(self.network, self.average):
            activated = activated_outputs(
                self.network,
                self.objective,
                self.channels,
                valid.codes,
                both_strands=self.recipe.strands != "forward",
            )
        loss, prediction, label = self.seen[:, : self.shown].double().numpy()
        predicted = self.objective.expression(activated).double().numpy()
        valid_losses = self.objective.loss_of_activated(activated, self.objective.targets(valid.expression))
        unit = self.objective.unit
        record = Epoch(
            epoch=self.epoch,
            lr=self.optimizer.param_groups[0]["lr"],
            train_loss=float(loss.mean()) * unit,
            train_r=pearson(label, prediction),
            train_rho=spearman(label, prediction),
            valid_loss=float(valid_losses.mean()) * unit,
            valid_r=pearson(valid.expression, predicted),
            valid_rho=spearman(valid.expression, predicted),
            seconds=self.elapsed + seconds,
        )
        self.shown, self.elapsed = 0, 0.0
        return record

    def keep_best(self, history: list[Epoch]) -> None:
        """Remember the weights if the last epoch was the best and the recipe wants the best."""
        if self.recipe.select == "best" and best_epoch(history) == len(history) - 1:
            source = self.average or self.network.state_dict()
            self.best = {name: value.clone() for name, value in source.items()}

    def chosen(self) -> dict[str, Tensor]:
        """Weights that the recipe keeps."""
        return self.best or self.average or self.network.state_dict()

    def save(self, folder: Path | None, history: list[Epoch]) -> None:
        """Write a checkpoint."""
        if folder is None:
            return
        tensors = {
            **with_prefix("network", self.network),
            **with_prefix("average", self.average),
            **with_prefix("best", self.best),
            **optimizer_tensors(self.optimizer),
            "seen": self.seen[:, : self.shown],
        }
        records = [asdict(record) for record in history]
        save_checkpoint(folder, tensors, {"step": self.step, "elapsed": self.elapsed, "history": records})

    def restore(self, folder: Path | None) -> list[Epoch]:
        """Continue from the folder's checkpoint, if there is one; gives the epochs done."""
        if folder is None or (found := load_checkpoint(folder)) is None:
            return []
        try:
            return self._continue(*found)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise damaged(folder, error) from error

    def _continue(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> list[Epoch]:
        self.network.load_state_dict(without_prefix("network", tensors))
        restore_optimizer(self.optimizer, tensors)
        self.average = {name: value.to(self.device) for name, value in without_prefix("average", tensors).items()}
        self.best = {name: value.to(self.device) for name, value in without_prefix("best", tensors).items()}
        self.step, self.elapsed, self.shown = progress["step"], progress["elapsed"], tensors["seen"].shape[1]
        self.seen[:, : self.shown] = tensors["seen"]
        return [Epoch(**record) for record in progress["history"]]


def best_epoch(history: list[Epoch]) -> int:
    """Index of the epoch with the highest validation r."""
    return max(range(len(history)), key=lambda i: -math.inf if math.isnan(history[i].valid_r) else history[i].valid_r)


@contextmanager
def _weights(network: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """Use other weights for a while."""
    if not weights:
        yield
        return
    own = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(weights)
    try:
        yield
    finally:
        network.load_state_dict(own)
