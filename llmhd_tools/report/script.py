"""Runs as a shell script that makes them again."""

from __future__ import annotations

import shlex
from typing import Any

from llmhd_tools import settings
from llmhd_tools.report.runs import Run

_SECTIONS = (
    settings.Model, settings.Machine, settings.Stopping, settings.Measuring, settings.Cleaning, settings.Suspecting,
    settings.Staging, settings.Pruning, settings.Judging, settings.Profiles, settings.Inferring, settings.Relating,
    settings.Service, settings.Shuffling,
)  # fmt: skip
_FILES = ("valid", "test", "items", "profiles", "vectors", "aligned", "disliked", "title")


def script(runs: list[Run]) -> str:
    """``llmhd run`` lines with the settings that are not as usual; file names are as they were given then."""
    lines = ["#!/bin/sh", "set -eu", "# run this where the runs were started: file names are as they were given"]
    return "\n".join([*lines, *map(_line, runs)]) + "\n"


def _line(run: Run) -> str:
    words = ["llmhd", "run", run.settings["train"]]
    for name in _FILES:
        if run.settings.get(name) is not None:
            words += [f"--{name}", run.settings[name]]
    for section in _SECTIONS:
        usual = section()
        for name, spec in settings.choices_of(section).items():
            value = run.settings.get(name)
            if value is not None and name in run.settings and _plain(value) != _plain(getattr(usual, name)):
                words += _option(name, value, spec.words)
    if epochs := max((r["epoch"] for r in run.records if "epoch" in r), default=0):
        words += ["--epochs", str(epochs)]  # settings leave it out: a run may go on for longer
    return " ".join(shlex.quote(str(word)) for word in [*words, "-o", run.folder])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _option(name: str, value: Any, words: str) -> list[str]:
    """A setting as its words; a switch that is off by its --no- form."""
    spelt = words.split(",")[0].split("/")
    option = spelt[0] or f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [option if value else (spelt[1] if len(spelt) > 1 else f"--no-{option[2:]}")]
    return [word for one in (value if isinstance(value, list) else [value]) for word in (option, str(one))]
