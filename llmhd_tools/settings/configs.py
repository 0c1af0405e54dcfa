"""Choices in TOML files, and the files that come with the tool."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmhd_tools.errors import UsageError

FOLDER = Path(__file__).parent / "presets"
PRESETS = ("paper", "best")


def path_of(name: str) -> Path:
    """The file of a preset."""
    return FOLDER / f"{name}.toml"


def preset(name: str) -> dict[str, Any]:
    """The choices of a preset by name, ``paper`` (LLMHD as printed) or ``best`` (as measured)."""
    if name not in PRESETS:
        raise UsageError(f"there is no preset '{name}'; choose from {', '.join(PRESETS)}")
    return read_config(name)


def toml_of(choices: Mapping[str, Any], comment: str) -> str:
    """Choices by name as the text of such a file, beneath a comment of one line; None is left out."""
    lines = [f"{name.replace('_', '-')} = {_toml(value)}\n" for name, value in choices.items() if value is not None]
    return f"# {comment}\n{''.join(lines)}"


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def read_config(path: str) -> dict[str, Any]:
    """The values in a TOML file, or in the preset of that name, over those of the files that its ``base`` names.

    ``base`` is one or several, relative to the file. Raises UsageError where there is no such file, or it is not TOML.
    """
    given = _parse(path)
    bases = given.pop("base", [])
    found: dict[str, Any] = {}
    for base in bases if isinstance(bases, list) else [bases]:
        found |= read_config(base if base in PRESETS else str(Path(path).parent / str(base)))
    return found | given


def _parse(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path_of(path) if path in PRESETS else path, "rb") as stream:
            given: dict[str, Any] = tomllib.load(stream)
            return given
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file, and none of {', '.join(PRESETS)}") from None
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or '').lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML ({error})") from None
