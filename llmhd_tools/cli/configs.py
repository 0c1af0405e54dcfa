"""Options from TOML files: ``run --config FILE``, and the presets that come with the tool."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

FOLDER = Path(__file__).parent / "presets"
PRESETS = ("paper", "best")


def config(context: typer.Context, path: str | None) -> str | None:
    """Let a TOML file give the defaults of all other options; what stands on the command line wins."""
    if path is not None:
        context.default_map = {**(context.default_map or {}), **_read(context, path)}
    return path


def preset(context: typer.Context, name: str | None) -> str | None:
    """Let a preset give the defaults that --config does not give."""
    if name is None:
        return None
    if name not in PRESETS:
        raise typer.BadParameter(f"'{name}' is unknown; choose from {', '.join(PRESETS)}")
    context.default_map = {**_read(context, str(path_of(name))), **(context.default_map or {})}
    return name


def path_of(name: str) -> Path:
    """The file of a preset."""
    return FOLDER / f"{name}.toml"


def _read(context: typer.Context, path: str) -> dict[str, Any]:
    """The file's values by the command's parameters, in the form that the command line gives them."""
    given = _parse(path)
    options = {option.lstrip("-"): p for p in context.command.params for option in p.opts if option.startswith("--")}
    defaults = {}
    for name, value in given.items():
        option = options.get(name.replace("_", "-"))
        if option is not None and option.name == "scorer":  # a file from elsewhere must not start programs
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
        defaults[option.name] = value
    return defaults


def _parse(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as stream:
            given: dict[str, Any] = tomllib.load(stream)
            return given
    except OSError as error:
        raise typer.BadParameter(f"{path}: {(error.strerror or '').lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: is not TOML ({error})") from None
