"""Toy tables and a toy study that several test files share."""

import numpy as np
import polars as pl

LEFT, RIGHT = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"

STUDY = """
title = "Toy"
table = "toy.tsv"
seeds = 2

[base]
size = "tiny"
epochs = 2
batch = 16
train = 60
valid = 40
test = 40

[grid]
lr = [1e-3, 3e-3]

[compare]
reference = { lr = 1e-3 }
"""


def rows(n=160, seed=0):
    """Rows in the pTpA construct whose expression is 5, or 12 where TATAAA was planted."""
    rng = np.random.default_rng(seed)
    inserts = ["".join(rng.choice(list("ACGT"), 40)) for _ in range(n)]
    inserts = [s[:20] + "TATAAA" + s[26:] if i % 2 else s for i, s in enumerate(inserts)]
    values = np.where(np.arange(n) % 2, 12.0, 5.0) + rng.normal(0, 1, n)
    return pl.DataFrame({"sequence": [LEFT + s + RIGHT for s in inserts], "expression": values.clip(0, 17)})


def random_sequences(n, length, seed=0):
    """So many sequences of so many bp."""
    return ["".join(row) for row in np.random.default_rng(seed).choice(list("ACGT"), (n, length))]
