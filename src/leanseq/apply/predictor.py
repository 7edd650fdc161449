"""What all trained models share: which sequences fit the construct, and a prediction for each that does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, UInt8

from ..data.construct import Construct
from ..data.table import Table, from_columns
from ..errors import InputError
from ..training.evaluate import BATCH

BLOCK = 64 * BATCH
"""Rows of a partition: whole batches, so that the answers have the bits of a prediction in one piece."""


class Windows(NamedTuple):
    """Which of n sequences fit the construct, and the windows of those."""

    fits: Bool[np.ndarray, " n"]
    codes: UInt8[np.ndarray, "fitting length"]

    def place(self, values: Float[np.ndarray, " fitting"]) -> Float[np.ndarray, " n"]:
        """Give every value its place among all sequences, and nan to those that do not fit."""
        out = np.full(len(self.fits), np.nan)
        out[self.fits] = values
        return out


class Predictor(ABC):
    """A trained model, whatever it is made of.

    Attributes
    ----------
    construct
        Window and adapters that sequences must fit.
    """

    construct: Construct

    @abstractmethod
    def expression(self, codes: UInt8[np.ndarray, "n length"]) -> Float[np.ndarray, " n"]:
        """Predict windows of the construct, in the unit of the training table."""

    def predict(self, sequences: Sequence[str] | Table, *, misfits: str = "refuse") -> Float[np.ndarray, " n"]:
        """Predict expression.

        Parameters
        ----------
        sequences
            Rows as in the training table, adapters included; strings or a table.
        misfits
            What happens if a sequence lacks the adapters or is longer than the window: `refuse` all, or `skip` it
            (its prediction is NaN).

        Returns
        -------
        Float[np.ndarray, " n"]
            In the unit of the training table.

        Raises
        ------
        InputError
            If a sequence is not DNA or, unless skipped, does not fit the construct.
        """
        windows = self.windows(sequences, misfits=misfits)
        return windows.place(self.expression(windows.codes))

    def columns(self, sequences: Sequence[str] | Table, *, misfits: str = "refuse") -> pl.DataFrame:
        """Everything that is said about sequences, as columns of a table; null where one is skipped.

        Parameters and errors are those of `predict`. No sequences give the names of the columns.
        """
        return pl.DataFrame({"prediction": self.predict(sequences, misfits=misfits)}).fill_nan(None)

    def windows(self, sequences: Sequence[str] | Table, *, misfits: str = "refuse") -> Windows:
        """Windows of the sequences that fit; parameters and errors are those of `predict`."""
        if misfits not in ("refuse", "skip"):
            raise InputError(f"--misfits is {misfits!r}, expected refuse or skip")
        if not isinstance(sequences, Table):
            if isinstance(sequences, str):
                raise InputError("predict: one string given, expected a list of sequences; write [sequence]")
            if not len(sequences):
                return Windows(np.zeros(0, dtype=bool), np.zeros((0, self.construct.length), dtype=np.uint8))
            sequences = from_columns({"sequence": list(sequences)}, "sequences")
        fits = self.fits(sequences, misfits=misfits)
        return Windows(fits, self.construct.windows(sequences.sequences.filter(pl.Series(fits))))

    def fits(self, table: Table, *, misfits: str = "refuse") -> Bool[np.ndarray, " n"]:
        """Which rows fit the construct.

        Raises
        ------
        InputError
            If one does not and `misfits` is `refuse`.
        """
        fits = self.construct.fits(table.sequences)
        if misfits == "refuse" and not fits.all():
            raise InputError(self._misfit(table, int(np.argmin(fits)), int((~fits).sum())))
        return fits

    def _misfit(self, table: Table, row: int, count: int) -> str:
        sequence, construct = table.sequences[row], self.construct
        if len(sequence) > construct.length:
            reason = f"is {len(sequence)} bp long, expected at most the model's window of {construct.length} bp"
        elif len(sequence) < construct.adapter_length:
            reason = f"is {len(sequence)} bp long, expected both adapters of {construct.name}: over "
            reason += f"{construct.adapter_length} bp"
        else:
            side = "left" if not sequence.startswith(construct.left_adapter) else "right"
            adapter = construct.left_adapter if side == "left" else construct.right_adapter
            verb = "start" if side == "left" else "end"
            reason = f"does not {verb} with the {side} adapter {adapter} of {construct.name}"
        others = f" (and {count - 1:,} more rows)" if count > 1 else ""
        return (
            f"{table.where(row)}: column 'sequence' {reason}{others}; give sequences as in the training table, or "
            "leave such rows without a prediction with --misfits skip"
        )
