"""Datasets of other tools, read into one form. A module per format, each with a function ``read(path, **options)``."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmhd_tools.errors import InputError, UsageError

if TYPE_CHECKING:
    from llmhd_tools.importers.source import Source
    from llmhd_tools.importers.text import BadRows

# format -> (module, options that the format's name stands for)
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "rlmrec": ("rlmrec", {}),
    "recbole": ("recbole", {}),
    "movielens": ("movielens", {}),
    "lightgcn": ("lightgcn", {}),
    "columns": ("columns", {}),
    "csv": ("columns", {"kind": "csv"}),
    "tsv": ("columns", {"kind": "tsv"}),
    "jsonl": ("columns", {"kind": "jsonl"}),
    "parquet": ("columns", {"kind": "parquet"}),
    "npz": ("columns", {"kind": "npz"}),
}


def check_format(format: str) -> None:
    """Raise UsageError for a format that there is not."""
    if format not in FORMATS:
        named = ", ".join(name for name in FORMATS if name != "columns")  # that one tells by the suffix, for programs
        raise UsageError(f"unknown format '{format}', must be one of {named}")


def read_source(format: str, path: str | os.PathLike[str], bad: BadRows | None = None, **options: Any) -> Source:
    """The dataset at ``path`` in ``format`` (a key of ``FORMATS``); ``options`` are those of the format's ``read``.

    ``bad`` says what becomes of rows that cannot be read; None refuses the first. UsageError: unknown format or option,
    missing extra. InputError: what is wrong with the data, with file and line.
    """
    check_format(format)
    module, implied = FORMATS[format]
    read = importlib.import_module(f"{__name__}.{module}").read
    known = [name for name in inspect.signature(read).parameters if name not in ("path", "bad") and name not in implied]
    for name in options:
        if name not in known:
            spelt = ", ".join(f"`{name}`" for name in known) or "none"
            raise UsageError(f"format '{format}' has no option `{name}`; it has {spelt}")
    try:
        source: Source = read(Path(path), **implied, **options, bad=bad)
    except OSError as err:
        raise InputError(f"cannot be read: {err.strerror or err}", where=err.filename or path) from err
    return source
