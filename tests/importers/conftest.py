"""Real data for the importers' tests; it lies beside the project and is never copied into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("LLMHD_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


@pytest.fixture
def amazon_book() -> Path:
    path = SHARED / "amazon-book"
    if not path.is_dir():
        pytest.skip(f"needs the Amazon-book data in {path} (or LLMHD_DATA)")
    return path
