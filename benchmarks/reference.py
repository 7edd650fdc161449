"""A plain pipeline for the same networks, in the style in which such models are usually published.

Sequences are strings that a `Dataset` encodes base by base; a `DataLoader` collates them; networks are made of
`torch.nn` modules on `[n, channels, length]`; nothing is tuned. It is what leanseq is measured against, and it imports
nothing of leanseq. Its modules bear the names and shapes of leanseq's, so `plain.load_state_dict(ours.state_dict())`
gives both the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

# Sequences --------------------------------------------------------------------------------------------------------

CHANNEL = {"A": 0, "C": 1, "G": 2, "T": 3}
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}
BINS, BIN_SD, LENGTH = 18, 0.5, 150


def reverse_complement(sequence: str) -> str:
    """The other strand, 5' to 3'."""
    return "".join(COMPLEMENT[base] for base in reversed(sequence))


def pad(sequence: str, left: str, length: int = LENGTH) -> str:
    """A sequence completed on the left from its context."""
    return (left + sequence)[-length:]


def encode(sequence: str, channels: int = 4, flipped: bool = False, singleton: bool = False) -> np.ndarray:
    """One-hot array [channels, length]; channels 4 and 5, where asked for, mark the other strand and whole labels."""
    shown = reverse_complement(sequence) if flipped else sequence
    array = np.zeros((channels, len(sequence)), dtype=np.float32)
    for position, base in enumerate(shown):
        if base in CHANNEL:
            array[CHANNEL[base], position] = 1.0
    if channels == 6:
        array[4], array[5] = flipped, singleton
    return array


def soft_label(label: float) -> np.ndarray:
    """Probabilities of the 18 bins around a label."""
    edges = np.array([-np.inf, *np.arange(1, BINS), np.inf])
    return np.diff(norm.cdf(edges, loc=label + 0.5, scale=BIN_SD)).astype(np.float32)


class SequenceDataset(Dataset):
    """Strings and labels; items `rows + i` are the other strand of items `i`."""

    def __init__(self, sequences: Sequence[str], labels: Sequence[float], channels: int = 4) -> None:
        self.sequences, self.labels, self.channels = sequences, labels, channels

    def __len__(self) -> int:
        return 2 * len(self.sequences)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        row, flipped = index % len(self.sequences), index >= len(self.sequences)
        label = self.labels[row]
        return encode(self.sequences[row], self.channels, flipped, label == round(label)), soft_label(label)


def load_batches(dataset: SequenceDataset, batches: Sequence[Sequence[int]]) -> DataLoader:
    """A loader of the given items, batch by batch."""
    return DataLoader(dataset, batch_sampler=batches, num_workers=0)  # pyright: ignore[reportArgumentType]


def forever(loader: DataLoader) -> Iterator[list[Tensor]]:
    """Batches of a loader, again and again."""
    while True:
        yield from loader


# Networks ---------------------------------------------------------------------------------------------------------

WIDTHS = (256, 128, 128, 64, 64, 64, 64)
DIVISORS = {"full": 1, "small": 2, "tiny": 4}
RATES, RATIO = (4, 3, 2, 2, 1, 1), 0.4


class Unit(nn.Module):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding="same", groups=groups, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


class Bilinear(nn.Module):
    """Tensor regression on the outer product of a vector with itself, its tensor held in CP form."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        rank = max(1, round(0.5 * features**2 * outputs / (2 * features + outputs)))
        self.scale = nn.Parameter(torch.zeros(rank))
        self.left = nn.Parameter(torch.zeros(features, rank))
        self.right = nn.Parameter(torch.zeros(features, rank))
        self.out = nn.Parameter(torch.zeros(outputs, rank))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        tensor = torch.einsum("r,ir,jr,or->ijo", self.scale, self.left, self.right, self.out)
        products = x.unsqueeze(2) @ x.unsqueeze(1)
        return torch.tensordot(products, tensor, dims=2) + self.bias


class SqueezeExcite(nn.Module):
    """Gates from the mean over the length; the form of 2022 adds a bilinear term."""

    def __init__(self, channels: int, bottleneck: int, bilinear: bool) -> None:
        super().__init__()
        products = bottleneck // 2 if bilinear else 0
        self.squeeze = nn.Linear(channels, bottleneck)
        self.bilinear = bilinear
        if bilinear:
            self.mix = nn.Linear(bottleneck, bottleneck)
            self.pairs = Bilinear(bottleneck, products)
        self.excite = nn.Linear(bottleneck + products, channels)
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        state = self.activation(self.squeeze(x.mean(2)))
        if self.bilinear:
            state = self.mix(state)
            state = self.activation(torch.cat([state, self.pairs(state)], 1))
        return x * torch.sigmoid(self.excite(state)).unsqueeze(2)


