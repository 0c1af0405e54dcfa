"""Small helpers of the importers' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.importers import read_source
from llmhd_tools.importers.source import Interactions, Source
from llmhd_tools.importers.text import BadRows


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def users(rows: Interactions) -> list[str]:
    return [rows.users[code] for code in rows.user]


def items(rows: Interactions) -> list[str]:
    return [rows.items[code] for code in rows.item]


def pairs(rows: Interactions) -> list[tuple[str, str]]:
    return list(zip(users(rows), items(rows), strict=True))


def refused(message: str, format: str, path: Path, error: type = InputError, **options: Any) -> None:
    with pytest.raises(error) as caught:
        read_source(format, path, **options)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def skipping(format: str, path: Path, **options: Any) -> tuple[Source, list[dict[str, Any]]]:
    """What is read when bad rows are skipped, and the bad rows."""
    kept: list[dict[str, Any]] = []
    bad = BadRows(skip=True, keep=kept.append)
    source = read_source(format, path, bad=bad, **options)
    assert sum(bad.counts.values()) == len(kept)
    return source, kept
