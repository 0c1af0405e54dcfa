"""How a file was made: command, version, resolved parameters, digests of the inputs. No clock, host, user or file name,
so that the same work by pipe, Make or ``run`` gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmhd_tools import __version__


def made(command: str, params: Mapping[str, Any], inputs: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """The ``made`` record that a binary file's meta carries; ``inputs`` maps an option's name to content digests."""
    return {
        "command": command,
        "version": __version__,
        "params": dict(sorted(params.items())),
        "inputs": dict(sorted(inputs.items())),
    }
