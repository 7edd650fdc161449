"""What several test files share: the folder of real measured tables, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real tables: LEANSEQ_DATA, or shared/data beside the repository; skips where absent."""
    folder = Path(os.environ.get("LEANSEQ_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "yeast_native80.tsv").is_file():
        pytest.skip("real tables are absent; name their folder in LEANSEQ_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Compute on one thread: toy networks are small, and the suite runs in several processes."""
    import torch

    torch.set_num_threads(1)
