"""Options from TOML files: ``run --config FILE``, or the name of a file that comes with the tool."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

FOLDER = Path(__file__).parent / "presets"
PRESETS = ("paper", "best")


def config(context: typer.Context, paths: list[str]) -> list[str]:
    """Let TOML files give the defaults of all other options, later files before earlier ones; the command line wins."""
    for path in paths:
        context.default_map = {**(context.default_map or {}), **_read(context, path)}
    return paths


def path_of(name: str) -> Path:
    """The file of a preset."""
    return FOLDER / f"{name}.toml"


def read_config(path: str) -> dict[str, Any]:
    """The values in a TOML file, or in the preset of that name. Raises BadParameter where there is no such file."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path_of(path) if path in PRESETS else path, "rb") as stream:
            given: dict[str, Any] = tomllib.load(stream)
            return given
    except FileNotFoundError:
        raise typer.BadParameter(f"{path}: no such file, and none of {', '.join(PRESETS)}") from None
    except OSError as error:
        raise typer.BadParameter(f"{path}: {(error.strerror or '').lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: is not TOML ({error})") from None


def _read(context: typer.Context, path: str) -> dict[str, Any]:
    """The file's values by the command's parameters, in the form that the command line gives them."""
    options = {option.lstrip("-"): p for p in context.command.params for option in p.opts if option.startswith("--")}
    defaults = {}
    for name, value in read_config(path).items():
        if name == "title":  # of the method, for tables
            continue
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
