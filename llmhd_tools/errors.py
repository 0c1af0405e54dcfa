"""The errors that a user can cause or meet. Libraries raise them; only ``console.guard`` turns them into exits."""

from __future__ import annotations

import os


class LlmhdError(Exception):
    """One line for a person: where it happened, what is wrong, what to do.

    ``where`` is a file, or ``file:line``; it is printed in front of the message, ``-`` as stdin.
    """

    exit_code = 70

    def __init__(self, what: str, *, where: str | os.PathLike[str] | None = None, line: int | None = None) -> None:
        place = "" if where is None else os.fspath(where)
        if place.partition(":")[0] == "-":
            place = "stdin" + place[1:]
        if line is not None:
            place += f":{line}"
        super().__init__(f"{place}: {what}" if place else what)


class InputError(LlmhdError):
    """A file, a record or a check is wrong (exit 1)."""

    exit_code = 1


class UsageError(LlmhdError):
    """The words of the command do not fit together (exit 2)."""

    exit_code = 2


class ServiceError(LlmhdError):
    """The LLM service cannot go on; finished work is kept (exit 3)."""

    exit_code = 3


class DeviceError(LlmhdError):
    """The device or its memory fails (exit 4)."""

    exit_code = 4


class Interrupted(LlmhdError):
    """SIGINT (exit 130) or SIGTERM (143) in the midst of work that can be taken up again."""

    def __init__(self, what: str, exit_code: int) -> None:
        super().__init__(what)
        self.exit_code = exit_code
