"""The commands and data that the tests of faults share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "cli")]

from test_bad_inputs import shared  # noqa: E402, F401 - a fixture
