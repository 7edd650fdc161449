"""The package keeps its own rules: imports flow one way, nothing heavy loads early, no pickle, no prints."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "leanseq"
ROOMS = [
    "data",
    "evaluation",
    "baselines",
    "kernels",
    "models",
    "training",
    "apply",
    "report",
    "runs",
    "study",
    "lab",
    "cli",
]
FILES = sorted(SOURCE.rglob("*.py"))


def imports(path):
    """Rooms of the package that a file imports from."""
    package = list(path.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            parts = base + (node.module.split(".") if node.module else [])
            if parts:
                yield parts[0]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("leanseq."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_from_rooms_to_its_left(path):
    room = path.relative_to(SOURCE).parts[0]
    if room not in ROOMS:
        return
    wrong = [name for name in imports(path) if name in ROOMS and ROOMS.index(name) > ROOMS.index(room)]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_command_line_prints_and_nothing_unpickles(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    assert "cli" in path.parts or "print" not in names
    text = path.read_text()
    assert "import pickle" not in text
    assert "torch.load" not in text


@pytest.mark.parametrize(
    "code",
    [
        "import leanseq",
        "import leanseq.models",
        "import leanseq.cli.train",
        "from leanseq.cli import main; main(['--help'])",
        "from leanseq.cli import main; main(['train', '--help'])",
        "from leanseq.cli import main; main(['study', 'run', '--help'])",
        "from leanseq.cli import main; main(['tune', '--help'])",
        "from leanseq.cli import main; main(['plan', '--help'])",
        "from leanseq.cli import main; main(['fit', '--help'])",
    ],
)
def test_torch_polars_and_sklearn_stay_out_of_start_up(code):
    heavy = ["torch", "polars", "sklearn", "matplotlib", "scipy", "numpy", "distributed", "optuna", "lightgbm"]
    check = f"""
import sys
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_file_is_long():
    long = {str(path.relative_to(SOURCE)): n for path in FILES if (n := len(path.read_text().splitlines())) > 400}
    assert not long
