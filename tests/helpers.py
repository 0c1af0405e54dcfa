"""What tests of several folders share; with the standard library alone, so that a test does not lean on what it tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# the three score thresholds, which move a point every 12 steps
THRESHOLDS = (
    *("--pair-threshold", "7:3:12"),
    *("--positive-threshold", "8:6:12"),
    *("--negative-threshold", "2:4:12"),
)


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    """Write records, one a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
