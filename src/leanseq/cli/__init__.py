"""The command line: one thin file per command; heavy imports stay inside functions."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import InputError

COMMANDS = {
    "train": ("train:train", "Train a network on a table of measured sequences and evaluate it."),
    "fit": ("fit:fit", "Make the best model of a table that a time budget allows."),
    "plan": ("plan:plan", "Say whether a table is large enough, and what more sequences would buy."),
    "predict": ("predict:predict", "Predict expression with a trained model."),
    "evaluate": ("evaluate:evaluate", "Score a trained model on another table of measured sequences."),
    "study": ("study:app", "Plan, run and report studies of many runs."),
    "tune": ("tune:tune", "Search for the best settings of a network."),
    "report": ("report:report", "Write a finished run's report anew."),
    "models": ("models:models", "List architectures, modifications and their options."),
    "lr-range": ("lr_range:lr_range", "Find the range of learning rates at which a network learns."),
    "simulate": ("simulate:simulate", "Write a simulated sort-seq experiment."),
    "data": ("data:app", "List and fetch public data sets."),
}
"""Name -> where the command is, loaded when it is called, and its line in `leanseq --help`."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 wrong input, 130 stopped."""
    from cyclopts import App, CycloptsError, Parameter

    from .. import __version__

    app = App(
        name="leanseq",
        help="Predict expression from short regulatory DNA, from thousands of measured sequences.",
        version=__version__,
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        help_on_error=False,
        default_parameter=Parameter(converter=_convert),
    )
    for name, (place, line) in COMMANDS.items():
        app.command(f"leanseq.cli.{place}", name=name, help=line)
    try:
        app(arguments)
    except (InputError, CycloptsError) as error:
        stop(2, f"leanseq: error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        stop(130, "leanseq: stopped")
    except BrokenPipeError:
        # the reader went away, as in `leanseq models | head`; nothing is lost
        sys.stderr.close()
        sys.exit(0)
    sys.exit(0)


def _convert(kind: Any, tokens: Sequence[Any]) -> Any:
    """Convert as cyclopts does, but round no number: `--epochs 1.5` is a mistake."""
    from cyclopts import convert

    if kind is int and not re.fullmatch(r"[-+]?\d+", tokens[0].value.strip()):
        raise ValueError(f"{tokens[0].value!r}, expected a whole number")
    return convert(kind, tokens)


def stop(code: int, line: str) -> NoReturn:
    """Say one line on stderr and exit."""
    print(line, file=sys.stderr)
    sys.exit(code)