class Block(nn.Module):
    """One block of LegNet: widen, convolve by group, gate, narrow, concatenate, resize."""

    def __init__(self, inputs: int, outputs: int, dream: bool) -> None:
        super().__init__()
        middle = 4 * (outputs if dream else inputs)
        self.dream = dream
        self.expand = Unit(inputs, middle)
        self.local = Unit(middle, middle, 7, groups=middle // (2 if dream else 1))
        self.gate = SqueezeExcite(middle, inputs // 4, bilinear=dream)
        self.project = Unit(middle, inputs)
        self.resize = Unit(2 * inputs, outputs, 7)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.project(self.gate(self.local(self.expand(x))))
        return self.resize(torch.cat([x, inner] if self.dream else [inner, x], 1))


class MeanHead(nn.Module):
    """A 1x1 convolution and the mean over the length."""

    def __init__(self, inputs: int, outputs: int, activation: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 1)
        self.activation = nn.SiLU() if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.conv(x)).mean(2)


class MixedConv(nn.Conv1d):
    """A convolution and its dilated companion, mixed."""

    def __init__(self, channels: int, groups: int, rate: int) -> None:
        super().__init__(channels, channels, 7, padding="same", groups=groups, bias=False)
        self.dilated = nn.Conv1d(channels, channels, 7, padding="same", groups=groups, dilation=rate, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        return (1 - RATIO) * super().forward(input) + RATIO * self.dilated(input)


class LengthEmbedding(nn.Module):
    """A learned linear map of the length axis of the four bases; extra channels keep their value."""

    def __init__(self, length: int, positions: int) -> None:
        super().__init__()
        self.map = nn.Linear(length, positions, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        bases = self.map(x[:, :4])
        return torch.cat([bases, x[:, 4:, :1].expand(-1, -1, bases.shape[2])], 1)


class Positions(nn.Module):
    """Sines and cosines of the position, added to the features."""

    def forward(self, x: Tensor) -> Tensor:
        channels, length = x.shape[2], x.shape[1]
        rates = torch.exp(torch.arange(0, channels, 2) * (-math.log(10_000) / channels))
        angle = torch.arange(length)[:, None] * rates
        return x + torch.stack([angle.sin(), angle.cos()], 2).reshape(length, channels)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        n, length, channels = x.shape
        query, key, value = (
            part.reshape(n, length, self.heads, -1).transpose(1, 2) for part in self.query_key_value(x).chunk(3, 2)
        )
        weights = (query @ key.transpose(2, 3) / math.sqrt(channels / self.heads)).softmax(3)
        return self.out((weights @ value).transpose(1, 2).reshape(n, length, channels))


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each after a norm, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, 4)
        self.feedforward_norm = nn.LayerNorm(channels)
        self.feedforward = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feedforward(self.feedforward_norm(x))


class Transformer(nn.Sequential):
    """Two layers of self-attention over the features."""

    def __init__(self, channels: int) -> None:
        super().__init__(Positions(), TransformerLayer(channels), TransformerLayer(channels), nn.LayerNorm(channels))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


class LSTMHead(nn.Module):
    """An LSTM, the mean of its states, one linear layer."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 128) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x.transpose(1, 2))[0].mean(1))


class PlainLegNet(nn.Module):
    """LegNet, either form, with any of the modifications at their defaults and without dropout."""

    def __init__(self, spec: str, size: str, channels: int, length: int = LENGTH, outputs: int = BINS) -> None:
        super().__init__()
        architecture, *modifications = spec.split("+")
        dream = architecture == "legnet-dream2022"
        widths = [width // DIVISORS[size] for width in WIDTHS]
        self.input = LengthEmbedding(length, 70) if "embedding" in modifications else nn.Identity()
        self.stem = Unit(channels, widths[0], 7)
        self.blocks = nn.Sequential(*(Block(i, o, dream) for i, o in pairwise(widths)))
        if "dilated" in modifications:
            for block, rate in zip(self.blocks, RATES, strict=True):
                conv = block.local.conv
                if rate > 1:
                    block.local.conv = MixedConv(conv.in_channels, conv.groups, rate)
        self.context = Transformer(widths[-1]) if "transformer" in modifications else nn.Identity()
        lstm = "lstm" in modifications
        self.head = LSTMHead(widths[-1], outputs) if lstm else MeanHead(widths[-1], outputs, activation=dream)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.context(self.blocks(self.stem(self.input(x)))))


def plain_network(
    spec: str, size: str, channels: int, weights: dict[str, np.ndarray], length: int = LENGTH
) -> PlainLegNet:
    """A plain network with the given weights (a `state_dict` as arrays)."""
    network = PlainLegNet(spec, size, channels, length)
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return network


# Training and prediction ------------------------------------------------------------------------------------------


class Trainer:
    """AdamW on one cycle, the loss on soft bins."""

    def __init__(self, network: nn.Module, steps: int, lr: float, weight_decay: float, clip: float = 0.0) -> None:
        self.network, self.clip = network, clip
        self.loss = nn.KLDivLoss(reduction="batchmean")
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=weight_decay)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=lr, total_steps=steps, cycle_momentum=False
        )

    def step(self, inputs: Tensor, targets: Tensor) -> float:
        """Learn from one batch; gives its loss."""
        self.network.train()
        self.optimizer.zero_grad()
        loss = self.loss(torch.log_softmax(self.network(inputs), 1), targets)
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
        self.scheduler.step()
        return loss.item()


@torch.no_grad()
def predict_batched(network: nn.Module, sequences: Sequence[str], channels: int = 4, batch: int = 128) -> np.ndarray:
    """Expected bin of every sequence, the mean over both strands."""
    network.eval()
    parts = []
    for start in range(0, len(sequences), batch):
        chosen = sequences[start : start + batch]
        strands = [np.stack([encode(one, channels, flipped) for one in chosen]) for flipped in (False, True)]
        answers = [torch.softmax(network(torch.from_numpy(strand)), 1) for strand in strands]
        parts.append((answers[0] + answers[1]) / 2)
    return (torch.cat(parts) @ torch.arange(BINS, dtype=torch.float32)).numpy()


def predict_one_by_one(network: nn.Module, sequences: Iterable[str], channels: int = 4) -> np.ndarray:
    """The same, a batch for every sequence and strand."""
    return np.concatenate([predict_batched(network, [sequence], channels) for sequence in sequences])


def single_mutants(sequence: str) -> list[str]:
    """Every sequence that differs in one base."""
    return [
        sequence[:position] + base + sequence[position + 1 :]
        for position in range(len(sequence))
        for base in CHANNEL
        if base != sequence[position]
    ]


def mutagenesis(network: nn.Module, sequences: Sequence[str], left: str, channels: int = 4) -> np.ndarray:
    """Predictions [n, length, 4] of all single mutants; at a sequence's own bases stands its own prediction."""
    maps = []
    for sequence in sequences:
        mutants = [pad(one, left) for one in (sequence, *single_mutants(sequence))]
        own, *others = predict_batched(network, mutants, channels)
        answers = np.full((len(sequence), 4), own)
        answers[[[base != letter for base in CHANNEL] for letter in sequence]] = others
        maps.append(answers)
    return np.stack(maps)


# Operations -------------------------------------------------------------------------------------------------------


def forward_flops(network: nn.Module, channels: int, length: int = LENGTH) -> int:
    """Floating-point operations of one sequence's forward pass: two for every multiplication of a matrix product.

    Counted are convolutions, linear layers, LSTMs and the products of attention; norms and activations are not.
    """
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        nonlocal total
        x, y = inputs[0], output[0] if isinstance(output, tuple) else output
        if isinstance(module, nn.Conv1d):
            total += 2 * y.numel() * module.in_channels // module.groups * module.kernel_size[0]
        elif isinstance(module, nn.Linear):
            total += 2 * y.numel() * module.in_features
        elif isinstance(module, nn.LSTM):
            total += 2 * y.shape[0] * y.shape[1] * 4 * module.hidden_size * (module.input_size + module.hidden_size)
        elif isinstance(module, Attention):
            total += 2 * 2 * x.shape[1] * x.numel()

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, channels, length))
    for hook in hooks:
        hook.remove()
    return total


def step_flops(network: nn.Module, channels: int, length: int = LENGTH) -> int:
    """Operations of one sequence's training step: the forward pass and twice as many for the gradients."""
    return 3 * forward_flops(network, channels, length)
