"""Options from TOML files: ``run --config FILE``, or the name of a file that comes with the tool."""

from __future__ import annotations

import os
from typing import Any

import typer

from llmhd_tools.cli.help import named_words
from llmhd_tools.settings import is_own
from llmhd_tools.settings.configs import read_config


def config(context: typer.Context, paths: list[str]) -> list[str]:
    """Let TOML files give the defaults of all other options, later files before earlier ones; the command line wins.

    ``@/`` before the name of a file stands for the folder of TRAIN, so that one file serves many data sets.
    """
    for path in paths:
        context.default_map = {**(context.default_map or {}), **_read(context, path)}
    return paths


def _read(context: typer.Context, path: str) -> dict[str, Any]:
    """The file's values by the command's parameters, in the form that the command line gives them."""
    options = {option.lstrip("-"): p for p in context.command.params for option in p.opts if option.startswith("--")}
    beside = os.path.dirname(str(named_words(context.command, context).get("train") or ""))
    defaults = {}
    for name, value in read_config(path).items():
        option = options.get(name.replace("_", "-"))
        if option is not None and (option.name == "scorer" or is_own(value)):  # a file must not start programs
            raise typer.BadParameter(f"{path}: '{name}' runs a program, so it must stand on the command line")
        if option is None or option.name in ("config", "help"):
            raise typer.BadParameter(f"{path}: '{name}' is not an option of run")
        flag = getattr(option, "is_flag", False)
        if isinstance(value, bool) != flag or isinstance(value, dict):
            raise typer.BadParameter(f"{path}: '{name}' must be {'true or false' if flag else 'a number or a string'}")
        if getattr(option, "multiple", False):
            value = value if isinstance(value, list) else [value]
        elif isinstance(value, list):
            value = ",".join(map(str, value))
        elif isinstance(value, str) and value.startswith("@/") and option.metavar == "FILE":
            value = os.path.join(beside, value[2:])
        defaults[option.name] = value
    return defaults
