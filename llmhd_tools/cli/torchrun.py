"""One command in the several processes that torchrun starts; see docs/scale.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from llmhd_tools.cli import console
from llmhd_tools.errors import UsageError

if TYPE_CHECKING:
    from llmhd_tools.train.distributed.ranks import Ranks


def started() -> bool:
    """Whether this process is one of several that are to run the same command."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def one_of_several(command: str, name: str, work: Callable[[], int | None]) -> int:
    """Do this process's part of ``work``; its exit code, the same in all of them. ``name`` stands before an error."""
    if command == "train-epoch":
        return _together(name, work)

    def refuse() -> int:
        raise UsageError("only train-epoch runs in several processes; start this without torchrun (or WORLD_SIZE)")

    return console.guard(name, refuse, lambda code: None if os.environ.get("RANK", "0") == "0" else code)


def _together(name: str, work: Callable[[], int | None]) -> int:
    """Run ``work`` on rank 0 while the other ranks follow it."""
    from llmhd_tools.train.distributed.ranks import Ranks, lost_told
    from llmhd_tools.train.distributed.trainer import follow

    met: list[Ranks] = []

    def job() -> int | None:
        met.append(Ranks())
        with lost_told():
            return follow(met[0]) if met[0].rank else work()

    code = console.guard(name, job, lambda code: met[0].claim(code) if met else None)
    if met:
        met[0].leave(code)
    return code
