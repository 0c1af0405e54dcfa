"""Figures by name for people: one line each, in text or in Markdown."""

from __future__ import annotations

import shlex
from typing import Any

from llmhd_tools.files.jsonl import Record
from llmhd_tools.notes import visible
from llmhd_tools.report.layout import Cell, Layout, markdown


def facts(record: Record, form: str) -> str:
    """Figures as ``text`` or ``markdown``; those that belong together stand on one line."""
    lines = [
        (visible(name), visible(_making(value) if name == "made" else _value(value))) for name, value in record.items()
    ]
    if form == "markdown":
        return markdown(Layout(["", ""], [[Cell(name), Cell(value)] for name, value in lines], []))
    width = max(len(name) for name, _ in lines)
    return "".join(f"{name:<{width}}  {value}\n" for name, value in lines)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _making(made: Record) -> str:
    """How a file was made, as the command's line, with the digests of its inputs behind."""
    words = ["llmhd", made["command"]]
    for name, value in made["params"].items():
        if name == "thresholds":
            words += _thresholds(value)
        elif name == "options":
            words += ["--set " + shlex.quote(f"{option.replace('_', '-')}={part}") for option, part in value.items()]
        elif value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif value is not False and value is not None:
            words.append(f"--{name.replace('_', '-')} {shlex.quote(str(value))}")
    for name, digest in made["inputs"].items():
        words += [f"{name}:{one[:12]}" for one in ([digest] if isinstance(digest, str) else digest)]
    return " ".join(words)


def _thresholds(found: Record) -> list[str]:
    moving = [f"--{name}-threshold {':'.join(f'{v:g}' for v in part.values())}" for name, part in found.items()
              if isinstance(part, dict)]  # fmt: skip
    return [*moving, f"--band {found['gap']:g},{found['low']:g},{found['high']:g}"]
