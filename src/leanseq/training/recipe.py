"""How a network is trained: every number that the loop depends on, checked when made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError

CHOICES = {
    "optimizer": ("adamw", "lion", "muon"),
    "schedule": ("one-cycle", "constant"),
    "strands": ("random", "both", "forward"),
    "select": ("last", "best"),
    "precision": ("float32", "bfloat16"),
}


@dataclass(frozen=True)
class Recipe:
    """A training recipe.

    Attributes
    ----------
    epochs
        Passes over the training rows.
    batch
        Rows a step; an epoch is cut into equal batches of about this size.
    optimizer
        `adamw`, `lion`, or `muon`: orthogonal steps for matrices, which learn more from each row.
    lr
        Peak learning rate.
    weight_decay
        Decoupled weight decay.
    schedule
        `one-cycle` or `constant`.
    clip
        Largest norm of the gradient; 0 for no clipping.
    ema
        Decay a step of an exponential moving average of the weights, which is then evaluated and kept; 0 for none.
    strands
        `random`: each row shows one strand an epoch, drawn anew; `both`: each epoch holds both strands of every
        row; `forward`: rows as they are, in prediction too.
    shift
        Each row is shown moved by up to so many positions to either side, drawn anew in each epoch (Kelley 2018);
        positions from beyond the window are unknown. 0 for rows as they are, which is how they are predicted.
    stream
        Rows drawn from the training rows for each epoch; 0 for all of them, every epoch.
    select
        `last` keeps the last epoch, `best` the one with the best validation r (and says so).
    patience
        Stop after this many epochs without a better validation r; 0 for never.
    precision
        `float32`, or `bfloat16` for the matrix products of training steps: faster on many GPUs, slower on most
        processors.
    compile
        Let `torch.compile` rewrite the training step: for long runs on a GPU; it takes up to a minute at the start and
        needs a C++ compiler.
    """

    epochs: int = 8
    batch: int = 128
    optimizer: str = "adamw"
    lr: float = 3e-3
    weight_decay: float = 0.05
    schedule: str = "one-cycle"
    clip: float = 1.0
    ema: float = 0.0
    strands: str = "random"
    shift: int = 0
    stream: int = 0
    select: str = "last"
    patience: int = 0
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise InputError(f"--{name} is {value!r}, expected one of {', '.join(known)}")
        for name, low in {"epochs": 1, "batch": 2, "shift": 0, "stream": 0, "patience": 0}.items():
            if (value := getattr(self, name)) < low:
                raise InputError(f"--{name} is {value}, expected {low} or more")
        for name in ("weight_decay", "clip"):
            if not 0 <= (value := getattr(self, name)) < float("inf"):
                raise InputError(f"--{name.replace('_', '-')} is {value:g}, expected 0 or more")
        if not 0 < self.lr < float("inf"):
            raise InputError(f"--lr is {self.lr:g}, expected more than 0")
        if not 0 <= self.ema < 1:
            raise InputError(f"--ema is {self.ema:g}, expected 0 (none) to below 1, such as 0.999")

    def rows_per_epoch(self, rows: int) -> int:
        """Rows shown in an epoch of a training set of `rows` rows, both strands counted."""
        return (min(self.stream, rows) if self.stream else rows) * (2 if self.strands == "both" else 1)

    def steps_per_epoch(self, rows: int) -> int:
        """Steps of an epoch of a training set of `rows` rows."""
        return max(1, round(self.rows_per_epoch(rows) / self.batch))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
