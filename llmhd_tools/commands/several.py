"""One command in the several processes that torchrun starts; see docs/scale.md."""

from __future__ import annotations

import os
from collections.abc import Callable

from llmhd_tools import console
from llmhd_tools.errors import UsageError


def started() -> bool:
    """Whether this process is one of several that are to run the same command."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def one_of_several(name: str, work: Callable[[], int | None]) -> int:
    """Do this process's part of ``work``; its exit code, the same in all of them."""
    if name == "llmhd train-epoch":
        from llmhd_tools.train.ranks import together

        return together(name, work)

    def refuse() -> int:
        raise UsageError("only train-epoch runs in several processes; start this without torchrun (or WORLD_SIZE)")

    return console.guard(name, refuse, lambda code: None if os.environ.get("RANK", "0") == "0" else code)
